// Tokens per second of many streams at once, through HTTP and through the library, on the same requests.
//
//   node --import ./scripts/ts-loader.mjs bench/server-speed.ts MODEL [--streams 1,8,32] [--prompt 128] [--tokens 48]
//     [--threads 2] [--json]
//
// Each figure is the tokens of all streams over the time from the first request to the last end, prompts included. The
// library has the engine in a worker, as the server has; the server is a process of its own, and so is its client. Every
// case has prompts of its own, so that none is found in the prefix cache; a first request of each side is not counted.

import { spawn } from "node:child_process";
import { Agent, request as httpRequest } from "node:http";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { load, type Mimo } from "../src/index.ts";
import { randomKey, randomUnit } from "../src/util/random.ts";
import { urlOf } from "../test/e2e/command.ts";
import { ROOT } from "./report.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    streams: { type: "string", default: "1,8,32" },
    prompt: { type: "string", default: "128" },
    tokens: { type: "string", default: "48" },
    threads: { type: "string", default: "2" },
    json: { type: "boolean", default: false },
  },
});
const [path] = positionals;
if (path === undefined) throw new Error("usage: bench/server-speed.ts MODEL");
const streams = values.streams.split(",").map(Number);
const [promptLength, maxTokens, threads] = [values.prompt, values.tokens, values.threads].map(Number) as [
  number,
  number,
  number,
];
const most = Math.max(...streams);
const contextLength = most * (promptLength + maxTokens + 64);
let nextSeed = 1;

interface Side {
  /** Ends with the stream. */
  readonly ask: (prompt: readonly number[]) => Promise<void>;
}

function promptOf(vocabSize: number): number[] {
  const key = randomKey(nextSeed++);
  return Array.from({ length: promptLength }, (_, i) => Math.floor(vocabSize * randomUnit(key, i)));
}

async function measure({ ask }: Side, vocabSize: number): Promise<Record<string, number>> {
  await ask(promptOf(vocabSize));
  const rates: Record<string, number> = {};
  for (const count of streams) {
    const prompts = Array.from({ length: count }, () => promptOf(vocabSize));
    const started = performance.now();
    await Promise.all(prompts.map(ask));
    rates[count] = (count * maxTokens) / ((performance.now() - started) / 1000);
  }
  return rates;
}

function librarySide(mimo: Mimo): Side {
  return {
    ask: async (prompt) => {
      const options = { prompt, maxTokens, ignoreEos: true, temperature: 0, speculation: 0 };
      for await (const event of mimo.complete(options))
        if (event.type === "done") checkCount(event.usage.completionTokens);
    },
  };
}

function serverSide(url: string): Side {
  const agent = new Agent({ keepAlive: true });
  const headers = { "content-type": "application/json" };
  return {
    ask: (prompt) =>
      new Promise((resolve, reject) => {
        const outgoing = httpRequest(`${url}/v1/completions`, { method: "POST", agent, headers }, (incoming) => {
          let text = "";
          incoming.setEncoding("utf8");
          incoming.on("data", (chunk: string) => (text += chunk));
          incoming.on("end", () => {
            const tokens = /"completion_tokens":(\d+)/.exec(text)?.[1];
            if (tokens === undefined) reject(new Error(`The server answered: ${text.slice(0, 300)}`));
            else resolve(checkCount(Number(tokens)));
          });
        });
        outgoing.on("error", reject);
        const stream = { stream: true, stream_options: { include_usage: true } };
        outgoing.end(JSON.stringify({ prompt, max_tokens: maxTokens, ignore_eos: true, temperature: 0, ...stream }));
      }),
  };
}

function checkCount(tokens: number): void {
  if (tokens !== maxTokens) throw new Error(`A stream ended after ${tokens} tokens instead of ${maxTokens}.`);
}

async function measureLibrary(): Promise<{ rates: Record<string, number>; vocabSize: number }> {
  await using mimo = await load(path!, { threads, maxSequences: most, contextLength });
  const { vocabSize } = mimo.info.config;
  return { rates: await measure(librarySide(mimo), vocabSize), vocabSize };
}

async function measureServer(vocabSize: number): Promise<Record<string, number>> {
  const folder = mkdtempSync(join(tmpdir(), "mimo-speed-"));
  const shape = ["--context-length", String(contextLength), "--max-running-requests", String(most)];
  const flags = ["--port", "0", "--threads", String(threads), "--speculative-num-steps", "0", "--log-level", "error"];
  const child = spawn(process.execPath, [join(ROOT, "bin/mimo.mjs"), "serve", path!, ...flags, ...shape], {
    env: { ...process.env, XDG_STATE_HOME: folder, XDG_CACHE_HOME: folder },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = new Promise((resolve) => child.once("close", resolve));
  try {
    return await measure(serverSide(await urlOf(child)), vocabSize);
  } finally {
    child.kill("SIGTERM");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  }
}

const { rates: library, vocabSize } = await measureLibrary();
const server = await measureServer(vocabSize);
if (values.json) console.log(JSON.stringify({ library, server }));
else
  for (const count of streams) {
    const [ours, bare] = [server[count]!, library[count]!];
    const overhead = 100 * (bare / ours - 1);
    console.log(
      `${count} streams: server ${ours.toFixed(1)} tokens/s, library ${bare.toFixed(1)}: overhead ${overhead.toFixed(1)} %`,
    );
  }
