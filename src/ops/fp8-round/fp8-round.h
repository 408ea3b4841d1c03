// Rounding to the E4M3 grid for every kernel that emulates FP8; the definition is in fp8-round.ts.
#pragma once

#include "rows.h"

namespace mimo::MIMO_VARIANT {

// Elements that share a scale.
struct Tile {
  int64_t rows, columns;
};

// A matrix [rows, columns] to `out`, which may be `x`; `index` says which rows of x, in order, or is null for all.
void round_tiles(const float* x, const int32_t* index, int64_t rows, int64_t columns, Tile tile, float* out);

}  // namespace mimo::MIMO_VARIANT
