// What tests share: backends under test, engines over checkpoints, and running sequences to their end.

import { cpuBackendStatus } from "../src/backends/cpu/addon.ts";
import type { Backend } from "../src/backends/backend.ts";
import { createCpuBackend } from "../src/backends/cpu/native.ts";
import { createReferenceBackend } from "../src/backends/reference/reference.ts";
import { type Checkpoint, openCheckpoint } from "../src/checkpoint/checkpoint.ts";
import { Engine, type EngineOptions } from "../src/engine/engine.ts";
import { evaluate, type EvaluateRequest } from "../src/engine/evaluate.ts";
import type { SequenceOutput, SequenceRequest } from "../src/engine/sequence.ts";
import { DEFAULT_SAMPLING, type SamplingParams } from "../src/ops/sample/sample.ts";
import { randomKey, randomUnit } from "../src/util/random.ts";

/** Backends of this machine; a missing one is reported as skipped by the suites that loop over `allBackends`. */
export const allBackends = [
  { name: "reference", available: true, create: (): Backend => createReferenceBackend() },
  { name: "cpu", available: cpuBackendStatus().isAvailable, create: (): Backend => createCpuBackend() },
] as const;

/** The fastest backend there is: for tests of what lies above backends. */
export function createBackend(): Backend {
  return cpuBackendStatus().isAvailable ? createCpuBackend() : createReferenceBackend();
}

export const EXACT_ENGINE: EngineOptions = {
  maxTokens: 512,
  maxSequences: 4,
  maxRows: 512,
  kvDType: "f32",
  activations: "f32",
  mtpMode: "parallel",
  packing: "all",
};

export interface TestEngine extends Disposable {
  readonly engine: Engine;
  readonly backend: Backend;
}

/** An engine over a checkpoint; disposing it checks that the backend holds nothing any more. */
export function openEngine(
  path: string,
  options: Partial<EngineOptions> = {},
  backend: Backend = createBackend(),
): TestEngine {
  const checkpoint: Checkpoint = openCheckpoint(path);
  const engine = new Engine(backend, checkpoint, { ...EXACT_ENGINE, ...options });
  return {
    engine,
    backend,
    [Symbol.dispose]: () => {
      engine.checkIntegrity();
      engine[Symbol.dispose]();
      checkpoint[Symbol.dispose]();
      const { memories, weights } = backend.stats();
      backend[Symbol.dispose]();
      if (memories !== 0 || weights !== 0) throw new Error(`leaked ${memories} memories and ${weights} weights`);
    },
  };
}

/** On one thread: passes are small, and threads that wait for each other are slow on a busy machine. */
export function openOnOneThread(path: string, options: Partial<EngineOptions> = {}): TestEngine {
  const { isAvailable } = cpuBackendStatus();
  return openEngine(path, options, isAvailable ? createCpuBackend({ threads: 1 }) : createReferenceBackend());
}

/** Ids of a text that is the seed's own. */
export function randomText(seed: number, length: number): number[] {
  return Array.from({ length }, (_, i) => Math.floor(256 * randomUnit(randomKey(seed), i)));
}

export const GREEDY: SamplingParams = { ...DEFAULT_SAMPLING, temperature: 0 };

let nextId = 1;

export function request(prompt: readonly number[], options: Partial<SequenceRequest> = {}): SequenceRequest {
  return { id: nextId++, prompt, maxTokens: 32, stopTokens: [], sampling: GREEDY, speculation: 0, ...options };
}

/** Steps until nothing is left; the outputs of each sequence by id. */
export function runAll(engine: Engine): Map<number, SequenceOutput[]> {
  const outputs = new Map<number, SequenceOutput[]>();
  while (!engine.isIdle) {
    for (const output of engine.step()) outputs.set(output.id, [...(outputs.get(output.id) ?? []), output]);
    engine.checkIntegrity();
  }
  return outputs;
}

/** Submits requests together and returns the tokens of each, in their order. */
export function generateAll(engine: Engine, requests: readonly SequenceRequest[]): number[][] {
  for (const one of requests) engine.submit(one);
  const outputs = runAll(engine);
  return requests.map(({ id }) => (outputs.get(id) ?? []).flatMap(({ tokens }) => tokens));
}

export function generate(engine: Engine, prompt: readonly number[], options: Partial<SequenceRequest> = {}): number[] {
  return generateAll(engine, [request(prompt, options)])[0] ?? [];
}

/** All rows of an evaluation, end to end. */
export function evaluateAll(
  engine: Engine,
  ids: readonly number[],
  options: Partial<EvaluateRequest> = {},
): Float32Array {
  const parts = [...evaluate(engine.runner, { ids, mtpMode: "parallel", output: "logits", ...options })];
  return concatenate(parts.map(({ values }) => values));
}

export function concatenate(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}

/** The bits of an array, so that equality is bitwise. */
export function bits(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}
