import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { randomKey, randomUnit } from "../util/random.ts";
import { DraftDepth } from "./draft-depth.ts";

interface World {
  /** Milliseconds of a step that verifies so many drafts, by depth. */
  readonly verifyMs: readonly number[];
  readonly draftMs: readonly number[];
  /** Probability that the draft at a position holds, given that those before it did. */
  readonly acceptance: readonly number[];
}

/** Lives through so many steps as an engine would: drafts at the chosen depth, which the next step verifies. */
function live(policy: DraftDepth, world: World, steps: number, seed = 1): number[] {
  const sequence = policy.newAcceptance();
  const key = randomKey(seed);
  const chosen: number[] = [];
  for (let step = 0; step < steps; step++) {
    const depth = policy.choose([sequence]);
    policy.recordDraft(depth, world.draftMs[depth]!);
    let accepted = 0;
    while (accepted < depth && randomUnit(key, 10 * step + accepted) < world.acceptance[accepted]!) accepted++;
    policy.recordVerify(sequence, depth, accepted, world.verifyMs[depth]!);
    chosen.push(depth);
  }
  return chosen;
}

/** The depth chosen most often. */
function favourite(chosen: readonly number[]): number {
  const count = (depth: number): number => chosen.filter((other) => other === depth).length;
  return chosen.reduce((best, depth) => (count(depth) > count(best) ? depth : best));
}

/** Tokens per millisecond at each depth. */
function rates({ verifyMs, draftMs, acceptance }: World): number[] {
  return verifyMs.map((ms, depth) => {
    let expected = 1;
    let reach = 1;
    for (let k = 0; k < depth; k++) expected += reach *= acceptance[k]!;
    return expected / (ms + draftMs[depth]!);
  });
}

/** Memory-bound: another row costs little. */
const CHEAP: World = { verifyMs: [10, 10.5, 11, 11.5], draftMs: [0, 1, 2, 3], acceptance: [0.9, 0.85, 0.8] };
/** Compute-bound: each row costs as much as the first. */
const DEAR: World = { verifyMs: [10, 20, 30, 40], draftMs: [0, 1, 2, 3], acceptance: [0.9, 0.85, 0.8] };

describe("DraftDepth", () => {
  test("measures every depth before it decides", () => {
    expect(new Set(live(new DraftDepth(3), CHEAP, 20))).toEqual(new Set([0, 1, 2, 3]));
  });

  test("drafts as deep as it pays", () => {
    expect(favourite(live(new DraftDepth(3), CHEAP, 300).slice(50))).toBe(3);
    const shallow = { ...CHEAP, acceptance: [0.9, 0.05, 0.8] };
    expect(favourite(live(new DraftDepth(3), shallow, 300).slice(50))).toBe(1);
  });

  test("ends where speculation loses: dear rows, or drafts that do not hold", () => {
    for (const world of [DEAR, { ...CHEAP, acceptance: [0.03, 0.5, 0.5] }]) {
      const chosen = live(new DraftDepth(3), world, 1300).slice(1000);
      expect(favourite(chosen)).toBe(0);
      // It looks again now and then, and no more often.
      expect(chosen.filter((depth) => depth > 0).length).toBeLessThan(10);
    }
  });

  test("finds the best depth of any world in which one is clearly the best", () => {
    const cost = fc.double({ min: 0.05, max: 6, noNaN: true });
    const share = fc.double({ min: 0.05, max: 0.95, noNaN: true });
    fc.assert(
      fc.property(
        fc.tuple(cost, cost, cost),
        fc.tuple(cost, cost, cost),
        fc.tuple(share, share, share),
        (verify, draft, acceptance) => {
          const add = (base: number, steps: readonly number[]): number[] =>
            steps.reduce((all, step) => [...all, all.at(-1)! + step], [base]);
          const world = { verifyMs: add(5, verify), draftMs: add(0, draft), acceptance };
          const rate = rates(world);
          const best = rate.indexOf(Math.max(...rate));
          fc.pre(rate.every((other, depth) => depth === best || other < 0.75 * rate[best]!));
          expect(favourite(live(new DraftDepth(3), world, 2000).slice(1000))).toBe(best);
        },
      ),
      { numRuns: 30 },
    );
  });

  test("adapts when drafts begin to fail, and when they hold again", () => {
    const policy = new DraftDepth(3);
    expect(favourite(live(policy, CHEAP, 200).slice(50))).toBe(3);
    const failing = { ...CHEAP, acceptance: [0.02, 0.02, 0.02] };
    expect(favourite(live(policy, failing, 300).slice(100))).toBe(0);
    expect(favourite(live(policy, CHEAP, 6000).slice(4000))).toBe(3);
  });

  test("a text whose drafts fail does not decide for the next one", () => {
    const policy = new DraftDepth(3);
    live(policy, CHEAP, 1000);
    expect(live(policy, { ...CHEAP, acceptance: [0.02, 0.02, 0.02] }, 60, 2).at(-1)).toBeLessThan(2);
    expect(favourite(live(policy, CHEAP, 20, 3))).toBe(3);
  });

  test("adapts when the cost of a row changes", () => {
    const policy = new DraftDepth(3);
    expect(favourite(live(policy, DEAR, 200).slice(50))).toBe(0);
    expect(favourite(live(policy, CHEAP, 8000).slice(6000))).toBe(3);
  });

  test("one slow first step, with cold caches, does not decide", () => {
    const policy = new DraftDepth(3);
    for (let depth = 0; depth <= 3; depth++) {
      policy.recordDraft(depth, 1000);
      policy.recordVerify(policy.newAcceptance(), depth, depth, depth === 3 ? 100_000 : 1000);
    }
    expect(favourite(live(policy, CHEAP, 100).slice(20))).toBe(3);
  });

  test("never costs noticeably more than plain decoding, however dear drafts are", () => {
    const cost = fc.double({ min: 1, max: 60, noNaN: true });
    fc.assert(
      fc.property(fc.tuple(cost, cost, cost), fc.nat(1000), ([one, two, three], seed) => {
        const world = {
          verifyMs: [10, 10 + one, 10 + one + two, 10 + one + two + three],
          draftMs: [0, 1, 2, 3],
          acceptance: [0.05, 0.05, 0.05],
        };
        const key = randomKey(seed);
        const policy = new DraftDepth(3);
        const sequence = policy.newAcceptance();
        let [tokens, ms] = [0, 0];
        for (let step = 0; step < 3000; step++) {
          const depth = policy.choose([sequence]);
          policy.recordDraft(depth, world.draftMs[depth]!);
          let accepted = 0;
          while (accepted < depth && randomUnit(key, 10 * step + accepted) < 0.05) accepted++;
          policy.recordVerify(sequence, depth, accepted, world.verifyMs[depth]!);
          tokens += accepted + 1;
          ms += world.draftMs[depth]! + world.verifyMs[depth]!;
        }
        expect(ms / tokens).toBeLessThan(1.02 * 10);
      }),
      { numRuns: 50 },
    );
  });

  test("a model without heads is never drafted for", () => {
    const policy = new DraftDepth(0);
    expect(live(policy, { verifyMs: [1], draftMs: [0], acceptance: [] }, 200)).toEqual(
      Array.from({ length: 200 }, () => 0),
    );
  });
});
