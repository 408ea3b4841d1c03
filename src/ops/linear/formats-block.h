// Quantised formats in blocks of 32 elements that carry their own scale. See format.h for what a format offers,
// src/tensor/codec/block32.ts and four-bit-levels.ts for the definitions.
#pragma once

#include "tile.h"
#include "iq-tables.h"

namespace mimo::MIMO_VARIANT {

// Half-precision numbers at p, p + STRIDE, ... (eight of them), each for the two groups of 16 of its block.
template <int STRIDE> MIMO_INLINE f32x16 block_halves(const uint8_t* p) {
  uint64_t words[2] = {};
  for (int b = 0; b < 8; b++) {
    uint16_t half;
    memcpy(&half, p + b * STRIDE, 2);
    words[b / 4] |= static_cast<uint64_t>(half) << (16 * (b % 4));
  }
  return f16_pairs(words[0], words[1]);
}

// The nibbles of two blocks' 16 bytes: low nibbles are a block's first 16 codes, high nibbles the others.
MIMO_INLINE i8x64 block_nibbles(const uint8_t* p, const uint8_t* q) {
  return bit_and(shift_right<0, 4, 0, 4>(load_16_twice(p, q)), set1_i8(15));
}

// The fifth bits of two blocks, moved to bit 4 of their codes.
MIMO_INLINE i8x64 fifth_bits(const uint8_t* p, const uint8_t* q) {
  uint32_t low, high;
  memcpy(&low, p, 4);
  memcpy(&high, q, 4);
  return select(low | static_cast<uint64_t>(high) << 32, 16);
}

struct Q8_0 {
  static constexpr bool IS_QUANTISED = true, HAS_OFFSETS = false;
  static constexpr int BLOCK = 32, BLOCK_BYTES = 34;
  using Tile = CodeTile<8, 0, HalfScales<false>>;

  static MIMO_INLINE Codes decode(const uint8_t* p) {
    Codes out;
    for (int v = 0; v < 4; v++) out.codes[v] = load_halves(p + 68 * v + 2, p + 68 * v + 36);
    out.scales = block_halves<BLOCK_BYTES>(p);
    return out;
  }
};

struct Q4_0 {
  static constexpr bool IS_QUANTISED = true, HAS_OFFSETS = false;
  static constexpr int BLOCK = 32, BLOCK_BYTES = 18;
  using Tile = CodeTile<4, 8, HalfScales<false>>;

  static MIMO_INLINE Codes decode(const uint8_t* p) {
    Codes out;
    for (int v = 0; v < 4; v++) out.codes[v] = sub(block_nibbles(p + 36 * v + 2, p + 36 * v + 20), set1_i8(8));
    out.scales = block_halves<BLOCK_BYTES>(p);
    return out;
  }
};

struct Q4_1 {
  static constexpr bool IS_QUANTISED = true, HAS_OFFSETS = true;
  static constexpr int BLOCK = 32, BLOCK_BYTES = 20;
  using Tile = CodeTile<4, 0, HalfScales<true>>;

  static MIMO_INLINE Codes decode(const uint8_t* p) {
    Codes out;
    for (int v = 0; v < 4; v++) out.codes[v] = block_nibbles(p + 40 * v + 4, p + 40 * v + 24);
    out.scales = block_halves<BLOCK_BYTES>(p);
    out.offsets = block_halves<BLOCK_BYTES>(p + 2);
    return out;
  }
};

struct Q5_0 {
  static constexpr bool IS_QUANTISED = true, HAS_OFFSETS = false;
  static constexpr int BLOCK = 32, BLOCK_BYTES = 22;
  using Tile = CodeTile<5, 16, HalfScales<false>>;

  static MIMO_INLINE Codes decode(const uint8_t* p) {
    Codes out;
    for (int v = 0; v < 4; v++) {
      const uint8_t *a = p + 44 * v, *b = a + 22;
      out.codes[v] = sub(bit_or(block_nibbles(a + 6, b + 6), fifth_bits(a + 2, b + 2)), set1_i8(16));
    }
    out.scales = block_halves<BLOCK_BYTES>(p);
    return out;
  }
};

struct Q5_1 {
  static constexpr bool IS_QUANTISED = true, HAS_OFFSETS = true;
  static constexpr int BLOCK = 32, BLOCK_BYTES = 24;
  using Tile = CodeTile<5, 0, HalfScales<true>>;

  static MIMO_INLINE Codes decode(const uint8_t* p) {
    Codes out;
    for (int v = 0; v < 4; v++) {
      const uint8_t *a = p + 48 * v, *b = a + 24;
      out.codes[v] = bit_or(block_nibbles(a + 8, b + 8), fifth_bits(a + 4, b + 4));
    }
    out.scales = block_halves<BLOCK_BYTES>(p);
    out.offsets = block_halves<BLOCK_BYTES>(p + 2);
    return out;
  }
};

struct IQ4_NL {
  static constexpr bool IS_QUANTISED = true, HAS_OFFSETS = false;
  static constexpr int BLOCK = 32, BLOCK_BYTES = 18;
  using Tile = CodeTile<4, 0, HalfScales<false>, IQ4_LEVELS>;

  static MIMO_INLINE Codes decode(const uint8_t* p) {
    Codes out;
    for (int v = 0; v < 4; v++) out.codes[v] = lookup(IQ4_LEVELS, block_nibbles(p + 36 * v + 2, p + 36 * v + 20));
    out.scales = block_halves<BLOCK_BYTES>(p);
    return out;
  }
};

struct MXFP4 {
  static constexpr bool IS_QUANTISED = true, HAS_OFFSETS = false;
  static constexpr int BLOCK = 32, BLOCK_BYTES = 17;
  using Tile = CodeTile<4, 0, PowerScales, MXFP4_LEVELS>;

  static MIMO_INLINE Codes decode(const uint8_t* p) {
    Codes out;
    uint64_t exponents = 0;
    for (int b = 0; b < 8; b++) exponents |= static_cast<uint64_t>(p[17 * b]) << (8 * b);
    for (int v = 0; v < 4; v++) out.codes[v] = lookup(MXFP4_LEVELS, block_nibbles(p + 34 * v + 1, p + 34 * v + 18));
    // 2^(exponent - 128), half the block's scale because levels are doubled; in two factors, as it may be subnormal.
    const i32x16 exponent = to_i32(u8_pairs(exponents, exponents));
    const i32x16 half = shift_right_signed<1>(exponent), bias = set1_i32(64);
    out.scales = mul(power_of_two(sub(half, bias)), power_of_two(sub(sub(exponent, half), bias)));
    return out;
  }
};

}  // namespace mimo::MIMO_VARIANT
