// A tool call's text, piece by piece, to its name and the JSON of its arguments, piece by piece.
//
// For clients that show or parse arguments while they are written. Parameters that can only be strings are handed on as
// they come, escaped; every other kind is read by its schema once it is whole. The JSON is closed only where
// `parseToolCall` reads the same text as a call, and then parses to the same arguments: a call that was cut off never
// looks whole. Text that may still belong to a closing tag is held back, and nothing else.
// Refuses to know markers, tokens and indices.

import type { ToolDefinition } from "./chat-request.ts";
import { allowedTypes, type AllowedTypes, isStringOnly, parametersOf, readValue, type Schema } from "./tool-calls.ts";

export type ToolCallPiece =
  | { readonly type: "name"; readonly name: string }
  /** The next characters of the JSON object of all arguments. */
  | { readonly type: "arguments"; readonly json: string };

const FUNCTION_START = /^\s*<function=([^<>\n]+)>/;
const PARAMETER_START = /^\s*<parameter=([^<>\n]+)>/;
const FUNCTION_END = /^\s*<\/function>\s*$/;
const PARAMETER_END = "</parameter>";
/** What must follow `PARAMETER_END`; otherwise it is part of the value. */
const NEXT_TAGS = ["<parameter=", "</function>"] as const;

export class ToolCallStream {
  readonly #tools: readonly ToolDefinition[];
  #state: "name" | "between" | "value" = "name";
  /** Text that is not understood yet. */
  #rest = "";
  #json = "";
  #schema: Schema;
  #types: AllowedTypes;
  #value = "";
  #numParameters = 0;

  constructor(tools: readonly ToolDefinition[]) {
    this.#tools = tools;
  }

  push(text: string): ToolCallPiece[] {
    this.#rest += text;
    const pieces: ToolCallPiece[] = [];
    // Outside of values only a closed tag says anything new.
    if (this.#state === "value" || text.includes(">")) while (this.#advance(pieces));
    return this.#take(pieces);
  }

  /** At the end of the call; `complete` is whether its end marker was seen. */
  finish(complete: boolean): ToolCallPiece[] {
    if (complete && this.#state === "between" && FUNCTION_END.test(this.#rest)) this.#json += "}";
    return this.#take([]);
  }

  #take(pieces: ToolCallPiece[]): ToolCallPiece[] {
    if (this.#json !== "") pieces.push({ type: "arguments", json: this.#json });
    this.#json = "";
    return pieces;
  }

  /** Whether something was understood, so that more may be. */
  #advance(pieces: ToolCallPiece[]): boolean {
    switch (this.#state) {
      case "name": {
        const name = this.#takeTag(FUNCTION_START);
        if (name === undefined) return false;
        this.#schema = parametersOf(name, this.#tools);
        this.#state = "between";
        this.#json = "{";
        pieces.push({ type: "name", name });
        return true;
      }
      case "between": {
        const key = this.#takeTag(PARAMETER_START);
        if (key === undefined) return false;
        this.#types = allowedTypes(this.#schema, key);
        this.#state = "value";
        this.#json += `${this.#numParameters++ > 0 ? "," : ""}${JSON.stringify(key)}:${this.#isRaw ? '"' : ""}`;
        return true;
      }
      case "value":
        return this.#advanceValue();
      default:
        return this.#state satisfies never;
    }
  }

  #takeTag(pattern: RegExp): string | undefined {
    const match = pattern.exec(this.#rest);
    if (match !== null) this.#rest = this.#rest.slice(match[0].length);
    return match?.[1];
  }

  get #isRaw(): boolean {
    return isStringOnly(this.#types);
  }

  #advanceValue(): boolean {
    for (let from = 0; ;) {
      const end = this.#rest.indexOf(PARAMETER_END, from);
      if (end < 0) {
        this.#addValue(Math.max(from, this.#rest.length - overlap(this.#rest, PARAMETER_END)));
        return false;
      }
      const after = this.#rest.slice(end + PARAMETER_END.length).trimStart();
      if (NEXT_TAGS.some((tag) => after.startsWith(tag))) {
        this.#addValue(end);
        this.#rest = after;
        this.#json += this.#isRaw ? '"' : readValue(this.#value, this.#types).json;
        this.#value = "";
        this.#state = "between";
        return true;
      }
      if (NEXT_TAGS.some((tag) => tag.startsWith(after))) {
        this.#addValue(end);
        return false;
      }
      from = end + PARAMETER_END.length;
    }
  }

  /** The first `length` characters of the rest are part of the value. */
  #addValue(length: number): void {
    const text = this.#rest.slice(0, length);
    this.#rest = this.#rest.slice(length);
    if (this.#isRaw) this.#json += JSON.stringify(text).slice(1, -1);
    else this.#value += text;
  }
}

/** Length of the longest end of the text that is a beginning of the tag. */
function overlap(text: string, tag: string): number {
  let length = Math.min(text.length, tag.length - 1);
  while (!text.endsWith(tag.slice(0, length))) length--;
  return length;
}
