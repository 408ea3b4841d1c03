// The request of one side as a program: for curl, the openai and ai packages, and mimo-flash in one's own process.
//
// Each sends exactly the body that the page sends, and prints the answer.

import type { Body, ToolBody } from "./input.ts";

export const CODE_KINDS = ["curl", "openai", "ai", "mimo-flash"] as const;
export type CodeKind = (typeof CODE_KINDS)[number];

export const CODE_LANGUAGES = {
  curl: "bash",
  openai: "javascript",
  ai: "javascript",
  "mimo-flash": "javascript",
} as const;

export interface CodeOptions {
  /** Of the API, such as http://127.0.0.1:9001/v1. */
  readonly baseUrl: string;
  /** Whether the server asks for a key. */
  readonly hasKey: boolean;
  /** What the server samples with where there are tools, and the request does not say. */
  readonly toolTemperature: number | undefined;
}

export function codeFor(kind: CodeKind, body: Body, options: CodeOptions): string {
  return WRITERS[kind](body, options);
}

const WRITERS: Readonly<Record<CodeKind, (body: Body, options: CodeOptions) => string>> = {
  curl: (body, { baseUrl, hasKey }) =>
    [
      `curl ${baseUrl}/chat/completions \\`,
      `  -H 'content-type: application/json' \\`,
      ...(hasKey ? [`  -H "authorization: Bearer $MIMO_API_KEY" \\`] : []),
      // A quote ends the quoted text, stands alone, and begins the next.
      `  -d '${JSON.stringify(body, null, 2).replaceAll("'", `'\\''`)}'`,
      "",
    ].join("\n"),

  openai: (body, { baseUrl, hasKey }) => `// npm install openai
import OpenAI from "openai";

const client = new OpenAI({
  baseURL: ${literal(baseUrl)},
  apiKey: ${hasKey ? "process.env.MIMO_API_KEY" : literal("none")},
});
const answer = await client.chat.completions.create(${literal(body)});
const { message } = answer.choices[0];
console.log(${body.tools === undefined ? "message.content" : "message.content, message.tool_calls"});
`,

  ai: (body, { baseUrl, hasKey }) => {
    const imports = ["generateText", ...(body.tools || hasSchema(body) ? ["jsonSchema"] : [])];
    if (body.response_format) imports.push("Output");
    if (body.tools) imports.push("tool");
    return `// npm install ai@6 @ai-sdk/openai-compatible@2
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { ${imports.join(", ")} } from "ai";

const mimo = createOpenAICompatible({
  name: "mimo",
  baseURL: ${literal(baseUrl)},${hasKey ? "\n  apiKey: process.env.MIMO_API_KEY," : ""}
  supportsStructuredOutputs: true,
});
const answer = await generateText(${aiOptions(body)});
console.log(${body.response_format ? "answer.output" : "answer.text"}${body.tools ? ", answer.toolCalls" : ""});
`;
  },

  "mimo-flash": (body, { toolTemperature }) => `// npm install mimo-flash
// node answer.mjs MODEL, where MODEL is the folder or .gguf file that the server has
import { load } from "mimo-flash";

const model = await load(process.argv[2]);
const answer = await model.generate(${literal(libraryOptions(body, toolTemperature))});
console.log(${body.tools ? "answer.text, answer.toolCalls" : "answer.text"});
await model.close();
`,
};

function hasSchema({ response_format: format }: Body): boolean {
  return format?.type === "json_schema";
}

/** What the package has a name for under that, and the rest as it goes over the wire. */
function aiOptions(body: Body): string {
  const { messages, model, temperature, top_p, max_completion_tokens, seed, tools, response_format, ...further } = body;
  const system = messages.find(({ role }) => role === "system")?.content;
  const prompt = messages.find(({ role }) => role === "user")?.content ?? "";
  return literal({
    model: code(`mimo(${literal(model)})`),
    system,
    prompt,
    temperature,
    topP: top_p,
    maxOutputTokens: max_completion_tokens,
    seed,
    tools: tools && Object.fromEntries(tools.map((tool) => [tool.function.name, aiTool(tool)])),
    output: response_format && aiOutput(response_format),
    providerOptions: Object.keys(further).length === 0 ? undefined : { mimo: further },
  });
}

function aiOutput(format: NonNullable<Body["response_format"]>): Code {
  if (format.type === "json_object") return code("Output.json()");
  const { name, schema } = format.json_schema;
  return code(`Output.object(${literal({ name, schema: code(`jsonSchema(${literal(schema)})`) })})`);
}

function aiTool({ function: { description, parameters, strict } }: ToolBody): Code {
  const inputSchema = code(`jsonSchema(${literal(parameters ?? { type: "object", properties: {} })})`);
  return code(`tool(${literal({ description, inputSchema, strict })})`);
}

function libraryOptions(body: Body, toolTemperature: number | undefined): object {
  const { response_format: format } = body;
  return {
    messages: body.messages,
    thinking: body.chat_template_kwargs?.enable_thinking,
    thinkingBudget: body.thinking_budget_tokens,
    temperature: body.temperature ?? (body.tools && toolTemperature),
    topP: body.top_p,
    topK: body.top_k,
    minP: body.min_p,
    repetitionPenalty: body.repetition_penalty,
    maxTokens: body.max_completion_tokens,
    seed: body.seed,
    tools: body.tools,
    responseFormat:
      format?.type === "json_schema"
        ? { type: format.type, schema: format.json_schema.schema, strict: format.json_schema.strict }
        : format,
  };
}

/** Stands in an object for what is code already. */
class Code {
  readonly source: string;

  constructor(source: string) {
    this.source = source;
  }
}

function code(source: string): Code {
  return new Code(source);
}

/** A value as JavaScript, the way it is written by hand; fields that are undefined are left out. */
function literal(value: unknown): string {
  if (value instanceof Code) return value.source;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const isList = Array.isArray(value);
  const entries = isList
    ? value.map((item: unknown) => literal(item))
    : Object.entries(value).flatMap(([name, item]) =>
        item === undefined ? [] : [`${nameOf(name)}: ${literal(item)}`],
      );
  const [open, close] = isList ? ["[", "]"] : ["{ ", " }"];
  if (entries.length === 0) return isList ? "[]" : "{}";
  const line = `${open}${entries.join(", ")}${close}`;
  if (line.length <= 72 && !line.includes("\n")) return line;
  return `${open.trim()}\n${entries.map((entry) => `  ${indented(entry)},\n`).join("")}${close.trim()}`;
}

/** Lines behind the first one further to the right. No text has a line end in it, as JSON spells them out. */
function indented(source: string): string {
  return source.replaceAll("\n", "\n  ");
}

function nameOf(name: string): string {
  // As a literal, this name would set the prototype.
  if (name === "__proto__") return '["__proto__"]';
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);
}
