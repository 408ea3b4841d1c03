// Shapes of replies and of streamed events, as JSON Schema: of OpenAI's APIs as published (test/schemas), of the Messages
// API as its documentation has them, since the SDKs' types are gone when their code runs. Fields of ours may be added.

import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";

type Schema = Readonly<Record<string, unknown>>;

const published = new Map<string, Schema>();

/** A schema of OpenAI's, by its name in their document: always the same object, so that it is compiled once. */
export function openai(name: string): Schema {
  const schema = published.get(name) ?? { $ref: `openai#/components/schemas/${name}` };
  published.set(name, schema);
  return schema;
}

const text: Schema = { type: "string" };
const name: Schema = { type: "string", minLength: 1 };
const count: Schema = { type: "integer", minimum: 0 };

const object = (
  properties: Readonly<Record<string, Schema>>,
  optional: Readonly<Record<string, Schema>> = {},
): Schema => ({
  type: "object",
  required: Object.keys(properties),
  properties: { ...properties, ...optional },
});
const list = (items: Schema): Schema => ({ type: "array", items });
const maybe = (schema: Schema): Schema => ({ anyOf: [schema, { type: "null" }] });
/** One of several objects, told apart by their `type`. */
const typed = (kinds: Readonly<Record<string, Schema>>): Schema => ({
  oneOf: Object.entries(kinds).map(([type, schema]) => ({
    allOf: [object({ type: { const: type } }), schema],
  })),
});

const messageUsage = object({
  input_tokens: count,
  cache_creation_input_tokens: count,
  cache_read_input_tokens: count,
  output_tokens: count,
});
const stopReason = maybe({ enum: ["end_turn", "max_tokens", "stop_sequence", "tool_use"] });
const block = typed({
  text: object({ text }),
  thinking: object({ thinking: text, signature: text }),
  tool_use: object({ id: { type: "string", pattern: "^[a-zA-Z0-9_-]+$" }, name, input: { type: "object" } }),
});

export const MESSAGE: Schema = object({
  id: name,
  type: { const: "message" },
  role: { const: "assistant" },
  model: name,
  content: list(block),
  stop_reason: stopReason,
  stop_sequence: maybe(text),
  usage: messageUsage,
});

export const MESSAGE_EVENT: Schema = typed({
  message_start: object({ message: MESSAGE }),
  content_block_start: object({ index: count, content_block: block }),
  content_block_delta: object({
    index: count,
    delta: typed({
      text_delta: object({ text: name }),
      thinking_delta: object({ thinking: name }),
      signature_delta: object({ signature: name }),
      input_json_delta: object({ partial_json: name }),
    }),
  }),
  content_block_stop: object({ index: count }),
  message_delta: object({
    delta: object({ stop_reason: stopReason, stop_sequence: maybe(text) }),
    usage: messageUsage,
  }),
  message_stop: object({}),
  ping: object({}),
  error: object({ error: object({ type: name, message: name }), request_id: name }),
});

// Their formats ("unixtime") are their own.
const ajv = new Ajv2020({ strict: false, validateFormats: false });
const schemas = ["openai.json", "openai-sdk.json"].map((file) => {
  const text = readFileSync(new URL(`../schemas/${file}`, import.meta.url), "utf8");
  return (JSON.parse(text) as { components: { schemas: object } }).components.schemas;
});
ajv.addSchema({ components: { schemas: Object.assign({}, ...schemas) as object } }, "openai");

/** What is wrong with a value; undefined where nothing is. */
export function misfit(schema: Schema, value: unknown): string | undefined {
  const validate = ajv.compile(schema);
  return validate(value) ? undefined : `${ajv.errorsText(validate.errors)}: ${JSON.stringify(value)}`;
}
