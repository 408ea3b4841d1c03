// Markdown to tokens: GitHub's dialect, and mathematics between dollars or TeX's own brackets.
//
// Nothing here makes HTML; what a token may become is decided where it is drawn (`markdown.tsx`).

import { Marked, type TokenizerExtension, type Tokens } from "marked";

export interface MathToken {
  readonly type: "math";
  readonly raw: string;
  readonly text: string;
  readonly isDisplay: boolean;
}

const BLOCK_MATH = /^ {0,3}(?:\$\$([\s\S]+?)\$\$|\\\[([\s\S]+?)\\\])[ \t]*(?:\n+|$)/;
const INLINE_DISPLAY = /^(?:\$\$([^\n]+?)\$\$|\\\[([^\n]+?)\\\])/;
const INLINE_BRACKETS = /^\\\(([^\n]+?)\\\)/;
// A dollar is money unless it hugs what it encloses and no digit follows.
const INLINE_DOLLAR = /^\$(?![\s$])((?:\\.|[^\\\n$])*?[^\s\\$])\$(?!\d)/;

const blockMath: TokenizerExtension = {
  name: "math",
  level: "block",
  start: (source) => source.match(/\n {0,3}(?:\$\$|\\\[)/)?.index,
  tokenizer: (source) => mathToken(BLOCK_MATH.exec(source), true),
};

const inlineMath: TokenizerExtension = {
  name: "inline-math",
  level: "inline",
  start: (source) => source.match(/\$|\\[[(]/)?.index,
  tokenizer: (source) =>
    mathToken(INLINE_DISPLAY.exec(source), true) ??
    mathToken(INLINE_BRACKETS.exec(source) ?? INLINE_DOLLAR.exec(source), false),
};

/**
 * Bold text next to Chinese: CommonMark asks for a space beside `**` where the text in it begins or ends with a
 * punctuation mark, and Chinese has no spaces.
 */
const boldNextToChinese: TokenizerExtension = {
  name: "strong",
  level: "inline",
  start: (source) => source.match(/\*\*/)?.index,
  tokenizer(source) {
    const match = /^\*\*(?=[^\s*])([^*\n]*?[^\s*])\*\*(?!\*)/.exec(source);
    if (match === null) return undefined;
    const [raw, text = ""] = match;
    return { type: "strong", raw, text, tokens: this.lexer.inlineTokens(text) };
  },
};

function mathToken(match: RegExpExecArray | null, isDisplay: boolean): (Tokens.Generic & MathToken) | undefined {
  if (match === null) return undefined;
  return { type: "math", raw: match[0], text: (match[1] ?? match[2] ?? "").trim(), isDisplay };
}

export const marked = new Marked({
  gfm: true,
  extensions: [blockMath, inlineMath, boldNextToChinese],
} as ConstructorParameters<typeof Marked>[0]);
