// `mimo serve` and `mimo keys`, as people run them.

import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { afterAll, expect, test } from "vitest";
import { resultOf, Surroundings } from "./command.ts";

const here = await Surroundings.create();
afterAll(() => here[Symbol.dispose]());

/** The URL of a server that is starting. */
function urlOf(child: ChildProcessWithoutNullStreams): Promise<string> {
  let text = "";
  return new Promise((resolve, reject) => {
    child.stderr.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      const url = /http:\S+(?=\/v1)/.exec(text)?.[0];
      if (url !== undefined) resolve(url);
    });
    child.once("close", () => reject(new Error(text)));
  });
}

const body = JSON.stringify({ messages: [{ role: "user", content: "Hello" }], max_tokens: 40, stream: true });
const headers = { "content-type": "application/json" };

test("the model that comes along is served with no arguments, until it is asked to stop", async () => {
  const child = here.spawn(["serve", "--port", "0", "--threads", "1"]);
  const result = resultOf(child);
  const url = await urlOf(child);
  expect((await fetch(`${url}/health`)).status).toBe(200);
  const response = await fetch(`${url}/v1/chat/completions`, { method: "POST", headers, body });
  child.kill("SIGTERM");
  // What runs is finished first.
  expect(await response.text()).toMatch(/data: \[DONE\]\n\n$/);
  const { exitCode, stdout, stderr } = await result;
  expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: "" });
  expect(stderr).toMatch(/"route":"\/chat\/completions","status":200/);
  expect(stderr).not.toContain("Hello");
});

test("others are let in with a key only", async () => {
  const open = await here.run(["serve", "--host", "0.0.0.0", "--port", "0"]);
  expect(open.exitCode).toBe(2);
  expect(open.stderr).toContain("mimo keys create");
  const { stdout: secret } = await here.run(["keys", "create", "me"]);
  expect(secret).toMatch(/^mimo-[\w-]{43}\n$/);
  expect((await here.run(["keys", "create", "me"])).exitCode).toBe(2);
  const { stdout: list } = await here.run(["keys", "list"]);
  expect(list).toContain("inference metrics");
  expect(list).not.toContain(secret.trim());
  const child = here.spawn([
    "serve",
    "--host",
    "0.0.0.0",
    "--port",
    "0",
    "--threads",
    "1",
    "--served-model-name",
    "mine",
  ]);
  const result = resultOf(child);
  const { port } = new URL(await urlOf(child));
  const ask = (key: string): Promise<Response> =>
    fetch(`http://127.0.0.1:${port}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
  expect((await ask("none")).status).toBe(401);
  const models = (await (await ask(secret.trim())).json()) as { data: { id: string }[] };
  expect(models.data.map(({ id }) => id)).toEqual(["mine"]);
  child.kill("SIGINT");
  expect((await result).exitCode).toBe(0);
  expect(JSON.parse((await here.run(["keys", "revoke", "me", "--json"])).stdout)).toMatchObject({ revoked: true });
  expect((await here.run(["keys", "revoke", "me"])).exitCode).toBe(3);
});

test("mistakes are told before anything is loaded", async () => {
  expect((await here.run(["serve", "--port", "70000"])).exitCode).toBe(2);
  expect((await here.run(["serve", "--log-level", "loud"])).exitCode).toBe(2);
  expect((await here.run(["serve", "nowhere", "--port", "0"])).exitCode).toBe(3);
});
