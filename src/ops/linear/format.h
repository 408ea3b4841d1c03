// What a storage format of weights must offer, and the two things made from it.
//
// A row is read in chunks of 256 elements. A float format gives f32 lanes. A quantised format gives a chunk as
// int8 codes in the order of k with one scale (and, where the format has one, one offset) per 16 codes:
// value = scale * code + offset. All quantised formats pass through that one form, which serves both the f32
// product (values) and the int8 product (codes). scale * code is exact in f32 for every format here: scales have
// at most 17 significant bits and codes 7, so that fusing the offset's addition changes nothing.
#pragma once

#include "simd.h"

namespace mimo::MIMO_VARIANT {

constexpr int CHUNK = 256;

struct Row {
  const uint8_t* data;
  const float* scales;  // of 128 columns each; null where the format carries its own
};

// One matrix of a Weight.
struct Matrix {
  DType dtype;
  const uint8_t* data;
  const float* scales;
  int64_t columns, row_bytes, scale_rows, scale_cols;

  Matrix(const Weight& weight, int64_t index)
      : dtype(weight.dtype),
        data(weight.matrices[index]),
        scales(weight.scales == nullptr ? nullptr : weight.scales[index]),
        columns(weight.in),
        row_bytes(weight.row_bytes),
        scale_rows(weight.scale_rows),
        scale_cols(weight.scale_cols) {}

  Row row(int64_t n) const {
    return {data + n * row_bytes, scales == nullptr ? nullptr : scales + n / scale_rows * scale_cols};
  }
};

// Formats with 16 levels keep two codes in a byte. `span` codes with the low nibbles precede as many with the high
// ones; levels are what the nibbles stand for.
struct Nibbles {
  const int8_t* levels;  // null for all other formats
  int span;
  int first, stride;  // where the eight runs of 16 bytes of a chunk are

  constexpr int at(int i) const { return first + i * stride; }
};
constexpr Nibbles NO_NIBBLES = {nullptr, 0, 0, 0};
constexpr int8_t LEVELS_FROM_0[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
constexpr int8_t LEVELS_FROM_MINUS_8[16] = {-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7};

// 256 codes in the order of k; lane g of scales and offsets belongs to codes 16g..16g+15.
struct Codes {
  i8x64 codes[4];
  f32x16 scales, offsets;
};

template <class Format> MIMO_INLINE Codes decode(const Row& row, int64_t k) {
  return Format::decode(row.data + k / Format::BLOCK * Format::BLOCK_BYTES);
}

// Asks for a later chunk. Formats of a byte or less keep the units so busy that the hardware's own prefetching is too
// little ahead; with the wider ones it is quicker alone.
template <class Format> MIMO_INLINE void prefetch(const uint8_t* row, int64_t k) {
  constexpr int BYTES = CHUNK / Format::BLOCK * Format::BLOCK_BYTES;
  if constexpr (BYTES < 2 * CHUNK) {
    const uint8_t* chunk = row + k / Format::BLOCK * Format::BLOCK_BYTES;
    for (int i = 0; i < BYTES; i += 64) __builtin_prefetch(chunk + i);
  }
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

// The same from packed nibbles, for formats that say where these are: a code is looked up in the 16 values that its
// group can have, which takes half the instructions of widening and scaling it. The values are the same.
template <class Format, class Sink> MIMO_INLINE void each_nibble_value(const uint8_t* block, Sink&& sink) {
  const Codes chunk = Format::decode(block);
  alignas(64) float scales[16], offsets[16];
  store(scales, chunk.scales);
  if constexpr (Format::HAS_OFFSETS) store(offsets, chunk.offsets);
  const f32x16 levels = load_i8(Format::NIBBLES.levels);
  const auto values_of = [&](int group) {
    if constexpr (Format::HAS_OFFSETS) return fma(levels, set1(scales[group]), set1(offsets[group]));
    return mul(levels, set1(scales[group]));
  };
#pragma GCC unroll 4
  for (int g = 0; g < 16; g += 4) {
    const i32x16 first = load_u8_i32(block + Format::NIBBLES.at(g / 2));
    const i32x16 second = load_u8_i32(block + Format::NIBBLES.at(g / 2 + 1));
    const i32x16 second_codes = Format::NIBBLES.span == 16 ? shift_right_signed<4>(first) : second;
    const i32x16 third_codes = Format::NIBBLES.span == 16 ? second : shift_right_signed<4>(first);
    const f32x16 lower = values_of(g), upper = values_of(g + 2);
    sink(g, lookup(lower, first));
    sink(g + 1, lookup(lower, second_codes));
    sink(g + 2, lookup(upper, third_codes));
    sink(g + 3, lookup(upper, shift_right_signed<4>(second)));
  }
}

// The same for the whole chunk that starts at k.
template <class Format, class Sink> MIMO_INLINE void each_value(const Row& row, int64_t k, Sink&& sink) {
  if constexpr (Format::NIBBLES.levels != nullptr) {
    each_nibble_value<Format>(row.data + k / Format::BLOCK * Format::BLOCK_BYTES, sink);
  } else if constexpr (Format::IS_QUANTISED) {
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
