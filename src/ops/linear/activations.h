// Activations rounded to int8 with one scale per 32 elements, laid out for the int8 product.
//
// The definition is quantiseActivations in quantise-activations.ts: scale = max|x| / 127, codes to nearest. Here
// blocks whose scale would be subnormal become zero, since its inverse could overflow.
//
// Layout. A dot of bytes sums fours, so a chunk's 256 codes are stored such that after four dots every lane holds
// the whole sum of one group of 16, and is scaled once: vector j has bytes 4j..4j+3 of all groups. Weights go
// through the same transposition, after which group g sits in lane 4(g mod 4) + g / 4; scales follow their groups.
#pragma once

#include "format.h"

namespace mimo::MIMO_VARIANT {

struct alignas(64) QuantisedChunk {
  int8_t codes[CHUNK];
  float scales[16];  // by lane, as are the others
  float sums[16];    // scale * sum of codes: what a weight's offset multiplies
  int32_t start[16];  // -DOT_OFFSET * sum of codes: where dot_offset starts from
};

// The product of transposed codes with one chunk of activations, added to `sum`: exact integers within a group.
template <bool HAS_OFFSETS>
MIMO_INLINE f32x16 add_product(const i8x64 (&codes)[4], f32x16 scales, f32x16 offsets, const QuantisedChunk& x,
                               f32x16 sum) {
  i32x16 dots = load_i32(x.start);
  for (int j = 0; j < 4; j++) dots = dot_offset(dots, codes[j], load_i8x64(x.codes + 64 * j));
  sum = fma(to_f32(dots), mul(scales, load(x.scales)), sum);
  return HAS_OFFSETS ? fma(offsets, load(x.sums), sum) : sum;
}

inline int64_t num_chunks(int64_t columns) { return (columns + CHUNK - 1) / CHUNK; }

// `count` elements, a multiple of 32 up to 256; the rest of the chunk is zero.
void quantise_chunk(const float* x, int count, QuantisedChunk* out);

// Rows [T, columns] as chunks [T, num_chunks(columns)] that every thread may read on return. A few rows are done
// by every thread for itself, which is quicker than waiting for the others.
const QuantisedChunk* quantise_rows(const float* x, int64_t T, int64_t columns, Worker& worker, int phase);

}  // namespace mimo::MIMO_VARIANT
