import { setMaxListeners } from "node:events";
import { describe, expect, test } from "vitest";
import { MimoError } from "../util/errors.ts";
import { Admission, type Place } from "./admission.ts";

const never = new AbortController().signal;
setMaxListeners(0, never);
const create = (options = {}): Admission =>
  new Admission({ maxRunning: 2, maxQueue: 2, maxQueueMs: 60_000, ...options });
const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "held",
    (error: MimoError) => error.code,
  );

describe("Admission", () => {
  test("so many run, so many wait in order, the rest are refused", async () => {
    const admission = create();
    const order: number[] = [];
    const places = [0, 1, 2, 3].map((i) => {
      const [place] = admission.admit(1, never) as [Promise<Place>];
      void place.then(() => order.push(i));
      return place;
    });
    expect([admission.numRunning, admission.numWaiting]).toEqual([2, 2]);
    expect(() => admission.admit(1, never)).toThrow("queue is full");
    expect(admission.numRejected).toBe(1);
    (await places[0]!)[Symbol.dispose]();
    (await places[0]!)[Symbol.dispose]();
    expect([admission.numRunning, admission.numWaiting]).toEqual([2, 1]);
    (await places[1]!)[Symbol.dispose]();
    for (const place of [await places[2]!, await places[3]!]) place[Symbol.dispose]();
    expect(order).toEqual([0, 1, 2, 3]);
    expect([admission.numRunning, admission.numWaiting]).toEqual([0, 0]);
  });

  test("a request gets all its places or none", () => {
    const admission = create();
    expect(() => admission.admit(5, never)).toThrow("at most 4 fit");
    expect(admission.admit(3, never)).toHaveLength(3);
    expect(() => admission.admit(2, never)).toThrow("queue is full");
    expect([admission.numRunning, admission.numWaiting]).toEqual([2, 1]);
  });

  test("who leaves, or waits too long, makes room", async () => {
    const admission = create({ maxRunning: 1, maxQueueMs: 20 });
    const controller = new AbortController();
    const [held] = admission.admit(1, never) as [Promise<Place>];
    const [left] = admission.admit(1, controller.signal) as [Promise<Place>];
    const [old] = admission.admit(1, never) as [Promise<Place>];
    controller.abort();
    expect(await codeOf(left)).toBe("aborted");
    expect(await codeOf(old)).toBe("overloaded");
    expect(admission.numWaiting).toBe(0);
    expect(await codeOf(held)).toBe("held");
    expect(await codeOf(admission.admit(1, AbortSignal.abort())[0]!)).toBe("aborted");
  });

  test("says when to come back, within reason", () => {
    const admission = create({ maxQueue: 1000 });
    expect(admission.retryAfterSeconds).toBe(1);
    for (const place of admission.admit(900, never)) void place;
    expect(admission.retryAfterSeconds).toBe(60);
    admission.refuseWaiting(new MimoError("loading", "stopping"));
    expect(admission.numWaiting).toBe(0);
  });

  test("one key's crowd does not keep another waiting", async () => {
    const admission = create({ maxRunning: 2, maxQueue: 100 });
    const order: string[] = [];
    const held: Place[] = [];
    const ask = (name: string): void => {
      const [place] = admission.admit(1, never, { name, maxRequests: 100, queueShare: 1 }) as [Promise<Place>];
      void place.then((got) => {
        order.push(name);
        held.push(got);
      });
    };
    for (let i = 0; i < 5; i++) ask("crowd");
    ask("other");
    ask("other");
    await new Promise(setImmediate);
    while (held.length > 0) {
      held.shift()?.[Symbol.dispose]();
      await new Promise(setImmediate);
    }
    // Whoever has fewer running is next; among equals, whoever came first.
    expect(order).toEqual(["crowd", "crowd", "other", "crowd", "other", "crowd", "crowd"]);
  });

  test("a key has so many requests at once, and so much of the queue", async () => {
    const admission = create({ maxRunning: 1, maxQueue: 4 });
    const tenant = { name: "a", maxRequests: 3, queueShare: 0.5 };
    const ask = (count = 1): [AbortController, Promise<Place>] => {
      const controller = new AbortController();
      return [controller, admission.admit(count, controller.signal, tenant)[0]!];
    };
    const [first, place] = ask();
    expect(() => ask(3)).toThrow("share of the queue");
    void ask();
    const [third] = ask();
    expect(admission.requestsOf(tenant)).toBe(3);
    expect(() => ask()).toThrow("3 requests at once");
    third.abort();
    expect(admission.requestsOf(tenant)).toBe(2);
    void ask();
    expect(() => admission.admit(1, never, { ...tenant, maxRequests: 9 })).toThrow("share of the queue");
    // Others are not concerned.
    void admission.admit(1, never, { ...tenant, name: "b" });
    expect([admission.numRunning, admission.numWaiting, admission.numRejected]).toEqual([1, 3, 3]);
    (await place)[Symbol.dispose]();
    first.abort();
    expect(admission.requestsOf(tenant)).toBe(2);
  });
});
