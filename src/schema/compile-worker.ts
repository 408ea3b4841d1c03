// The thread in which grammars are compiled, and a vocabulary is sorted into its tree. It answers in order, and whoever waits too long ends it.

import { parentPort } from "node:worker_threads";
import type { Program } from "../grammar/program.ts";
import { createVocabulary, type TokenTable, type Vocabulary } from "../grammar/vocabulary.ts";
import { defined } from "../util/assert.ts";
import { type SerializedError, toMimoError } from "../util/errors.ts";
import { compileGrammar, type CompileLimits, type GrammarSource } from "./compile.ts";

export interface CompileTask {
  readonly type: "compile";
  readonly source: GrammarSource;
  readonly key: string;
  readonly limits: CompileLimits;
}

export interface VocabularyTask {
  readonly type: "vocabulary";
  readonly table: TokenTable;
}

export type CompileResult =
  | { readonly program: Program }
  | { readonly vocabulary: Vocabulary }
  | { readonly error: SerializedError };

const port = defined(parentPort, "a parent port");

port.on("message", (task: CompileTask | VocabularyTask) => {
  let result: CompileResult;
  try {
    if (task.type === "vocabulary") result = { vocabulary: createVocabulary(task.table) };
    else result = { program: compileGrammar(task.source, task.key, task.limits) };
  } catch (error) {
    result = { error: toMimoError(error).toJSON() };
  }
  port.postMessage(result);
});
