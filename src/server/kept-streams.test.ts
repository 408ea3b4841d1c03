// Streams that are read again: from any place, by several at once, within bounds, and never with a hole.

import { describe, expect, test } from "vitest";
import { FrameLog } from "./frame-log.ts";
import { KeptStreams, type KeptStreamsOptions } from "./kept-streams.ts";
import type { Frame } from "./render/renderer.ts";

const frame = (text: string): Frame => ({ data: text });
const { signal } = new AbortController();

async function textsOf(frames: AsyncIterable<readonly Frame[]>): Promise<unknown[]> {
  const texts: unknown[] = [];
  for await (const batch of frames) texts.push(...batch.map(({ data }) => data));
  return texts;
}

describe("a log of frames", () => {
  test("gives every reader what is behind the place it names, and what is yet to come", async () => {
    const log = new FrameLog();
    log.push(["a", "b", "c"].map(frame));
    const readers = [-1, 0, 2, 4].map((after) => textsOf(log.read(after, signal)));
    log.push([frame("d")]);
    await Promise.resolve();
    log.push([frame("e"), { event: "last", data: { f: 1 } }]);
    log.end();
    const all = ["a", "b", "c", "d", "e", '{"f":1}'];
    expect(await Promise.all(readers)).toEqual([all, all.slice(1), all.slice(3), all.slice(5)]);
    expect(await textsOf(log.read(5, signal))).toEqual([]);
  });

  test("numbers its frames, in pieces too", async () => {
    const log = new FrameLog();
    log.push(Array.from({ length: 1000 }, (_, i) => frame(`${i}`)));
    log.end();
    const numbers: [number, string][] = [];
    for await (const batch of log.read(9, signal))
      numbers.push(...batch.map(({ id, data }) => [id, data] as [number, string]));
    expect(numbers).toEqual(Array.from({ length: 990 }, (_, i) => [i + 10, `${i + 10}`]));
  });

  test("refuses what was dropped, to whoever begins there and to whoever falls behind", async () => {
    const log = new FrameLog();
    log.push([frame("a"), frame("b")]);
    const slow = log.read(-1, signal);
    log.drop();
    expect(() => log.read(-1, signal)).toThrow("only from frame 1");
    await expect(slow.next()).rejects.toThrow("only from frame 1");
    log.end();
    expect(await textsOf(log.read(0, signal))).toEqual(["b"]);
    log.drop();
    expect([log.size, log.frames]).toEqual([0, []]);
  });

  test("lets go of a reader that leaves", async () => {
    const log = new FrameLog();
    const left = new AbortController();
    const reading = textsOf(log.read(-1, left.signal));
    log.push([frame("a")]);
    await new Promise((resolve) => setImmediate(resolve));
    left.abort();
    expect(await reading).toEqual(["a"]);
  });
});

describe("kept streams", () => {
  const LARGE = { size: Infinity, count: Infinity };

  function keeper(options: Partial<KeptStreamsOptions>) {
    const streams = new KeptStreams({ keepMs: 60_000, perOwner: LARGE, total: LARGE, ...options });
    const keep = async (owner: string, id: string, texts: readonly string[]): Promise<void> => {
      const frames = async function* (): AsyncGenerator<readonly Frame[]> {
        for (const text of texts) yield [frame(text)];
      };
      await textsOf(streams.keep(owner, id, frames(), new AbortController()).read(texts.length - 2, signal));
    };
    const has = (name: string): boolean => streams.find(name[0]!, name) !== undefined;
    return { streams, keep, has };
  }

  test("belong to their owner", async () => {
    const { streams, keep } = keeper({});
    await keep("a", "1", ["x"]);
    expect([streams.find("a", "1")?.isEnded, streams.find("b", "1")]).toEqual([true, undefined]);
  });

  test("are so many for an owner and for all: the longest ended go first", async () => {
    const { keep, has } = keeper({ perOwner: { ...LARGE, count: 2 }, total: { ...LARGE, count: 3 } });
    for (const name of ["a1", "b1", "a2", "a3"]) await keep(name[0]!, name, ["x"]);
    expect(["a1", "a2", "a3", "b1"].filter(has)).toEqual(["a2", "a3", "b1"]);
    await keep("b", "b2", ["x"]);
    expect(["a2", "a3", "b1", "b2"].filter(has)).toEqual(["a2", "a3", "b2"]);
  });

  test("take so much memory, and one that is too much alone loses its beginning", async () => {
    const text = "x".repeat(1000);
    const { streams, keep, has } = keeper({ perOwner: { ...LARGE, size: 5000 } });
    await keep("a", "a1", [text, text]);
    await keep("b", "b1", [text]);
    await keep(
      "a",
      "a2",
      Array.from({ length: 20 }, () => text),
    );
    expect(["a1", "a2", "b1"].filter(has)).toEqual(["a2", "b1"]);
    const log = streams.find("a", "a2")!;
    expect(log.size).toBeLessThanOrEqual(5000);
    expect(() => log.read(-1, signal)).toThrow("no longer kept");
    expect(await textsOf(log.read(15, signal))).toHaveLength(4);
  });

  test("are forgotten after a while", async () => {
    const { keep, has } = keeper({ keepMs: 1 });
    await keep("a", "a1", ["x"]);
    await expect.poll(() => has("a1"), { timeout: 10_000 }).toBe(false);
  });
});
