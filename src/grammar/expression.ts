// Languages of bytes as values: what a grammar's rules are written in, before they become automata.
//
// A `call` is a rule of the same grammar, so expressions are regular and grammars are context-free. An expression is
// data; nothing here knows how it is matched.

import type { Automaton } from "./automaton.ts";

export type Expression =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  /** One byte of [low, high]. */
  | { readonly kind: "range"; readonly low: number; readonly high: number }
  | { readonly kind: "sequence" | "choice"; readonly items: readonly Expression[] }
  | { readonly kind: "repeat"; readonly item: Expression; readonly min: number; readonly max: number }
  | { readonly kind: "call"; readonly rule: number }
  | { readonly kind: "automaton"; readonly automaton: Automaton }
  /** Paths from place 0 to place `end`: an optional property must not double what follows it. */
  | { readonly kind: "graph"; readonly end: number; readonly edges: readonly Edge[] };

export interface Edge {
  readonly from: number;
  readonly to: number;
  readonly item: Expression;
}

const UTF8 = new TextEncoder();

export const text = (value: string): Expression => ({ kind: "bytes", bytes: UTF8.encode(value) });
export const sequence = (...items: Expression[]): Expression => ({ kind: "sequence", items });
/** Of nothing: no text at all. */
export const choice = (...items: Expression[]): Expression => ({ kind: "choice", items });
export const repeat = (item: Expression, min = 0, max = Infinity): Expression => ({ kind: "repeat", item, min, max });
export const optional = (item: Expression): Expression => repeat(item, 0, 1);
export const call = (rule: number): Expression => ({ kind: "call", rule });
export const EMPTY: Expression = { kind: "sequence", items: [] };
