// Gradient of the rotary embedding: the inverse rotation, in place on the gradient of the rotated heads.
//
//   (dX[i], dX[i + d/2]) → (dX[i]·cos + dX[i + d/2]·sin, dX[i + d/2]·cos − dX[i]·sin),   i < d/2, table as in rope.ts.
//
// Tolerance f32: 1e-6 absolute on inputs of order one.

import type { Backend, HostArgs, Kernel } from "../../backends/backend.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { assert } from "../../util/assert.ts";
import { hostF32, hostScalars } from "../host.ts";
import { bindShapes } from "../shapes.ts";

/** tensors [dX, table] · scalars [T, heads, H, d] */
export const ROPE_BACKWARD: Kernel = { name: "rope_backward", reference: ropeBackwardReference };

export function ropeBackward(backend: Backend, args: { readonly dX: Tensor; readonly table: Tensor }): void {
  const { dX, table } = args;
  const { T, heads, H, d } = bindShapes<"T" | "heads" | "H" | "d">("rope_backward", [
    ["dX", dX, "f32", "T", "heads", "H"],
    ["table", table, "f32", "T", "d"],
  ]);
  assert(d % 2 === 0 && d <= H, `rope_backward: ${d} rotary dimensions in heads of ${H}`);
  backend.run(ROPE_BACKWARD, { tensors: [dX, table], scalars: [T, heads, H, d] });
}

function ropeBackwardReference(args: HostArgs): void {
  const dX = hostF32(args, 0);
  const table = hostF32(args, 1);
  const [T, heads, H, d] = hostScalars(args, 4) as [number, number, number, number];
  const half = d / 2;
  for (let row = 0; row < T * heads; row++) {
    for (let i = 0; i < half; i++) {
      const cos = table[Math.floor(row / heads) * d + i]!;
      const sin = table[Math.floor(row / heads) * d + half + i]!;
      const a = dX[row * H + i]!;
      const b = dX[row * H + half + i]!;
      dX[row * H + i] = a * cos + b * sin;
      dX[row * H + half + i] = b * cos - a * sin;
    }
  }
}
