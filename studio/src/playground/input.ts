// What a reader sets up in the playground: one prompt, what its answer must be, and two sides to answer it. It lasts in
// this browser.

import { samplingFields } from "../chat/request.ts";
import type { ChatSettings } from "../store/database.ts";
import { readSetting, writeSetting } from "../store/local.ts";

export const FORMATS = ["text", "json_object", "json_schema"] as const;
export type Format = (typeof FORMATS)[number];

export interface Side {
  /** Undefined is the server's first model. */
  readonly model?: string | undefined;
  readonly settings: ChatSettings;
}

export interface Input {
  readonly system: string;
  readonly prompt: string;
  readonly format: Format;
  /** As JSON, whether it is any or not. */
  readonly schema: string;
  readonly hasTools: boolean;
  readonly tools: string;
  readonly isCompared: boolean;
  readonly sides: readonly [Side, Side];
}

export const EXAMPLE_SCHEMA = {
  type: "object",
  properties: { name: { type: "string" }, age: { type: "integer" } },
  required: ["name", "age"],
  additionalProperties: false,
} as const;

export const EXAMPLE_TOOLS = [
  {
    type: "function",
    function: {
      name: "get_weather",
      description: "The weather of a city.",
      parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
      strict: true,
    },
  },
] as const;

const DEFAULT: Input = {
  system: "",
  prompt: "",
  format: "text",
  schema: JSON.stringify(EXAMPLE_SCHEMA, null, 2),
  hasTools: false,
  tools: JSON.stringify(EXAMPLE_TOOLS, null, 2),
  isCompared: true,
  sides: [{ settings: {} }, { settings: { temperature: 0 } }],
};

export function readInput(): Input {
  try {
    const kept = JSON.parse(readSetting("playground") ?? "{}") as Partial<Input>;
    return { ...DEFAULT, ...kept };
  } catch {
    return DEFAULT;
  }
}

export function writeInput(input: Input): void {
  writeSetting("playground", JSON.stringify(input));
}

/** A body of the chat API, without fields that are left to the server. Throws where schema or tools are no JSON. */
export function bodyOf(input: Input, { settings }: Side, model: string): Body {
  const { system, prompt, format, hasTools } = input;
  const messages = [
    ...(system.trim() === "" ? [] : [{ role: "system", content: system }]),
    { role: "user", content: prompt },
  ];
  const responseFormat =
    format === "text"
      ? undefined
      : format === "json_object"
        ? { type: format }
        : { type: format, json_schema: { name: "answer", schema: JSON.parse(input.schema) as object, strict: true } };
  const body = {
    model,
    messages,
    ...samplingFields(settings),
    tools: hasTools ? (JSON.parse(input.tools) as object) : undefined,
    response_format: responseFormat,
  };
  return JSON.parse(JSON.stringify(body)) as Body;
}

export interface Body {
  readonly model: string;
  readonly messages: readonly { readonly role: string; readonly content: string }[];
  readonly temperature?: number;
  readonly top_p?: number;
  readonly top_k?: number;
  readonly min_p?: number;
  readonly repetition_penalty?: number;
  readonly max_completion_tokens?: number;
  readonly seed?: number;
  readonly chat_template_kwargs?: { readonly enable_thinking: boolean };
  readonly thinking_budget_tokens?: number;
  readonly tools?: readonly ToolBody[];
  readonly response_format?:
    | { readonly type: "json_object" }
    | {
        readonly type: "json_schema";
        readonly json_schema: { readonly name: string; readonly schema: object; readonly strict: boolean };
      };
}

export interface ToolBody {
  readonly type: "function";
  readonly function: {
    readonly name: string;
    readonly description?: string;
    readonly parameters?: object;
    readonly strict?: boolean;
  };
}

/** What is wrong with a text that should be a JSON Schema, in a sentence; undefined where it may be one. */
export function schemaProblem(json: string): string | undefined {
  return problemOf(json, (value) => (isObject(value) ? undefined : "{ … }"));
}

/** The same for a list of tools. */
export function toolsProblem(json: string): string | undefined {
  return problemOf(json, (value) => {
    if (!Array.isArray(value)) return "[ … ]";
    const bad = value.findIndex((tool) => !isTool(tool));
    return bad < 0 ? undefined : `[${bad}]: { "type": "function", "function": { "name": … } }`;
  });
}

function problemOf(json: string, check: (value: unknown) => string | undefined): string | undefined {
  try {
    return check(JSON.parse(json));
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isTool(tool: unknown): boolean {
  if (!isObject(tool) || tool["type"] !== "function" || !isObject(tool["function"])) return false;
  const { name } = tool["function"];
  return typeof name === "string" && name !== "";
}
