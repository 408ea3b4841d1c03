// Clients that would have the server fetch something, that hold its connections, and that crowd others out; an engine that
// ends, and a disk that takes nothing.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually, framesOf, scriptedModel, serveModel, type Serving, serveTiny, twoKeys } from "./serving.ts";

const CHAT = "/v1/chat/completions";
const hello = { messages: [{ role: "user", content: "Hello" }], max_tokens: 2 };

describe("images", () => {
  let serving: Serving;
  let numAsked = 0;
  const elsewhere = createServer((_, reply) => {
    numAsked++;
    reply.end();
  });
  elsewhere.on("connection", () => numAsked++);
  beforeAll(async () => {
    serving = await serveModel(scriptedModel("Hi"));
    await new Promise<void>((resolve) => elsewhere.listen(0, "127.0.0.1", resolve));
  });
  afterAll(async () => {
    await serving[Symbol.asyncDispose]();
    await new Promise((resolve) => elsewhere.close(resolve));
  });

  test("are refused wherever they are, and nobody asks for them", async () => {
    const { port } = elsewhere.address() as AddressInfo;
    const urls = [
      `http://127.0.0.1:${port}/a.png`,
      `http://localhost:${port}/a.png`,
      `http://2130706433:${port}/a.png`,
      `http://[::ffff:127.0.0.1]:${port}/a.png`,
      `http://a\\@127.0.0.1:${port}/a.png`,
      "http://169.254.169.254/latest/meta-data",
      "file:///etc/passwd",
      `data:image/png;base64,${"A".repeat(1 << 20)}`,
    ];
    for (const url of urls) {
      const asks: readonly [path: string, body: object, param: string][] = [
        [CHAT, { messages: [{ role: "user", content: [{ type: "image_url", image_url: { url } }] }] }, "messages[0]"],
        [
          "/v1/responses",
          { input: [{ role: "user", content: [{ type: "input_image", image_url: url }] }] },
          "input[0]",
        ],
      ];
      for (const [path, body, param] of asks) {
        const { status, json } = await serving.post(path, body);
        expect({ path, status }).toEqual({ path, status: 400 });
        expect(json.error.param).toContain(param);
        expect(json.error.message.length).toBeLessThan(500);
      }
      const source = { type: "url", url };
      const messages = [{ role: "user", content: [{ type: "image", source }] }];
      const { status, json } = await serving.post("/v1/messages", { model: "tiny", max_tokens: 2, messages });
      expect([status, json.type]).toEqual([400, "error"]);
    }
    expect(numAsked).toBe(0);
  });
});

describe("connections", () => {
  /** What a connection is told before it is closed; whoever opens it says one more byte every so often. */
  function trickle(url: string, everyMs: number): { readonly socket: Socket; readonly answer: Promise<string> } {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    const words = "GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: ".padEnd(10_000, "x");
    let said = 0;
    const timer = setInterval(() => socket.write(words[said++] ?? "x"), everyMs);
    let text = "";
    const answer = new Promise<string>((resolve) => {
      socket.on("data", (data: Buffer) => (text += data.toString()));
      socket.on("error", () => {});
      socket.on("close", () => {
        clearInterval(timer);
        resolve(text);
      });
    });
    return { socket, answer };
  }

  test("that say a byte now and then are closed, and others are answered meanwhile", async () => {
    await using serving = await serveModel(scriptedModel("Hi"), { headerTimeoutMs: 1000 });
    const trickling = Array.from({ length: 400 }, () => trickle(serving.url, 100).answer);
    const ended = Promise.all(trickling);
    let isOver = false;
    void ended.then(() => (isOver = true));
    let numAnswered = 0;
    while (!isOver) {
      expect((await serving.get("/health")).status).toBe(200);
      expect((await serving.post(CHAT, hello)).status).toBe(200);
      numAnswered++;
    }
    expect(numAnswered).toBeGreaterThan(1);
    for (const answer of await ended) expect(answer).toMatch(/^HTTP\/1.1 408 .*"request_timeout"/s);
  });

  test("of one address are so many, and no more", async () => {
    await using serving = await serveModel(scriptedModel("Hi"), { maxConnectionsPerAddress: 3 });
    const held = Array.from({ length: 3 }, () => trickle(serving.url, 50));
    await Promise.all(held.map(({ socket }) => new Promise((resolve) => socket.once("connect", resolve))));
    const refused = await trickle(serving.url, 50).answer;
    expect(refused).toMatch(/^HTTP\/1.1 429 .*Retry-After: \d+.*"overloaded"/s);
    for (const { socket } of held) socket.destroy();
    const isServed = (): Promise<boolean> => serving.get("/health").then(({ status }) => status === 200);
    await eventually(() => isServed().catch(() => false), "there is room again");
  });

  test("on which a stream is silent disturb nobody", async () => {
    await using serving = await serveModel(scriptedModel(undefined), { maxRunning: 200 });
    const leave = new AbortController();
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ ...hello, stream: true });
    const init = { method: "POST", headers, body, signal: leave.signal };
    const streams = await Promise.all(Array.from({ length: 200 }, () => fetch(serving.url + CHAT, init)));
    expect(new Set(streams.map(({ status }) => status))).toEqual(new Set([200]));
    expect((await serving.get("/health")).status).toBe(200);
    leave.abort();
    const running = async (): Promise<string> => (await serving.get("/metrics")).text;
    await eventually(async () => /^mimo:num_requests_running{.*} 0$/m.test(await running()), "all have ended");
  });
});

test("one key's long prompts do not keep another key waiting for its first token", async () => {
  using keys = twoKeys();
  await using serving = await serveTiny({ keyFile: keys.path, maxRunning: 2 });
  const bodyOf = (seed: number, length: number): object => ({
    prompt: Array.from({ length }, (_, i) => (seed * 31 + i * 7) % 200),
    max_tokens: 4,
    ignore_eos: true,
  });
  const as = (who: 0 | 1): RequestInit => ({ headers: { authorization: `Bearer ${keys.secrets[who]}` } });
  let numEnded = 0;
  const crowd = Array.from({ length: 16 }, (_, i) =>
    serving.post("/v1/completions", bodyOf(i, 700), as(0)).then(({ status }) => {
      expect(status).toBe(200);
      numEnded++;
    }),
  );
  await eventually(() => numEnded > 0, "the crowd is served");
  const endedBefore = numEnded;
  expect((await serving.post("/v1/completions", bodyOf(99, 20), as(1))).status).toBe(200);
  // Those that ran, and the few that came in its turn's stead; not the whole crowd.
  expect(numEnded - endedBefore).toBeLessThan(6);
  await Promise.all(crowd);
});

test("an engine that has ended fails what runs, and health says so", async () => {
  await using serving = await serveTiny();
  const long = { prompt: "Once", max_tokens: 900, ignore_eos: true, stream: true };
  const stream = serving.post("/v1/completions", long);
  const metrics = async (): Promise<string> => (await serving.get("/metrics")).text;
  await eventually(async () => /^mimo:kv_cache_usage_perc{.*} 0\.\d+$/m.test(await metrics()), "it holds keys");
  await serving.mimo.close();
  const { text } = await stream;
  expect(framesOf(text).at(-1)).toMatchObject({ error: { type: expect.any(String) } });
  expect(text).not.toMatch(/\[DONE\]|\n\s+at /);
  for (const reply of [await serving.get("/health"), await serving.post(CHAT, hello)])
    expect([reply.status, reply.json.error.code]).toEqual([503, "loading"]);
  expect((await serving.get("/health/live")).status).toBe(200);
  expect((await serving.get("/metrics")).status).toBe(200);
});

test("where usage cannot be written, requests are answered, and the log says why", async () => {
  const folder = mkdtempSync(join(tmpdir(), "mimo-disk-"));
  const usageFile = join(folder, "file", "usage.json");
  {
    await using serving = await serveModel(scriptedModel("Hi"), { usageFile, usageFlushMs: 20 });
    await serving.post(CHAT, hello);
    // From now on no folder can be made there.
    rmSync(join(folder, "file"), { recursive: true, force: true });
    writeFileSync(join(folder, "file"), "");
    await serving.post(CHAT, hello);
    await eventually(() => /"level":(50|"error")/.test(serving.log.join("")), "the log says so");
    const reply = await serving.post(CHAT, hello);
    expect(reply.status).toBe(200);
    expect(reply.text).not.toContain(folder);
  }
  rmSync(folder, { recursive: true });
});
