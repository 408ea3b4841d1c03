// The studio's files, as a browser is given them, beside the API that they call.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { scriptedModel, serveModel, type Serving, twoKeys } from "./serving.ts";

const PAGE = "<!doctype html><title>Studio</title>";

let folder: string;
let serving: Serving;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "mimo-studio-"));
  const studioFolder = join(folder, "studio");
  mkdirSync(join(studioFolder, "assets"), { recursive: true });
  writeFileSync(join(folder, "secret.json"), "{}");
  writeFileSync(join(studioFolder, "index.html"), PAGE);
  writeFileSync(join(studioFolder, "artifact.html"), PAGE);
  writeFileSync(join(studioFolder, ".hidden.json"), "{}");
  writeFileSync(join(studioFolder, "assets", "app-4f3a.js"), "export {}");
  serving = await serveModel(scriptedModel("Hi"), { studioFolder });
});
afterAll(async () => {
  await serving[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

test("the page is fetched anew, its hashed parts never again, and neither may load anything from elsewhere", async () => {
  const page = await serving.get("/");
  expect([page.status, page.text]).toEqual([200, PAGE]);
  const asset = await serving.get("/assets/app-4f3a.js");
  expect([asset.status, asset.text]).toEqual([200, "export {}"]);
  expect([page, asset].map(({ headers }) => headers.get("cache-control"))).toEqual([
    "no-cache",
    "public, max-age=31536000, immutable",
  ]);
  expect([page, asset].map(({ headers }) => headers.get("content-type"))).toEqual([
    "text/html; charset=utf-8",
    "text/javascript; charset=utf-8",
  ]);
  for (const { headers } of [page, asset]) {
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    const policy = headers.get("content-security-policy")!;
    expect(policy).toMatch(/^default-src 'none'; script-src 'self';/);
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toMatch(/https?:|unsafe-eval|\*/);
  }
  const head = await serving.get("/", { method: "HEAD" });
  expect([head.status, head.text, head.headers.get("content-type")]).toEqual([200, "", "text/html; charset=utf-8"]);
});

test("what a model wrote runs in a document without an origin or a network", async () => {
  const policy = (await serving.get("/artifact.html")).headers.get("content-security-policy");
  expect(policy).toMatch(/^sandbox allow-scripts; default-src 'none';/);
  expect(policy).not.toContain("connect-src");
  expect(policy).not.toContain("allow-same-origin");
});

/** As it stands: `fetch` would make the path proper first. */
function statusOf(path: string): Promise<number> {
  const { hostname, port } = new URL(serving.url);
  return new Promise((resolve, reject) => {
    request({ hostname, port, path }, (reply) => resolve(reply.resume().statusCode!))
      .on("error", reject)
      .end();
  });
}

test("nothing but the studio's own files is there", async () => {
  for (const path of [
    "/../secret.json",
    "/%2e%2e/secret.json",
    "/..%2fsecret.json",
    "/assets/..%5c..%5csecret.json",
    "/.hidden.json",
    "/assets",
    "/assets/",
    "/nowhere.js",
    "/index.html%00.js",
    "//etc/passwd",
  ])
    expect([path, await statusOf(path)]).toEqual([path, 404]);
});

test("the API stays as it is", async () => {
  expect((await serving.get("/v1/models")).json.object).toBe("list");
  expect((await serving.get("/v1/chat/completions")).status).toBe(405);
  expect((await serving.get("/v1/nowhere")).json.error.code).toBe("not_found");
  expect((await serving.post("/index.html", {})).status).toBe(404);
});

test("the page is open where keys are asked for, so that one can be given there", async () => {
  using keys = twoKeys();
  await using keyed = await serveModel(scriptedModel("Hi"), {
    keyFile: keys.path,
    studioFolder: join(folder, "studio"),
  });
  expect((await keyed.get("/")).text).toBe(PAGE);
  expect((await keyed.get("/v1/models")).status).toBe(401);
});

test("where it is not built, the server says what to do", async () => {
  await using bare = await serveModel(scriptedModel("Hi"), { studioFolder: join(folder, "nowhere") });
  expect(await bare.get("/")).toMatchObject({
    status: 200,
    json: { name: "mimo-flash", studio: expect.stringContaining("npm run setup") },
  });
  expect((await bare.get("/assets/app-4f3a.js")).status).toBe(404);
});
