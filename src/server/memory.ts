// What a server remembers between requests, for the key that asked: reasoning that led to tool calls, finished responses
// that it was told to store, and what runs and can be acted on. In memory, bounded, gone with the process.

import { KeyedStore } from "./keyed-store.ts";
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

export class Memory {
  readonly seal = new Seal();
  /** The reasoning before a tool call, by the call's id. */
  readonly reasoning = new KeyedStore<string>({ ...MAX_REASONING, weigh: (text) => text.length });
  /** Responses by their id; a conversation counts in full, though those that follow each other share its parts. */
  readonly responses = new KeyedStore<StoredResponse>({
    ...MAX_RESPONSES,
    weigh: ({ conversation }) => JSON.stringify(conversation).length,
  });
  readonly #running = new Map<string, RunningResponse>();

  readonly #thinking = new Map<string, AbortController>();

  running(owner: string, id: string): RunningResponse | undefined {
    return this.#running.get(`${owner} ${id}`);
  }

  /** A signal for all choices of a reply, by which their thinking can be ended until `end` is pulled. */
  thinkingSignal(owner: string, id: string, end: AbortSignal): AbortSignal {
    const name = `${owner} ${id}`;
    const controller = this.#thinking.get(name) ?? new AbortController();
    this.#thinking.set(name, controller);
    end.addEventListener("abort", () => this.#thinking.delete(name), { once: true });
    return controller.signal;
  }

  /** Ends the thinking of a reply; whether it runs. */
  endThinking(owner: string, id: string): boolean {
    const controller = this.#thinking.get(`${owner} ${id}`);
    controller?.abort();
    return controller !== undefined;
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
