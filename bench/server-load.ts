// Presses a real `mimo serve` with far more clients than it takes, for some minutes, and tells what it held against.
//
//   node --import ./scripts/ts-loader.mjs bench/server-load.ts [options]      see USAGE
//
// Waves of requests from many connections: streams and whole answers, slow readers, clients that leave at every moment,
// mistakes. Between waves everybody goes, and what the idle server still holds is compared. Latencies hold for the
// machine as it is: clients, server and engine share its cores. Ends with 1 where anything was not as it should be.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { initCheckpoint } from "../src/convert/init.ts";
import { urlOf } from "../test/e2e/command.ts";
import { type Holding, holdingWhenIdle, sendWave, type Wave } from "./load/crowd.ts";
import { busyWarning, describeMachine, markdownTable, readCommit, ROOT, writeResults } from "./report.mjs";

const USAGE = `usage: node --import ./scripts/ts-loader.mjs bench/server-load.ts [options]
  --minutes N       waves are sent for so long; default 0.5, at least one wave
  --connections N   clients at once; default 500
  --requests N      of a wave; default 2000
  --queue N         requests that may wait; default 256
  --running N       requests that run; default 8
  --threads N       of the engine; default 1
  --out FILE        writes the report, as JSON`;

const WARM_UP_REQUESTS = 200;
const PATIENCE_MS = 300_000;
/** What code and caches may add after the first wave; 1 KB kept of every request of a wave is more. */
const HEAP_TOLERANCE = 2 * 2 ** 20;

const { values: options } = readOptions();
const [connections, requests, queue, running, threads] = (
  ["connections", "requests", "queue", "running", "threads"] as const
).map(count) as [number, number, number, number, number];
const minutes = Number(options.minutes);
const commit = readCommit();
const wasBusy = busyWarning() !== undefined;

const folder = mkdtempSync(join(tmpdir(), "mimo-load-"));
try {
  const model = join(folder, "tiny");
  await initCheckpoint({ preset: "tiny", out: model, seed: 1 });
  process.exitCode = await run(model);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function readOptions() {
  const text = (value: string) => ({ type: "string", default: value }) as const;
  try {
    return parseArgs({
      options: {
        minutes: text("0.5"),
        connections: text("500"),
        requests: text("2000"),
        queue: text("256"),
        running: text("8"),
        threads: text("1"),
        out: { type: "string" },
      },
    });
  } catch (error) {
    return fail(`${(error as Error).message}\n${USAGE}`);
  }
}

function count(name: "connections" | "requests" | "queue" | "running" | "threads"): number {
  const value = Number(options[name]);
  return Number.isSafeInteger(value) && value > 0 ? value : fail(`--${name} must be a whole number above 0.\n${USAGE}`);
}

function fail(message: string): never {
  console.error(message);
  process.exit(2);
}

/** The exit code. */
async function run(model: string): Promise<number> {
  const server = await startServer(model);
  const { url } = server;
  const waves: Wave[] = [];
  const problems: string[] = [];
  const idle: Holding[] = [];
  try {
    const send = async (first: number, size: number): Promise<Wave> => {
      const wave = await sendWave({ url, connections, requests: size, first, patienceMs: PATIENCE_MS });
      idle.push(await holdingWhenIdle(url, server.collect));
      return wave;
    };
    // Code is compiled, caches fill: what is held after this is what later waves are compared with.
    const warmUp = await send(0, WARM_UP_REQUESTS);
    problems.push(...warmUp.problems);
    const started = performance.now();
    do {
      const wave = await send(WARM_UP_REQUESTS + waves.length * requests, requests);
      waves.push(wave);
      problems.push(...wave.problems);
      console.error(`wave ${waves.length}: ${wave.seconds.toFixed(0)} s, ${wave.problems.length} problems`);
    } while (performance.now() - started < 60_000 * minutes);
  } finally {
    const exitCode = await server.stop();
    if (exitCode !== 0) problems.push(`the server ended with ${exitCode}`);
  }
  problems.push(...leaks(idle));
  report(waves, idle, problems);
  return problems.length === 0 ? 0 : 1;
}

interface LoadedServer {
  readonly url: string;
  /** Asks for its garbage to be collected. */
  readonly collect: () => void;
  readonly stop: () => Promise<number | null>;
}

async function startServer(model: string): Promise<LoadedServer> {
  const flags = ["--port", "0", "--threads", String(threads), "--context-length", "16384", "--log-level", "error"];
  const load = ["--max-queue", String(queue), "--max-running-requests", String(running)];
  const node = ["--expose-gc", "--import", join(ROOT, "bench/load/collect-on-signal.mjs")];
  const child = spawn(process.execPath, [...node, join(ROOT, "bin/mimo.mjs"), "serve", model, ...flags, ...load], {
    cwd: folder,
    env: { ...process.env, XDG_STATE_HOME: join(folder, "state"), XDG_CACHE_HOME: join(folder, "cache") },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const url = await urlOf(child);
  return {
    url,
    collect: () => void child.kill("SIGUSR2"),
    stop: () => {
      child.kill("SIGTERM");
      return ended;
    },
  };
}

/** What an idle server holds more than it did. */
function leaks(idle: readonly Holding[]): string[] {
  const [before, ...after] = idle;
  if (before === undefined || after.length === 0) return [];
  const last = after.at(-1)!;
  const growth = last.heapBytes - after[0]!.heapBytes;
  return [
    ...(last.kvUse > 0 ? [`the idle server holds ${last.kvUse} of its KV cache`] : []),
    ...(last.resources > before.resources ? [`${last.resources} handles instead of ${before.resources}`] : []),
    ...(growth > HEAP_TOLERANCE ? [`the heap grew by ${megabytes(growth)} MB`] : []),
  ];
}

function report(waves: readonly Wave[], idle: readonly Holding[], problems: readonly string[]): void {
  const outcomes = waves.flatMap((wave) => wave.outcomes);
  const kinds = [...new Set(outcomes.map(({ kind }) => kind))].toSorted();
  const health = waves.flatMap(({ healthMs }) => healthMs).toSorted((a, b) => a - b);
  const healthMs = { p50: quantile(health, 0.5), p99: quantile(health, 0.99), max: quantile(health, 1) };
  const totals = {
    requests: outcomes.length,
    refusals: waves.reduce((sum, { refusals }) => sum + refusals, 0),
    seconds: Math.round(waves.reduce((sum, { seconds }) => sum + seconds, 0)),
    problems: problems.length,
  };
  const byKind = kinds.map((kind) => {
    const own = outcomes.filter((outcome) => outcome.kind === kind);
    return { kind, requests: own.length, whole: own.filter(({ end }) => end === "finished").length };
  });
  console.log(
    markdownTable(
      ["clients", "requests", "stayed to the end"],
      byKind.map(({ kind, requests: number, whole }) => [kind, String(number), String(whole)]),
    ),
  );
  console.log(`\n${totals.requests} requests in ${totals.seconds} s, refused before: ${totals.refusals}`);
  console.log(`/health: p50 ${healthMs.p50} ms, p99 ${healthMs.p99} ms, most ${healthMs.max} ms`);
  const row = (name: string, { kvUse, heapBytes, residentBytes, resources }: Holding): string[] => [
    name,
    `${(100 * kvUse).toFixed(1)} %`,
    megabytes(heapBytes),
    megabytes(residentBytes),
    String(resources),
  ];
  const names = (i: number): string => (i === 0 ? "after warming up" : `after wave ${i}`);
  console.log(
    `\n${markdownTable(
      ["idle", "KV cache", "heap MB", "resident MB", "handles"],
      idle.map((holding, i) => row(names(i), holding)),
    )}`,
  );
  for (const [problem, times] of countEqual(problems)) console.error(`${times} × ${problem}`);
  if (options.out === undefined) return;
  const settings = { minutes, connections, requests, queue, running, threads, model: "tiny" };
  const machine = { ...describeMachine(), loadAverage: loadavg()[0] };
  const date = new Date().toISOString().slice(0, 10);
  writeResults(options.out, { date, commit, machine, wasBusy, settings, totals, byKind, healthMs, idle, problems });
}

function countEqual(problems: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const problem of problems) counts.set(problem, (counts.get(problem) ?? 0) + 1);
  return counts;
}

function quantile(sorted: readonly number[], share: number): number {
  const value = sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  return Math.round(10 * value) / 10;
}

function megabytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}
