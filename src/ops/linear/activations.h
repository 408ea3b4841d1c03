// Activations rounded to 15-bit codes of two int8 digits, one scale per 32 elements, laid out for the int8 product.
//
// The definition is quantiseActivations in quantise-activations.ts: scale = max|x| / (127 * 128), codes to nearest,
// code = 128 * high + low with low in [-64, 63]. Blocks whose scale would be subnormal become zero, since its
// inverse could overflow. One digit alone would be enough for the products but not for the router: its noise flips
// choices between experts, and one flip costs more than all other rounding together.
//
// Layout. A dot of bytes sums fours, so a chunk's 256 codes are stored such that after four dots every lane holds
// the whole sum of one group of 16, and is scaled once: vector j has bytes 4j..4j+3 of all groups. Weights go
// through the same transposition, after which group g sits in lane 4(g mod 4) + g / 4; scales follow their groups.
#pragma once

#include "format.h"

namespace mimo::MIMO_VARIANT {

struct alignas(64) QuantisedChunk {
  int8_t high[CHUNK], low[CHUNK];
  float scales[16];  // by lane, as are the others
  float sums[16];    // scale * sum of codes: what a weight's offset multiplies
  int32_t start_high[16], start_low[16];  // -DOT_OFFSET * sum of digits: where dot_offset starts from
};

// A chunk of a weight row in registers, in the same layout.
struct LaneCodes {
  i8x64 codes[4];
  f32x16 scales, offsets;
};

// sums[r][t] gains the product of w[r] with a chunk of x[t]: exact integers within a group, then a fused step each
// for scales and offsets.
template <bool HAS_OFFSETS, int ROWS, int T>
MIMO_INLINE void add_products(const LaneCodes (&w)[ROWS], const QuantisedChunk* const (&x)[T], int64_t chunk,
                              f32x16 (&sums)[ROWS][T]) {
  for (int t = 0; t < T; t++) {
    const QuantisedChunk& row = x[t][chunk];
    i32x16 high[ROWS], low[ROWS];  // apart: two short chains of dots instead of a long one
    for (int r = 0; r < ROWS; r++) high[r] = load_i32(row.start_high), low[r] = load_i32(row.start_low);
    for (int j = 0; j < 4; j++) {
      const i8x64 x_high = load_i8x64(row.high + 64 * j), x_low = load_i8x64(row.low + 64 * j);
      for (int r = 0; r < ROWS; r++) {
        high[r] = dot_offset(high[r], w[r].codes[j], x_high);
        low[r] = dot_offset(low[r], w[r].codes[j], x_low);
      }
    }
    const f32x16 scales = load(row.scales);
    for (int r = 0; r < ROWS; r++) {
      const f32x16 dots = to_f32(add(shift_left<7>(high[r]), low[r]));
      sums[r][t] = fma(dots, mul(w[r].scales, scales), sums[r][t]);
    }
    if constexpr (HAS_OFFSETS) {
      for (int r = 0; r < ROWS; r++) sums[r][t] = fma(w[r].offsets, load(row.sums), sums[r][t]);
    }
  }
}

inline int64_t num_chunks(int64_t columns) { return (columns + CHUNK - 1) / CHUNK; }

// `count` elements, a multiple of 32 up to 256; the rest of the chunk is zero.
void quantise_chunk(const float* x, int count, QuantisedChunk* out);

// Rows [T, columns] as chunks [T, num_chunks(columns)] that every thread may read on return. A few rows are done
// by every thread for itself, which is quicker than waiting for the others.
const QuantisedChunk* quantise_rows(const float* x, int64_t T, int64_t columns, Worker& worker, int phase);

}  // namespace mimo::MIMO_VARIANT
