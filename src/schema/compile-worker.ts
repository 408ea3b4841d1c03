// The thread in which grammars are compiled. It answers in order, and whoever waits too long ends it.

import { parentPort } from "node:worker_threads";
import type { Program } from "../grammar/program.ts";
import { defined } from "../util/assert.ts";
import { type SerializedError, toMimoError } from "../util/errors.ts";
import { compileGrammar, type CompileLimits, type GrammarSource } from "./compile.ts";

export interface CompileTask {
  readonly source: GrammarSource;
  readonly key: string;
  readonly limits: CompileLimits;
}

export type CompileResult = { readonly program: Program } | { readonly error: SerializedError };

const port = defined(parentPort, "a parent port");

port.on("message", ({ source, key, limits }: CompileTask) => {
  let result: CompileResult;
  try {
    result = { program: compileGrammar(source, key, limits) };
  } catch (error) {
    result = { error: toMimoError(error).toJSON() };
  }
  port.postMessage(result);
});
