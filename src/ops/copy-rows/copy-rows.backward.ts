// Backward of copy-rows: dSource[sourceRows[r]] += dTarget[targetRows[r]]; a negative target row is skipped.
//
// dTarget [B, D], dSource [A, D], sourceRows and targetRows [R]. Rows that were copied from one source row are added one
// by one in ascending r. Tolerance f32: 1e-7 of the sum of magnitudes for each row added, as float32 sums have it.

import type { Backend, HostArgs, Kernel } from "../../backends/backend.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { hostF32, hostI32, hostScalars } from "../host.ts";
import { bindShapes } from "../shapes.ts";

/** tensors [dTarget, targetRows, dSource, sourceRows] · scalars [R, D] */
export const COPY_ROWS_BACKWARD: Kernel = { name: "copy_rows_backward", reference: copyRowsBackwardReference };

export function copyRowsBackward(
  backend: Backend,
  args: {
    readonly dTarget: Tensor;
    readonly targetRows: Tensor;
    readonly dSource: Tensor;
    readonly sourceRows: Tensor;
  },
): void {
  const { dTarget, targetRows, dSource, sourceRows } = args;
  const { R, D } = bindShapes<"R" | "D">("copy_rows_backward", [
    ["dTarget", dTarget, "f32", "B", "D"],
    ["targetRows", targetRows, "i32", "R"],
    ["dSource", dSource, "f32", "A", "D"],
    ["sourceRows", sourceRows, "i32", "R"],
  ]);
  backend.run(COPY_ROWS_BACKWARD, { tensors: [dTarget, targetRows, dSource, sourceRows], scalars: [R, D] });
}

function copyRowsBackwardReference(args: HostArgs): void {
  const dTarget = hostF32(args, 0);
  const targetRows = hostI32(args, 1);
  const dSource = hostF32(args, 2);
  const sourceRows = hostI32(args, 3);
  const [R, D] = hostScalars(args, 2) as [number, number];
  const sums = Float64Array.from(dSource);
  for (let r = 0; r < R; r++) {
    if (targetRows[r]! < 0) continue;
    for (let d = 0; d < D; d++) sums[sourceRows[r]! * D + d]! += dTarget[targetRows[r]! * D + d]!;
  }
  dSource.set(sums);
}
