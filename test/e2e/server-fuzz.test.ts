// Random requests against every route that takes a body: whatever comes, the status is no 5xx, an error is an error
// object as the OpenAPI document has it, and the server goes on.

import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { scriptedModel, serveModel, type Serving } from "./serving.ts";

let serving: Serving;
let document: any;
const ajv = new Ajv2020({ strict: false });

beforeAll(async () => {
  serving = await serveModel(scriptedModel("Hi <think>so</think><tool_call>x</tool_call>"));
  document = (await serving.get("/openapi.json")).json;
});
afterAll(() => serving[Symbol.asyncDispose]());

const USUAL: Readonly<Record<string, object>> = {
  "/chat/completions": { messages: [{ role: "user", content: "Hi" }] },
  "/completions": { prompt: "Hi" },
  "/responses": { input: "Hi" },
  "/responses/input_tokens": { input: "Hi" },
  "/messages": { messages: [{ role: "user", content: "Hi" }] },
  "/messages/count_tokens": { messages: [{ role: "user", content: "Hi" }] },
  "/tokenize": { prompt: "Hi" },
  "/detokenize": { tokens: [65] },
  "/apply-template": { messages: [{ role: "user", content: "Hi" }] },
};

const PATHS = Object.keys(USUAL);

/** The schema of a route's errors. */
const errorSchemaOf = (path: string): object => {
  const { $ref } = document.paths[path].post.responses.default.content["application/json"].schema;
  return document.components.schemas[$ref.split("/").at(-1)];
};

/** The schema of a route's body. */
const schemaOf = (path: string): any => document.paths[path].post.requestBody.content["application/json"].schema;

/** Items and blocks, sound and odd. */
const ITEMS: readonly object[] = [
  { type: "reasoning", content: [{ type: "reasoning_text", text: "so" }], encrypted_content: "x.y" },
  { type: "reasoning", summary: 5 },
  { type: "function_call", call_id: "a", name: "f", arguments: "{}" },
  { type: "function_call", call_id: 5, arguments: "[" },
  { type: "function_call_output", call_id: "a", output: [{ type: "input_text", text: "x" }] },
  { role: "assistant", content: [{ type: "tool_use", id: "a", name: "f", input: {} }] },
  { role: "assistant", content: [{ type: "thinking" }, { type: "redacted_thinking" }, { type: "text", text: "x" }] },
  { role: "user", content: [{ type: "tool_result", tool_use_id: "a", content: [{ type: "text" }] }] },
  { type: "custom", name: "f", input_schema: {} },
];

const odd = fc.oneof(
  { depthSize: "small" },
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom<unknown>(
    -1,
    0,
    1,
    2 ** 31,
    2 ** 53,
    1e300,
    0.5,
    "",
    "x",
    "\u0000",
    true,
    false,
    null,
    [],
    {},
    [[]],
    [{}],
    {
      type: "function",
    },
  ),
  fc.array(
    fc.constantFrom<unknown>({ role: "user", content: "x" }, { role: "tool", content: [] }, ...ITEMS, 5, "a", null),
    {
      maxLength: 3,
    },
  ),
);

/** A usual request in which some known fields, and some unknown ones, have odd values. */
function requestTo(path: string): fc.Arbitrary<object> {
  const fields = fc.constantFrom(...Object.keys(schemaOf(path).properties), "constructor", "audio", "unheard");
  return fc.dictionary(fields, odd, { maxKeys: 4 }).map((body) => ({
    ...USUAL[path],
    [path.startsWith("/responses") ? "max_output_tokens" : "max_tokens"]: 2,
    ...body,
  }));
}

test("any request gets an answer", async () => {
  for (const path of PATHS) {
    const isError = ajv.compile(errorSchemaOf(path));
    const isBody = ajv.compile(schemaOf(path));
    let numAccepted = 0;
    await fc.assert(
      fc.asyncProperty(requestTo(path), fc.boolean(), async (body, wellFormed) => {
        const { status, json, text } = await serving.post(path, wellFormed ? body : JSON.stringify(body).slice(0, -1));
        expect(status).toBeLessThan(500);
        if (status >= 400) expect({ text, valid: isError(json) }).toEqual({ text, valid: true });
        else {
          numAccepted++;
          // What the document does not allow is not accepted.
          expect({ body, valid: isBody(JSON.parse(JSON.stringify(body))) }).toEqual({ body, valid: true });
        }
      }),
      { numRuns: 120 },
    );
    expect(numAccepted).toBeGreaterThan(0);
    expect((await serving.get("/health")).status).toBe(200);
  }
  expect(serving.log.filter((line) => line.includes('"level":50'))).toEqual([]);
});
