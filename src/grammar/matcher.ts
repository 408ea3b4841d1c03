// Which texts a program accepts, byte by byte, and so which tokens may come next.
//
// A state is a value: the set of all ways in which the text so far can be read, each a state of a rule with a stack of
// the rules it will return to, and a count of characters where its rule counts. States are interned and remember where
// bytes lead, so equal texts cost nothing twice; going back is keeping the old state. Many ways through a grammar share
// the inside of a rule, where whole vocabularies are alike: that part of a mask is a slice, computed once for each
// state of a rule, and what leaves the rule is walked for the stack at hand.

import { countAfter, isViable, type Program } from "./program.ts";
import { type Slice, type SliceCache, Slices } from "./slices.ts";
import type { Vocabulary } from "./vocabulary.ts";

/** A state to return to, and what lies below it. */
interface Stack {
  readonly id: number;
  readonly state: number;
  readonly below: Stack | undefined;
}

/** One way to read the text so far. */
interface Reading {
  readonly id: number;
  readonly state: number;
  readonly count: number;
  readonly stack: Stack | undefined;
}

export interface MatchState {
  readonly readings: readonly Reading[];
  /** Whether the text so far is whole. */
  readonly isFinal: boolean;
}

interface CachedState extends MatchState {
  /** By byte; null where it is not allowed. */
  readonly next: Map<number, CachedState | null>;
  mask?: Uint32Array;
}

/** What is remembered of ways and states before all of it is forgotten at once. */
const MAX_REMEMBERED = 50_000;
/** About what one of them takes. */
const REMEMBERED_BYTES = 256;
const MAX_MASKS = 256;

export class Matcher {
  readonly start: MatchState;
  readonly #program: Program;
  readonly #vocabulary: Vocabulary;
  readonly #slices: Slices;
  readonly #hasBytes: Uint8Array;
  #stacks = new Map<string, Stack>();
  #readings = new Map<string, Reading>();
  #states = new Map<string, CachedState>();
  #beyonds = new WeakMap<Slice, Map<number, Uint32Array>>();
  #numMasks = 0;
  #nextId = 1;

  constructor(program: Program, vocabulary: Vocabulary, slices: SliceCache = new Map()) {
    this.#program = program;
    this.#vocabulary = vocabulary;
    this.#slices = new Slices(program, vocabulary, slices);
    this.#hasBytes = Uint8Array.from(program.rowAt, (_, state) => (leadsAnywhere(program, state) ? 1 : 0));
    this.start = this.#close([this.#reading(program.start, 0, undefined)])!;
  }

  /** About what its program takes, and what it has learned of it; masks above all, where a vocabulary is large. */
  get byteLength(): number {
    const remembered = REMEMBERED_BYTES * (this.#readings.size + this.#states.size);
    return (
      this.#program.byteLength + this.#slices.byteLength + 4 * this.#vocabulary.numWords * this.#numMasks + remembered
    );
  }

  /** The state behind a token; undefined where the token is not allowed. */
  advance(state: MatchState, token: number): MatchState | undefined {
    const { bytes, offsets } = this.#vocabulary.table;
    const end = offsets[token + 1] ?? 0;
    if (!(offsets[token]! < end)) return undefined;
    this.#forget();
    let at = state as CachedState | null;
    for (let i = offsets[token]!; i < end && at !== null; i++) at = this.#step(at, bytes[i]!);
    return at ?? undefined;
  }

  /** Bit t of the words is whether token t may come next. Not to be changed. */
  mask(state: MatchState): Uint32Array {
    const cached = state as CachedState;
    if (cached.mask !== undefined) return cached.mask;
    this.#forget();
    const mask = new Uint32Array(this.#vocabulary.numWords);
    for (const reading of cached.readings) {
      const slice = this.#slices.of(reading.state, reading.count);
      for (let i = 0; i < mask.length; i++) mask[i]! |= slice.mask[i]!;
      if (slice.exits.length === 0) continue;
      const beyond = this.#beyond(slice, reading);
      for (let i = 0; i < mask.length; i++) mask[i]! |= beyond[i]!;
    }
    this.#numMasks++;
    return (cached.mask = mask);
  }

  /** Tokens that go beyond the slice's rule. How many characters it has counted does not matter there. */
  #beyond(slice: Slice, { state: inside, stack }: Reading): Uint32Array {
    const first = this.#program.firstState[this.#program.ruleOf[inside]!]!;
    const byStack = this.#beyonds.get(slice) ?? new Map<number, Uint32Array>();
    this.#beyonds.set(slice, byStack);
    const known = byStack.get(stack?.id ?? 0);
    if (known !== undefined) return known;
    const mask = new Uint32Array(this.#vocabulary.numWords);
    const outsides = new Map<number, CachedState | null>();
    for (let i = 0; i < slice.exits.length; i += 2) {
      const state = first + slice.exits[i + 1]!;
      const outside = outsides.get(state) ?? this.#close(this.#around(this.#reading(state, 0, stack)));
      outsides.set(state, outside);
      if (outside !== null) this.#walk(outside, slice.exits[i]!, mask);
    }
    byStack.set(stack?.id ?? 0, mask);
    this.#numMasks++;
    return mask;
  }

  /** Allows the tokens below a node that go on from a state. */
  #walk(from: CachedState, node: number, mask: Uint32Array): void {
    const { byte, depth, end, tokenAt, tokens } = this.#vocabulary;
    const base = depth[node]!;
    const path: CachedState[] = [from];
    for (let i = node + 1; i < end[node]!;) {
      const level = depth[i]! - base;
      const state = this.#step(path[level - 1]!, byte[i]!);
      if (state === null) {
        i = end[i]!;
        continue;
      }
      path[level] = state;
      for (let t = tokenAt[i]!; t < tokenAt[i + 1]!; t++) mask[tokens[t]! >> 5]! |= 1 << (tokens[t]! & 31);
      i++;
    }
  }

  #step(state: CachedState, byte: number): CachedState | null {
    const known = state.next.get(byte);
    if (known !== undefined) return known;
    const { next, rowAt, classOf, classAt } = this.#program;
    const moved: Reading[] = [];
    for (const reading of state.readings) {
      const to = next[rowAt[reading.state]! + classOf[classAt[reading.state]! + byte]!]!;
      if (to < 0) continue;
      const count = countAfter(this.#program, to, reading.count);
      if (isViable(this.#program, to, count, 0)) moved.push(this.#reading(to, count, reading.stack));
    }
    const result = this.#close(moved);
    state.next.set(byte, result);
    return result;
  }

  /** The state of these readings and all that follows from them without a byte; null for none. */
  #close(readings: readonly Reading[]): CachedState | null {
    const reached = new Set(readings);
    let isFinal = false;
    for (const reading of reached) {
      if (this.#program.accepts[reading.state] === 1 && reading.stack === undefined) isFinal = true;
      for (const each of this.#around(reading)) reached.add(each);
    }
    const kept = [...reached].filter(({ state }) => this.#hasBytes[state] === 1).sort((a, b) => a.id - b.id);
    if (kept.length === 0 && !isFinal) return null;
    const key = `${isFinal ? "!" : ""}${kept.map(({ id }) => id).join()}`;
    const known = this.#states.get(key);
    if (known !== undefined) return known;
    const state: CachedState = { readings: kept, isFinal, next: new Map() };
    this.#states.set(key, state);
    return state;
  }

  /** Readings one call or one return away. */
  #around({ state, stack }: Reading): Reading[] {
    const { accepts, callAt, calls } = this.#program;
    const result: Reading[] = [];
    if (accepts[state] === 1 && stack !== undefined) result.push(this.#reading(stack.state, 0, stack.below));
    for (let i = callAt[state]!; i < callAt[state + 1]!; i += 2) {
      result.push(this.#reading(calls[i]!, 0, this.#push(calls[i + 1]!, stack)));
    }
    return result;
  }

  #push(state: number, below: Stack | undefined): Stack {
    const key = `${state},${below?.id ?? 0}`;
    const known = this.#stacks.get(key);
    if (known !== undefined) return known;
    const stack = { id: this.#nextId++, state, below };
    this.#stacks.set(key, stack);
    return stack;
  }

  #reading(state: number, count: number, stack: Stack | undefined): Reading {
    const key = `${state},${count},${stack?.id ?? 0}`;
    const known = this.#readings.get(key);
    if (known !== undefined) return known;
    const reading = { id: this.#nextId++, state, count, stack };
    this.#readings.set(key, reading);
    return reading;
  }

  /** Ids are never given twice, so states that callers still hold stay what they are. */
  #forget(): void {
    if (this.#readings.size + this.#states.size < MAX_REMEMBERED && this.#numMasks < MAX_MASKS) return;
    this.#stacks = new Map();
    this.#readings = new Map();
    this.#states = new Map();
    this.#beyonds = new WeakMap();
    this.#numMasks = 0;
  }
}

function leadsAnywhere({ next, rowAt, classOf, classAt }: Program, state: number): boolean {
  const classes = classOf.subarray(classAt[state], classAt[state]! + 256);
  return classes.some((each) => next[rowAt[state]! + each]! >= 0);
}
