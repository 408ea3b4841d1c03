// Tools of MCP servers over HTTP: listed, called, limited, cancelled, and servers that fail, crash and end.

import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseMcpConfig } from "../../src/mcp/config.ts";
import { McpServers } from "../../src/mcp/servers.ts";
import { createKey } from "../../src/server/keys.ts";
import type { ServerOptions } from "../../src/server/options.ts";
import { STDIO_SERVER, serveMcp } from "./mcp-server.ts";
import { eventually, type Reply, scriptedModel, serveModel, type Serving, twoKeys } from "./serving.ts";

const PATIENCE_MS = 60_000;

interface McpServing extends Serving {
  readonly call: (name: string, parameters?: object, init?: RequestInit) => Promise<Reply>;
  /** Of a server that must be there. */
  readonly serverOf: (name: string) => Promise<any>;
  readonly ready: (name: string) => Promise<void>;
}

async function serveWithMcp(mcpServers: object, options: Partial<ServerOptions> = {}): Promise<McpServing> {
  const lines: string[] = [];
  const write = (fields: object, message: string): void => void lines.push(JSON.stringify({ ...fields, message }));
  const mcp = new McpServers(parseMcpConfig({ mcpServers }, "mcp.json"), "0.0.0", { info: write, warn: write });
  const serving = await serveModel(scriptedModel("Hi"), options, mcp);
  mcp.start();
  const serverOf = async (name: string): Promise<any> =>
    (await serving.get("/v1/mcp")).json.data.find((server: any) => server.name === name);
  return {
    ...serving,
    log: lines,
    serverOf,
    ready: (name) => eventually(async () => (await serverOf(name)).state === "ready", `${name} is ready`, PATIENCE_MS),
    call: (name, parameters, init) => serving.post("/v1/mcp/call", { name, arguments: parameters }, init),
    [Symbol.asyncDispose]: async () => {
      await serving[Symbol.asyncDispose]();
      await mcp.close();
    },
  };
}

function processesOf({ log }: Serving): number[] {
  return log.flatMap((line) => Number(/process (\d+)/.exec(line)?.[1] ?? Number.NaN) || []);
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe("a server that is a process", () => {
  let serving: McpServing;
  let folder: string;
  beforeAll(async () => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), "mimo-mcp-")));
    const plain = { ...STDIO_SERVER, env: { MCP_WORD: "given" }, cwd: folder };
    const none = { command: "no-such-program-at-all" };
    serving = await serveWithMcp({ "my server": plain, hurried: { ...STDIO_SERVER, timeoutMs: 300 }, none });
    await serving.ready("my server");
    await serving.ready("hurried");
  });
  afterAll(async () => {
    await serving[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  test("its tools are listed as a chat takes them, under names that a model may write", async () => {
    const { status, json } = await serving.get("/v1/mcp");
    expect(status).toBe(200);
    const [first, second] = json.data;
    expect(first).toMatchObject({ name: "my server", transport: "stdio", state: "ready", reason: null });
    const tools = [...first.tools, ...second.tools];
    expect(tools[0]).toMatchObject({
      type: "function",
      function: {
        name: "my_server__add",
        description: "The sum of two numbers.",
        parameters: { type: "object", properties: { a: { type: "number" } }, required: ["a", "b"] },
      },
    });
    const names = tools.map((tool) => tool.function.name as string);
    expect(names).toContain("my_server__odd_name");
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^[\w-]{1,64}$/);
    // A chat takes all of them as they are.
    const chat = await serving.post("/v1/chat/completions", { messages: [{ role: "user", content: "Hi" }], tools });
    expect(chat.status).toBe(200);
  });

  test("one that cannot be started is its own failure, with a reason", async () => {
    await eventually(async () => (await serving.serverOf("none")).state === "failed", "it failed", PATIENCE_MS);
    expect(await serving.serverOf("none")).toMatchObject({ reason: expect.stringContaining("ENOENT"), tools: [] });
  });

  test("a call gives text; what the tool or its caller did wrong is text as well", async () => {
    const called = await serving.call("my_server__add", { a: 2, b: 40 });
    expect([called.status, called.json]).toEqual([200, { content: "42", isError: false }]);
    expect((await serving.call("my_server__odd_name")).json).toEqual({ content: "odd", isError: false });
    const failed = await serving.call("my_server__fail");
    expect([failed.status, failed.json]).toEqual([200, { content: "There is no such file.", isError: true }]);
    expect((await serving.call("my_server__add", { a: "two" })).json).toMatchObject({
      isError: true,
      content: expect.stringContaining("number"),
    });
    expect((await serving.call("my_server__picture")).json.content).toContain("image/png");
    const { content } = (await serving.call("my_server__flood")).json;
    expect(content).toMatch(/^(0123456789){10000}\n\[Cut here: 100000 of 500000 characters\.\]$/);
  });

  test("what is no call is refused", async () => {
    expect((await serving.call("my_server__subtract")).json.error).toMatchObject({ code: "not_found", param: "name" });
    expect((await serving.post("/v1/mcp/call", {})).json.error.param).toBe("name");
    expect((await serving.post("/v1/mcp/call", { name: "a", arguments: [1] })).json.error.param).toBe("arguments");
    const stranger = { headers: { origin: "https://elsewhere.example" } };
    expect((await serving.call("my_server__add", { a: 1, b: 1 }, stranger)).status).toBe(403);
    expect((await serving.get("/v1/mcp", stranger)).status).toBe(403);
  });

  test("its process has the working folder and variables of the file, and none of ours", async () => {
    const { content } = (await serving.call("my_server__surroundings")).json;
    expect(JSON.parse(content)).toEqual({ cwd: folder, word: "given" });
  });

  test("tools that come later are there", async () => {
    await serving.call("my_server__grow");
    await eventually(
      async () => (await serving.call("my_server__grown")).json.content === "grown",
      "the new tool",
      PATIENCE_MS,
    );
  });

  test("a call takes no longer than it may", async () => {
    const { status, json } = await serving.call("hurried__wait");
    expect([status, json]).toEqual([200, { content: "wait gave no result within 300 ms.", isError: true }]);
    expect((await serving.serverOf("hurried")).state).toBe("ready");
  });

  test("a client that goes away cancels its call", async () => {
    const said = (word: string) =>
      serving.log.filter((line) => line.includes("my server") && line.includes(word)).length;
    const leave = new AbortController();
    const call = serving.call("my_server__wait", {}, { signal: leave.signal });
    await eventually(() => said("waiting") === 1, "the tool runs", PATIENCE_MS);
    leave.abort();
    await expect(call).rejects.toThrow();
    await eventually(() => said("cancelled") === 1, "the tool hears of it", PATIENCE_MS);
  });

  test("what crashes is a result, and runs again at its next use", async () => {
    const { json } = await serving.call("my_server__crash");
    expect(json).toMatchObject({ isError: true, content: expect.stringContaining("crash") });
    expect((await serving.call("my_server__add", { a: 1, b: 2 })).json).toEqual({ content: "3", isError: false });
  });
});

describe("a server behind an address", () => {
  test("is listed, called with its headers, cancelled, and found again after it was away", async () => {
    const events: string[] = [];
    const first = await serveMcp(0, (event) => events.push(event));
    const { url, port } = first;
    await using serving = await serveWithMcp({ sums: { url, headers: { Authorization: "Bearer secret" } } });
    await serving.ready("sums");
    expect(await serving.serverOf("sums")).toMatchObject({ transport: "http", reason: null });
    expect((await serving.call("sums__add", { a: 2, b: 3 })).json).toEqual({ content: "5", isError: false });
    expect((await serving.call("sums__fail")).json.isError).toBe(true);
    expect(new Set(first.authorizations)).toEqual(new Set(["Bearer secret"]));

    const leave = new AbortController();
    const call = serving.call("sums__wait", {}, { signal: leave.signal });
    await eventually(() => events.includes("waiting"), "the tool runs", PATIENCE_MS);
    leave.abort();
    await expect(call).rejects.toThrow();
    await eventually(() => events.includes("cancelled"), "the tool hears of it", PATIENCE_MS);

    await first[Symbol.asyncDispose]();
    expect((await serving.call("sums__add", { a: 2, b: 3 })).json.isError).toBe(true);
    await using _ = await serveMcp(port);
    await eventually(
      async () => (await serving.call("sums__add", { a: 2, b: 3 })).json.content === "5",
      "it is found again",
      PATIENCE_MS,
    );
  });

  test("that is not there has a reason, and is found once it is", async () => {
    const port = await freePort();
    await using serving = await serveWithMcp({ sums: { url: `http://127.0.0.1:${port}/mcp` } });
    await eventually(async () => (await serving.serverOf("sums")).state === "failed", "it failed", PATIENCE_MS);
    expect(await serving.serverOf("sums")).toMatchObject({
      reason: expect.stringContaining("ECONNREFUSED"),
      tools: [],
    });
    await using _ = await serveMcp(port);
    await serving.ready("sums");
  });
});

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

test("who may ask for answers may call tools, and nobody else", async () => {
  using keys = twoKeys();
  const metrics = createKey(keys.path, "metrics", ["metrics"]).secret;
  await using serving = await serveWithMcp({ none: { command: "no-such-program-at-all" } }, { keyFile: keys.path });
  const as = (secret: string): RequestInit => ({ headers: { authorization: `Bearer ${secret}` } });
  expect((await serving.get("/v1/mcp", as(keys.secrets[0]))).json.data).toHaveLength(1);
  expect((await serving.call("none__x", {}, as(keys.secrets[0]))).status).toBe(404);
  for (const init of [{}, as(metrics)]) {
    expect((await serving.get("/v1/mcp", init)).status).toBeGreaterThan(400);
    expect((await serving.call("none__x", {}, init)).status).toBeOneOf([401, 403]);
  }
});

test("without a configuration there are no servers and no tools", async () => {
  await using serving = await serveModel(scriptedModel("Hi"));
  expect((await serving.get("/v1/mcp")).json).toEqual({ object: "list", data: [] });
  expect((await serving.post("/v1/mcp/call", { name: "a__b" })).status).toBe(404);
});

test("a server that is stopped while it starts leaves no process", async () => {
  const serving = await serveWithMcp({ sums: STDIO_SERVER });
  await eventually(() => processesOf(serving).length === 1, "it has begun", PATIENCE_MS);
  await serving[Symbol.asyncDispose]();
  expect(processesOf(serving).filter(isRunning)).toEqual([]);
});

describe("a configuration", () => {
  test.each<readonly [unknown, string]>([
    [[], "mcp.json: the file: expected object, received array"],
    [{}, "mcp.json: mcpServers: expected record, received undefined"],
    [{ mcpServers: { a: 1 } }, "mcpServers.a: expected object, received number"],
    [{ mcpServers: { a: {} } }, "mcpServers.a: expected either command or url, found neither (no keys)"],
    [{ mcpServers: { a: { command: "x", url: "http://x" } } }, "found both"],
    [{ mcpServers: { a: { command: "x", arg: [] } } }, "mcpServers.a: arg is not known here"],
    [{ mcpServers: { a: { command: "x", args: "-y" } } }, "mcpServers.a.args: expected array, received string"],
    [
      { mcpServers: { a: { command: "x", args: ["-y", 1] } } },
      "mcpServers.a.args[1]: expected string, received number",
    ],
    [{ mcpServers: { a: { command: "x", env: { A: 1 } } } }, "mcpServers.a.env.A: expected string, received number"],
    [{ mcpServers: { a: { command: "x", timeoutMs: 0 } } }, "mcpServers.a.timeoutMs: "],
    [{ mcpServers: { a: { url: "ftp://x" } } }, "mcpServers.a.url: expected an address that begins with http"],
    [{ mcpServers: { a: { url: "http://me:secret@x" } } }, "mcpServers.a.url: expected an address without a user"],
    [
      { mcpServers: { a: { url: "http://x", headers: { A: "a\nsecret" } } } },
      "mcpServers.a.headers.A: expected a header's",
    ],
    [{ mcpServers: { a: { url: "http://x", type: "sse" } } }, "mcpServers.a.type: "],
  ])("%j is refused", (content, problem) => {
    expect(() => parseMcpConfig(content, "mcp.json")).toThrow(problem);
    expect(() => parseMcpConfig(content, "mcp.json")).not.toThrow("secret");
  });

  test("that other clients have as well is understood", () => {
    const mcpServers = {
      files: { type: "stdio", command: "npx", args: ["-y", "x"], env: { A: "1" } },
      wiki: { type: "http", url: "https://x/mcp", headers: { "X-Key": "k" }, timeoutMs: 5 },
    };
    expect(parseMcpConfig({ mcpServers, theme: "dark" }, "mcp.json")).toEqual([
      { name: "files", command: "npx", args: ["-y", "x"], env: { A: "1" }, cwd: undefined, timeoutMs: 60_000 },
      { name: "wiki", url: "https://x/mcp", headers: { "X-Key": "k" }, timeoutMs: 5 },
    ]);
  });
});
