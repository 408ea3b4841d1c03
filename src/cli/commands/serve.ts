// `mimo serve`: a model over HTTP, until Ctrl-C. Listens at once, and says 503 until the model is loaded.

import { existsSync } from "node:fs";
import { basename } from "node:path";
import { Command, Option } from "commander";
import { createLog, LOG_LEVELS, type LogLevel } from "../../server/log.ts";
import { DEFAULT_SERVER_OPTIONS, type ServerOptions } from "../../server/options.ts";
import { type RunningServer, startServer } from "../../server/server.ts";
import { MimoError } from "../../util/errors.ts";
import type { Cli } from "../cli.ts";
import { defaultModel } from "../default-model.ts";
import { defaultKeyFile, packageVersion } from "../environment.ts";
import { watchInterrupt } from "../interrupt.ts";
import { loadModel } from "../load-model.ts";
import { addModelOptions, examples, type ModelFlags, parseInteger, parseNumber, toLoadOptions } from "../options.ts";

interface ServeFlags extends ModelFlags {
  readonly host: string;
  readonly port: number;
  readonly apiKeyFile?: string;
  readonly servedModelName?: readonly string[];
  readonly allowedHost: readonly string[];
  readonly allowedOrigin: readonly string[];
  readonly strictFields?: boolean;
  readonly maxRunningRequests: number;
  readonly maxQueue: number;
  readonly maxQueueSeconds: number;
  readonly drainSeconds: number;
  readonly contextLength?: number;
  readonly chunkedPrefillSize?: number;
  readonly logLevel: LogLevel;
}

const DEFAULTS = DEFAULT_SERVER_OPTIONS;

export function serveCommand(cli: Cli): Command {
  const command = new Command("serve")
    .description("Serve a model over HTTP to clients of OpenAI's API.")
    .argument("[model]", "a Hugging Face folder or a .gguf file; default: the model that comes along")
    .optionsGroup("Server:")
    .addOption(option("--host <address>", "where to listen; beyond loopback, API keys are needed", DEFAULTS.host))
    .addOption(option("--port <n>", "0 takes a free one", DEFAULTS.port).argParser(parseInteger))
    .addOption(option("--api-key-file <file>", "keys to ask for; default: those of `mimo keys`, once there are any"))
    .addOption(
      list(
        "--served-model-name <name>",
        "what clients call the model, may be given several times; default: its file's name",
      ),
    )
    .addOption(list("--allowed-host <name>", "a further name in the Host header", DEFAULTS.allowedHosts))
    .addOption(list("--allowed-origin <origin>", "web pages of this origin may call", DEFAULTS.allowedOrigins))
    .addOption(option("--strict-fields", "refuse fields that are not known, instead of ignoring them"))
    .addOption(
      option("--log-level <level>", "what goes to standard error", "info" satisfies LogLevel).choices(LOG_LEVELS),
    )
    .optionsGroup("Load:")
    .addOption(option("--max-running-requests <n>", "sequences at once", DEFAULTS.maxRunning).argParser(parseInteger))
    .addOption(
      option("--max-queue <n>", "sequences that may wait; more get 429", DEFAULTS.maxQueue).argParser(parseInteger),
    )
    .addOption(
      option("--max-queue-seconds <n>", "longest wait before 429", DEFAULTS.maxQueueMs / 1000).argParser(parseNumber),
    )
    .addOption(
      option("--drain-seconds <n>", "time for running requests after Ctrl-C", DEFAULTS.drainMs / 1000).argParser(
        parseNumber,
      ),
    )
    .addOption(option("--context-length <tokens>", "the same as --context").argParser(parseInteger))
    .addOption(option("--chunked-prefill-size <rows>", "largest piece of a prompt in a step").argParser(parseInteger));
  return readFromEnvironment(addModelOptions(command))
    .action((model: string | undefined, flags: ServeFlags) => serve(cli, model, flags))
    .addHelpText(
      "after",
      examples(
        ["mimo serve", "The model that comes along, on http://127.0.0.1:9001/v1."],
        ["mimo serve model.gguf --served-model-name mimo --context-length 65536", "A real one, under a name of yours."],
        ["mimo keys create me && mimo serve model.gguf --host 0.0.0.0", "For other machines, with a key."],
      ),
    );
}

/** An option that may be given several times. */
function list(flags: string, description: string, preset?: readonly string[]): Option {
  const add = (one: string, others: readonly string[] | undefined): readonly string[] => [...(others ?? []), one];
  return option(flags, description, preset).argParser(add);
}

function option(flags: string, description: string, preset?: unknown): Option {
  const made = new Option(flags, description);
  return preset === undefined ? made : made.default(preset, Array.isArray(preset) ? "none" : undefined);
}

/** Every option can also be set by its name in the environment: --max-queue by MIMO_MAX_QUEUE. */
function readFromEnvironment(command: Command): Command {
  for (const made of command.options) made.env(`MIMO_${made.name().replaceAll("-", "_").toUpperCase()}`);
  return command;
}

async function serve(cli: Cli, path: string | undefined, flags: ServeFlags): Promise<void> {
  const { messages } = cli;
  const { style } = messages;
  using interrupt = watchInterrupt();
  const { signal } = interrupt;
  const model = path === undefined ? await defaultModel(cli.environment) : { path, isRandom: false };
  const options = serverOptions(cli, model.path, flags);
  const log = createLog(flags.logLevel, messages.stream);
  const server = await startServer(options, log);
  try {
    await using mimo = await loadModel(messages, model.path, {
      ...toLoadOptions({ ...flags, context: flags.contextLength ?? flags.context }),
      maxSequences: flags.maxRunningRequests,
      chunkSize: flags.chunkedPrefillSize,
      signal,
    });
    server.serve(mimo);
    messages.line(`Serving ${style.bold(messages.untrusted(options.modelNames.join(", ")))} at ${server.url}/v1`);
    if (model.isRandom) messages.line(style.yellow("This model's weights are random: what it writes is noise."));
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    messages.line(style.dim("Stopping: requests that run may finish; Ctrl-C again ends them."));
    await server.stop();
  } catch (error) {
    await stopAtOnce(server);
    throw error;
  }
}

/** The process ends anyway; what it failed of matters more than how its server ends. */
async function stopAtOnce(server: RunningServer): Promise<void> {
  await server.stop().catch(() => {});
}

function serverOptions({ environment }: Cli, path: string, flags: ServeFlags): ServerOptions {
  const keyFile = flags.apiKeyFile ?? defaultKeyFile(environment);
  const hasKeys = flags.apiKeyFile !== undefined || existsSync(keyFile);
  return {
    ...DEFAULTS,
    host: flags.host,
    port: within("port", flags.port, 0, 65_535),
    keyFile: hasKeys ? keyFile : undefined,
    modelNames: flags.servedModelName ?? [basename(path).replace(/\.gguf$/, "")],
    allowedHosts: flags.allowedHost.map((name) => name.toLowerCase()),
    allowedOrigins: flags.allowedOrigin,
    maxRunning: within("max-running-requests", flags.maxRunningRequests, 1, 4096),
    maxQueue: within("max-queue", flags.maxQueue, 0, 1_000_000),
    maxQueueMs: 1000 * within("max-queue-seconds", flags.maxQueueSeconds, 0, 86_400),
    drainMs: 1000 * within("drain-seconds", flags.drainSeconds, 0, 86_400),
    strictFields: flags.strictFields === true,
    version: packageVersion(),
  };
}

function within(name: string, value: number, min: number, max: number): number {
  if (value >= min && value <= max) return value;
  throw new MimoError("invalid_argument", `--${name} must be from ${min} to ${max}, found ${value}.`, { param: name });
}
