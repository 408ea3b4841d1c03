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

const PATHS = ["/chat/completions", "/completions", "/tokenize", "/detokenize", "/apply-template"];
const USUAL: Readonly<Record<string, object>> = {
  "/chat/completions": { messages: [{ role: "user", content: "Hi" }] },
  "/completions": { prompt: "Hi" },
  "/tokenize": { prompt: "Hi" },
  "/detokenize": { tokens: [65] },
  "/apply-template": { messages: [{ role: "user", content: "Hi" }] },
};

/** The schema of a route's body. */
const schemaOf = (path: string): any => document.paths[path].post.requestBody.content["application/json"].schema;

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
  fc.array(fc.constantFrom<unknown>({ role: "user", content: "x" }, { role: "tool", content: [] }, 5, "a", null), {
    maxLength: 3,
  }),
);

/** A usual request in which some known fields, and some unknown ones, have odd values. */
function requestTo(path: string): fc.Arbitrary<object> {
  const fields = fc.constantFrom(...Object.keys(schemaOf(path).properties), "constructor", "audio", "unheard");
  return fc.dictionary(fields, odd, { maxKeys: 4 }).map((body) => ({ ...USUAL[path], max_tokens: 2, ...body }));
}

test("any request gets an answer", async () => {
  const isError = ajv.compile(document.components.schemas.Error);
  for (const path of PATHS) {
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
