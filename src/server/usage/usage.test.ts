import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { usageOf } from "../../api/events.ts";
import { createLog } from "../log.ts";
import { Ledger, type LedgerOptions, readUsage } from "./ledger.ts";
import { type Amounts, mergeRows, NOTHING, requestAmounts, selectRows } from "./usage.ts";

let folder: string;
let path: string;
const logged: string[] = [];
const log = createLog("info", { write: (line) => void logged.push(line) });
const one: Amounts = { ...NOTHING, requests: 1, promptTokens: 10, completionTokens: 5, cost: 0.5 };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mimo-usage-"));
  path = join(folder, "state", "usage.json");
  logged.length = 0;
});
afterEach(() => rmSync(folder, { recursive: true }));

const open = (options: Partial<LedgerOptions> = {}): Ledger =>
  new Ledger({ path, flushMs: 3_600_000, log, ...options });

function usage(promptTokens: number, cachedTokens: number, completionTokens: number, reasoningTokens = 0) {
  const times = { queueMs: 0, prefillMs: 0, decodeMs: 0 };
  const stats = {
    promptTokens,
    cachedTokens,
    replayedTokens: 0,
    cacheMiss: undefined,
    decodeSteps: 0,
    accepted: [],
    drafts: [],
    ...times,
  };
  return usageOf({ stats, completionTokens, reasoningTokens });
}

describe("what a request costs", () => {
  test("prompts once, cached tokens at their own price, every choice's answer", () => {
    const choices = [usage(1000, 400, 50, 20), usage(1000, 400, 70)];
    const prices = { input: 1, cachedInput: 0.1, output: 10 };
    const { cost, ...amounts } = requestAmounts(choices, choices.slice(0, 1), prices);
    expect(amounts).toEqual({
      requests: 1,
      promptTokens: 1000,
      cachedTokens: 400,
      completionTokens: 120,
      reasoningTokens: 20,
    });
    expect(cost).toBeCloseTo((600 + 40 + 1200) / 1e6, 12);
  });

  test("rows are merged by day and key, and chosen by either", () => {
    const rows = mergeRows([
      { day: "2026-01-02", key: "b", ...one },
      { day: "2026-01-01", key: "b", ...one },
      { day: "2026-01-02", key: null, ...one },
      { day: "2026-01-02", key: "b", ...one },
    ]);
    expect(rows.map(({ day, key, requests }) => [day, key, requests])).toEqual([
      ["2026-01-01", "b", 1],
      ["2026-01-02", null, 1],
      ["2026-01-02", "b", 2],
    ]);
    expect(selectRows(rows, { from: "2026-01-02", key: "b" })).toEqual([rows[2]]);
    expect(selectRows(rows, { to: "2026-01-01" })).toEqual([rows[0]]);
    expect(selectRows(rows, { key: null })).toEqual([rows[1]]);
  });
});

describe("the ledger", () => {
  test("adds to what the file says, and leaves nothing beside it", async () => {
    const first = open({ now: () => Date.UTC(2026, 0, 31, 23, 59) });
    first.add("a", one);
    first.add(null, one);
    expect(first.rows()).toHaveLength(2);
    await first.close();
    const second = open({ now: () => Date.UTC(2026, 1, 1) });
    second.add("a", one);
    second.add("a", one);
    await second.close();
    expect(readUsage(path).map(({ day, key, requests, cost }) => [day, key, requests, cost])).toEqual([
      ["2026-01-31", null, 1, 0.5],
      ["2026-01-31", "a", 1, 0.5],
      ["2026-02-01", "a", 2, 1],
    ]);
    expect(readdirSync(join(folder, "state"))).toEqual(["usage.json"]);
  });

  test("several servers share a file", async () => {
    const ledgers = [open(), open(), open()];
    for (let i = 0; i < 30; i++) ledgers[i % 3]!.add("a", one);
    await Promise.all(ledgers.map((ledger) => ledger.close()));
    expect(readUsage(path)).toMatchObject([{ key: "a", requests: 30, promptTokens: 300 }]);
  });

  test("is written while the server runs", async () => {
    const ledger = open({ flushMs: 10 });
    ledger.add("a", one);
    await expect.poll(() => readUsage(path).length).toBe(1);
    // What comes after is not lost, either, and a killed server would have lost no more than that.
    ledger.add("a", one);
    await expect.poll(() => readUsage(path)[0]?.requests).toBe(2);
    await ledger.close();
  });

  test("waits while another server writes, and passes over one that was killed at it", async () => {
    const ledger = open({ flushMs: 10 });
    ledger.add("a", one);
    await expect.poll(() => existsSync(path)).toBe(true);
    const lock = `${path}.lock`;
    writeFileSync(lock, "");
    ledger.add("a", one);
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(readUsage(path)[0]?.requests).toBe(1);
    expect(ledger.rows()[0]?.requests).toBe(2);
    utimesSync(lock, 1, 1);
    await expect.poll(() => readUsage(path)[0]?.requests).toBe(2);
    await ledger.close();
  });

  test("does not write over a file of another kind", async () => {
    const ledger = open();
    ledger.add("a", one);
    await ledger.close();
    writeFileSync(path, '{"something":"else"}');
    expect(() => open()).toThrow("expected usage");
    ledger.add("a", one);
    await ledger.close();
    expect(readFileSync(path, "utf8")).toBe('{"something":"else"}');
    expect(logged.join("")).toContain("usage could not be written");
  });

  test("without a file, it counts in memory", async () => {
    const ledger = open({ path: undefined });
    ledger.add("a", one);
    ledger.add("a", one);
    expect(ledger.rows()).toMatchObject([{ key: "a", requests: 2 }]);
    await ledger.close();
  });
});
