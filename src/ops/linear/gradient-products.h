// Products of f32 matrices for gradients: C[m, n] = C[m, n] + sum over r of A(m, r) * B(r, n).
//
// An element is one chain of fused steps in the order of r, which starts from what C holds (or from zero). So its bits
// depend on neither blocks nor threads nor the instruction set, and r passed in several calls gives the bits of one.
// Factors are read where they lie, whichever way the sum runs through them, and met as panels in the thread's scratch.
// Knows nothing of layers: linear and experts say which matrices meet.
#pragma once

#include "rows.h"

namespace mimo::MIMO_VARIANT {

// Rows of a matrix; `index` says which ones, in order, or is null for all.
struct Factor {
  const float* data;
  int64_t stride;
  const int32_t* index = nullptr;

  MIMO_INLINE const float* row(int64_t i) const { return data + (index == nullptr ? i : index[i]) * stride; }
};

// The sum runs over a factor's rows, or along each of its rows.
enum class Sum { OVER_ROWS, ALONG_ROWS };

// C, of which only the block at hand is read and written.
struct Target {
  float* data;
  int64_t stride;
  bool accumulate = true;  // else chains start from zero
  const int32_t* index = nullptr;

  MIMO_INLINE float* row(int64_t m) const { return data + (index == nullptr ? m : index[m]) * stride; }
};

// Rows [m, m + rows) and columns [n, n + columns) of C.
struct Block {
  int64_t m, rows, n, columns;
};

// C [M, N] in blocks of nearly equal size, at least `wanted` of them if they do not become too small for that.
struct Blocks {
  Blocks(int64_t M, int64_t N, int64_t wanted);
  int64_t count() const { return down_ * across_; }
  Block at(int64_t i) const;

 private:
  int64_t M_, N_, rows_, columns_, down_, across_;
};

// This thread's memory for `multiply`.
float* gradient_scratch(Worker& worker);

// A block of C += A * B, summed over R.
void multiply(const Factor& a, Sum sum_a, const Factor& b, Sum sum_b, int64_t R, const Block& block, const Target& c,
              float* scratch);

}  // namespace mimo::MIMO_VARIANT
