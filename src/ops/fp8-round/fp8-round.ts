// FP8 rounding: values to the E4M3 grid and back, with one scale for each tile of a matrix.
//
//   scale = max(largest |x| of the tile / 448, 2⁻¹²⁶)         out = scale · E4M3(x / scale)
//
// x, out [M, N] or [E, M, N] f32, tiles of any size from the first element of each matrix on; `out` may be `x`. E4M3
// rounds to nearest, ties to even, in steps of 2⁻⁹ at least, and keeps the sign of zero. Tiles of one row are what
// activations are rounded in along the sum of a product, tiles of one column the same for sums over rows, square ones
// what weights are stored in. NaN stays NaN; an infinity makes all of its tile NaN.
// Tolerance: none, every operation is rounded once. An FP8 file has the same scales and codes (convert/chunk-job.ts).

import type { Backend, HostArgs, Kernel } from "../../backends/backend.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { f32ToF8, f8Scale, f8ToF32 } from "../../util/fp8.ts";
import { hostF32, hostScalars } from "../host.ts";
import { bindShapes } from "../shapes.ts";

/** tensors [x, out] · scalars [E, M, N, rows of a tile, columns of a tile] */
export const FP8_ROUND: Kernel = { name: "fp8_round", reference: fp8RoundReference };

export interface Tile {
  readonly rows: number;
  readonly columns: number;
}

export function fp8Round(
  backend: Backend,
  args: { readonly x: Tensor; readonly out: Tensor; readonly tile: Tile },
): void {
  const { x, out, tile } = args;
  const dims = x.shape.length === 2 ? ["M", "N"] : ["E", "M", "N"];
  const sizes = bindShapes<"E" | "M" | "N">("fp8_round", [
    ["x", x, "f32", ...dims],
    ["out", out, "f32", ...dims],
  ]);
  const scalars = [x.shape.length === 2 ? 1 : sizes.E, sizes.M, sizes.N, tile.rows, tile.columns];
  backend.run(FP8_ROUND, { tensors: [x, out], scalars });
}

function fp8RoundReference(args: HostArgs): void {
  const [x, out] = [hostF32(args, 0), hostF32(args, 1)];
  const [E, M, N, rows, columns] = hostScalars(args, 5) as [number, number, number, number, number];
  for (let e = 0; e < E; e++) {
    out.set(roundTiles(x.subarray(e * M * N, (e + 1) * M * N), N, { rows, columns }), e * M * N);
  }
}

/** One matrix with so many columns, rounded. */
export function roundTiles(x: ArrayLike<number>, columns: number, tile: Tile): Float32Array {
  const out = Float32Array.from(x);
  const rows = out.length / columns;
  for (let row = 0; row < rows; row += tile.rows) {
    for (let column = 0; column < columns; column += tile.columns) {
      roundTile(out, columns, row, Math.min(row + tile.rows, rows), column, Math.min(column + tile.columns, columns));
    }
  }
  return out;
}

function roundTile(x: Float32Array, N: number, row: number, endRow: number, column: number, endColumn: number): void {
  const each = (visit: (i: number) => void): void => {
    for (let r = row; r < endRow; r++) {
      for (let i = r * N + column; i < r * N + endColumn; i++) visit(i);
    }
  };
  let largest = 0;
  each((i) => {
    // Not Math.max: NaN says nothing of the others' size.
    if (Math.abs(x[i]!) > largest) largest = Math.abs(x[i]!);
  });
  const scale = f8Scale(largest);
  each((i) => (x[i] = f8ToF32(f32ToF8(Math.fround(x[i]! / scale))) * scale));
}
