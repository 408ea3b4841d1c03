// Element types: their names, their storage blocks, their sizes in bytes. No conversion, no math.
//
// A block type stores `blockElements` consecutive elements of one row in `blockBytes` bytes. Plain types are
// blocks of one element. Names are GGUF's in lower case; layouts of the quantised types are those of ggml
// (ggml-common.h). `f8_e4m3` is OCP FP8 E4M3FN; its block scales live in a tensor of their own.

export const DTYPES = {
  f32: { code: 0, blockElements: 1, blockBytes: 4 },
  f16: { code: 1, blockElements: 1, blockBytes: 2 },
  bf16: { code: 2, blockElements: 1, blockBytes: 2 },
  f8_e4m3: { code: 3, blockElements: 1, blockBytes: 1 },
  i32: { code: 4, blockElements: 1, blockBytes: 4 },
  q8_0: { code: 5, blockElements: 32, blockBytes: 34 },
  q4_0: { code: 6, blockElements: 32, blockBytes: 18 },
  q4_1: { code: 7, blockElements: 32, blockBytes: 20 },
  q5_0: { code: 8, blockElements: 32, blockBytes: 22 },
  q5_1: { code: 9, blockElements: 32, blockBytes: 24 },
  q2_k: { code: 10, blockElements: 256, blockBytes: 84 },
  q3_k: { code: 11, blockElements: 256, blockBytes: 110 },
  q4_k: { code: 12, blockElements: 256, blockBytes: 144 },
  q5_k: { code: 13, blockElements: 256, blockBytes: 176 },
  q6_k: { code: 14, blockElements: 256, blockBytes: 210 },
  iq4_nl: { code: 15, blockElements: 32, blockBytes: 18 },
  iq4_xs: { code: 16, blockElements: 256, blockBytes: 136 },
  iq3_s: { code: 17, blockElements: 256, blockBytes: 110 },
  iq3_xxs: { code: 18, blockElements: 256, blockBytes: 98 },
  iq2_xxs: { code: 19, blockElements: 256, blockBytes: 66 },
  iq2_xs: { code: 20, blockElements: 256, blockBytes: 74 },
  iq2_s: { code: 21, blockElements: 256, blockBytes: 82 },
  mxfp4: { code: 22, blockElements: 32, blockBytes: 17 },
} as const;

export type DType = keyof typeof DTYPES;

/** Types in which the KV cache can be kept. */
export const KV_DTYPES = ["f32", "f16", "bf16", "q8_0"] as const satisfies readonly DType[];
export type KvDType = (typeof KV_DTYPES)[number];

export function isDType(name: string): name is DType {
  return Object.hasOwn(DTYPES, name);
}

/** Bytes of one row of `elements` elements, or undefined where the row is no whole number of blocks. */
export function rowBytes(dtype: DType, elements: number): number | undefined {
  const { blockElements, blockBytes } = DTYPES[dtype];
  if (elements % blockElements !== 0) return undefined;
  return (elements / blockElements) * blockBytes;
}

/** What holds a matrix in eight bits for each element: itself, where it has no more. */
export function inEightBits(dtype: DType): DType {
  return dtype === "f32" || dtype === "f16" || dtype === "bf16" ? "q8_0" : dtype;
}
