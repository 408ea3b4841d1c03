// Helpers of this room's tests: folders that vanish with the test, tensors with known bytes, files with raw bytes.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { onTestFinished } from "vitest";

import type { DType } from "../tensor/dtype.ts";
import type { Shape } from "../tensor/shape.ts";
import { tensorBytes } from "../tensor/tensor.ts";
import { defined } from "../util/assert.ts";
import { MimoError, type ErrorCode } from "../util/errors.ts";
import type { TensorSource } from "./tensor-info.ts";

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "mimo-checkpoint-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Bytes that differ from tensor to tensor. */
export function patternBytes(name: string, length: number): Uint8Array {
  const seed = Buffer.from(name).reduce((sum, byte) => (31 * sum + byte) & 255, 7);
  return Uint8Array.from({ length }, (_, i) => (seed + 13 * i) & 255);
}

/** A tensor with pattern bytes, in chunks of 100. */
export function patternTensor(name: string, dtype: DType, shape: Shape): TensorSource {
  const bytes = patternBytes(name, defined(tensorBytes(dtype, shape), "size"));
  return {
    name,
    dtype,
    shape,
    *chunks() {
      for (let at = 0; at < bytes.length; at += 100) yield bytes.subarray(at, at + 100);
    },
  };
}

/** Writes the bytes and returns the path. */
export function writeBytes(folder: string, name: string, bytes: Uint8Array | string): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

/** The error of an action that must throw a MimoError with one of the codes; any other outcome fails the test. */
export function mimoErrorOf(action: () => unknown, ...codes: readonly ErrorCode[]): MimoError {
  try {
    action();
  } catch (thrown) {
    if (thrown instanceof MimoError && codes.includes(thrown.code)) return thrown;
    throw thrown;
  }
  throw new Error("expected an error, found success");
}
