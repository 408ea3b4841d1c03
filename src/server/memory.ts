// What a server remembers between requests, for the key that asked: reasoning that led to tool calls, finished responses
// that it was told to store, streams that can be read again, and what runs and can be acted on. In memory, bounded, gone
// with the process.

import { KeyedStore } from "./keyed-store.ts";
import { KEPT_LIMITS, KeptStreams } from "./kept-streams.ts";
import type { ServerOptions } from "./options.ts";
import { Seal } from "./seal.ts";

/** A response that was stored, and the conversation up to its end. */
export interface StoredResponse {
  readonly body: Readonly<Record<string, unknown>>;
  /** What the request brought. */
  readonly input: readonly object[];
  /** What was said before, what the request brought, what was answered. */
  readonly conversation: readonly object[];
}

export interface RunningResponse {
  /** The response as it is now. */
  readonly body: () => object;
  /** Ends it, and gives it as it was then. */
  readonly cancel: () => object;
}

const MAX_REASONING = { maxPerOwner: 4 * 2 ** 20, maxTotal: 64 * 2 ** 20 } as const;
const MAX_RESPONSES = { maxPerOwner: 16 * 2 ** 20, maxTotal: 256 * 2 ** 20 } as const;

/** What can be done to a reply from outside, while it runs. */
export type ControlAction = "reasoning_end" | "stop";
export type Controls = Readonly<Record<ControlAction, AbortController>>;

export class Memory {
  readonly seal = new Seal();
  /** The reasoning before a tool call, by the call's id. */
  readonly reasoning = new KeyedStore<string>({ ...MAX_REASONING, weigh: (text) => text.length });
  /** Responses by their id; a conversation counts in full, though those that follow each other share its parts. */
  readonly responses = new KeyedStore<StoredResponse>({
    ...MAX_RESPONSES,
    weigh: ({ conversation }) => JSON.stringify(conversation).length,
  });
  readonly streams: KeptStreams;
  readonly #running = new Map<string, RunningResponse>();
  readonly #controls = new Map<string, Controls>();

  constructor({ keepStreamsMs }: Pick<ServerOptions, "keepStreamsMs">) {
    this.streams = new KeptStreams({ keepMs: keepStreamsMs, ...KEPT_LIMITS });
  }

  running(owner: string, id: string): RunningResponse | undefined {
    return this.#running.get(`${owner} ${id}`);
  }

  /** What `control` pulls for all choices of a reply, until `end` is pulled. */
  controlsOf(owner: string, id: string, end: AbortSignal): Controls {
    const name = `${owner} ${id}`;
    const controls = this.#controls.get(name) ?? { reasoning_end: new AbortController(), stop: new AbortController() };
    this.#controls.set(name, controls);
    end.addEventListener("abort", () => this.#controls.delete(name), { once: true });
    return controls;
  }

  /** Acts on a reply; whether it runs. */
  control(owner: string, id: string, action: ControlAction): boolean {
    const controls = this.#controls.get(`${owner} ${id}`);
    controls?.[action].abort();
    return controls !== undefined;
  }

  /** Passes the events of a response on; it counts as running until they end. */
  async *track<T>(owner: string, id: string, response: RunningResponse, events: AsyncIterable<T>): AsyncGenerator<T> {
    const name = `${owner} ${id}`;
    this.#running.set(name, response);
    try {
      yield* events;
    } finally {
      this.#running.delete(name);
    }
  }
}
