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
});
