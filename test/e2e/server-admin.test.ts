// What those who look after a server see of it: its keys, its requests, its runs of training, and the model's build.

import { appendFileSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createKey } from "../../src/server/keys.ts";
import { eventually, framesOf, type Reply, scriptedModel, serveModel, serveTiny } from "./serving.ts";

const CHAT = "/v1/chat/completions";
const hello = { messages: [{ role: "user", content: "Hello" }] };

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "mimo-admin-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function bearer(secret: string): { readonly headers: Record<string, string> } {
  return { headers: { authorization: `Bearer ${secret}` } };
}

describe("API keys", () => {
  test("are made, used, listed and ended, by whoever administers", async () => {
    const keyFile = join(folder, "keys.json");
    const admin = bearer(createKey(keyFile, "admin", ["admin"]).secret);
    await using serving = await serveModel(scriptedModel("Hi"), { keyFile });
    const made = await serving.post("/v1/keys", { name: " laptop ", max_requests: 3 }, admin);
    expect(made).toMatchObject({
      status: 200,
      json: { name: "laptop", scopes: ["inference", "metrics"], max_requests: 3, queue_share: null },
    });
    const { id, key } = made.json;
    const laptop = bearer(key);
    const isKnown = async (): Promise<boolean> => (await serving.get("/v1/models", laptop)).status === 200;
    await eventually(isKnown, "the key is known");
    for (const path of ["/v1/keys", "/v1/logs", "/v1/runs"])
      expect([path, (await serving.get(path, laptop)).status]).toEqual([path, 403]);
    const list = await serving.get("/v1/keys", admin);
    expect(list.json).toMatchObject({ required: true, data: [{ name: "admin", scopes: ["admin"] }, { id }] });
    expect(list.text).not.toMatch(/hash|[0-9a-f]{64}/);
    expect(list.text).not.toContain(key);
    expect((await serving.get(`/v1/keys/${id}`, { ...laptop, method: "DELETE" })).status).toBe(403);
    const deleted = await serving.get(`/v1/keys/${id}`, { ...admin, method: "DELETE" });
    expect(deleted.json).toEqual({ id, object: "key", deleted: true });
    await eventually(async () => !(await isKnown()), "the key is forgotten");
    expect((await serving.get(`/v1/keys/${id}`, { ...admin, method: "DELETE" })).status).toBe(404);
  });

  test.each([
    [{ name: "" }, "name"],
    [{ name: "x".repeat(129) }, "name"],
    [{ name: "x", scopes: ["everything"] }, "scopes[0]"],
    [{ name: "x", scopes: [] }, "scopes"],
    [{ name: "x", max_requests: 0 }, "max_requests"],
    [{ name: "x", queue_share: 2 }, "queue_share"],
    [{ name: "twice" }, "name"],
  ])("%j is refused", async (body, param) => {
    const keyStore = join(folder, "refused.json");
    if (body.name === "twice") createKey(keyStore, "twice", ["inference"]);
    await using serving = await serveModel(scriptedModel("Hi"), { keyStore });
    const { status, json } = await serving.post("/v1/keys", body);
    expect([status, json.error.param]).toEqual([400, param]);
  });

  test("are made ahead where none are asked for, by no page of a stranger", async () => {
    const keyStore = join(folder, "ahead.json");
    await using serving = await serveModel(scriptedModel("Hi"), { keyStore });
    const stranger = { headers: { origin: "http://elsewhere.example" } };
    expect((await serving.post("/v1/keys", { name: "a" }, stranger)).status).toBe(403);
    expect((await serving.post("/v1/keys", { name: "a", scopes: ["admin"] })).status).toBe(200);
    expect((await serving.get("/v1/keys")).json).toMatchObject({ required: false, data: [{ name: "a" }] });
    expect((await serving.post(CHAT, hello)).status).toBe(200);
    await using none = await serveModel(scriptedModel("Hi"));
    expect((await none.get("/v1/keys")).json.error.code).toBe("not_supported");
  });
});

describe("the log", () => {
  test("has the last requests, and not those who watch it", async () => {
    await using serving = await serveModel(scriptedModel("An answer"));
    await serving.post(CHAT, hello, { headers: { "x-request-id": "mine-1" } });
    await serving.get("/metrics");
    await serving.get("/health");
    await serving.get("/v1/models");
    await serving.get("/nowhere");
    const lines = async (): Promise<any[]> => (await serving.get("/v1/logs")).json.data;
    await eventually(async () => (await lines()).length >= 2, "both are there");
    expect(await lines()).toEqual([
      expect.objectContaining({
        id: "mine-1",
        route: "/chat/completions",
        status: 200,
        completionTokens: expect.any(Number),
      }),
      expect.objectContaining({ route: "*", status: 404, time: expect.stringMatching(/^\d{4}-/) }),
    ]);
    expect(JSON.stringify(await lines())).not.toMatch(/Hello|An answer/);
  });

  test("keeps a thousand", async () => {
    await using serving = await serveModel(scriptedModel("Hi"));
    for (let i = 0; i < 26; i++)
      await Promise.all(
        Array.from({ length: 40 }, () => serving.get("/nowhere", { headers: { "x-request-id": `${i}` } })),
      );
    const data = async (): Promise<any[]> => (await serving.get("/v1/logs")).json.data;
    await eventually(async () => (await data()).at(-1).id === "25", "the last line is there");
    expect(await data()).toHaveLength(1000);
    expect((await data())[0].id).toBe("1");
  });

  test("is followed as it grows, also by a reader that comes back, until the server stops", async () => {
    const serving = await serveModel(scriptedModel("Hi"), { drainMs: 60_000 });
    const follow = async (lastId?: string): Promise<Reply> =>
      serving.get("/v1/logs", {
        headers: { accept: "text/event-stream", ...(lastId === undefined ? {} : { "last-event-id": lastId }) },
      });
    await serving.get("/nowhere");
    await eventually(async () => (await serving.get("/v1/logs")).json.data.length === 1, "the first line is there");
    const readers = [follow(), follow("0"), follow("999")];
    await serving.post(CHAT, hello);
    await eventually(async () => (await serving.get("/v1/logs")).json.data.length === 2, "the second line is there");
    // It does not wait for them.
    await serving.server.stop();
    const routes = (await Promise.all(readers)).map(({ text }) => framesOf(text).map(({ route }) => route));
    expect(routes).toEqual([["*", "/chat/completions"], ["/chat/completions"], ["*", "/chat/completions"]]);
  });
});

describe("runs of training", () => {
  const line = (step: number): string =>
    `${JSON.stringify({ stage: "pre-training", step, totalSteps: step, loss: 8 / step, tokens: 4000, tokensPerSecond: 2000 })}\n`;

  function writeRun(runs: string, name: string, numSteps: number): string {
    const run = join(runs, name);
    mkdirSync(run, { recursive: true });
    writeFileSync(join(run, "metrics.jsonl"), Array.from({ length: numSteps }, (_, i) => line(i + 1)).join(""));
    return run;
  }

  test("are listed with where they stand, the latest first", async () => {
    const runs = join(folder, "runs");
    const [old, ended] = [writeRun(runs, "old", 3), writeRun(runs, "ended", 2)];
    mkdirSync(join(ended, "model"));
    writeRun(runs, "current", 5);
    writeRun(runs, "empty", 0);
    mkdirSync(join(runs, "no-run"));
    const longAgo = new Date(Date.now() - 3_600_000);
    utimesSync(join(old, "metrics.jsonl"), longAgo, longAgo);
    appendFileSync(join(runs, "current", "metrics.jsonl"), '{"stage":"pre-tr');
    await using serving = await serveModel(scriptedModel("Hi"), { runsFolder: runs });
    const { data } = (await serving.get("/v1/runs")).json;
    expect(data.map(({ name, running, step, loss }: any) => [name, running, step, loss]).toSorted()).toEqual([
      ["current", true, 5, 1.6],
      ["empty", true, null, null],
      ["ended", false, 2, 4],
      ["old", false, 3, 8 / 3],
    ]);
    expect(data.at(-1)).toMatchObject({ name: "old", updated_at: longAgo.toISOString(), stage: "pre-training" });
  });

  test("are read line by line, and on from there; a line that is being written waits", async () => {
    const runs = join(folder, "growing");
    const run = writeRun(runs, "one", 3);
    await using serving = await serveModel(scriptedModel("Hi"), { runsFolder: runs });
    const read = async (query = "", file = "metrics"): Promise<any> =>
      (await serving.get(`/v1/runs/one/${file}${query}`)).json;
    expect(await read()).toMatchObject({ data: [{ step: 1 }, { step: 2 }, { step: 3 }], next: 3, has_more: false });
    const [begun, rest] = [line(4).slice(0, 9), line(4).slice(9)];
    appendFileSync(join(run, "metrics.jsonl"), begun);
    expect(await read("?after=3")).toMatchObject({ data: [], next: 3 });
    appendFileSync(join(run, "metrics.jsonl"), rest);
    expect(await read("?after=3")).toMatchObject({ data: [{ step: 4 }], next: 4 });
    // A run that is set back is begun anew by its reader.
    expect(await read("?after=9")).toMatchObject({ data: [], next: 4 });
    expect(await read("", "samples")).toMatchObject({ data: [], next: 0 });
    writeFileSync(join(run, "samples.jsonl"), '{"text":"Once"}\n');
    expect((await read("", "samples")).data).toEqual([{ text: "Once" }]);
    expect((await read("?after=x")).error.param).toBe("after");
    writeRun(runs, "one", 5001);
    expect(await read()).toMatchObject({ next: 5000, has_more: true });
  });

  test("are none where there is no folder, and no name leads out of it", async () => {
    const runs = join(folder, "inside", "runs");
    writeRun(join(folder, "inside"), "outside", 1);
    mkdirSync(runs);
    await using serving = await serveModel(scriptedModel("Hi"), { runsFolder: runs });
    for (const name of ["..%2foutside", "nowhere", "..%5coutside", "a%00"])
      expect([name, (await serving.get(`/v1/runs/${name}/metrics`)).status]).toEqual([name, 404]);
    await using bare = await serveModel(scriptedModel("Hi"), { runsFolder: join(folder, "nowhere") });
    expect((await bare.get("/v1/runs")).json.data).toEqual([]);
    await using none = await serveModel(scriptedModel("Hi"));
    expect((await none.get("/v1/runs")).status).toBe(400);
  });
});

test("a model tells how it is built, what it takes and how it is sampled", async () => {
  await using serving = await serveTiny();
  const { config, contextLength, numMtpHeads, cacheSizes } = serving.mimo.info;
  const { mimo } = (await serving.get("/v1/models/tiny")).json;
  expect(mimo).toMatchObject({
    context_length: contextLength,
    sliding_window: config.attention.sliding.window,
    experts: { total: config.experts.numExperts, per_token: config.experts.numExpertsPerToken },
    mtp_heads: numMtpHeads,
    kv: {
      global_bytes_per_token: cacheSizes.bytesPerToken,
      sliding_bytes_per_sequence: cacheSizes.bytesPerSequence,
    },
    sampling: { temperature: 0.8, top_p: 0.95, top_k: 0 },
    sampling_with_tools: { temperature: 0.3 },
  });
  expect(mimo.layers).toHaveLength(config.layers.length);
  expect(new Set(mimo.layers.map(({ attention }: any) => attention))).toEqual(new Set(["global", "sliding"]));
});
