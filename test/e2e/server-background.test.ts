// Answers that outlive their connection: read again after a reload, by two tabs, by nobody; and ended when asked to.
//
// The model writes readable nonsense and never ends by itself.

import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { load } from "../../src/api/load.ts";
import type { Mimo } from "../../src/api/mimo.ts";
import { type TextCheckpoint, writeTextCheckpoint } from "../../src/api/testing.ts";
import { eventually, framesOf, type Reply, serveModel, type Serving, twoKeys } from "./serving.ts";

const CHAT = "/v1/chat/completions";
const messages = [{ role: "user" as const, content: "Go." }];
const short = { messages, max_tokens: 40, temperature: 0 };
/** So long that nobody waits for its end. */
const endless = { messages, temperature: 0, stream: true, background: true };

let checkpoint: TextCheckpoint;
let mimo: Mimo;
let serving: Serving;
let whole: string;

beforeAll(async () => {
  checkpoint = await writeTextCheckpoint();
  mimo = await load(checkpoint.path, { contextLength: 16_384, threads: 1 });
  serving = await serveModel(mimo);
  whole = (await serving.post(CHAT, short)).json.choices[0].message.content;
});
afterAll(async () => {
  await serving[Symbol.asyncDispose]();
  await mimo.close();
  checkpoint.remove();
});

const contentOf = (text: string): string =>
  framesOf(text)
    .map(({ choices }) => choices[0]?.delta.content ?? "")
    .join("");
const idsOf = (text: string): number[] => [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));
const streamOf = (id: string): string => `${CHAT}/${id}/stream`;

/** Begins an answer, and leaves once it has been given so many frames. */
async function beginAndLeave(body: object, numFrames: number, server = serving, init: RequestInit = {}) {
  const connection = new AbortController();
  const response = await fetch(server.url + CHAT, {
    method: "POST",
    body: JSON.stringify({ ...body, stream: true, background: true }),
    ...init,
    headers: { "content-type": "application/json", ...(init.headers as Record<string, string>) },
    signal: connection.signal,
  });
  let text = "";
  const decoder = new TextDecoder();
  for await (const piece of response.body!) {
    text += decoder.decode(piece as Uint8Array, { stream: true });
    if (idsOf(text).length >= numFrames) break;
  }
  connection.abort();
  // What was cut off in the middle of a frame does not count.
  const read = text.slice(0, text.lastIndexOf("\n\n") + 2);
  return { read, id: framesOf(read)[0].id as string, last: idsOf(read).at(-1)! };
}

describe("a background answer", () => {
  test("is the stream that it would be otherwise, with numbers", async () => {
    const { text } = await serving.post(CHAT, { ...short, stream: true, background: true });
    expect(contentOf(text)).toBe(whole);
    const ids = idsOf(text);
    expect(ids).toEqual(ids.map((_, i) => i));
    expect(ids).toHaveLength(text.match(/^data: /gm)!.length);
    expect(text).toMatch(/data: \[DONE\]\n\n$/);
    const client = new OpenAI({ baseURL: `${serving.url}/v1`, apiKey: "none" });
    let content = "";
    for await (const { choices } of await client.chat.completions.create({
      model: "tiny",
      ...short,
      stream: true,
      ...({ background: true } as object),
    }))
      content += choices[0]?.delta.content ?? "";
    expect(content).toBe(whole);
  });

  test("goes on when its reader leaves, and is read again from there, or whole, by two at once", async () => {
    const { read, id, last } = await beginAndLeave(short, 5);
    const [rest, again, twin] = await Promise.all([
      serving.get(streamOf(id), { headers: { "last-event-id": String(last) } }),
      serving.get(streamOf(id)),
      serving.get(streamOf(id)),
    ]);
    expect(contentOf(read + rest.text)).toBe(whole);
    expect(idsOf(rest.text)[0]).toBe(last + 1);
    expect(contentOf(again.text)).toBe(whole);
    expect(twin.text).toBe(again.text);
    expect(again.headers.get("content-type")).toContain("text/event-stream");
    const later = await serving.get(`${streamOf(id)}?starting_after=${last}`);
    expect(later.text).toBe(rest.text);
  });

  test("is counted once it has ended, in one line of the log, as no failure", async () => {
    await using own = await serveModel(mimo);
    await beginAndLeave(short, 2, own);
    await eventually(() => own.log.length > 0, "its line is written");
    expect(own.log.map((line) => JSON.parse(line))).toEqual([
      expect.objectContaining({ route: "/chat/completions", status: 200, completionTokens: 40, finish: "length" }),
    ]);
    expect((await own.get("/v1/usage")).json.total).toMatchObject({ requests: 1, completion_tokens: 40 });
  });

  test("is the secret of the key that asked, and forgotten after a while", async () => {
    using keys = twoKeys();
    await using keyed = await serveModel(mimo, { keyFile: keys.path, keepStreamsMs: 200 });
    const [own, other] = keys.secrets.map((secret) => ({ headers: { authorization: `Bearer ${secret}` } }));
    const { id } = await beginAndLeave(short, 1, keyed, own);
    const statusFor = async (init?: RequestInit): Promise<number> => (await keyed.get(streamOf(id), init)).status;
    expect([await statusFor(own), await statusFor(other), await statusFor()]).toEqual([200, 404, 401]);
    await eventually(async () => (await statusFor(own)) === 404, "it is forgotten");
  });

  test("that nobody knows, and a place that is none, are refused", async () => {
    const { id } = await beginAndLeave(short, 1);
    expect((await serving.get(streamOf("chatcmpl-1"))).json.error).toMatchObject({ code: "not_found", param: "id" });
    expect((await serving.get(`${streamOf(id)}?starting_after=x`)).json.error.param).toBe("starting_after");
    expect((await serving.post(CHAT, { ...short, background: true })).json.error.param).toBe("background");
    const plain = framesOf((await serving.post(CHAT, { ...short, stream: true })).text)[0].id;
    expect((await serving.get(streamOf(plain))).status).toBe(404);
  });

  test("ends before it begins where its client leaves while it waits", async () => {
    await using busy = await serveModel(mimo, { maxRunning: 1 });
    const { id } = await beginAndLeave(endless, 1, busy);
    const waiting = new AbortController();
    const left = busy.post(CHAT, endless, { signal: waiting.signal }).catch(() => "left");
    const numWaiting = async (): Promise<string | undefined> =>
      /^mimo:num_requests_waiting\S* (\d+)/m.exec((await busy.get("/metrics")).text)?.[1];
    await eventually(async () => (await numWaiting()) === "1", "it waits");
    waiting.abort();
    await eventually(async () => (await numWaiting()) === "0", "it has left");
    expect(await left).toBe("left");
    await busy.post(`${CHAT}/control`, { id, action: "stop" });
  });

  test("has its tokens counted while it is written", async () => {
    const written = async (): Promise<number> =>
      Number(/^mimo:written_tokens_total\S* (\d+)/m.exec((await serving.get("/metrics")).text)?.[1]);
    const before = await written();
    const { id } = await beginAndLeave(endless, 3);
    await eventually(async () => (await written()) > before + 3, "they are counted");
    await serving.post(`${CHAT}/control`, { id, action: "stop" });
  });

  test("ends with the server, though nobody reads it", async () => {
    const own = await serveModel(mimo, { drainMs: 60_000 });
    await beginAndLeave(endless, 3, own);
    expect(mimo.kvUse).toBeGreaterThan(0);
    await own.server.stop();
    await eventually(() => mimo.kvUse === 0, "the engine is free");
  });
});

describe("an answer that is told to stop", () => {
  const stop = (id: string, init?: RequestInit): Promise<Reply> =>
    serving.post(`${CHAT}/control`, { id, action: "stop" }, init);

  test("ends as one that the model ended, frees the engine, and says so to whoever reads", async () => {
    const { id } = await beginAndLeave({ ...endless, stream_options: { include_usage: true } }, 3);
    const reading = serving.get(streamOf(id));
    expect(await stop(id)).toMatchObject({ status: 200, json: { id, action: "stop", success: true } });
    const { text } = await reading;
    const frames = framesOf(text);
    expect(frames.at(-2).choices[0]).toMatchObject({ finish_reason: "stop", finish_detail: "stopped" });
    expect(frames.at(-1).usage.completion_tokens).toBeGreaterThan(0);
    expect(text).toMatch(/data: \[DONE\]\n\n$/);
    await eventually(() => mimo.kvUse === 0, "the engine is free");
    expect((await stop(id)).status).toBe(404);
  });

  test("in the foreground, with all its choices", async () => {
    const client = new OpenAI({ baseURL: `${serving.url}/v1`, apiKey: "none" });
    const reasons = new Map<number, string>();
    let isStopped = false;
    for await (const { id, choices } of await client.chat.completions.create({
      model: "tiny",
      messages,
      n: 2,
      stream: true,
    })) {
      for (const { index, finish_reason: reason } of choices) if (reason !== null) reasons.set(index, reason);
      if (isStopped) continue;
      isStopped = true;
      await stop(id);
    }
    expect([...reasons.values()]).toEqual(["stop", "stop"]);
  });
});
