import { describe, expect, test } from "vitest";
import { BlockPool } from "./block-pool.ts";

describe("BlockPool", () => {
  test("gives every block once, and again when it is released", () => {
    const pool = new BlockPool(3);
    const taken = [pool.take(), pool.take(), pool.take()];
    expect(new Set(taken)).toEqual(new Set([0, 1, 2]));
    expect(pool.numFree).toBe(0);
    expect(() => pool.take()).toThrow(/no block is free/);
    pool.release(taken[1]!);
    expect(pool.take()).toBe(taken[1]);
  });

  test("a block is free when its last holder has released it", () => {
    const pool = new BlockPool(2);
    const block = pool.take();
    expect(pool.isShared(block)).toBe(false);
    pool.retain(block);
    expect(pool.isShared(block)).toBe(true);
    pool.release(block);
    expect([pool.isHeld(block), pool.isShared(block), pool.numFree]).toEqual([true, false, 1]);
    pool.release(block);
    expect([pool.isHeld(block), pool.numFree]).toEqual([false, 2]);
  });

  test("refuses to release or retain what nobody holds", () => {
    const pool = new BlockPool(2);
    const block = pool.take();
    pool.release(block);
    expect(() => pool.release(block)).toThrow(/released but free/);
    expect(() => pool.retain(block)).toThrow(/retained but free/);
    expect(() => pool.release(99)).toThrow(/released but free/);
    expect(pool.numFree).toBe(2);
  });

  test("compares its counts with those of its users", () => {
    const pool = new BlockPool(2);
    const block = pool.take();
    pool.retain(block);
    pool.checkIntegrity(new Map([[block, 2]]));
    expect(() => pool.checkIntegrity(new Map([[block, 1]]))).toThrow(/2 holders, its users know 1/);
    expect(() =>
      pool.checkIntegrity(
        new Map([
          [block, 2],
          [1 - block, 1],
        ]),
      ),
    ).toThrow(/0 holders, its users know 1/);
  });

  test("may be empty", () => {
    const pool = new BlockPool(0);
    expect(pool.numFree).toBe(0);
    pool.checkIntegrity(new Map());
  });
});
