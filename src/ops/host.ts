// Typed views for reference implementations. The bytes are the tensor's own: writing through a view writes the tensor.

import type { HostArgs, HostTensor, HostWeight } from "../backends/backend.ts";
import { defined } from "../util/assert.ts";

export function hostTensor(args: HostArgs, index: number): HostTensor {
  return defined(args.tensors[index], `tensor argument ${index}`);
}

export function hostF32(args: HostArgs, index: number): Float32Array {
  const { bytes } = hostTensor(args, index);
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}

export function hostI32(args: HostArgs, index: number): Int32Array {
  const { bytes } = hostTensor(args, index);
  return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}

export function hostWeight(args: HostArgs, index: number): HostWeight {
  return defined(args.weights[index], `weight argument ${index}`);
}

export function hostScalars(args: HostArgs, count: number): number[] {
  return Array.from({ length: count }, (_, i) => defined(args.scalars[i], `scalar argument ${i}`));
}
