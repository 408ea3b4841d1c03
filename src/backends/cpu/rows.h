// Rows of any length, sixteen lanes at a time: what lies beyond a row's end is read as zero and never written.
//
// Use: for (int64_t d = 0; d < D; d += 16) store_up_to(out + d, f(load_up_to(x + d, D - d)), D - d).
#pragma once

#include "simd.h"

namespace mimo::MIMO_VARIANT {

inline f32x16 load_up_to(const float* p, int64_t n) { return n >= 16 ? load(p) : load_n(p, static_cast<int>(n)); }

inline void store_up_to(float* p, f32x16 a, int64_t n) {
  if (n >= 16) {
    store(p, a);
  } else {
    store_n(p, a, static_cast<int>(n));
  }
}

inline int64_t round_up(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }
inline int64_t min_of(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t max_of(int64_t a, int64_t b) { return a > b ? a : b; }

// The value of a finite half: its exponent and mantissa, moved into place, read as the value / 2^112.
inline float finite_f16_to_f32(uint16_t half) {
  const uint32_t bits = (half & 0x8000u) << 16 | (half & 0x7fffu) << 13;
  float scaled;
  memcpy(&scaled, &bits, 4);
  return scaled * 0x1p112f;
}

}  // namespace mimo::MIMO_VARIANT
