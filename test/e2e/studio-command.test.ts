// `mimo studio`, with a program that stands in for the browser and a page that stands in for the studio.

import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { resultOf, Surroundings, urlOf } from "./command.ts";
import { eventually } from "./serving.ts";

const here = await Surroundings.create();
afterAll(() => here[Symbol.dispose]());

const programs = here.path("programs");
const opened = here.path("opened");
const studio = here.path("studio");
for (const folder of [programs, studio]) mkdirSync(folder);
writeFileSync(join(studio, "index.html"), "<title>Studio</title>");
for (const name of ["xdg-open", "open"]) {
  writeFileSync(join(programs, name), `#!/bin/sh\nprintf %s "$1" > ${opened}.part\nmv ${opened}.part ${opened}\n`);
  chmodSync(join(programs, name), 0o755);
}

function start(args: readonly string[], path = `${programs}:${here.env["PATH"]}`) {
  const [program, ...rest] = here.command(["studio", "--port", "0", "--threads", "1", "--studio", studio, ...args]);
  const child = spawn(program, rest, { cwd: here.folder, env: { ...here.env, PATH: path } });
  return { child, result: resultOf(child), url: urlOf(child) };
}

test("serves the page and opens it", async () => {
  const { child, result, url } = start([]);
  await eventually(() => existsSync(opened), "the browser is opened", 60_000);
  expect(readFileSync(opened, "utf8")).toBe(`${await url}/`);
  expect(await (await fetch(`${await url}/`)).text()).toBe("<title>Studio</title>");
  child.kill("SIGTERM");
  const { exitCode, stderr } = await result;
  expect(exitCode).toBe(0);
  expect(stderr).toContain(`Studio at ${await url}/`);
  rmSync(opened);
});

test("opens nothing where it is told so, and says so where there is no browser", async () => {
  const quiet = start(["--no-open"]);
  await quiet.url;
  quiet.child.kill("SIGTERM");
  expect((await quiet.result).stderr).not.toContain("browser");
  const alone = start([], here.path("nowhere"));
  await alone.url;
  alone.child.kill("SIGTERM");
  expect(await alone.result).toMatchObject({ exitCode: 0, stderr: expect.stringContaining("address yourself") });
  expect(existsSync(opened)).toBe(false);
});

test("says what to do where the studio is not built, before anything is loaded", async () => {
  const { exitCode, stderr } = await here.run(["studio", "nowhere", "--studio", here.path("unbuilt")]);
  expect(exitCode).toBe(3);
  expect(stderr).toContain("npm run setup");
});
