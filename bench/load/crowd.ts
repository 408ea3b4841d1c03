// Many clients at once on one server, what health probes see meanwhile, and what is left once all have gone.
//
// Every loop is bounded: a wave by its number of requests and its time, a wait for idleness by its time.

import { Agent, get as httpGet } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { type Outcome, visit } from "./visit.ts";

export interface WaveOptions {
  readonly url: string;
  readonly connections: number;
  /** Each is repeated until it is not refused any more. */
  readonly requests: number;
  /** Number of the first request: other ones ask for other things. */
  readonly first: number;
  /** A request that is refused for longer is a problem. */
  readonly patienceMs: number;
}

export interface Wave {
  readonly outcomes: readonly Outcome[];
  readonly refusals: number;
  readonly healthMs: readonly number[];
  readonly problems: readonly string[];
  readonly seconds: number;
}

/** What an idle server holds. */
export interface Holding {
  readonly kvUse: number;
  readonly heapBytes: number;
  readonly residentBytes: number;
  readonly resources: number;
}

const PROBE_EVERY_MS = 50;
const RETRY_MS = 300;
const IDLE_LIMIT_MS = 120_000;
const SAMPLE_EVERY_MS = 500;

export async function sendWave({ url, connections, requests, first, patienceMs }: WaveOptions): Promise<Wave> {
  const started = performance.now();
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const outcomes: Outcome[] = [];
  const problems: string[] = [];
  let refusals = 0;
  let next = first;
  const note = ({ kind, problem }: Outcome): void => {
    if (problem !== undefined) problems.push(`${kind}: ${problem}`);
  };
  const client = async (): Promise<void> => {
    while (next < first + requests) {
      const index = next++;
      const since = performance.now();
      for (;;) {
        const outcome = await visit({ url, agent }, index);
        note(outcome);
        if (outcome.end !== "refused") {
          outcomes.push(outcome);
          break;
        }
        refusals++;
        if (performance.now() - since > patienceMs) {
          problems.push(`${outcome.kind}: refused for ${patienceMs} ms`);
          break;
        }
        // Sooner than the server says, and not in step: it is to be pressed.
        await sleep(RETRY_MS * (0.5 + Math.random()));
      }
    }
  };
  const probes = probeHealth(url);
  await Promise.all(Array.from({ length: connections }, client));
  const health = await probes.stop();
  agent.destroy();
  problems.push(...health.problems);
  return { outcomes, refusals, healthMs: health.ms, problems, seconds: (performance.now() - started) / 1000 };
}

function probeHealth(url: string): { stop: () => Promise<{ ms: number[]; problems: string[] }> } {
  const agent = new Agent({ keepAlive: true });
  const ms: number[] = [];
  const problems: string[] = [];
  let isStopping = false;
  const running = (async () => {
    while (!isStopping) {
      const started = performance.now();
      const status = await fetchText(`${url}/health`, agent).then(
        ({ status: answered }) => answered,
        (error: Error) => error.message,
      );
      ms.push(performance.now() - started);
      if (status !== 200) problems.push(`health: ${status}`);
      await sleep(PROBE_EVERY_MS);
    }
    agent.destroy();
    return { ms, problems };
  })();
  return {
    stop: () => {
      isStopping = true;
      return running;
    },
  };
}

function fetchText(url: string, agent: Agent): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = httpGet(url, { agent }, (incoming) => {
      let text = "";
      incoming.setEncoding("utf8");
      incoming.on("data", (chunk: string) => (text += chunk));
      incoming.on("end", () => resolve({ status: incoming.statusCode ?? 0, text }));
      incoming.on("error", reject);
    });
    outgoing.on("error", reject);
  });
}

/**
 * What is held once nothing runs or waits, and `collect` has asked for its garbage to be collected. Throws where that
 * never comes.
 */
export async function holdingWhenIdle(url: string, collect: () => void = () => {}): Promise<Holding> {
  const agent = new Agent({ keepAlive: true });
  try {
    const since = performance.now();
    for (;;) {
      const read = await readMetrics(url, agent);
      const busy = ["mimo:num_requests_running", "mimo:num_requests_waiting"].filter((name) => read(name) > 0);
      // Connections of clients that have gone are closed a little later.
      if (busy.length === 0 && performance.now() - since > SAMPLE_EVERY_MS) break;
      if (performance.now() - since > IDLE_LIMIT_MS)
        throw new Error(`The server never came to rest: ${busy.join(", ")} above 0 after ${IDLE_LIMIT_MS} ms.`);
      await sleep(SAMPLE_EVERY_MS);
    }
    collect();
    await sleep(SAMPLE_EVERY_MS);
    const read = await readMetrics(url, agent);
    return {
      kvUse: read("mimo:kv_cache_usage_perc"),
      heapBytes: read("nodejs_heap_size_used_bytes"),
      residentBytes: read("process_resident_memory_bytes"),
      resources: read("nodejs_active_resources_total"),
    };
  } finally {
    agent.destroy();
  }
}

async function readMetrics(url: string, agent: Agent): Promise<(name: string) => number> {
  const { text } = await fetchText(`${url}/metrics`, agent);
  return (name) => {
    const value = new RegExp(`^${name}\\{[^}]*\\} (\\S+)$`, "m").exec(text)?.[1];
    if (value === undefined) throw new Error(`The metrics have no ${name}.`);
    return Number(value);
  };
}
