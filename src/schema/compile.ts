// What a request wants enforced, compiled to a program. Runs in a worker, where it may be ended at any time.

import { Budget } from "../grammar/budget.ts";
import type { Expression } from "../grammar/expression.ts";
import { assemble, type Program } from "../grammar/program.ts";
import { type CallableTool, callExpression } from "./calls.ts";
import { asSchema, checkSize } from "./json-schema.ts";
import { Rules } from "./rules.ts";
import { ValueGrammar } from "./values.ts";

/** Plain data. */
export type GrammarSource =
  /** Any JSON object. */
  | { readonly kind: "json_object" }
  | { readonly kind: "json_schema"; readonly schema: unknown; readonly path: string }
  | { readonly kind: "calls"; readonly tools: readonly CallableTool[] };

export interface CompileLimits {
  readonly maxStates: number;
  readonly maxMs: number;
}

/** Throws `invalid_argument`, naming keyword and place, for what cannot be enforced, satisfied or afforded. */
export function compileGrammar(source: GrammarSource, key: string, limits: CompileLimits): Program {
  const budget = new Budget({ ...limits, param: nameOf(source) });
  const rules = new Rules(budget);
  const root = rules.reserve();
  rules.define(root, { name: nameOf(source), body: rootOf(source, rules) });
  return assemble(key, rules.finished(), root, budget);
}

/** Where it stands in the request. */
export function nameOf(source: GrammarSource): string {
  return source.kind === "json_schema" ? source.path : source.kind === "calls" ? "tools" : "responseFormat";
}

function rootOf(source: GrammarSource, rules: Rules): Expression {
  switch (source.kind) {
    case "json_object":
      return rules.anyObject;
    case "json_schema": {
      checkSize(source.schema, source.path);
      const schema = asSchema(source.schema, source.path);
      return new ValueGrammar(rules, schema).value(schema, source.path);
    }
    case "calls":
      return callExpression(source.tools, rules);
    default:
      return source satisfies never;
  }
}
