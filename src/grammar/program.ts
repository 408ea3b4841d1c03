// A compiled grammar: the automata of all its rules in flat arrays, on memory that threads share.
//
// States are numbered through. Invariants, on which the matcher relies: every rule has some text, none but the root may
// have the empty one, and no rule can call itself before a byte was read; so following calls ends, and from wherever a
// text has come to, it can be finished. Knows bytes only, and neither schemas nor tokens.

import { createHash } from "node:crypto";
import { MimoError } from "../util/errors.ts";
import { assert } from "../util/assert.ts";
import { type Automaton, automatonOf, isNever, step } from "./automaton.ts";
import type { Budget } from "./budget.ts";
import type { Expression } from "./expression.ts";

/**
 * A rule whose text is counted in characters, up to a delimiter that ends it and is not counted. Behind every character
 * there may be the delimiter, or another character.
 */
export interface Counting {
  readonly min: number;
  readonly max: number;
  /** ASCII, without a beginning of itself inside. */
  readonly delimiter: Uint8Array;
}

export interface Rule {
  /** Where in the schema it comes from, for errors. */
  readonly name: string;
  readonly body: Expression | Automaton;
  readonly counting?: Counting | undefined;
}

export interface Program {
  /** Programs with the same key are the same. */
  readonly key: string;
  readonly byteLength: number;
  /** [rules]: a hash of what the rule does, the same in every program; empty where it calls others. */
  readonly ruleKeys: readonly string[];
  /** [rules], [states]: the first state of a rule, and the rule of a state. */
  readonly firstState: Int32Array;
  readonly ruleOf: Int32Array;
  /** State in which the root begins. */
  readonly start: number;
  /** [rules, 256] */
  readonly classOf: Uint8Array;
  /** [states]: where the row of the state's rule begins in `classOf`. */
  readonly classAt: Int32Array;
  /** [states]: where the state's row begins in `next`. */
  readonly rowAt: Int32Array;
  readonly next: Int32Array;
  /** [states] */
  readonly accepts: Uint8Array;
  /** [states + 1]: where the state's calls begin in `calls`. */
  readonly callAt: Int32Array;
  /** (first state of the rule, state to return to)… */
  readonly calls: Int32Array;
  /** [states]: limits of the state's rule in characters; −1 where nothing is counted. */
  readonly minCount: Int32Array;
  readonly maxCount: Int32Array;
  /** [states]: characters of the delimiter that may just have been read; −1 inside a character. */
  readonly pending: Int32Array;
}

/** Throws `invalid_argument` where a rule can never end, or calls itself without reading anything. */
export function assemble(key: string, rules: readonly Rule[], root: number, budget: Budget): Program {
  const automata = rules.map(({ body }) => ("kind" in body ? automatonOf(body, budget) : body));
  checkRules(rules, automata, root);
  const firstState: number[] = [];
  let numStates = 0;
  let tableSize = 0;
  for (const { numStates: count, next } of automata) {
    firstState.push(numStates);
    numStates += count;
    tableSize += next.length;
  }
  const calls: number[] = [];
  const program = {
    key,
    ruleKeys: automata.map(hashOf),
    firstState: Int32Array.from(firstState),
    ruleOf: sharedIntegers(numStates),
    start: firstState[root]!,
    classOf: new Uint8Array(new SharedArrayBuffer(256 * rules.length)),
    classAt: sharedIntegers(numStates),
    rowAt: sharedIntegers(numStates),
    next: sharedIntegers(tableSize),
    accepts: new Uint8Array(new SharedArrayBuffer(numStates)),
    callAt: sharedIntegers(numStates + 1),
    minCount: sharedIntegers(numStates).fill(-1),
    maxCount: sharedIntegers(numStates).fill(-1),
    pending: sharedIntegers(numStates),
  };
  let row = 0;
  automata.forEach((automaton, rule) => {
    const first = firstState[rule]!;
    program.classOf.set(automaton.classOf, 256 * rule);
    program.next.set(
      automaton.next.map((state) => (state < 0 ? -1 : first + state)),
      row,
    );
    program.accepts.set(automaton.accepts, first);
    for (let state = 0; state < automaton.numStates; state++) {
      program.ruleOf[first + state] = rule;
      program.classAt[first + state] = 256 * rule;
      program.rowAt[first + state] = row + state * automaton.numClasses;
      program.callAt[first + state] = calls.length;
      for (const { rule: called, to } of automaton.calls[state]!) calls.push(firstState[called]!, first + to);
    }
    row += automaton.next.length;
    const { counting } = rules[rule]!;
    if (counting === undefined) return;
    const { min, max } = counting;
    program.minCount.fill(min, first, first + automaton.numStates);
    program.maxCount.fill(Math.min(max, 2 ** 31 - 1), first, first + automaton.numStates);
    program.pending.set(pendingOf(automaton, counting), first);
  });
  program.callAt[numStates] = calls.length;
  const all = { ...program, calls: sharedIntegers(calls.length) };
  all.calls.set(calls);
  const byteLength = Object.values(all).reduce<number>(
    (sum, part) => sum + (ArrayBuffer.isView(part) ? part.byteLength : 0),
    64 * rules.length,
  );
  return { ...all, byteLength };
}

/** Characters of the rule after a byte that led to `state`. */
export function countAfter({ maxCount, pending }: Program, state: number, count: number): number {
  return maxCount[state]! >= 0 && pending[state]! >= 0 ? count + 1 : count;
}

/**
 * Whether a rule that has come to `state` with `count` characters can still end within its limits, of which `before`
 * characters are already used up. Where a beginning of the delimiter stands, it may become the delimiter, or text.
 */
export function isViable(program: Program, state: number, count: number, before: number): boolean {
  const max = program.maxCount[state]! - before;
  if (program.maxCount[state]! < 0) return true;
  const pending = program.pending[state]!;
  if (pending < 0) return count + 1 <= max;
  const isWhole = count - pending >= program.minCount[state]! - before && count - pending <= max;
  return isWhole || (program.accepts[state] === 0 && count <= max);
}

function sharedIntegers(length: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4 * length));
}

/** By state, how much of the delimiter has just been read: what is left of it ends the text. −1 inside a character. */
function pendingOf(automaton: Automaton, { delimiter }: Counting): Int32Array {
  const endsAfter = (state: number, read: number): boolean => {
    let at = state;
    for (let i = read; i < delimiter.length && at >= 0; i++) at = step(automaton, at, delimiter[i]!);
    return at >= 0 && automaton.accepts[at] === 1;
  };
  return Int32Array.from({ length: automaton.numStates }, (_, state) => {
    for (let read = delimiter.length; read >= 0; read--) if (endsAfter(state, read)) return read;
    return -1;
  });
}

function hashOf({ classOf, next, accepts, calls }: Automaton): string {
  if (calls.some((edges) => edges.length > 0)) return "";
  const hash = createHash("sha256");
  for (const part of [classOf, next, accepts]) hash.update(part);
  return hash.digest("base64");
}

function checkRules(rules: readonly Rule[], automata: readonly Automaton[], root: number): void {
  const refuse = (rule: number, problem: string): never => {
    throw new MimoError("invalid_argument", `${rules[rule]!.name} ${problem}.`, { param: rules[rule]!.name });
  };
  const productive = new Set<number>();
  for (let before = -1; before < productive.size;) {
    before = productive.size;
    automata.forEach((automaton, rule) => {
      if (!productive.has(rule) && hasText(automaton, productive)) productive.add(rule);
    });
  }
  automata.forEach((automaton, rule) => {
    if (isNever(automaton)) refuse(rule, "allows no value at all");
    if (!productive.has(rule)) refuse(rule, "needs itself without end");
    assert(rule === root || automaton.accepts[0] === 0, `rule ${rules[rule]!.name} may be empty`);
  });
  const done = new Set<number>();
  const visit = (rule: number, open: ReadonlySet<number>): void => {
    if (open.has(rule)) refuse(rule, "refers to itself with nothing between");
    if (done.has(rule)) return;
    for (const { rule: called } of automata[rule]!.calls[0]!) visit(called, new Set([...open, rule]));
    done.add(rule);
  };
  rules.forEach((_, rule) => visit(rule, new Set()));
}

/** Whether some text is accepted that calls only these rules. */
function hasText({ numClasses, next, accepts, calls }: Automaton, productive: ReadonlySet<number>): boolean {
  const reached = new Set([0]);
  for (const state of reached) {
    if (accepts[state] === 1) return true;
    for (let i = 0; i < numClasses; i++) {
      const to = next[state * numClasses + i]!;
      if (to >= 0) reached.add(to);
    }
    for (const { rule, to } of calls[state]!) if (productive.has(rule)) reached.add(to);
  }
  return false;
}
