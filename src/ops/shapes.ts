// Shape checks of the op contracts: dimensions are named by letters, and one letter has one size in a call.
// A mismatch is a bug of the caller inside this project (checkpoints are checked when weights are bound).

import type { Tensor } from "../tensor/tensor.ts";
import { formatShape, numElements } from "../tensor/shape.ts";
import type { DType } from "../tensor/dtype.ts";
import { assert, defined } from "../util/assert.ts";

type Operand = readonly [name: string, tensor: Tensor, dtype: DType | readonly DType[], ...dims: (string | number)[]];

/** Sizes of the letters, after every operand was compared with its stated dtype and dimensions. */
export function bindShapes<Letters extends string>(op: string, operands: readonly Operand[]): Record<Letters, number> {
  const sizes: Record<string, number> = {};
  for (const [name, tensor, dtypes, ...dims] of operands) {
    const isAllowed = typeof dtypes === "string" ? tensor.dtype === dtypes : dtypes.includes(tensor.dtype);
    assert(isAllowed, () => `${op}: ${name} is ${tensor.dtype}, expected ${[dtypes].flat().join(" or ")}`);
    const fits =
      tensor.shape.length === dims.length &&
      dims.every((dim, i) => {
        const size = tensor.shape[i];
        if (typeof dim === "number") return size === dim;
        return (sizes[dim] ??= size ?? -1) === size;
      });
    assert(fits, () => `${op}: ${name} has shape ${formatShape(tensor.shape)}, expected [${dims.join(", ")}]`);
  }
  return sizes as Record<Letters, number>;
}

/** A tensor's elements in one row, for ops to which its shape means nothing. */
export function flat(tensor: Tensor): Tensor {
  return { ...tensor, shape: [defined(numElements(tensor.shape), "number of elements")] };
}
