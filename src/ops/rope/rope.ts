// Rotary position embedding, NeoX half-split, on the first d of H dimensions.   (Su et al. 2021, arXiv 2104.09864)
//
// table[t, i] = cos(p_t · θ^(−2i/d)), table[t, d/2 + i] = sin(the same), i < d/2; angles in float64, because at
// position 262143 a float32 angle is off by up to 2^-7. x [T, heads, H] is rotated in place:
//   (x[i], x[i + d/2]) → (x[i]·cos − x[i + d/2]·sin, x[i + d/2]·cos + x[i]·sin).
// One table serves every layer with the same θ. Tolerance f32: 1e-6 absolute on inputs of order one.

import type { Backend, Kernel } from "../../backends/backend.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { assert } from "../../util/assert.ts";
import { bindShapes } from "../shapes.ts";
import { ropeReference, ropeTableReference } from "./rope.reference.ts";

/** tensors [positions, out] · scalars [T, d, theta] */
export const ROPE_TABLE: Kernel = { name: "rope_table", reference: ropeTableReference };
/** tensors [x, table] · scalars [T, heads, H, d] */
export const ROPE: Kernel = { name: "rope", reference: ropeReference };

export function ropeTable(
  backend: Backend,
  args: { readonly positions: Tensor; readonly theta: number; readonly out: Tensor },
): void {
  const { positions, theta, out } = args;
  const { T, d } = bindShapes<"T" | "d">("rope_table", [
    ["positions", positions, "i32", "T"],
    ["out", out, "f32", "T", "d"],
  ]);
  backend.run(ROPE_TABLE, { tensors: [positions, out], scalars: [T, d, theta] });
}

export function rope(backend: Backend, args: { readonly x: Tensor; readonly table: Tensor }): void {
  const { x, table } = args;
  const { T, heads, H, d } = bindShapes<"T" | "heads" | "H" | "d">("rope", [
    ["x", x, "f32", "T", "heads", "H"],
    ["table", table, "f32", "T", "d"],
  ]);
  assert(d % 2 === 0 && d <= H, `rope: ${d} rotary dimensions in heads of ${H}`);
  backend.run(ROPE, { tensors: [x, table], scalars: [T, heads, H, d] });
}
