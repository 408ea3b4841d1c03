// Gradient norm: out = [Σ gradient², number of elements that are exactly zero].
//
// gradient: f32 of any shape; out f32 [2]. The square root is the caller's, who adds the squares of many gradients. −0 is
// zero, NaN is not. Tolerance f32: squares 1e-6 relative; the number as a float32 holds it, exact to 2^24.

import type { Backend, HostArgs, Kernel } from "../../backends/backend.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { hostF32, hostScalars } from "../host.ts";
import { bindShapes, flat } from "../shapes.ts";

/** tensors [gradient, out] · scalars [n] */
export const GRADIENT_NORM: Kernel = { name: "gradient_norm", reference: gradientNormReference };

export function gradientNorm(backend: Backend, args: { readonly gradient: Tensor; readonly out: Tensor }): void {
  const { gradient, out } = args;
  const { n } = bindShapes<"n">("gradient_norm", [
    ["gradient", flat(gradient), "f32", "n"],
    ["out", out, "f32", 2],
  ]);
  backend.run(GRADIENT_NORM, { tensors: [gradient, out], scalars: [n] });
}

function gradientNormReference(args: HostArgs): void {
  const gradient = hostF32(args, 0);
  const out = hostF32(args, 1);
  const [n] = hostScalars(args, 1) as [number];
  let [squares, zeros] = [0, 0];
  for (let i = 0; i < n; i++) {
    squares += gradient[i]! ** 2;
    if (gradient[i] === 0) zeros++;
  }
  out.set([squares, zeros]);
}
