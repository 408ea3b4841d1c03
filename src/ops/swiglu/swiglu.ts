// SwiGLU: out = gate · sigmoid(gate) · up, element by element.   (Shazeer 2020, arXiv 2002.05202)
//
// gate, up, out [T, F]; out may be one of the inputs. Tolerance f32: 1e-6 relative.

import type { Backend, HostArgs, Kernel } from "../../backends/backend.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { hostF32, hostScalars } from "../host.ts";
import { bindShapes } from "../shapes.ts";

/** tensors [gate, up, out] · scalars [n] */
export const SWIGLU: Kernel = { name: "swiglu", reference: swigluReference };

export function swiglu(
  backend: Backend,
  args: { readonly gate: Tensor; readonly up: Tensor; readonly out: Tensor },
): void {
  const { gate, up, out } = args;
  const { T, F } = bindShapes<"T" | "F">("swiglu", [
    ["gate", gate, "f32", "T", "F"],
    ["up", up, "f32", "T", "F"],
    ["out", out, "f32", "T", "F"],
  ]);
  backend.run(SWIGLU, { tensors: [gate, up, out], scalars: [T * F] });
}

function swigluReference(args: HostArgs): void {
  const gate = hostF32(args, 0);
  const up = hostF32(args, 1);
  const out = hostF32(args, 2);
  const [n] = hostScalars(args, 1) as [number];
  for (let i = 0; i < n; i++) out[i] = silu(gate[i]!) * up[i]!;
}

/** x · sigmoid(x). */
export function silu(x: number): number {
  return x / (1 + Math.exp(-x));
}
