// Rows of a weight matrix times rows of activations: the product inside linear and experts.
//
// out[t, n] (+)= sum over k of x[t, k] * w[n, k]. One 16-lane accumulator per (t, n) walks k in order and is summed
// over lanes at the end, so the bits of an output depend on its two rows alone: not on T, on tiles, on threads,
// on the instruction set. Few rows of activations meet weights as they are unpacked in registers; many meet a panel
// of weight rows that was unpacked once into the thread's scratch.
#pragma once

#include "activations.h"
#include "format.h"

namespace mimo::MIMO_VARIANT {

// T rows of activations, in f32 and, where quantised weights should meet int8, as chunks (else null).
struct Inputs {
  const float* x;
  const QuantisedChunk* quantised;
  const int32_t* index;  // which rows, in order; null for the first T
  int64_t T;

  int64_t row(int64_t t) const { return index == nullptr ? t : index[t]; }
};

// out[t * stride + n].
struct Output {
  float* data;
  int64_t stride;
  bool accumulate;

  MIMO_INLINE void put(int64_t t, int64_t n, float value) const {
    float* at = data + t * stride + n;
    *at = accumulate ? *at + value : value;
  }
};

// A chunk of one weight row as the int8 product reads it, in the layout of QuantisedChunk.
struct alignas(64) CodeChunk {
  int8_t codes[CHUNK];
  float scales[16];
  float offsets[16];  // undefined where the format has none
};

constexpr int MAX_FEW = 4;  // rows of activations that meet weights as they are unpacked

// What is compiled for each storage format.
struct FormatKernels {
  bool is_quantised, has_offsets;
  // A row's values, exactly as its format defines them.
  void (*unpack)(const Row& row, int64_t columns, float* out);
  void (*unpack_codes)(const Row& row, int64_t columns, CodeChunk* out);
  // Weight rows [begin, end) times 1..MAX_FEW rows of activations (the index: their number less one).
  void (*few[MAX_FEW])(const Matrix& w, int64_t begin, int64_t end, const float* const* x, const Output& out);
  void (*few_quantised[MAX_FEW])(const Matrix& w, int64_t begin, int64_t end, const QuantisedChunk* const* x,
                                 const Output& out);
};

const FormatKernels& format_kernels(DType dtype);
inline bool is_quantised(const Weight& weight) { return format_kernels(weight.dtype).is_quantised; }

constexpr int64_t MAX_CLAIM = 32;
// Weight rows that one claim of work should hold, for `rows` of them in all; never more than MAX_CLAIM.
int64_t claim_size(int64_t rows, int64_t columns, int64_t T, const Worker& worker);

// Scratch for `multiply`: a panel of claim_size rows and its accumulators. Null where T needs none.
void* panel_scratch(int64_t columns, int64_t T, Worker& worker);

// Weight rows [begin, end), at most a claim, into columns begin.. of `out` (whose data is at column 0).
void multiply(const Matrix& w, int64_t begin, int64_t end, const Inputs& in, const Output& out, void* scratch);

}  // namespace mimo::MIMO_VARIANT
