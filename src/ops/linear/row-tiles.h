// How rows are dealt to registers: tiles of nearly equal height, and code that the compiler sees with that height.
#pragma once

#include "simd.h"

namespace mimo::MIMO_VARIANT {

// Calls run with the integral constant T = t, 1 <= t <= MAX.
template <int MAX, class Run> MIMO_INLINE void with_constant(int t, Run&& run) {
  if constexpr (MAX > 1) {
    if (t < MAX) return with_constant<MAX - 1>(t, run);
  }
  run(Constant<MAX>());
}

// Splits T rows into tiles of at most `tile` that differ by one at most: run(first, count).
template <class Run> void each_tile(int64_t T, int64_t tile, Run&& run) {
  int64_t t = 0;
  for (int64_t left = (T + tile - 1) / tile; left > 0; left--) {
    const int64_t count = (T - t + left - 1) / left;
    run(t, static_cast<int>(count));
    t += count;
  }
}

}  // namespace mimo::MIMO_VARIANT
