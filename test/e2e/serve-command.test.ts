// `mimo serve` and `mimo keys`, as people run them.

import { existsSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { afterAll, expect, test } from "vitest";
import { type CommandResult, resultOf, Surroundings, urlOf } from "./command.ts";
import { STDIO_SERVER } from "./mcp-server.ts";
import { eventually } from "./serving.ts";

const here = await Surroundings.create();
afterAll(() => here[Symbol.dispose]());

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

test("MCP servers of a file run beside it, and end with it while a tool of theirs runs", async () => {
  const file = here.path("mcp.json");
  const mcpServers = { sums: STDIO_SERVER };
  writeFileSync(file, JSON.stringify({ mcpServers }));
  const child = here.spawn(["serve", "--port", "0", "--threads", "1", "--drain-seconds", "0", "--mcp-config", file]);
  let log = "";
  child.stderr.on("data", (piece: Buffer) => (log += piece.toString()));
  const result = resultOf(child);
  const url = await urlOf(child);
  const call = async (name: string, parameters: object): Promise<any> => {
    const parts = JSON.stringify({ name, arguments: parameters });
    return (await fetch(`${url}/v1/mcp/call`, { method: "POST", headers, body: parts })).json();
  };
  await eventually(() => log.includes("an MCP server is ready"), "the server is ready", 60_000);
  expect(await call("sums__add", { a: 2, b: 40 })).toEqual({ content: "42", isError: false });
  const waiting = call("sums__wait", {}).catch(() => undefined);
  await eventually(() => log.includes("waiting"), "the tool runs", 60_000);
  child.kill("SIGTERM");
  const { exitCode, stderr } = await result;
  await waiting;
  expect(exitCode).toBe(0);
  expect(stderr).not.toMatch(/unhandled/i);
  const pid = Number(/process (\d+)/.exec(stderr)?.[1]);
  expect(pid).toBeGreaterThan(0);
  expect(() => process.kill(pid, 0)).toThrow("ESRCH");
});

test("a file of MCP servers that is not understood is refused before anything is loaded", async () => {
  const file = here.path("mcp.json");
  writeFileSync(file, JSON.stringify({ mcpServers: { sums: { command: 1 } } }));
  const refused = await here.run(["serve", "nowhere", "--mcp-config", file]);
  expect(refused.exitCode).toBe(2);
  expect(refused.stderr).toContain(`${file}: mcpServers.sums.command: expected string, received number.`);
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

test("a second signal ends the process at once", async () => {
  const child = here.spawn(["serve", "--port", "0", "--threads", "1"]);
  const result = resultOf(child);
  const url = await urlOf(child);
  // A request that never arrives whole keeps the server from ending by itself.
  const { port } = new URL(url);
  const socket = connect(Number(port), "127.0.0.1").on("error", () => {});
  socket.write("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{");
  await new Promise((resolve) => setTimeout(resolve, 100));
  child.kill("SIGTERM");
  // Signals that come together are one press of Ctrl-C.
  await new Promise((resolve) => setTimeout(resolve, 400));
  expect(child.exitCode).toBeNull();
  const killedAt = performance.now();
  child.kill("SIGTERM");
  expect((await result).exitCode).toBe(130);
  expect(performance.now() - killedAt).toBeLessThan(2000);
  socket.destroy();
});

test("settings come from flags, the environment and a file, and say so", async () => {
  const explain = async (args: readonly string[] = []): Promise<any> =>
    JSON.parse((await here.run(["config", "--explain", "serve", "--json", ...args])).stdout).serve;
  writeFileSync(here.path("mimo.yaml"), "serve:\n  port: 70\n  max-queue: 3\n");
  writeFileSync(here.path("other.yaml"), "serve: { max-qeue: 3 }");
  try {
    const settings = await explain(["--port", "71"]);
    expect([settings.port, settings["max-queue"], settings.host]).toEqual([
      { value: 71, source: "flag --port" },
      { value: 3, source: "mimo.yaml" },
      { value: "127.0.0.1", source: "default" },
    ]);
    const { stdout } = await here.run(["config", "--explain"]);
    expect(stdout).toMatch(/^max-queue +mimo\.yaml +3$/m);
    // What it prints is a file of settings.
    writeFileSync(here.path("printed.yaml"), (await here.run(["config", "serve"])).stdout);
    expect((await explain(["--config", "printed.yaml"]))["max-queue"]).toEqual({ value: 3, source: "printed.yaml" });
    // `mimo keys` looks where `mimo serve` would.
    writeFileSync(here.path("mimo.yaml"), "serve: { api-key-file: my-keys.json }");
    expect((await here.run(["keys", "create", "mine"])).exitCode).toBe(0);
    expect(existsSync(here.path("my-keys.json"))).toBe(true);
    const wrong = await here.run(["serve", "--config", "other.yaml", "--port", "0"]);
    expect(wrong).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("did you mean serve.max-queue?") });
    expect((await here.run(["serve", "--config", "nowhere.yaml"])).exitCode).toBe(3);
  } finally {
    rmSync(here.path("mimo.yaml"));
  }
});

test("usage is told by key and day", async () => {
  const row = {
    requests: 2,
    promptTokens: 100,
    cachedTokens: 40,
    completionTokens: 30,
    reasoningTokens: 10,
    cost: 0.5,
  };
  const usage = [
    { day: "2026-01-01", key: "a", ...row },
    { day: "2026-01-02", key: null, ...row },
  ];
  writeFileSync(here.path("usage.json"), JSON.stringify({ usage }));
  const tell = (...args: string[]): Promise<CommandResult> =>
    here.run(["keys", "usage", "--usage-file", here.path("usage.json"), ...args]);
  expect((await tell()).stdout.split("\n").map((line) => line.split(/ {2,}/))).toEqual([
    ["day", "key", "requests", "prompt", "cached", "completion", "reasoning", "cost"],
    ["2026-01-01", "a", "2", "100", "40", "30", "10", "$0.5000"],
    ["2026-01-02", "(no key)", "2", "100", "40", "30", "10", "$0.5000"],
    ["total", "4", "200", "80", "60", "20", "$1.0000"],
    [""],
  ]);
  expect(JSON.parse((await tell("a", "--json")).stdout)).toMatchObject({ usage: [{ key: "a" }], total: { cost: 0.5 } });
  expect(JSON.parse((await tell("--from", "2026-01-03", "--json")).stdout).usage).toEqual([]);
  expect((await tell("--from", "January")).exitCode).toBe(2);
});

test("mistakes are told before anything is loaded", async () => {
  expect((await here.run(["serve", "--port", "70000"])).exitCode).toBe(2);
  const parser = await here.run(["serve", "--tool-call-parser", "qwen25"]);
  expect(parser).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("give mimo") });
  expect((await here.run(["keys", "create", "x", "--max-requests", "0"])).exitCode).toBe(2);
  expect((await here.run(["serve", "--log-level", "loud"])).exitCode).toBe(2);
  expect((await here.run(["serve", "nowhere", "--port", "0"])).exitCode).toBe(3);
});
