// Backward of SwiGLU, element by element, with s = sigmoid(gate) and out = gate · s · up:
//
//   dUp   = dOut · gate · s
//   dGate = dOut · up · (s + gate · s · (1 − s))
//
// gate, up, dOut, dGate, dUp [T, F]. The outputs are overwritten; each may be one of the inputs, so dGate may be dOut.
// Tolerance f32: 1e-6 of |dOut · gate| and |dOut · up| (1 + |gate|); relative to the result it has none, because the
// derivative of silu crosses zero near −1.28.

import type { Backend, HostArgs, Kernel } from "../../backends/backend.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { hostF32, hostScalars } from "../host.ts";
import { bindShapes } from "../shapes.ts";

/** tensors [gate, up, dOut, dGate, dUp] · scalars [n] */
export const SWIGLU_BACKWARD: Kernel = { name: "swiglu_backward", reference: swigluBackwardReference };

export function swigluBackward(
  backend: Backend,
  args: {
    readonly gate: Tensor;
    readonly up: Tensor;
    readonly dOut: Tensor;
    readonly dGate: Tensor;
    readonly dUp: Tensor;
  },
): void {
  const { gate, up, dOut, dGate, dUp } = args;
  const { T, F } = bindShapes<"T" | "F">("swiglu_backward", [
    ["gate", gate, "f32", "T", "F"],
    ["up", up, "f32", "T", "F"],
    ["dOut", dOut, "f32", "T", "F"],
    ["dGate", dGate, "f32", "T", "F"],
    ["dUp", dUp, "f32", "T", "F"],
  ]);
  backend.run(SWIGLU_BACKWARD, { tensors: [gate, up, dOut, dGate, dUp], scalars: [T * F] });
}

function swigluBackwardReference(args: HostArgs): void {
  const gate = hostF32(args, 0);
  const up = hostF32(args, 1);
  const dOut = hostF32(args, 2);
  const dGate = hostF32(args, 3);
  const dUp = hostF32(args, 4);
  const [n] = hostScalars(args, 1) as [number];
  for (let i = 0; i < n; i++) {
    const [g, u, d] = [gate[i]!, up[i]!, dOut[i]!];
    const s = 1 / (1 + Math.exp(-g));
    dGate[i] = d * u * (s + g * s * (1 - s));
    dUp[i] = d * g * s;
  }
}
