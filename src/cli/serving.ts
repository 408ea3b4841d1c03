// Starts what `mimo serve` and `mimo launch` have in common: a server by its settings, and the model behind it.

import { existsSync } from "node:fs";
import { basename } from "node:path";
import type { Mimo } from "../api/mimo.ts";
import { parseMcpConfig } from "../mcp/config.ts";
import type { McpLog } from "../mcp/connection.ts";
import { McpServers } from "../mcp/servers.ts";
import { createLog, type LogStream } from "../server/log.ts";
import { DEFAULT_SERVER_OPTIONS, type ServerOptions } from "../server/options.ts";
import { type RunningServer, startServer } from "../server/server.ts";
import type { Cli } from "./cli.ts";
import { defaultKeyFile, defaultUsageFile, embeddedModel, embeddedStudio, packageVersion } from "./environment.ts";
import { readJsonFile } from "./files.ts";
import { loadModel } from "./load-model.ts";
import type { SettingValues } from "./settings/resolve.ts";
import type { SERVE_SETTINGS } from "./settings/serve-settings.ts";

export interface ServeSettings extends SettingValues<typeof SERVE_SETTINGS> {
  /** File of MCP servers. Given on the command line only: what it names is executed. */
  readonly mcpConfig?: string | undefined;
}

export interface Serving extends AsyncDisposable {
  readonly server: RunningServer;
  readonly modelNames: readonly string[];
}

/** Listens at once, and returns when the model is loaded. Throws as `startServer` and `load`. */
export async function startServing(
  cli: Cli,
  settings: ServeSettings,
  logStream: LogStream,
  signal: AbortSignal,
): Promise<Serving> {
  const path = settings.model ?? embeddedModel();
  const options = serverOptions(cli, path, settings);
  const format = settings.logFormat ?? (cli.messages.isTerminal ? "pretty" : "json");
  const log = createLog(settings.logLevel, logStream, format);
  const mcp = await readMcpServers(cli, settings, log);
  const server = await startServer(options, log, mcp);
  mcp?.start();
  let mimo: Mimo | undefined;
  const close = async (): Promise<void> => {
    // The process ends anyway; what it failed of matters more than how its server ends.
    await server.stop().catch(() => {});
    await mcp?.close();
    await mimo?.close();
  };
  try {
    mimo = await loadModel(cli.messages, path, { ...loadOptions(settings), signal });
    server.serve(mimo);
    return { server, modelNames: options.modelNames, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** They do not run yet. Throws as `parseMcpConfig`. */
async function readMcpServers(cli: Cli, { mcpConfig }: ServeSettings, log: McpLog): Promise<McpServers | undefined> {
  if (mcpConfig === undefined) return undefined;
  const configs = parseMcpConfig(await readJsonFile(mcpConfig, cli), mcpConfig);
  return new McpServers(configs, packageVersion(), log);
}

function loadOptions(settings: ServeSettings): Parameters<typeof loadModel>[2] {
  return {
    backend: settings.backend,
    threads: settings.threads,
    contextLength: settings.contextLength,
    maxSequences: settings.maxRunningRequests,
    chunkSize: settings.chunkedPrefillSize,
    speculation: settings.speculativeNumSteps,
    kvDType: settings.kv,
    mtp: settings.mtp,
    activations: settings.activations,
    packing: settings.packing,
    expertMemory: settings.expertMemory,
  };
}

function serverOptions({ environment }: Cli, path: string, settings: ServeSettings): ServerOptions {
  const keyFile = settings.apiKeyFile ?? defaultKeyFile(environment);
  const hasKeys = settings.apiKeyFile !== undefined || existsSync(keyFile);
  return {
    ...DEFAULT_SERVER_OPTIONS,
    host: settings.host,
    port: settings.port,
    keyFile: hasKeys ? keyFile : undefined,
    keyStore: keyFile,
    modelNames: settings.servedModelName ?? [basename(path).replace(/\.gguf$/, "")],
    allowedHosts: settings.allowedHost.map((name) => name.toLowerCase()),
    allowedOrigins: settings.allowedOrigin,
    maxRunning: settings.maxRunningRequests,
    maxQueue: settings.maxQueue,
    maxQueueMs: 1000 * settings.maxQueueSeconds,
    maxRequestsPerKey: settings.maxRequestsPerKey,
    queueSharePerKey: settings.queueSharePerKey,
    usageFile: settings.usageFile ?? defaultUsageFile(environment),
    prices: { input: settings.inputPrice, cachedInput: settings.cachedInputPrice, output: settings.outputPrice },
    drainMs: 1000 * settings.drainSeconds,
    maxToolCalls: settings.maxToolCalls,
    maxRepetition: settings.maxRepetition,
    systemPrompt: settings.systemPrompt,
    studioFolder: settings.studio ?? embeddedStudio(),
    runsFolder: settings.runs,
    strictFields: settings.strictFields,
    version: packageVersion(),
  };
}
