// A conversation as a file: JSON for programs (and `mimo generate --file`), Markdown for people.

import { existsSync } from "node:fs";
import { extname } from "node:path";
import { writeFiles } from "../../checkpoint/output-file.ts";
import type { ChatMessage } from "../../tokenizer/chat-request.ts";
import { MimoError } from "../../util/errors.ts";
import type { Conversation } from "./conversation.ts";

/** Writes whole files only. Throws `invalid_argument` for another extension or a file that is not ours to replace. */
export async function saveTranscript(
  path: string,
  conversation: Conversation,
  model: string,
  saved: Set<string>,
): Promise<void> {
  const text = formatTranscript(extname(path).toLowerCase(), conversation, model);
  if (existsSync(path) && !saved.has(path)) {
    throw new MimoError("invalid_argument", `${path} exists and was not written by this chat.`, {
      remedy: "Choose another name.",
    });
  }
  await writeFiles([{ path, chunks: () => [new TextEncoder().encode(text)] }]);
  saved.add(path);
}

function formatTranscript(extension: string, conversation: Conversation, model: string): string {
  const { messages, thinking, generation } = conversation;
  if (extension === ".json") return `${JSON.stringify({ model, thinking, settings: generation, messages }, null, 2)}\n`;
  if (extension === ".md") return `# Chat with ${model}\n\n${messages.map(formatMessage).join("\n")}`;
  throw new MimoError("invalid_argument", `A chat is saved as .json or .md, not as "${extension}".`, {
    remedy: "For example: /save chat.md",
  });
}

const HEADINGS = { system: "System", user: "You", assistant: "MiMo", tool: "Tool" } as const;

function formatMessage({ role, content, reasoning_content: reasoning, tool_calls: calls }: ChatMessage): string {
  const quoted = (reasoning ?? "")
    .trim()
    .split("\n")
    .map((line) => `> ${line}`.trimEnd());
  return [
    `## ${HEADINGS[role]}`,
    ...(reasoning === undefined || reasoning === null ? [] : [quoted.join("\n")]),
    ...(typeof content === "string" && content !== "" ? [content.trim()] : []),
    ...(calls ?? []).map((call) => `\`\`\`json\n${JSON.stringify(call.function, null, 2)}\n\`\`\``),
    "",
  ].join("\n\n");
}
