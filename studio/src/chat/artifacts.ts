// Pages that the answers of a branch hold, in their order: the versions of what is being made.

import type { Token, Tokens } from "marked";
import { marked } from "../markdown/lexer.ts";
import type { Message } from "../store/database.ts";

const PAGE = /^(?:html?|svg|xhtml)\b/i;

export function artifactsOf(path: readonly Message[]): readonly string[] {
  const pages = path.flatMap(({ role, content }) =>
    role === "assistant" && content.includes("```") ? pagesOf(marked.lexer(content)) : [],
  );
  return [...new Set(pages)];
}

function pagesOf(tokens: readonly Token[]): readonly string[] {
  return tokens.flatMap((token) => {
    if (token.type !== "code") return [];
    const { lang = "", text } = token as Tokens.Code;
    return PAGE.test(lang) || /^\s*<!doctype html/i.test(text) ? [text] : [];
  });
}
