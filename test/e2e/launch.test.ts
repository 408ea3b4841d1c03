// `mimo launch`, with programs that stand in for the agents: they write down what they were told, ask once, and end as
// they are told to.

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeEach, expect, test } from "vitest";
import { findProgram } from "../../src/cli/launch/run-program.ts";
import { createKey } from "../../src/server/keys.ts";
import { type CommandResult, resultOf, Surroundings } from "./command.ts";
import { eventually, scriptedModel, serveModel } from "./serving.ts";

const here = await Surroundings.create();
afterAll(() => here[Symbol.dispose]());

const programs = here.path("programs");
const report = here.path("report.json");

/** Named as the agent; what it asks depends on nothing but what it was told. */
const AGENT = `#!${process.execPath}
const fs = require("node:fs");
const { env, argv } = process;
const read = (path) => path === undefined || !fs.existsSync(path) ? undefined : fs.readFileSync(path, "utf8");
const config = read(env.OPENCODE_CONFIG) ?? read(env.CODEX_HOME && env.CODEX_HOME + "/config.toml");
const told = Object.fromEntries(Object.entries(env).filter(([name]) => /^(ANTHROPIC|CLAUDE|CODEX|OPENCODE|MIMO)_/.test(name)));
const report = ${JSON.stringify(report)};
const note = (more) => {
  fs.writeFileSync(report + ".part", JSON.stringify({ args: argv.slice(2), told, config, ...more }));
  fs.renameSync(report + ".part", report);
};
const url = env.ANTHROPIC_BASE_URL ?? /http:[^"]+(?=\\/v1")/.exec(config)[0];
const key = env.ANTHROPIC_AUTH_TOKEN ?? env.MIMO_API_KEY;
const headers = { "content-type": "application/json", authorization: "Bearer " + key };
const body = JSON.stringify({ messages: [{ role: "user", content: "Hello" }], max_tokens: 2 });
(async () => {
  const { status } = await fetch(url + "/v1/chat/completions", { method: "POST", headers, body });
  const stranger = await fetch(url + "/v1/models");
  note({ status, strangerStatus: stranger.status, url });
  if (argv.includes("wait")) {
    process.on("SIGTERM", () => process.exit(9));
    setInterval(() => {}, 1000);
    note({ status, url, isWaiting: true });
  } else if (argv.includes("die")) process.kill(process.pid, "SIGKILL");
  else process.exitCode = Number(argv[3] ?? 0);
})();
`;

mkdirSync(programs);
for (const name of ["claude", "codex", "opencode"]) {
  writeFileSync(join(programs, name), AGENT);
  chmodSync(join(programs, name), 0o755);
}
beforeEach(() => rmSync(report, { force: true }));

function start(args: readonly string[], variables: Record<string, string> = {}): ChildProcessWithoutNullStreams {
  const [program, ...rest] = here.command(["launch", ...args]);
  const env = { ...here.env, PATH: `${programs}:${here.env["PATH"]}`, TMPDIR: here.folder, ...variables };
  return spawn(program, rest, { cwd: here.folder, env });
}

function launch(args: readonly string[], variables?: Record<string, string>): Promise<CommandResult> {
  const child = start(args, variables);
  child.stdin.end();
  return resultOf(child);
}

const readReport = (): any => JSON.parse(readFileSync(report, "utf8"));

test("Claude Code gets a server of its own, which ends with it", async () => {
  const { exitCode, stderr } = await launch(["claude", "--threads", "1", "--", "-p", "7"], {
    ANTHROPIC_API_KEY: "somebody's own",
  });
  expect({ exitCode, stderr }).toEqual({ exitCode: 7, stderr: expect.stringContaining("claude on nano") });
  const { args, status, strangerStatus, told, url } = readReport();
  expect({ args, status, strangerStatus }).toEqual({ args: ["-p", "7"], status: 200, strangerStatus: 401 });
  expect(told).toMatchObject({
    ANTHROPIC_BASE_URL: url,
    ANTHROPIC_AUTH_TOKEN: expect.stringMatching(/^mimo-/),
    ANTHROPIC_MODEL: expect.stringMatching(/^nano/),
    ANTHROPIC_DEFAULT_HAIKU_MODEL: told.ANTHROPIC_MODEL,
    CLAUDE_CODE_ATTRIBUTION_HEADER: "0",
  });
  expect(told).not.toHaveProperty("ANTHROPIC_API_KEY");
  await expect(fetch(`${url}/health`)).rejects.toThrow();
  // The terminal is the agent's; what the server had to say is in a file.
  expect(stderr).not.toContain('"route"');
  expect(readFileSync(here.path("state/mimo-flash/launch.log"), "utf8")).toContain('"route":"/chat/completions"');
  const usage = await here.run(["keys", "usage", "--json"]);
  expect(JSON.parse(usage.stdout)).toMatchObject({ usage: [{ key: "launch claude", requests: 1 }] });
});

test("Codex and OpenCode get a file, for as long as they run", async () => {
  const { secret } = (() => createKey(here.path("keys.json"), "agent", ["inference"]))();
  await using serving = await serveModel(scriptedModel("Hi"), { keyFile: here.path("keys.json") });
  const variables = { MIMO_API_KEY: secret };
  const codex = await launch(["codex", "--url", `${serving.url}/v1/`], variables);
  expect(codex).toMatchObject({ exitCode: 0, stdout: "" });
  const { config, told, status } = readReport();
  expect(status).toBe(200);
  expect(config).toContain('model = "tiny"\nmodel_provider = "mimo"\nmodel_context_window = 4096\n');
  expect(config).toContain(`base_url = "${serving.url}/v1"\nenv_key = "MIMO_API_KEY"\nwire_api = "responses"\n`);
  expect(existsSync(told.CODEX_HOME)).toBe(false);
  expect((await launch(["opencode", "--url", serving.url], variables)).exitCode).toBe(0);
  const opencode = readReport();
  expect(opencode.config).not.toContain(secret);
  expect(JSON.parse(opencode.config)).toMatchObject({
    model: "mimo/tiny",
    provider: {
      mimo: {
        npm: "@ai-sdk/openai-compatible",
        options: { baseURL: `${serving.url}/v1`, apiKey: "{env:MIMO_API_KEY}" },
        models: { tiny: { limit: { context: 4096, output: 1024 } } },
      },
    },
  });
  expect(existsSync(opencode.told.OPENCODE_CONFIG)).toBe(false);
  // A server that runs already goes on.
  expect((await serving.get("/health")).status).toBe(200);
  expect(await launch(["codex", "--url", serving.url])).toMatchObject({
    exitCode: 7,
    stderr: expect.stringContaining("answers 401"),
  });
});

test("signals reach the agent, and how it ended is passed on", async () => {
  await using serving = await serveModel(scriptedModel("Hi"));
  const child = start(["claude", "--url", serving.url, "--", "wait"]);
  const result = resultOf(child);
  await eventually(() => existsSync(report) && readReport().isWaiting === true, "the agent runs");
  child.kill("SIGTERM");
  expect((await result).exitCode).toBe(9);
  expect((await launch(["claude", "--url", serving.url, "--", "die"])).exitCode).toBe(128 + 9);
});

test("what is missing is told before anything is started", async () => {
  const without = await launch(["codex"], { PATH: here.folder });
  expect(without).toMatchObject({ exitCode: 3, stderr: expect.stringContaining("npm install -g @openai/codex") });
  expect((await launch(["cursor"])).stderr).toContain("claude, codex, opencode");
  expect((await launch(["claude", "--url", "http://127.0.0.1:9"])).stderr).toContain("there is no server");
  expect((await launch(["claude", "--no-such"])).exitCode).toBe(2);
  const broken = here.path("broken");
  mkdirSync(broken);
  writeFileSync(join(broken, "claude"), "#!/no/such/interpreter\n", { mode: 0o755 });
  await using serving = await serveModel(scriptedModel("Hi"));
  expect(await launch(["claude", "--url", serving.url], { PATH: broken })).toMatchObject({
    exitCode: 7,
    stderr: expect.stringContaining("cannot be started"),
  });
});

test("programs are looked for in PATH, then beside the project", () => {
  const bin = here.path("project/node_modules/.bin");
  mkdirSync(bin, { recursive: true });
  mkdirSync(here.path("project/deep/claude"), { recursive: true });
  for (const mode of [0o644, 0o755]) {
    writeFileSync(join(bin, "claude"), "");
    chmodSync(join(bin, "claude"), mode);
    expect(findProgram("claude", here.path("project/deep"), here.path("project/deep"))).toBe(
      mode === 0o755 ? join(bin, "claude") : undefined,
    );
  }
  expect(findProgram("claude", `${here.path("nowhere")}:${programs}`, bin)).toBe(join(programs, "claude"));
});
