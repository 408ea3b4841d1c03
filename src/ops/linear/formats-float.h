// Weights stored as floating-point numbers: lanes are loaded and widened. See format.h for what a format offers.
#pragma once

#include "tile.h"

namespace mimo::MIMO_VARIANT {

struct F32 {
  static constexpr bool IS_QUANTISED = false;
  static constexpr int BLOCK = 1, BLOCK_BYTES = 4;
  using Tile = F32Tile;
  using Cursor = const float*;
  static MIMO_INLINE Cursor at(const Row& row, int64_t k) { return reinterpret_cast<Cursor>(row.data) + k; }
  static MIMO_INLINE f32x16 value(Cursor p, int i) { return load(p + 16 * i); }
  static MIMO_INLINE f32x16 value_n(Cursor p, int i, int n) { return load_n(p + 16 * i, n); }
};

struct F16 {
  static constexpr bool IS_QUANTISED = false;
  static constexpr int BLOCK = 1, BLOCK_BYTES = 2;
  using Tile = F16Tile;
  using Cursor = const uint16_t*;
  static MIMO_INLINE Cursor at(const Row& row, int64_t k) { return reinterpret_cast<Cursor>(row.data) + k; }
  static MIMO_INLINE f32x16 value(Cursor p, int i) { return load_f16(p + 16 * i); }
  static MIMO_INLINE f32x16 value_n(Cursor p, int i, int n) { return load_f16_n(p + 16 * i, n); }
};

struct BF16 {
  static constexpr bool IS_QUANTISED = false;
  static constexpr int BLOCK = 1, BLOCK_BYTES = 2;
  using Tile = BF16Tile;
  using Cursor = const uint16_t*;
  static MIMO_INLINE Cursor at(const Row& row, int64_t k) { return reinterpret_cast<Cursor>(row.data) + k; }
  static MIMO_INLINE f32x16 value(Cursor p, int i) { return load_bf16(p + 16 * i); }
  static MIMO_INLINE f32x16 value_n(Cursor p, int i, int n) { return load_bf16_n(p + 16 * i, n); }
};

struct F8_E4M3 {
  static constexpr bool IS_QUANTISED = false;
  static constexpr int BLOCK = 1, BLOCK_BYTES = 1;
  using Tile = F8Tile;
  struct Cursor {
    const uint8_t* codes;
    const float* scales;  // of 128 columns, which 16 lanes never straddle
  };
  static MIMO_INLINE Cursor at(const Row& row, int64_t k) { return {row.data + k, row.scales + k / 128}; }
  static MIMO_INLINE f32x16 value(Cursor p, int i) { return load_f8(p.codes + 16 * i, p.scales[i / 8]); }
  static MIMO_INLINE f32x16 value_n(Cursor p, int i, int n) { return load_f8_n(p.codes + 16 * i, n, p.scales[i / 8]); }
};

}  // namespace mimo::MIMO_VARIANT
