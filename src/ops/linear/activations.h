// Activations rounded to codes of one or two int8 digits, one scale per 32 elements, for the integer product.
//
// The definition is quantiseActivations in quantise-activations.ts: scale = max|x| / 127 with one digit, and
// max|x| / (127 * 128) with two; codes to nearest, code = 128 * high + low with low in [-64, 63] where there are two,
// and high = 0 where there is one. Groups whose scale would be subnormal become zero, since its inverse could overflow.
// Two digits in int16 words are the same number: which form codes are kept in is the instruction set's choice.
#pragma once

#include "simd.h"

namespace mimo::MIMO_VARIANT {

constexpr int GROUP = 32;

struct QuantisedGroup {
  // High and low digits, or the only ones; where words are multiplied, columns 0 and 2, then 1 and 3, of every four.
  int8_t planes[2][GROUP];
  float scale;
  // Of the first 16 elements, of the others, of all: what a weight's offset and its code's bias multiply.
  float sums[3];         // scale * sum of codes
  int32_t bias_sums[3];  // -sum of codes
};

constexpr int num_planes(int digits) { return MULTIPLIES_BYTES ? digits : 2; }

inline int64_t num_groups(int64_t columns) { return (columns + GROUP - 1) / GROUP; }

// What sums begin with where weights' codes are stored with a bias, a power of two; shifted as a vector, which spares
// the way through a general register.
template <int BIAS> MIMO_INLINE i32x16 biased(int32_t bias_sum) {
  if constexpr (BIAS == 0) return zero_i32();
  else if constexpr (BIAS == 1) return set1_i32(bias_sum);
  else return shift_left<__builtin_ctz(BIAS)>(set1_i32(bias_sum));
}

// 32 elements.
void quantise_group(const float* x, int digits, QuantisedGroup* out);

// Rows [T, columns], columns a multiple of 32, as groups [T, columns / 32] that every thread may read on return. A few
// rows are done by every thread for itself, which is quicker than waiting for the others.
const QuantisedGroup* quantise_rows(const float* x, int64_t T, int64_t columns, int digits, Worker& worker, int phase);

}  // namespace mimo::MIMO_VARIANT
