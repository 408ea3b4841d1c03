// What a chat's options make of its answer: the constraint under which the engine samples it, or none.
//
// Nothing is constrained that need not be: with tools on auto, none of them strict, and text as the answer, the engine
// samples as if this file did not exist. Grammars are compiled before a request is queued, so a schema that cannot be
// enforced is refused at once, and whoever waits for a compilation waits alone.

import type { ConstraintSpec, Markers } from "../grammar/constraint.ts";
import { type TokenTable, tokenTable } from "../grammar/vocabulary.ts";
import type { GrammarSource } from "../schema/compile.ts";
import type { GrammarCompiler } from "../schema/compiler.ts";
import type { EncodedChat } from "../tokenizer/chat.ts";
import type { ToolDefinition } from "../tokenizer/chat-request.ts";
import { isJsonObject } from "../tokenizer/tokenizer-json.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { MimoError } from "../util/errors.ts";
import { checkFlag } from "./request.ts";

/** Which tools an answer may or must call. */
export type ToolChoice =
  | "auto"
  | "none"
  | "required"
  | { readonly name: string }
  /** Tools of these names only, if any or at least one. */
  | { readonly allowed: readonly string[]; readonly mode: "auto" | "required" };

/** What the text of an answer is. JSON without a schema is an object. */
export type ResponseFormat =
  | { readonly type: "text" }
  | { readonly type: "json_object" }
  | {
      readonly type: "json_schema";
      readonly schema: Readonly<Record<string, unknown>>;
      /** Without it, any JSON object. Default true. */
      readonly strict?: boolean | undefined;
    };

export interface ConstrainOptions {
  readonly tools: readonly ToolDefinition[];
  readonly toolChoice: ToolChoice;
  readonly parallelToolCalls: boolean;
  readonly responseFormat: ResponseFormat;
}

export interface ConstrainContext {
  readonly tokenizer: Tokenizer;
  readonly prompt: EncodedChat;
  readonly endTokens: readonly number[];
  readonly compiler: Pick<GrammarCompiler, "compile" | "vocabulary">;
}

/** Throws `invalid_argument`, naming option, keyword and place, for what cannot be enforced; `overloaded`. */
export async function constraintOf(
  options: ConstrainOptions,
  context: ConstrainContext,
): Promise<ConstraintSpec | undefined> {
  const { tools, toolChoice, parallelToolCalls } = options;
  const choice = readChoice(toolChoice, tools);
  checkFlag("parallelToolCalls", parallelToolCalls);
  const { offered, mustCall } = choice;
  const format = answerSource(options.responseFormat);
  const callSource = callsSource(tools, choice);
  const maxCalls = parallelToolCalls ? choice.maxCalls : Math.min(choice.maxCalls, 1);
  if (!mustCall && format === undefined && callSource === undefined && maxCalls === Infinity) return undefined;

  const { tokenizer, prompt, endTokens, compiler } = context;
  if (prompt.continues && format !== undefined)
    throw new MimoError("invalid_argument", "responseFormat holds for a whole answer, not for what continues one.", {
      param: "responseFormat",
    });
  const markers = markersOf(tokenizer);
  if (callSource !== undefined && (markers.callStart === undefined || markers.callEnd === undefined)) {
    throw new MimoError(
      "invalid_argument",
      "This model's vocabulary has no tokens for calls, so none can be enforced.",
      {
        param: "tools",
      },
    );
  }
  const [vocabulary, answer, calls] = await Promise.all([
    compiler.vocabulary(tableOf(tokenizer)),
    mustCall || format === undefined ? undefined : compiler.compile(format),
    callSource && compiler.compile(callSource),
  ]);
  const mayThink = !prompt.continues && markers.thinkStart !== undefined && prompt.ids.at(-1) !== markers.thinkEnd;
  return {
    vocabulary,
    markers,
    endTokens,
    thinking: prompt.thinking ? "open" : mayThink ? "allowed" : "over",
    answer: mustCall ? "none" : (answer ?? "free"),
    calls: offered.length === 0 ? "none" : (calls ?? "free"),
    maxCalls,
  };
}

/** The tokens around thinking and calls. */
export function markersOf(tokenizer: Tokenizer): Markers {
  const id = (text: string): number | undefined => tokenizer.addedTokenId(text);
  return {
    thinkStart: id("<think>"),
    thinkEnd: id("</think>"),
    callStart: id("<tool_call>"),
    callEnd: id("</tool_call>"),
  };
}

interface Choice {
  /** Indices of the tools that may be called. */
  readonly offered: readonly number[];
  readonly mustCall: boolean;
  readonly maxCalls: number;
}

const CHOICES = '"auto", "none", "required", the name of a tool as { name }, or some as { allowed, mode }';

/** Callers without types send anything. */
function readChoice(choice: unknown, tools: readonly ToolDefinition[]): Choice {
  const refuse = (problem: string): never => {
    throw new MimoError("invalid_argument", `toolChoice ${problem}.`, { param: "toolChoice" });
  };
  const all = tools.map((_, i) => i);
  if (choice === "auto" || (choice === "none" && tools.length === 0))
    return { offered: all, mustCall: false, maxCalls: Infinity };
  if (choice === "none") return { offered: [], mustCall: false, maxCalls: 0 };
  if (choice !== "required" && !isJsonObject(choice)) return refuse(`must be ${CHOICES}`);
  if (tools.length === 0) refuse("asks for a call, but there are no tools");
  if (choice === "required") return { offered: all, mustCall: true, maxCalls: Infinity };
  const { name, allowed = [name], mode = "required" } = choice;
  const names: readonly unknown[] = Array.isArray(allowed) ? allowed : [];
  const isSound = names.length > 0 && names.every((each) => typeof each === "string");
  if (!isSound || (mode !== "auto" && mode !== "required")) refuse(`must be ${CHOICES}`);
  const unknown = names.find((each) => !tools.some((tool) => tool.function.name === each));
  if (unknown !== undefined) refuse(`names ${JSON.stringify(unknown)}, which is none of the tools`);
  return {
    offered: all.filter((i) => names.includes(tools[i]!.function.name)),
    mustCall: mode === "required",
    maxCalls: name === undefined ? Infinity : 1,
  };
}

/** What calls must be; undefined where nothing is asked of them. */
function callsSource(tools: readonly ToolDefinition[], { offered, mustCall }: Choice): GrammarSource | undefined {
  const isFree = !mustCall && offered.length === tools.length;
  const isStrict = (i: number): boolean => tools[i]!.function.strict === true;
  if (offered.length === 0 || (isFree && !offered.some(isStrict))) return undefined;
  return {
    kind: "calls",
    tools: offered.map((i) => {
      const { name, parameters } = tools[i]!.function;
      const path = `tools[${i}].function`;
      return isStrict(i) ? { name, parameters, isStrict: true, path } : { name, isStrict: false, path };
    }),
  };
}

function answerSource(format: ResponseFormat): GrammarSource | undefined {
  const refuse = (): never => {
    throw new MimoError("invalid_argument", 'responseFormat.type must be "text", "json_object" or "json_schema".', {
      param: "responseFormat",
    });
  };
  // Callers without types send anything.
  if (!isJsonObject(format)) return refuse();
  switch (format.type) {
    case "text":
      return undefined;
    case "json_object":
      return { kind: "json_object" };
    case "json_schema":
      if (format.strict === false) return { kind: "json_object" };
      return { kind: "json_schema", schema: format.schema, path: "responseFormat.schema" };
    default:
      format satisfies never;
      return refuse();
  }
}

const TABLES = new WeakMap<Tokenizer, TokenTable>();

/** Bytes of the tokens that text may use: all but the added ones, which are never text. */
function tableOf(tokenizer: Tokenizer): TokenTable {
  const known = TABLES.get(tokenizer);
  if (known !== undefined) return known;
  const added = new Set(tokenizer.addedTokens.map((token) => token.id));
  const bytes = Array.from({ length: tokenizer.numTokens }, (_, id) =>
    added.has(id) ? new Uint8Array() : tokenizer.tokenBytes(id),
  );
  const table = tokenTable(bytes);
  TABLES.set(tokenizer, table);
  return table;
}
