// Rows of a weight matrix times rows of activations: the product inside linear and experts.
//
// The sum over k of x[t, k] * w[n, k] is one chain of fused steps in the order of k: per column for f32 activations, per
// group of 16 or 32 columns (whose integer products are exact) for quantised ones. So the bits of an output depend on
// its two rows alone: not on T, on tiles, on threads, on the instruction set, on whether the weight is packed.
// Few rows of activations meet packed tiles directly; many, and weights that are not packed, meet panels: tiles that
// were decoded into the thread's scratch.
#pragma once

#include "activations.h"
#include "format.h"

namespace mimo::MIMO_VARIANT {

// T rows of activations, in f32 and, where quantised weights should meet int8, as groups (else null) of so many digits.
struct Inputs {
  const float* x;
  const QuantisedGroup* quantised;
  int digits;
  const int32_t* index;  // which rows, in order; null for the first T
  int64_t T;

  int64_t row(int64_t t) const { return index == nullptr ? t : index[t]; }
};

// Where products go: data[index[t] * stride + n], each times factors[t] where there are factors.
struct Output {
  float* data;
  int64_t stride;
  bool accumulate;
  const int32_t* index = nullptr;  // null for row t
  const float* factors = nullptr;  // null for ones; products are then always added

  // Sixteen neighbours, of which the first `count` exist.
  MIMO_INLINE void put(int64_t t, int64_t n, f32x16 sum, int count) const {
    float* at = data + (index == nullptr ? t : index[t]) * stride + n;
    if (factors != nullptr) sum = fma(set1(factors[t]), sum, load_n(at, count));
    else if (accumulate) sum = add(load_n(at, count), sum);
    store_n(at, sum, count);
  }
};

constexpr int WEIGHT_PLANES = MULTIPLIES_BYTES ? 1 : 2;

// 32 columns of a tile as the integer product reads them from a panel: planes of quads made `wide`, and for each half of
// the columns (or for all, in the first place) a scale and an offset for every row.
struct alignas(64) CodeGroup {
  int8_t quads[WEIGHT_PLANES][8][64];
  float scales[2][16], offsets[2][16];
};

constexpr int MAX_PLANES = 2;
constexpr int MAX_FEW = 4;  // rows of activations that meet a packed tile at once
constexpr int64_t FEW_ROWS = 16;  // rows that meet packed tiles directly, MAX_FEW at a time

// What is compiled for each storage format. Columns [k, k + count) begin and end at multiples of 256 or at the end.
struct FormatKernels {
  bool is_quantised, has_offsets;
  int group;  // columns that share a scale: 16 or 32
  // A row's values, exactly as its format defines them.
  void (*unpack)(const Row& row, int64_t columns, float* out);
  // Bytes of a tile, and packing rows [n, n + 16) of a matrix that is not packed; false where a value has no place.
  int64_t (*tile_bytes)(int64_t columns);
  bool (*pack)(const Matrix& w, int64_t n, uint8_t* tile);
  // Part of tile n / 16 as f32 [count rounded up to 4, 16], or as code groups; the matrix may be packed or not.
  void (*values)(const Matrix& w, int64_t n, int64_t k, int64_t count, float* out);
  void (*codes)(const Matrix& w, int64_t n, int64_t k, int64_t count, CodeGroup* out);
  // Packed tiles [begin, end) times 1..MAX_FEW rows of activations (the index: their number, and planes, less one).
  void (*few[MAX_FEW])(const Matrix& w, int64_t begin, int64_t end, const float* const* x, int64_t t, const Output& out);
  void (*few_codes[MAX_PLANES][MAX_FEW])(const Matrix& w, int64_t begin, int64_t end, const QuantisedGroup* const* x,
                                         int64_t t, const Output& out);
};

const FormatKernels& format_kernels(DType dtype);
inline bool is_quantised(const Weight& weight) { return format_kernels(weight.dtype).is_quantised; }

// Scratch for `multiply` of up to T rows.
void* product_scratch(int64_t T, Worker& worker);

// Tiles [begin, end) into columns 16 * begin.. of `out` (whose data is at column 0).
void multiply(const Matrix& w, int64_t begin, int64_t end, const Inputs& in, const Output& out, void* scratch);

}  // namespace mimo::MIMO_VARIANT
