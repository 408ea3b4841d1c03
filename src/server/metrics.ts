// What the server measures, for Prometheus: under `mimo:`, and once more under the `vllm:` names that routers and boards
// look for. One registry per server; nothing is global.

import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { FinishReason, Usage } from "../api/events.ts";
import type { Admission } from "./admission.ts";

const PREFIXES = ["mimo", "vllm"] as const;
// vLLM's, so that its boards fit.
const FIRST_TOKEN_BUCKETS = [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560]; // prettier-ignore
const TOKEN_BUCKETS = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80];
const REQUEST_BUCKETS = [0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680];

interface Definition {
  readonly name: string;
  readonly help: string;
}

/** What the engine says of itself. */
export interface EngineState {
  /** Share of the KV cache that sequences hold, 0 to 1. */
  readonly kvUse: number;
  /** Tokens of all answers so far. */
  readonly tokensWritten: number;
}

export interface FinishedChoice {
  readonly finishReason: FinishReason;
  readonly usage: Usage;
  /** Undefined where there was no output. */
  readonly firstOutputMs: number | undefined;
  readonly totalMs: number;
  readonly queueMs: number;
}

export class Metrics {
  readonly #registry = new Registry();
  readonly #counters: Record<CounterName, (count: number, labels?: Record<string, string>) => void>;
  readonly #histograms: Record<HistogramName, (seconds: number) => void>;

  /** `engine` is undefined until the model is loaded. */
  constructor(admission: Admission, modelName: string, engine: () => EngineState | undefined) {
    this.#registry.setDefaultLabels({ model_name: modelName });
    this.#gauge("num_requests_running", "Sequences that run.", () => admission.numRunning);
    this.#gauge("num_requests_waiting", "Sequences that wait for a place.", () => admission.numWaiting);
    this.#gauge("admission_rejections", "Requests refused because the server was busy.", () => admission.numRejected);
    const kvUse = (): number => engine()?.kvUse ?? 0;
    this.#gauge("kv_cache_usage_perc", "Share of the KV cache that sequences hold, 0 to 1.", kvUse);
    const written = { name: "mimo:written_tokens_total", help: "Tokens of answers, also of those that still run." };
    new Counter({ ...written, registers: [this.#registry], collect: countInto(() => engine()?.tokensWritten ?? 0) });
    for (const [name, [help, read]] of Object.entries(PROCESS_GAUGES)) this.#addGauge(name, help, read);
    this.#counters = mapValues(COUNTERS, (definition) => this.#counter(definition));
    this.#histograms = mapValues(HISTOGRAMS, (definition) => this.#histogram(definition));
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** The text that Prometheus reads. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  request(route: string, status: number): void {
    this.#counters.http(1, { route, status: String(status) });
  }

  aborted(): void {
    this.#counters.aborted(1);
  }

  called(isValid: boolean): void {
    this.#counters.calls(1);
    if (!isValid) this.#counters.invalidCalls(1);
  }

  reasoningRestored(numTurns: number): void {
    this.#counters.reasoningRestored(numTurns);
  }

  reasoningMissing(numTurns: number): void {
    this.#counters.reasoningMissing(numTurns);
  }

  finished({ finishReason, usage, firstOutputMs, totalMs, queueMs }: FinishedChoice): void {
    const { speculation } = usage;
    this.#counters.success(1, { finished_reason: finishReason });
    this.#counters.prompt(usage.promptTokens);
    this.#counters.generation(usage.completionTokens);
    this.#counters.reasoning(usage.reasoningTokens);
    this.#counters.cacheQueries(usage.promptTokens);
    this.#counters.cacheHits(usage.cachedTokens);
    this.#counters.draftTokens(speculation.drafted);
    this.#counters.acceptedTokens(speculation.accepted);
    if (firstOutputMs !== undefined) this.#histograms.firstToken(firstOutputMs / 1000);
    if (usage.completionTokens > 1) this.#histograms.token(usage.decodeMs / (usage.completionTokens - 1) / 1000);
    this.#histograms.request(totalMs / 1000);
    this.#histograms.queue((queueMs + usage.queueMs) / 1000);
  }

  #gauge(name: string, help: string, read: () => number): void {
    for (const prefix of PREFIXES) this.#addGauge(`${prefix}:${name}`, help, read);
  }

  #addGauge(name: string, help: string, read: () => number): void {
    new Gauge({ name, help, registers: [this.#registry], collect: readInto(read) });
  }

  #counter({ name, help }: Definition): (count: number, labels?: Record<string, string>) => void {
    const labelNames = LABELS[name] ?? [];
    const registers = [this.#registry];
    const counters = PREFIXES.map((prefix) => new Counter({ name: `${prefix}:${name}`, help, labelNames, registers }));
    return (count, labels = {}) => {
      for (const counter of counters) counter.inc(labels, count);
    };
  }

  #histogram({ name, help, buckets }: Definition & { readonly buckets: number[] }): (seconds: number) => void {
    const registers = [this.#registry];
    const histograms = PREFIXES.map((prefix) => new Histogram({ name: `${prefix}:${name}`, help, buckets, registers }));
    return (seconds) => {
      for (const histogram of histograms) histogram.observe(seconds);
    };
  }
}

/** prom-client hands a gauge to its collector as `this`. */
function readInto(read: () => number) {
  return function (this: Gauge): void {
    this.set(read());
  };
}

function countInto(read: () => number) {
  return function (this: Counter): void {
    this.reset();
    this.inc(read());
  };
}

/** What shows a leak, under the names that other programs on Node have for it. */
const PROCESS_GAUGES: Readonly<Record<string, readonly [help: string, read: () => number]>> = {
  process_resident_memory_bytes: ["Resident memory of the process.", () => process.memoryUsage.rss()],
  nodejs_heap_size_used_bytes: ["JavaScript's heap, without the engine's.", () => process.memoryUsage().heapUsed],
  nodejs_active_resources_total: [
    "What keeps the event loop busy: connections, timers, requests.",
    () => process.getActiveResourcesInfo().length,
  ],
};

const COUNTERS = {
  http: { name: "http_requests_total", help: "Requests by route and status." },
  aborted: { name: "requests_aborted_total", help: "Requests whose client left before the end." },
  success: { name: "request_success_total", help: "Choices that were finished, by why." },
  prompt: { name: "prompt_tokens_total", help: "Tokens of prompts." },
  generation: { name: "generation_tokens_total", help: "Tokens that were generated." },
  reasoning: { name: "reasoning_tokens_total", help: "Generated tokens that were reasoning." },
  reasoningRestored: { name: "reasoning_restored_total", help: "Tool turns whose dropped reasoning was put back." },
  reasoningMissing: { name: "reasoning_missing_total", help: "Tool turns that came without their reasoning." },
  calls: { name: "tool_calls_total", help: "Tool calls that were written to their end." },
  invalidCalls: { name: "tool_calls_invalid_total", help: "Those that their tool does not take." },
  cacheQueries: { name: "prefix_cache_queries", help: "Prompt tokens looked up in the prefix cache." },
  cacheHits: { name: "prefix_cache_hits", help: "Prompt tokens found in the prefix cache." },
  draftTokens: { name: "spec_decode_num_draft_tokens_total", help: "Tokens drafted by MTP heads." },
  acceptedTokens: { name: "spec_decode_num_accepted_tokens_total", help: "Drafted tokens that held." },
} as const satisfies Record<string, Definition>;
type CounterName = keyof typeof COUNTERS;

const LABELS: Readonly<Record<string, string[]>> = {
  http_requests_total: ["route", "status"],
  request_success_total: ["finished_reason"],
};

const HISTOGRAMS = {
  firstToken: {
    name: "time_to_first_token_seconds",
    help: "From the request to its first output.",
    buckets: FIRST_TOKEN_BUCKETS,
  },
  token: { name: "inter_token_latency_seconds", help: "Mean of each choice.", buckets: TOKEN_BUCKETS },
  request: { name: "e2e_request_latency_seconds", help: "From the request to its end.", buckets: REQUEST_BUCKETS },
  queue: { name: "request_queue_time_seconds", help: "Waiting, here and in the engine.", buckets: REQUEST_BUCKETS },
} as const satisfies Record<string, Definition & { readonly buckets: number[] }>;
type HistogramName = keyof typeof HISTOGRAMS;

function mapValues<Key extends string, From, To>(record: Record<Key, From>, map: (value: From) => To): Record<Key, To> {
  return Object.fromEntries(Object.entries<From>(record).map(([key, value]) => [key, map(value)])) as Record<Key, To>;
}
