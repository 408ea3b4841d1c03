// The parts of the product that are compiled for each storage format; included by the files that instantiate them.
//
// MAX_ROWS weight rows advance together, chunk by chunk: one row's chain of dependent sums leaves the units idle that
// the next row's unpacking uses. See products.h for the order of summation, which all paths keep.
#pragma once

#include "products.h"

namespace mimo::MIMO_VARIANT {

constexpr int MAX_ROWS = 4;

template <class Format> void unpack(const Row& row, int64_t columns, float* out) {
  const uint8_t* next = row.data + columns / Format::BLOCK * Format::BLOCK_BYTES;
  int64_t k = 0;
  for (; k + CHUNK <= columns; k += CHUNK) {
    prefetch<Format>(next, k);
    each_value<Format>(row, k, [&](int i, f32x16 value) { store(out + k + 16 * i, value); });
  }
  if (k < columns) unpack_last<Format>(row, k, static_cast<int>(columns - k), out + k);
}

template <class Format> MIMO_INLINE LaneCodes to_lanes(Codes chunk) {
  transpose(chunk.codes);
  LaneCodes lanes = {{chunk.codes[0], chunk.codes[1], chunk.codes[2], chunk.codes[3]}, transpose(chunk.scales), zero()};
  if constexpr (Format::HAS_OFFSETS) lanes.offsets = transpose(chunk.offsets);
  return lanes;
}

template <class Format> void unpack_codes(const Row& row, int64_t columns, CodeChunk* out) {
  const uint8_t* next = row.data + columns / Format::BLOCK * Format::BLOCK_BYTES;
  for (int64_t k = 0; k < columns; k += CHUNK, out++) {
    prefetch<Format>(next, k);
    const int64_t left = columns - k;
    const LaneCodes lanes = to_lanes<Format>(left >= CHUNK ? decode<Format>(row, k)
                                                           : decode_last<Format>(row, k, static_cast<int>(left)));
    for (int j = 0; j < 4; j++) store_i8x64(out->codes + 64 * j, lanes.codes[j]);
    store(out->scales, lanes.scales);
    if constexpr (Format::HAS_OFFSETS) store(out->offsets, lanes.offsets);
  }
}

template <class Format, int T> struct Few {
  // Adds the products of `count` <= 256 values in `values` with x from k on.
  static void add_last(const float* values, int count, const float* const* x, int64_t k, f32x16 (&sums)[T]) {
    for (int i = 0; i < count; i += 16) {
      const int lanes = count - i < 16 ? count - i : 16;
      const f32x16 w = load_n(values + i, lanes);
      for (int t = 0; t < T; t++) sums[t] = fma(w, load_n(x[t] + k + i, lanes), sums[t]);
    }
  }

  static void multiply(const Matrix& w, int64_t begin, int64_t end, const float* const* x, const Output& out) {
    const float* rows[T];
    for (int t = 0; t < T; t++) rows[t] = x[t];
    for (int64_t n = begin; n < end; n += MAX_ROWS) {
      const int num_rows = end - n < MAX_ROWS ? static_cast<int>(end - n) : MAX_ROWS;
      f32x16 sums[MAX_ROWS][T];
      for (auto& row : sums) for (f32x16& sum : row) sum = zero();
      int64_t k = 0;
      for (; k + CHUNK <= w.columns; k += CHUNK) {
        for (int r = 0; r < num_rows; r++) {
          prefetch<Format>(w.row(n + r + MAX_ROWS).data, k);
          f32x16 sum[T];
          for (int t = 0; t < T; t++) sum[t] = sums[r][t];
          each_value<Format>(w.row(n + r), k, [&](int i, f32x16 value) {
            for (int t = 0; t < T; t++) sum[t] = fma(value, load(rows[t] + k + 16 * i), sum[t]);
          });
          for (int t = 0; t < T; t++) sums[r][t] = sum[t];
        }
      }
      for (int r = 0; r < num_rows; r++) {
        if (k < w.columns) {
          alignas(64) float last[CHUNK];
          const int count = static_cast<int>(w.columns - k);
          unpack_last<Format>(w.row(n + r), k, count, last);
          add_last(last, count, rows, k, sums[r]);
        }
        for (int t = 0; t < T; t++) out.put(t, n + r, hsum(sums[r][t]));
      }
    }
  }

  // Weight rows [n, n + ROWS): each load of activations serves them all.
  template <int ROWS>
  static void multiply_codes(const Matrix& w, int64_t n, const QuantisedChunk* const (&x)[T], const Output& out) {
    f32x16 sums[ROWS][T];
    for (auto& row : sums) for (f32x16& sum : row) sum = zero();
    LaneCodes lanes[ROWS];
    int64_t k = 0;
    for (; k + CHUNK <= w.columns; k += CHUNK) {
      for (int r = 0; r < ROWS; r++) {
        prefetch<Format>(w.row(n + r + ROWS).data, k);
        lanes[r] = to_lanes<Format>(decode<Format>(w.row(n + r), k));
      }
      add_products<Format::HAS_OFFSETS>(lanes, x, k / CHUNK, sums);
    }
    if (k < w.columns) {
      const int count = static_cast<int>(w.columns - k);
      for (int r = 0; r < ROWS; r++) lanes[r] = to_lanes<Format>(decode_last<Format>(w.row(n + r), k, count));
      add_products<Format::HAS_OFFSETS>(lanes, x, k / CHUNK, sums);
    }
    for (int r = 0; r < ROWS; r++) {
      for (int t = 0; t < T; t++) out.put(t, n + r, hsum(sums[r][t]));
    }
  }

  static void multiply_quantised(const Matrix& w, int64_t begin, int64_t end, const QuantisedChunk* const* x,
                                 const Output& out) {
    const QuantisedChunk* rows[T];
    for (int t = 0; t < T; t++) rows[t] = x[t];
    int64_t n = begin;
    for (; n + 2 <= end; n += 2) multiply_codes<2>(w, n, rows, out);
    if (n < end) multiply_codes<1>(w, n, rows, out);
  }
};

template <class Format, int T> void add_few(FormatKernels& kernels) {
  kernels.few[T - 1] = Few<Format, T>::multiply;
  if constexpr (Format::IS_QUANTISED) kernels.few_quantised[T - 1] = Few<Format, T>::multiply_quantised;
  if constexpr (T > 1) add_few<Format, T - 1>(kernels);
}

template <class Format> FormatKernels kernels_of() {
  FormatKernels kernels = {};
  kernels.unpack = unpack<Format>;
  add_few<Format, MAX_FEW>(kernels);
  if constexpr (Format::IS_QUANTISED) {
    kernels.is_quantised = true;
    kernels.has_offsets = Format::HAS_OFFSETS;
    kernels.unpack_codes = unpack_codes<Format>;
  }
  return kernels;
}

}  // namespace mimo::MIMO_VARIANT
