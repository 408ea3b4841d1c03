// What a call of a tool gives a model to read: text of a bounded length, and whether it tells of a failure.

import type { CallToolResult } from "@modelcontextprotocol/client";

export interface McpResult {
  readonly content: string;
  readonly isError: boolean;
}

/** In characters: more would leave little of most contexts. */
const MAX_CONTENT = 100_000;

export function resultOf({ content, structuredContent, isError = false }: CallToolResult): McpResult {
  const parts = content.map(blockText).filter((part) => part !== "");
  const text =
    parts.length > 0 || structuredContent === undefined ? parts.join("\n\n") : JSON.stringify(structuredContent);
  return { content: bounded(text), isError };
}

export function failedResult(problem: string): McpResult {
  return { content: bounded(problem), isError: true };
}

function blockText(block: CallToolResult["content"][number]): string {
  switch (block.type) {
    case "text":
      return block.text;
    case "image":
    case "audio":
      return `[${block.mimeType}, which cannot be shown here]`;
    case "resource_link":
      return `[${block.name}: ${block.uri}]`;
    case "resource":
      return "text" in block.resource ? block.resource.text : `[${block.resource.uri}, which is not text]`;
    default:
      return block satisfies never;
  }
}

function bounded(text: string): string {
  if (text.length <= MAX_CONTENT) return text;
  return `${text.slice(0, MAX_CONTENT)}\n[Cut here: ${MAX_CONTENT} of ${text.length} characters.]`;
}
