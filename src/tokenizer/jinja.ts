// The parts of @huggingface/jinja that the template interpreter builds on, typed.
//
// The package's own declarations import without file extensions, so under Node's module resolution its classes
// come out as `any`. This is the whole surface relied on: syntax nodes and values are told apart by `type`, and
// an interpreter evaluates everything through `evaluate`.

import * as library from "@huggingface/jinja";

export interface JinjaToken {
  readonly type: string;
  value: string;
}

export interface JinjaNode {
  readonly type: string;
}

export interface JinjaValue {
  readonly type: string;
  readonly value: unknown;
}

export interface JinjaEnvironment {
  set(name: string, value: unknown): void;
}

export interface JinjaInterpreter {
  run(program: JinjaNode): JinjaValue;
  evaluate(node: JinjaNode | undefined, environment: JinjaEnvironment): JinjaValue;
}

interface JinjaLibrary {
  readonly tokenize: (
    source: string,
    options: { readonly lstrip_blocks: boolean; readonly trim_blocks: boolean },
  ) => JinjaToken[];
  readonly parse: (tokens: readonly JinjaToken[]) => JinjaNode;
  readonly Environment: new () => JinjaEnvironment;
  readonly Interpreter: new (environment: JinjaEnvironment) => JinjaInterpreter;
}

export const { tokenize, parse, Environment, Interpreter } = library as unknown as JinjaLibrary;
