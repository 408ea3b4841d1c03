// What a storage format of weights must offer: the rows of a matrix as they lie in a file.
//
// A row is read in chunks of 256 elements. A float format gives f32 lanes. A quantised format gives a chunk as
// int8 codes in the order of k with one scale (and, where the format has one, one offset) per 16 codes:
// value = scale * code + offset. All quantised formats pass through that one form, which serves the f32 product (values),
// the integer product (codes) and packing. scale * code is exact in f32 for every format here: scales have at most 17
// significant bits and codes 7, so that fusing the offset's addition changes nothing. A format also names its Tile and,
// in blocks of 256, where its unit D (and D_MIN) is.
#pragma once

#include "simd.h"

namespace mimo::MIMO_VARIANT {

constexpr int CHUNK = 256;

struct Row {
  const uint8_t* data;
  const float* scales;  // of 128 columns each; null where the format carries its own
};

// One matrix of a Weight: rows as they are stored in a file, or packed into tiles (tile.h).
struct Matrix {
  DType dtype;
  const uint8_t* data;
  const float* scales;
  int64_t rows, columns, row_bytes, tile_bytes, scale_rows, scale_cols;

  Matrix(const Weight& weight, int64_t index)
      : dtype(weight.dtype),
        data(weight.matrices[index].data),
        scales(weight.scales == nullptr ? nullptr : weight.scales[index]),
        rows(weight.out),
        columns(weight.in),
        row_bytes(weight.row_bytes),
        tile_bytes(weight.matrices[index].tile_bytes),
        scale_rows(weight.scale_rows),
        scale_cols(weight.scale_cols) {}

  bool is_packed() const { return tile_bytes != 0; }
  const uint8_t* tile(int64_t index) const { return data + index * tile_bytes; }
  Row row(int64_t n) const {
    return {data + n * row_bytes, scales == nullptr ? nullptr : scales + n / scale_rows * scale_cols};
  }
};

// 256 codes in the order of k; lane g of scales and offsets belongs to codes 16g..16g+15.
struct Codes {
  i8x64 codes[4];
  f32x16 scales, offsets;
};

template <class Format> MIMO_INLINE Codes decode(const Row& row, int64_t k) {
  return Format::decode(row.data + k / Format::BLOCK * Format::BLOCK_BYTES);
}

// The row's last chunk, which has `count` < 256 elements. Zero blocks decode to zeros and stay within bounds.
template <class Format> Codes decode_last(const Row& row, int64_t k, int count) {
  alignas(64) uint8_t blocks[CHUNK / Format::BLOCK * Format::BLOCK_BYTES] = {};
  memcpy(blocks, row.data + k / Format::BLOCK * Format::BLOCK_BYTES,
         static_cast<size_t>(count / Format::BLOCK * Format::BLOCK_BYTES));
  return Format::decode(blocks);
}

// Calls sink(i, lanes) for values 16i..16i+15 of the chunk, in order.
template <class Format, class Sink> MIMO_INLINE void each_value(const Codes& chunk, Sink&& sink) {
  alignas(64) float scales[16], offsets[16];
  store(scales, chunk.scales);
  if constexpr (Format::HAS_OFFSETS) store(offsets, chunk.offsets);
  const auto value = [&](int i, f32x16 code) {
    if constexpr (Format::HAS_OFFSETS) return fma(code, set1(scales[i]), set1(offsets[i]));
    return mul(code, set1(scales[i]));
  };
#pragma GCC unroll 4
  for (int v = 0; v < 4; v++) {
    sink(4 * v + 0, value(4 * v + 0, to_f32<0>(chunk.codes[v])));
    sink(4 * v + 1, value(4 * v + 1, to_f32<1>(chunk.codes[v])));
    sink(4 * v + 2, value(4 * v + 2, to_f32<2>(chunk.codes[v])));
    sink(4 * v + 3, value(4 * v + 3, to_f32<3>(chunk.codes[v])));
  }
}

// The same for the whole chunk that starts at k.
template <class Format, class Sink> MIMO_INLINE void each_value(const Row& row, int64_t k, Sink&& sink) {
  if constexpr (Format::IS_QUANTISED) {
    each_value<Format>(decode<Format>(row, k), sink);
  } else {
    const typename Format::Cursor start = Format::at(row, k);
#pragma GCC unroll 16
    for (int i = 0; i < CHUNK / 16; i++) sink(i, Format::value(start, i));
  }
}

// The `count` < 256 elements from k on, as f32.
template <class Format> void unpack_last(const Row& row, int64_t k, int count, float* out) {
  if constexpr (Format::IS_QUANTISED) {
    each_value<Format>(decode_last<Format>(row, k, count), [&](int i, f32x16 value) {
      if (16 * i < count) store(out + 16 * i, value);
    });
  } else {
    const typename Format::Cursor start = Format::at(row, k);
    for (int i = 0; 16 * i < count; i++) {
      const int lanes = count - 16 * i < 16 ? count - 16 * i : 16;
      store_n(out + 16 * i, Format::value_n(start, i, lanes), lanes);
    }
  }
}

}  // namespace mimo::MIMO_VARIANT
