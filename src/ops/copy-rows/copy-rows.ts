// Copy rows: target[targetRows[r]] = source[sourceRows[r]]; a negative target row is skipped.
//
// source [A, D], target [B, D], sourceRows and targetRows [R]. Rows of one call do not overlap. Exact.

import type { Backend, HostArgs, Kernel } from "../../backends/backend.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { hostF32, hostI32, hostScalars } from "../host.ts";
import { bindShapes } from "../shapes.ts";

/** tensors [source, sourceRows, target, targetRows] · scalars [R, D] */
export const COPY_ROWS: Kernel = { name: "copy_rows", reference: copyRowsReference };

export function copyRows(
  backend: Backend,
  args: {
    readonly source: Tensor;
    readonly sourceRows: Tensor;
    readonly target: Tensor;
    readonly targetRows: Tensor;
  },
): void {
  const { source, sourceRows, target, targetRows } = args;
  const { R, D } = bindShapes<"R" | "D">("copy_rows", [
    ["source", source, "f32", "A", "D"],
    ["sourceRows", sourceRows, "i32", "R"],
    ["target", target, "f32", "B", "D"],
    ["targetRows", targetRows, "i32", "R"],
  ]);
  backend.run(COPY_ROWS, { tensors: [source, sourceRows, target, targetRows], scalars: [R, D] });
}

function copyRowsReference(args: HostArgs): void {
  const source = hostF32(args, 0);
  const sourceRows = hostI32(args, 1);
  const target = hostF32(args, 2);
  const targetRows = hostI32(args, 3);
  const [R, D] = hostScalars(args, 2) as [number, number];
  for (let r = 0; r < R; r++) {
    if (targetRows[r]! < 0) continue;
    const from = sourceRows[r]! * D;
    target.set(source.subarray(from, from + D), targetRows[r]! * D);
  }
}
