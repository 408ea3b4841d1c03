// Shapes: lists of non-negative integers, and arithmetic on them that never overflows silently.

export type Shape = readonly number[];

/** Product of the dimensions, or undefined where one is no non-negative integer or the product exceeds 2^53 − 1. */
export function numElements(shape: Shape): number | undefined {
  let product = 1;
  for (const size of shape) {
    if (!Number.isSafeInteger(size) || size < 0) return undefined;
    product *= size;
    if (product > Number.MAX_SAFE_INTEGER) return undefined;
  }
  return product;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}

export function formatShape(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}
