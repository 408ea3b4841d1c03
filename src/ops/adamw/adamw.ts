// AdamW: one step of Adam with decoupled weight decay.   (Loshchilov & Hutter 2019, arXiv 1711.05101, algorithm 2)
//
//   g = gradient · gradientScale
//   m = beta1 · m + (1 − beta1) · g          v = beta2 · v + (1 − beta2) · g²
//   parameter −= learningRate · ((m / (1 − beta1^step)) / (√(v / (1 − beta2^step)) + epsilon) + weightDecay · parameter)
//
// parameter, gradient, m, v: f32 of any shape with the same number of elements. `step` counts from 1. The gradient is zero
// afterwards, ready to be accumulated. Moments below 2^−126 become zero: they would stay there for good, where many
// processors take a hundred times as long for a product, and they move nothing by more than 2^−126 / epsilon.
// Tolerance f32: m, v 1e-6 of the largest of their two terms; parameter 1e-7 relative + 2e-6 · learningRate.

import type { Backend, HostArgs, Kernel } from "../../backends/backend.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { assert } from "../../util/assert.ts";
import { hostF32, hostScalars } from "../host.ts";
import { bindShapes, flat } from "../shapes.ts";

/**
 * tensors [parameter, gradient, m, v] · scalars [n, learningRate, beta1, beta2, epsilon, weightDecay, 1 − beta1^step,
 * 1 − beta2^step, gradientScale]
 */
export const ADAMW: Kernel = { name: "adamw", reference: adamWReference };

export interface AdamWOptions {
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  /** Of this parameter, from 1. */
  readonly step: number;
  /** By which the gradient is multiplied first: less than one to clip it. */
  readonly gradientScale: number;
}

export function adamW(
  backend: Backend,
  args: AdamWOptions & {
    readonly parameter: Tensor;
    readonly gradient: Tensor;
    readonly m: Tensor;
    readonly v: Tensor;
  },
): void {
  const { parameter, gradient, m, v, learningRate, beta1, beta2, epsilon, weightDecay, step, gradientScale } = args;
  const { n } = bindShapes<"n">("adamw", [
    ["parameter", flat(parameter), "f32", "n"],
    ["gradient", flat(gradient), "f32", "n"],
    ["m", flat(m), "f32", "n"],
    ["v", flat(v), "f32", "n"],
  ]);
  assert(Number.isInteger(step) && step >= 1, () => `adamw: step is ${step}, expected 1 or more`);
  const corrections = [1 - beta1 ** step, 1 - beta2 ** step];
  backend.run(ADAMW, {
    tensors: [parameter, gradient, m, v],
    scalars: [n, learningRate, beta1, beta2, epsilon, weightDecay, ...corrections, gradientScale],
  });
}

function adamWReference(args: HostArgs): void {
  const parameter = hostF32(args, 0);
  const gradient = hostF32(args, 1);
  const m = hostF32(args, 2);
  const v = hostF32(args, 3);
  const [n, rate, beta1, beta2, epsilon] = hostScalars(args, 5) as [number, number, number, number, number];
  const [decay, correction1, correction2, scale] = hostScalars(args, 9).slice(5) as [number, number, number, number];
  for (let i = 0; i < n; i++) {
    const g = gradient[i]! * scale;
    m[i] = orZero(beta1 * m[i]! + (1 - beta1) * g);
    v[i] = orZero(beta2 * v[i]! + (1 - beta2) * g * g);
    const direction = m[i]! / correction1 / (Math.sqrt(v[i]! / correction2) + epsilon);
    parameter[i]! -= rate * (direction + decay * parameter[i]!);
    gradient[i] = 0;
  }
}

/** Zero for what float32 holds with fewer digits. */
function orZero(value: number): number {
  return Math.abs(value) < 2 ** -126 ? 0 : value;
}
