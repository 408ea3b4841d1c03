// Constants and value types of GGUF, shared by reader and writer. Source: docs/gguf.md in ggml-org/ggml.

import type { DType } from "../tensor/dtype.ts";

/** The letters GGUF, as a little-endian u32. */
export const GGUF_MAGIC = 0x46554747;
export const GGUF_VERSION = 3;
export const DEFAULT_ALIGNMENT = 32;
export const ALIGNMENT_KEY = "general.alignment";

/** Types of metadata values; the position is the code in the file. */
export const GGUF_TYPES = [
  "u8",
  "i8",
  "u16",
  "i16",
  "u32",
  "i32",
  "f32",
  "bool",
  "string",
  "array",
  "u64",
  "i64",
  "f64",
] as const;

export type GgufItemType = Exclude<(typeof GGUF_TYPES)[number], "array">;

/** u64 and i64 are numbers where exact, otherwise bigints. */
export type GgufItem = number | bigint | boolean | string;

/** A metadata value with its stored type, so that a file can be written back as it was. */
export type GgufValue =
  | { readonly type: GgufItemType; readonly value: GgufItem }
  | {
      readonly type: "array";
      readonly itemType: GgufItemType;
      readonly value: readonly GgufItem[];
    };

/** Bytes of an item; of a string, its length field. */
export const ITEM_BYTES: Readonly<Record<GgufItemType, number>> = {
  u8: 1,
  i8: 1,
  u16: 2,
  i16: 2,
  u32: 4,
  i32: 4,
  f32: 4,
  bool: 1,
  string: 8,
  u64: 8,
  i64: 8,
  f64: 8,
};

/** Tensor types by their code: the dtypes of this project, and the names of those it does not read. */
export const TENSOR_TYPES: ReadonlyMap<number, { readonly dtype: DType } | { readonly unsupported: string }> = new Map([
  [0, { dtype: "f32" }],
  [1, { dtype: "f16" }],
  [2, { dtype: "q4_0" }],
  [3, { dtype: "q4_1" }],
  [6, { dtype: "q5_0" }],
  [7, { dtype: "q5_1" }],
  [8, { dtype: "q8_0" }],
  [9, { unsupported: "Q8_1" }],
  [10, { dtype: "q2_k" }],
  [11, { dtype: "q3_k" }],
  [12, { dtype: "q4_k" }],
  [13, { dtype: "q5_k" }],
  [14, { dtype: "q6_k" }],
  [15, { unsupported: "Q8_K" }],
  [16, { dtype: "iq2_xxs" }],
  [17, { dtype: "iq2_xs" }],
  [18, { dtype: "iq3_xxs" }],
  [19, { unsupported: "IQ1_S" }],
  [20, { dtype: "iq4_nl" }],
  [21, { dtype: "iq3_s" }],
  [22, { dtype: "iq2_s" }],
  [23, { dtype: "iq4_xs" }],
  [24, { unsupported: "I8" }],
  [25, { unsupported: "I16" }],
  [26, { dtype: "i32" }],
  [27, { unsupported: "I64" }],
  [28, { unsupported: "F64" }],
  [29, { unsupported: "IQ1_M" }],
  [30, { dtype: "bf16" }],
  [34, { unsupported: "TQ1_0" }],
  [35, { unsupported: "TQ2_0" }],
  [39, { dtype: "mxfp4" }],
  [40, { unsupported: "NVFP4" }],
  [41, { unsupported: "Q1_0" }],
]);

export function alignUp(position: number, alignment: number): number {
  return Math.ceil(position / alignment) * alignment;
}
