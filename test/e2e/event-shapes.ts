// Shapes of streamed events, as the documentation of the Responses and Messages APIs has them, as JSON Schema: the SDKs'
// types are gone when their code runs. Every field that clients may rely on is required; ours may be added.

import { Ajv2020 } from "ajv/dist/2020.js";

type Schema = Readonly<Record<string, unknown>>;

const text: Schema = { type: "string" };
const name: Schema = { type: "string", minLength: 1 };
const count: Schema = { type: "integer", minimum: 0 };
const itemStatus: Schema = { enum: ["in_progress", "completed", "incomplete"] };

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

const outputText = object({ text, annotations: list({}), logprobs: list({}) });
const part = typed({ output_text: outputText, reasoning_text: object({ text }) });
const item = typed({
  message: object({ id: name, status: itemStatus, role: { const: "assistant" }, content: list(part) }),
  reasoning: object({ id: name, summary: list({}) }, { content: list(part), encrypted_content: text }),
  function_call: object({ id: name, call_id: name, name, arguments: text, status: itemStatus }),
});

export const RESPONSE: Schema = object({
  id: { type: "string", pattern: "^resp_" },
  object: { const: "response" },
  created_at: count,
  completed_at: maybe(count),
  status: { enum: ["in_progress", "completed", "incomplete", "failed", "cancelled"] },
  error: maybe(object({ code: name, message: name })),
  incomplete_details: maybe(object({ reason: { enum: ["max_output_tokens", "content_filter"] } })),
  instructions: maybe(text),
  max_output_tokens: maybe(count),
  max_tool_calls: maybe(count),
  metadata: { type: "object" },
  model: name,
  output: list(item),
  parallel_tool_calls: { type: "boolean" },
  previous_response_id: maybe(text),
  reasoning: maybe(object({ effort: maybe(text), summary: maybe(text) })),
  background: { type: "boolean" },
  service_tier: name,
  store: { type: "boolean" },
  temperature: maybe({ type: "number" }),
  text: object({ format: object({ type: name }) }),
  tool_choice: { type: ["string", "object"] },
  tools: list(object({ type: name })),
  top_p: maybe({ type: "number" }),
  top_logprobs: count,
  truncation: { enum: ["auto", "disabled"] },
  usage: maybe(
    object({
      input_tokens: count,
      input_tokens_details: object({ cached_tokens: count, cache_write_tokens: count }),
      output_tokens: count,
      output_tokens_details: object({ reasoning_tokens: count }),
      total_tokens: count,
    }),
  ),
});

const whole = object({ sequence_number: count, response: RESPONSE });
const place = { sequence_number: count, output_index: count };
const inItem = { ...place, item_id: name };
const inPart = { ...inItem, content_index: count };

export const RESPONSE_EVENT: Schema = typed({
  "response.created": whole,
  "response.in_progress": whole,
  "response.completed": whole,
  "response.incomplete": whole,
  "response.failed": whole,
  "response.output_item.added": object({ ...place, item }),
  "response.output_item.done": object({ ...place, item }),
  "response.content_part.added": object({ ...inPart, part }),
  "response.content_part.done": object({ ...inPart, part }),
  "response.output_text.delta": object({ ...inPart, delta: name, logprobs: list({}) }),
  "response.output_text.done": object({ ...inPart, text, logprobs: list({}) }),
  "response.reasoning_text.delta": object({ ...inPart, delta: name }),
  "response.reasoning_text.done": object({ ...inPart, text }),
  "response.function_call_arguments.delta": object({ ...inItem, delta: name }),
  "response.function_call_arguments.done": object({ ...inItem, name, arguments: text }),
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

const ajv = new Ajv2020({ strict: false });

/** What is wrong with a value; undefined where nothing is. */
export function misfit(schema: Schema, value: unknown): string | undefined {
  const validate = ajv.compile(schema);
  return validate(value) ? undefined : `${ajv.errorsText(validate.errors)}: ${JSON.stringify(value)}`;
}
