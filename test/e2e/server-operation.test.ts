// What operators ask of a server: who used how much, who may have how much at once, and one line for each request.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createKey, type KeyLimits, type Scope } from "../../src/server/keys.ts";
import { createLog } from "../../src/server/log.ts";
import { eventually, type Reply, scriptedModel, serveModel, type Serving } from "./serving.ts";

const CHAT = "/v1/chat/completions";
const secretWords = "what nobody else may read";
const hello = { messages: [{ role: "user", content: secretWords }] };

let folder: string;
let keyFile: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "mimo-operation-"));
  keyFile = join(folder, "keys.json");
});
afterAll(() => rmSync(folder, { recursive: true }));

function keyOf(
  name: string,
  scopes: readonly Scope[] = ["inference"],
  limits?: KeyLimits,
): { readonly headers: Record<string, string> } {
  return { headers: { authorization: `Bearer ${createKey(keyFile, name, scopes, limits).secret}` } };
}

test("usage is counted by key and day, and shown to its owner and to who administers", async () => {
  const [mine, yours, admin] = [keyOf("mine"), keyOf("yours"), keyOf("admin", ["admin"])];
  const usageFile = join(folder, "usage.json");
  const prices = { input: 1000, cachedInput: 100, output: 2000 };
  const today = new Date().toISOString().slice(0, 10);
  {
    await using serving = await serveModel(scriptedModel("Hi"), { keyFile, usageFile, prices });
    const usageOf = async (init: RequestInit, query = ""): Promise<any> =>
      (await serving.get(`/v1/usage${query}`, init)).json;
    const { usage } = (await serving.post(CHAT, hello, mine)).json;
    await serving.post(CHAT, { ...hello, stream: true }, mine);
    await serving.post(CHAT, { ...hello, n: 2 }, yours);
    await serving.post("/v1/completions", { prompt: ["a", "b"], n: 2 }, yours);
    // What is refused costs nothing.
    await serving.post(CHAT, { ...hello, n: 0 }, mine);
    const own = await usageOf(mine);
    const row = {
      requests: 2,
      prompt_tokens: 2 * usage.prompt_tokens,
      cached_tokens: 8,
      completion_tokens: 2 * usage.completion_tokens,
      reasoning_tokens: 0,
      cost: 2 * ((usage.prompt_tokens - 4) * 1e-3 + 4 * 1e-4 + usage.completion_tokens * 2e-3),
    };
    expect(own).toMatchObject({ object: "list", currency: "USD", prices_per_million: { cached_input: 100 } });
    expect(own.data).toEqual([{ ...row, day: today, key: "mine", cost: expect.closeTo(row.cost, 9) }]);
    const all = await usageOf(admin);
    expect(all.data.map(({ key, requests }: any) => [key, requests])).toEqual([
      ["mine", 2],
      ["yours", 2],
    ]);
    // One prompt for two choices, and two prompts with two choices each.
    expect(all.data[1]).toMatchObject({
      prompt_tokens: 3 * usage.prompt_tokens,
      completion_tokens: 6 * usage.completion_tokens,
    });
    expect(all.total.requests).toBe(4);
    expect((await usageOf(admin, "?key=mine")).data).toHaveLength(1);
    expect((await usageOf(mine, "?key=yours")).data).toEqual(own.data);
    expect((await usageOf(admin, "?to=2020-01-01")).data).toEqual([]);
    expect((await serving.get("/v1/usage?from=yesterday", admin)).status).toBe(400);
    expect((await serving.get("/v1/usage")).status).toBe(401);
  }
  // The next server goes on counting.
  await using next = await serveModel(scriptedModel("Hi"), { keyFile, usageFile, prices });
  await next.post(CHAT, hello, mine);
  expect((await next.get("/v1/usage", mine)).json.data[0].requests).toBe(3);
});

test("a key has so many requests at once; others are not concerned", async () => {
  const [limited, free] = [keyOf("limited", ["inference"], { maxRequests: 2 }), keyOf("free")];
  await using serving = await serveModel(scriptedModel(undefined), { keyFile, maxRequestsPerKey: 5 });
  const limits = ({ headers }: Reply): unknown[] =>
    ["limit", "remaining", "reset"].map((what) => headers.get(`x-ratelimit-${what}-requests`));
  expect(limits(await serving.get("/v1/models", free))).toEqual(["5", "5", "0s"]);
  const controllers = [new AbortController(), new AbortController()];
  const pending = controllers.map(({ signal }) => serving.post(CHAT, hello, { ...limited, signal }).catch(() => {}));
  await eventually(async () => limits(await serving.get("/v1/models", limited))[1] === "0", "both run");
  const refused = await serving.post(CHAT, hello, limited);
  expect([refused.status, refused.json.error.type, refused.headers.get("x-should-retry")]).toEqual([
    429,
    "rate_limit_error",
    "true",
  ]);
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
  expect(limits(refused)).toEqual(["2", "0", expect.stringMatching(/^[1-9]\d*s$/)]);
  const third = new AbortController();
  const other = serving.post(CHAT, hello, { ...free, signal: third.signal }).catch(() => {});
  await eventually(async () => limits(await serving.get("/v1/models", free))[1] === "4", "another key's runs");
  for (const controller of [...controllers, third]) controller.abort();
  await Promise.all([...pending, other]);
  await eventually(async () => limits(await serving.get("/v1/models", limited))[1] === "2", "both have ended");
});

const linesOf = ({ log }: Serving): any[] => log.map((line) => JSON.parse(line));

test("the log has one line for each request, without what was said", async () => {
  const key = keyOf("logged");
  await using serving = await serveModel(scriptedModel("An answer"), { keyFile });
  await serving.get("/health");
  await serving.post(CHAT, { ...hello, stream: true }, { headers: { ...key.headers, "x-request-id": "mine-1" } });
  await serving.post(CHAT, { messages: [] }, key);
  await serving.get("/nowhere");
  await eventually(() => serving.log.length >= 3, "all lines are written");
  expect(linesOf(serving)).toEqual([
    expect.objectContaining({
      id: "mine-1",
      key: "logged",
      method: "POST",
      route: "/chat/completions",
      status: 200,
      firstTokenMs: expect.any(Number),
      promptTokens: expect.any(Number),
      completionTokens: expect.any(Number),
      finish: "stop",
    }),
    expect.objectContaining({ route: "/chat/completions", status: 400, key: "logged" }),
    expect.objectContaining({ route: "*", status: 404 }),
  ]);
  expect(serving.log.join("")).not.toMatch(new RegExp(`${secretWords}|An answer|Bearer`));
});

test("for people, a line is short", () => {
  let text = "";
  const log = createLog("info", { write: (line) => void (text += line) }, "pretty");
  const tokens = { promptTokens: 12, cachedTokens: 4, completionTokens: 40 };
  log.child({ id: "1" }).info(
    {
      method: "POST",
      route: "/x",
      status: 200,
      ms: 340,
      firstTokenMs: 25,
      ...tokens,
      finish: "stop",
      key: "a\u001b[2J",
    },
    "request",
  );
  log.error({ err: new Error("bad") }, "the request failed");
  expect(text.split("\n")).toEqual([
    expect.stringMatching(
      /^\d\d:\d\d:\d\d POST \/x 200 in 340 ms, first token 25 ms, 12 \(4 cached\)\+40 tokens, stop, "a\\u001b\[2J", 1$/,
    ),
    expect.stringMatching(/^\d\d:\d\d:\d\d error the request failed \{"err":.*bad/),
    "",
  ]);
});
