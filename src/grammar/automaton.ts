// Deterministic automata over bytes, whose states may also call other rules of a grammar.
//
// State 0 is the start. `classOf` joins bytes that no state tells apart; `next` is −1 where a byte leads nowhere. From
// every state but a lonely start an accepting one can be reached, given that every called rule has some text; so
// whoever follows transitions never runs into a dead end.

import type { Budget } from "./budget.ts";
import type { Expression } from "./expression.ts";
import { type CallEdge, Nfa } from "./nfa.ts";

export interface Automaton {
  readonly numStates: number;
  readonly numClasses: number;
  /** [256] */
  readonly classOf: Uint8Array;
  /** [numStates, numClasses] */
  readonly next: Int32Array;
  /** [numStates] */
  readonly accepts: Uint8Array;
  /** [numStates] */
  readonly calls: readonly (readonly CallEdge[])[];
}

/** Larger ones are left as they are: making them minimal takes longer than it saves. Rules that count must be minimal. */
const MAX_MINIMIZED = 100;

/** The automaton of an expression. Throws `invalid_argument` where it exceeds the budget. */
export function automatonOf(expression: Expression, budget: Budget): Automaton {
  return minimized(pruned(determinize(new Nfa(expression, budget), budget)));
}

/** Whether there is no text that it accepts. */
export function isNever({ numStates, accepts, calls }: Automaton): boolean {
  return numStates === 1 && accepts[0] === 0 && calls[0]!.length === 0;
}

/** Texts that both accept, or, with `false`, that `a` accepts and `b` does not. Neither may call rules. */
export function combine(a: Automaton, b: Automaton, inB: boolean, budget: Budget): Automaton {
  const { classOf, representatives } = joinClasses([a, b]);
  const numClasses = representatives.length;
  const keyOf = (x: number, y: number): number => x * (b.numStates + 1) + y + 1;
  const numbers = new Map([[keyOf(0, 0), 0]]);
  const pairs: [number, number][] = [[0, 0]];
  const rows: number[] = [];
  for (let i = 0; i < pairs.length; i++) {
    budget.spend();
    const [left, right] = pairs[i]!;
    for (const byte of representatives) {
      const x = step(a, left, byte);
      const y = right < 0 ? -1 : step(b, right, byte);
      if (x < 0 || (inB && y < 0)) {
        rows.push(-1);
        continue;
      }
      const key = keyOf(x, y);
      const known = numbers.get(key);
      if (known === undefined) {
        numbers.set(key, pairs.length);
        pairs.push([x, y]);
      }
      rows.push(known ?? pairs.length - 1);
    }
  }
  const accepts = Uint8Array.from(pairs, ([x, y]) =>
    a.accepts[x] === 1 && (y >= 0 && b.accepts[y] === 1) === inB ? 1 : 0,
  );
  const calls = pairs.map(() => []);
  return minimized(
    pruned({ numStates: pairs.length, numClasses, classOf, next: Int32Array.from(rows), accepts, calls }),
  );
}

/** The texts that end with their first accepted beginning. */
export function firstMatches(automaton: Automaton): Automaton {
  const { numStates, numClasses, accepts } = automaton;
  const next = automaton.next.slice();
  for (let state = 0; state < numStates; state++) {
    if (accepts[state] === 1) next.fill(-1, state * numClasses, (state + 1) * numClasses);
  }
  return minimized(pruned({ ...automaton, next }));
}

export function step({ next, numClasses, classOf }: Automaton, state: number, byte: number): number {
  return next[state * numClasses + classOf[byte]!]!;
}

/** Whether the automaton accepts the bytes. */
export function accepts(automaton: Automaton, bytes: Uint8Array): boolean {
  let state = 0;
  for (const byte of bytes) {
    state = step(automaton, state, byte);
    if (state < 0) return false;
  }
  return automaton.accepts[state] === 1;
}

function joinClasses(automata: readonly Automaton[]): { classOf: Uint8Array; representatives: number[] } {
  const numbers = new Map<string, number>();
  const representatives: number[] = [];
  const classOf = Uint8Array.from({ length: 256 }, (_, byte) => {
    const key = automata.map((automaton) => automaton.classOf[byte]).join();
    const known = numbers.get(key);
    if (known !== undefined) return known;
    numbers.set(key, representatives.length);
    representatives.push(byte);
    return representatives.length - 1;
  });
  return { classOf, representatives };
}

/** The subset construction, with calls as letters of their own. */
function determinize(nfa: Nfa, budget: Budget): Automaton {
  const { classOf, representatives } = byteClasses(nfa);
  const numbers = new Map<string, number>();
  const subsets: number[][] = [];
  const number = (states: Iterable<number>): number => {
    const subset = closure(nfa, states);
    budget.spend(1 + (subset.length >> 3));
    const key = subset.join();
    const known = numbers.get(key);
    if (known !== undefined) return known;
    numbers.set(key, subsets.length);
    subsets.push(subset);
    return subsets.length - 1;
  };
  number([nfa.start]);
  const rows: number[] = [];
  const calls: CallEdge[][] = [];
  for (let i = 0; i < subsets.length; i++) {
    const subset = subsets[i]!;
    const edges = subset.flatMap((state) => nfa.bytes[state]!);
    for (const byte of representatives) {
      const targets = new Set<number>();
      for (const { low, high, to } of edges) if (low <= byte && byte <= high) targets.add(to);
      rows.push(targets.size === 0 ? -1 : number(targets));
    }
    const byRule = new Map<number, number[]>();
    for (const { rule, to } of subset.flatMap((state) => nfa.calls[state]!)) {
      byRule.set(rule, [...(byRule.get(rule) ?? []), to]);
    }
    calls.push([...byRule].map(([rule, targets]) => ({ rule, to: number(targets) })));
  }
  const accepting = Uint8Array.from(subsets, (subset) => (subset.includes(nfa.end) ? 1 : 0));
  const numClasses = representatives.length;
  const next = Int32Array.from(rows);
  return { numStates: subsets.length, numClasses, classOf, next, accepts: accepting, calls };
}

function closure(nfa: Nfa, states: Iterable<number>): number[] {
  const reached = new Set<number>(states);
  for (const state of reached) for (const to of nfa.silent[state]!) reached.add(to);
  // Only states from which something happens tell subsets apart.
  return [...reached]
    .filter((state) => nfa.bytes[state]!.length > 0 || nfa.calls[state]!.length > 0 || state === nfa.end)
    .sort((a, b) => a - b);
}

/** Bytes between two borders of ranges behave alike. */
function byteClasses(nfa: Nfa): { classOf: Uint8Array; representatives: number[] } {
  const isBorder = new Uint8Array(257);
  isBorder[0] = 1;
  for (const edges of nfa.bytes) {
    for (const { low, high } of edges) {
      isBorder[low] = 1;
      isBorder[high + 1] = 1;
    }
  }
  const representatives: number[] = [];
  const classOf = Uint8Array.from({ length: 256 }, (_, byte) => {
    if (isBorder[byte] === 1) representatives.push(byte);
    return representatives.length - 1;
  });
  return { classOf, representatives };
}

/** Without states from which nothing is ever accepted. */
function pruned(automaton: Automaton): Automaton {
  const { numStates, numClasses, next, accepts: accepting, calls } = automaton;
  const before: number[][] = Array.from({ length: numStates }, () => []);
  for (let i = 0; i < next.length; i++) if (next[i]! >= 0) before[next[i]!]!.push(Math.floor(i / numClasses));
  calls.forEach((edges, state) => {
    for (const { to } of edges) before[to]!.push(state);
  });
  const live = new Set<number>();
  accepting.forEach((value, state) => value === 1 && live.add(state));
  for (const state of live) for (const each of before[state]!) live.add(each);
  live.add(0);
  return renumbered(
    automaton,
    Array.from({ length: numStates }, (_, state) => (live.has(state) ? state : -1)),
  );
}

/** Joins states that no text tells apart (Moore's refinement). */
function minimized(automaton: Automaton): Automaton {
  const { numStates, numClasses, next, accepts: accepting, calls } = automaton;
  if (numStates > MAX_MINIMIZED) return automaton;
  let groups = Array.from(accepting, Number);
  for (let count = 0; ;) {
    const numbers = new Map<string, number>();
    const refined = groups.map((group, state) => {
      const row = Array.from({ length: numClasses }, (_, i) => groups[next[state * numClasses + i]!] ?? -1);
      const called = calls[state]!.map(({ rule, to }) => `${rule}:${groups[to]}`).sort();
      const key = `${group};${row.join()};${called.join()}`;
      const known = numbers.get(key) ?? numbers.size;
      numbers.set(key, known);
      return known;
    });
    groups = refined;
    if (numbers.size === count) break;
    count = numbers.size;
  }
  return renumbered(automaton, groups);
}

/** States of one group, in the order of their first members, become one; those of group −1 go. */
function renumbered(automaton: Automaton, groups: readonly number[]): Automaton {
  const { numClasses, classOf, next, accepts: accepting, calls } = automaton;
  const numbers = new Map<number, number>();
  const members: number[] = [];
  groups.forEach((group, state) => {
    if (group < 0 || numbers.has(group)) return;
    numbers.set(group, members.length);
    members.push(state);
  });
  const renumber = (state: number): number => (state < 0 ? -1 : (numbers.get(groups[state]!) ?? -1));
  return {
    numStates: members.length,
    numClasses,
    classOf,
    next: Int32Array.from(
      members.flatMap((state) => Array.from(next.subarray(state * numClasses, (state + 1) * numClasses), renumber)),
    ),
    accepts: Uint8Array.from(members, (state) => accepting[state]!),
    calls: members.map((state) =>
      calls[state]!.map(({ rule, to }) => ({ rule, to: renumber(to) })).filter(({ to }) => to >= 0),
    ),
  };
}
