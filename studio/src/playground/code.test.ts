// Code that the playground gives away makes the request that the playground makes: each program is run, and what arrives
// is compared.

import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type CodeKind, codeFor } from "./code.ts";
import { type Body, bodyOf, EXAMPLE_TOOLS, type Input, schemaProblem, toolsProblem } from "./input.ts";

const run = promisify(execFile);
const BUILD = fileURLToPath(new URL("../../../build", import.meta.url));

const ANSWER = { role: "assistant", content: '{"name":"Ada"}' };
const REPLY = {
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1,
  model: "nano",
  choices: [{ index: 0, message: ANSWER, finish_reason: "stop", logprobs: null }],
  usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
};

const INPUT: Input = {
  system: "",
  prompt: "Who are you?",
  format: "text",
  schema:
    '{"type": "object", "properties": {"na-me": {"type": "string"}, "__proto__": {"type": "null"}}, "required": ["na-me"]}',
  hasTools: false,
  tools: JSON.stringify(EXAMPLE_TOOLS),
  isCompared: false,
  sides: [{ settings: {} }, { settings: {} }],
};
const ALL_SETTINGS = {
  thinking: true,
  thinkingBudget: 64,
  temperature: 0.5,
  topP: 0.9,
  topK: 20,
  minP: 0.05,
  repetitionPenalty: 1.1,
  maxTokens: 99,
  seed: 7,
};
const CASES: Readonly<Record<string, Body>> = {
  "a plain prompt": bodyOf(INPUT, { settings: {} }, "nano"),
  "everything in text": bodyOf(
    { ...INPUT, system: 'Say "it\'s $HOME"\n`now` \\ 你好', prompt: "It's\n${1 + 1} 'so'" },
    { settings: ALL_SETTINGS },
    "nano",
  ),
  "a schema": bodyOf({ ...INPUT, format: "json_schema" }, { settings: { temperature: 0 } }, "nano"),
  "any JSON and tools": bodyOf({ ...INPUT, format: "json_object", hasTools: true }, { settings: {} }, "nano"),
};

let server: Server;
let baseUrl: string;
let folder: string;
let arrived: { body: unknown; authorization: string | undefined }[] = [];
beforeAll(async () => {
  server = createServer((request, response) => {
    let text = "";
    request.on("data", (piece: Buffer) => (text += piece.toString()));
    request.on("end", () => {
      arrived.push({ body: JSON.parse(text), authorization: request.headers.authorization });
      response.setHeader("content-type", "application/json").end(JSON.stringify(REPLY));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  // Within the project, so that its packages are found.
  mkdirSync(BUILD, { recursive: true });
  folder = mkdtempSync(join(BUILD, "studio-code-"));
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => void (arrived = []));

async function runCode(kind: CodeKind, body: Body, hasKey = false): Promise<string> {
  const code = codeFor(kind, body, { baseUrl, hasKey, toolTemperature: 0.3 });
  const file = join(folder, kind === "curl" ? "answer.sh" : "answer.mjs");
  writeFileSync(file, code);
  const env = { ...process.env, MIMO_API_KEY: "sk-secret" };
  const { stdout } = await run(kind === "curl" ? "bash" : process.execPath, [file], { env });
  return stdout;
}

/** A limit has two names, and a format's name is the client's affair. */
function canonical(body: Readonly<Record<string, any>>): object {
  const { max_completion_tokens: most, max_tokens = most, ...rest } = body;
  return { ...rest, max_tokens };
}

describe.each(Object.entries(CASES))("%s", (_, body) => {
  test.each(["curl", "openai", "ai"] as const)("by %s", async (kind) => {
    const output = await runCode(kind, body);
    expect(output).toContain("Ada");
    const sent = arrived[0]!.body as Readonly<Record<string, unknown>>;
    const expected = canonical(body);
    // The package chooses among tools by default, as the server does.
    expect(canonical({ ...sent, tool_choice: undefined })).toEqual(expected);
  });
});

test("a key comes from the environment, and does not stand in the code", async () => {
  for (const kind of ["curl", "openai", "ai"] as const) await runCode(kind, CASES["a plain prompt"]!, true);
  expect(arrived.map(({ authorization }) => authorization)).toEqual(Array(3).fill("Bearer sk-secret"));
});

test("problems of a text are told, and there are none in what may be sent", () => {
  expect(schemaProblem('{"type": }')).toMatch(/position 9|token/i);
  expect(schemaProblem("[]")).toBeDefined();
  expect(schemaProblem("{}")).toBeUndefined();
  expect(toolsProblem(INPUT.tools)).toBeUndefined();
  expect(toolsProblem('[{"type": "function", "function": {}}]')).toMatch(/\[0\]/);
});
