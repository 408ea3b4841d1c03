// Activations rounded to 15-bit codes of two int8 digits, one scale per 32 elements, for the int8 product.
//
// The definition is quantiseActivations in quantise-activations.ts: scale = max|x| / (127 * 128), codes to nearest,
// code = 128 * high + low with low in [-64, 63]. Groups whose scale would be subnormal become zero, since its
// inverse could overflow. One digit alone would be enough for the products but not for the router: its noise flips
// choices between experts, and one flip costs more than all other rounding together.
#pragma once

#include "simd.h"

namespace mimo::MIMO_VARIANT {

constexpr int GROUP = 32;

struct QuantisedGroup {
  int8_t high[GROUP], low[GROUP];
  float scale;
  // Of the first 16 elements, of the others, of all: what a weight's offset and its code's bias multiply.
  float sums[3];         // scale * sum of codes
  int32_t code_sums[3];  // sum of codes
};

inline int64_t num_groups(int64_t columns) { return (columns + GROUP - 1) / GROUP; }

// 32 elements.
void quantise_group(const float* x, QuantisedGroup* out);

// Rows [T, columns], columns a multiple of 32, as groups [T, columns / 32] that every thread may read on return. A few
// rows are done by every thread for itself, which is quicker than waiting for the others.
const QuantisedGroup* quantise_rows(const float* x, int64_t T, int64_t columns, Worker& worker, int phase);

}  // namespace mimo::MIMO_VARIANT
