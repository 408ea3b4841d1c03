// `mimo launch`: a coding agent on a model of ours. Starts a server on a free port of this machine, unless one is named,
// then the agent, told where to find it; both end together.
//
// The agent's own configuration stays as it is: what it is told is in its environment and in a folder that is deleted.

import { createWriteStream, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Argument, Command } from "commander";
import { z } from "zod";
import { createKey } from "../../server/keys.ts";
import { MimoError } from "../../util/errors.ts";
import type { Cli } from "../cli.ts";
import { watchInterrupt } from "../interrupt.ts";
import { type Client, CLIENT_NAMES, type ClientName, CLIENTS, type Endpoint } from "../launch/clients.ts";
import { findProgram, runProgram } from "../launch/run-program.ts";
import { examples } from "../options.ts";
import type { Serving } from "../serving.ts";
import { addSettingOptions, readSettings, type SettingFlags, valuesOf } from "../settings/resolve.ts";
import { SERVE_SETTINGS } from "../settings/serve-settings.ts";

interface LaunchFlags extends SettingFlags {
  readonly url?: string;
}

const MODELS = z.object({ data: z.array(z.object({ id: z.string(), context_length: z.number().optional() })).min(1) });
/** Of servers that do not say. */
const UNKNOWN_CONTEXT = 32_768;
const ANSWER_MS = 10_000;

export function launchCommand(cli: Cli): Command {
  const command = new Command("launch")
    .description("Start a coding agent on this model: Claude Code, Codex or OpenCode.")
    .addArgument(new Argument("<client>", "which one").choices(CLIENT_NAMES))
    .argument("[args...]", "after --: what the agent is given")
    .option("--url <url>", "a server that runs already, its key in MIMO_API_KEY; default: one is started");
  // How the server is set up is said as to `mimo serve`, whose help explains it.
  return addSettingOptions(command, SERVE_SETTINGS, true)
    .action((name: ClientName, args: readonly string[], flags: LaunchFlags) => launch(cli, CLIENTS[name], args, flags))
    .addHelpText(
      "after",
      `\nFlags, variables and the file of \`mimo serve\` set up the server that is started.\n${examples(
        ["mimo launch claude", "Claude Code, on the model that comes along."],
        ["mimo launch codex --model model.gguf --context-length 131072", "Codex, on a real one."],
        ["mimo launch opencode --url http://127.0.0.1:9001 -- run hello", "OpenCode, on a server that runs already."],
      )}`,
    );
}

async function launch(cli: Cli, client: Client, args: readonly string[], flags: LaunchFlags): Promise<void> {
  const { environment, messages } = cli;
  const { program, install } = client;
  // Before anything is loaded.
  const file = findProgram(program, environment.inherited["PATH"] ?? "", process.cwd());
  if (file === undefined) {
    throw new MimoError("not_found", `${program} is neither in PATH nor in node_modules/.bin.`, {
      remedy: `Install it: ${install}`,
    });
  }
  const folder = mkdtempSync(join(tmpdir(), "mimo-launch-"));
  try {
    await using server = flags.url === undefined ? await startServer(cli, program, folder, flags) : undefined;
    const url = server?.url ?? (flags.url as string).replace(/\/+$/, "").replace(/\/v1$/, "");
    const key = server?.key ?? environment.variables["MIMO_API_KEY"] ?? "none";
    const endpoint = await describeServer(url, key);
    const { variables, files } = client.setup(endpoint, folder);
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content, { mode: 0o600 });
    messages.line(messages.style.dim(`${program} on ${messages.untrusted(endpoint.model)} at ${url}`));
    process.exitCode = await runProgram(file, args, { ...environment.inherited, ...variables }, cli.input.isTTY);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface LaunchedServer extends AsyncDisposable {
  readonly url: string;
  readonly key: string;
}

/** A server that only this agent can use. Its log goes to a file: the terminal is the agent's. */
async function startServer(cli: Cli, name: string, folder: string, flags: SettingFlags): Promise<LaunchedServer> {
  const settings = valuesOf(SERVE_SETTINGS, await readSettings(cli, "serve", SERVE_SETTINGS, flags));
  const apiKeyFile = join(folder, "api-keys.json");
  const { secret } = createKey(apiKeyFile, `launch ${name}`, ["inference"]);
  const { stateFolder } = cli.environment;
  mkdirSync(stateFolder, { recursive: true });
  const log = createWriteStream(join(stateFolder, "launch.log"));
  using interrupt = watchInterrupt();
  const { startServing } = await import("../serving.ts");
  const serving: Serving = await startServing(
    cli,
    // Nothing runs any more when the agent has ended.
    { ...settings, host: "127.0.0.1", port: 0, apiKeyFile, logFormat: settings.logFormat ?? "json", drainSeconds: 1 },
    log,
    interrupt.signal,
  );
  return {
    url: serving.server.url,
    key: secret,
    [Symbol.asyncDispose]: async () => {
      await serving[Symbol.asyncDispose]();
      await new Promise<void>((resolve) => log.end(resolve));
    },
  };
}

/** Asks a server for its model. Throws `io_failed` where it does not answer as one. */
async function describeServer(url: string, key: string): Promise<Endpoint> {
  const failed = (problem: string, cause?: unknown): MimoError =>
    new MimoError("io_failed", `${url}: ${problem}`, {
      remedy: "Check --url, and MIMO_API_KEY where the server asks for keys.",
      cause,
    });
  let response: Response;
  try {
    const headers = { authorization: `Bearer ${key}` };
    response = await fetch(`${url}/v1/models`, { headers, signal: AbortSignal.timeout(ANSWER_MS) });
  } catch (cause) {
    throw failed("there is no server.", cause);
  }
  if (!response.ok) throw failed(`the server answers ${response.status}.`);
  const models = MODELS.safeParse(await response.json().catch(() => undefined));
  if (!models.success) throw failed("this is not a server of OpenAI's API.");
  const { id, context_length: contextLength = UNKNOWN_CONTEXT } = models.data.data[0]!;
  return { url, key, model: id, contextLength };
}
