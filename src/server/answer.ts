// From a plan to a reply: admits its choices, runs them, and sends what the renderer makes of their events, as a stream
// or as a whole.
//
// However it ends — finished, failed, client gone — the request's `abort` is pulled last, so nothing of it runs on.

import { setMaxListeners } from "node:events";
import { AsyncQueue } from "../util/async-queue.ts";
import { type MimoError, toMimoError } from "../util/errors.ts";
import type { Usage } from "../api/events.ts";
import type { Place } from "./admission.ts";
import { ownerOf } from "./conversation.ts";
import { publicError } from "./errors.ts";
import { tenantOf } from "./guard.ts";
import type { Frame, Renderer, ServerEvent } from "./render/renderer.ts";
import type { ServerRequest } from "./route.ts";
import { sseResponse } from "./sse.ts";
import { requestAmounts } from "./usage/usage.ts";

/** One sequence of a reply, begun when it is iterated. */
export type Choice = (signal: AbortSignal) => AsyncIterable<ServerEvent>;

/** What an API makes of a request. */
export interface Plan {
  readonly choices: readonly Choice[];
  /** Choices come in as many groups of one size, each with a prompt of its own. Default: all have one. */
  readonly numPrompts?: number;
  readonly renderer: Renderer;
  readonly stream: boolean;
  /** The name under which a stream is kept, to be read again; it then goes on without its connection. */
  readonly keptAs?: string | undefined;
  /** What was left out of the request, as sentences; sent as a header. */
  readonly warnings?: readonly string[];
}

interface ChoiceEvent {
  readonly choice: number;
  readonly event: ServerEvent;
}

/** Throws what goes wrong before the first byte of a reply; later failures are part of a stream. */
export async function answer(client: ServerRequest, plan: Plan): Promise<Response> {
  const request = plan.keptAs === undefined ? client : inBackground(client);
  const { abort, server, key, log } = request;
  const tenant = key === undefined ? undefined : tenantOf(key, server.options);
  const places = server.admission.admit(plan.choices.length, abort.signal, tenant);
  const usages = plan.choices.map((): Usage | undefined => undefined);
  // Also those of choices that never began.
  const release = (): void =>
    places.forEach((place) => void place.then((held) => held[Symbol.dispose]()).catch(() => {}));
  abort.signal.addEventListener("abort", release, { once: true });
  abort.signal.addEventListener("abort", () => account(request, plan, usages), { once: true });
  const headers = warningHeaders(plan.warnings ?? []);
  try {
    // A stream begins when its turn comes: until then it can still be refused with a status of its own.
    if (plan.stream) await Promise.race(places);
    const events = run(request, plan.choices, places, usages);
    if (plan.stream) {
      const made = frames(plan.renderer, events, (error) => logFailure(log, error));
      if (plan.keptAs === undefined) return sseResponse(request, made, headers);
      client.record.background = abort.signal;
      const kept = server.memory.streams.keep(ownerOf(client), plan.keptAs, made, abort);
      return sseResponse(client, kept.read(-1, client.abort.signal), headers);
    }
    for await (const { choice, event } of events) plan.renderer.push(choice, event);
    return Response.json(plan.renderer.whole(), { headers });
  } catch (error) {
    abort.abort();
    throw error;
  }
}

/** The request with an end of its own. Until its stream begins, it still ends with its connection: nobody knows its name. */
function inBackground(client: ServerRequest): ServerRequest {
  const abort = new AbortController();
  setMaxListeners(0, abort.signal);
  const leave = (): void => {
    if (client.record.background === undefined) abort.abort();
  };
  client.abort.signal.addEventListener("abort", leave, { once: true });
  if (client.abort.signal.aborted) leave();
  return { ...client, abort };
}

/** Counts what a request took. Choices that were cut off are not counted: nobody knows how far they came. */
function account(
  { server, key, record }: ServerRequest,
  { numPrompts = 1 }: Plan,
  usages: readonly (Usage | undefined)[],
): void {
  const isDone = (usage: Usage | undefined): usage is Usage => usage !== undefined;
  const groupSize = usages.length / numPrompts;
  const prompts = Array.from({ length: numPrompts }, (_, i) =>
    usages.slice(i * groupSize, (i + 1) * groupSize).find(isDone),
  );
  record.amounts = requestAmounts(usages.filter(isDone), prompts.filter(isDone), server.options.prices);
  server.ledger.add(key?.name ?? null, record.amounts);
}

function warningHeaders(warnings: readonly string[]): Record<string, string> {
  // Headers hold Latin letters only, and a client's own text must not end one.
  const text = warnings.join(" ").replace(/[^ -~]/g, "?");
  return text === "" ? {} : { "x-mimo-warning": text.slice(0, 1024) };
}

function logFailure(log: ServerRequest["log"], error: MimoError): void {
  if (error.code !== "aborted") log.error({ err: error }, "the stream failed");
}

async function* frames(
  renderer: Renderer,
  events: AsyncIterable<ChoiceEvent>,
  onFailure: (error: MimoError) => void,
): AsyncGenerator<readonly Frame[]> {
  try {
    yield renderer.begin();
    for await (const { choice, event } of events) yield renderer.push(choice, event);
    yield renderer.end();
  } catch (thrown) {
    const error = toMimoError(thrown);
    onFailure(error);
    yield renderer.fail(publicError(error));
  }
}

/** Events of all choices as they happen. Throws what the first failing one threw; the others are ended. */
async function* run(
  request: ServerRequest,
  choices: readonly Choice[],
  places: readonly Promise<Place>[],
  usages: (Usage | undefined)[],
): AsyncGenerator<ChoiceEvent> {
  const queue = new AsyncQueue<ChoiceEvent>();
  let numOpen = choices.length;
  for (const [i, choice] of choices.entries()) {
    const push = (event: ServerEvent): void => {
      if (event.type === "done") usages[i] = event.usage;
      queue.push({ choice: i, event });
    };
    void runChoice(request, choice, places[i]!, push)
      .catch((error: unknown) => queue.fail(error))
      .finally(() => {
        if (--numOpen === 0) queue.end();
      });
  }
  try {
    yield* queue;
  } finally {
    request.abort.abort();
  }
}

async function runChoice(
  { server, abort, record }: ServerRequest,
  choice: Choice,
  place: Promise<Place>,
  push: (event: ServerEvent) => void,
): Promise<void> {
  const started = performance.now();
  const elapsed = (): number => performance.now() - started;
  using _held = await place;
  const queueMs = elapsed();
  let firstOutputMs: number | undefined;
  for await (const event of choice(abort.signal)) {
    if (event.type !== "progress" && event.type !== "prompt") {
      firstOutputMs ??= elapsed();
      record.firstOutputMs ??= performance.now() - record.startedAt;
    }
    if (event.type === "done") {
      const { finishReason, finishDetail, usage } = event;
      server.metrics.finished({ finishReason, usage, firstOutputMs, totalMs: elapsed(), queueMs });
      record.finish.add(finishDetail ?? finishReason);
    }
    push(event.type === "done" ? { ...event, firstOutputMs } : event);
  }
}
