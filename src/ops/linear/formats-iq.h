// Quantised formats that take eight (IQ2) or four (IQ3) magnitudes at a time from a code book, with a sign bit for
// each. See format.h for what a format offers, src/tensor/codec/iq.ts for the definitions.
//
// The books' magnitudes and their negatives are the int8 codes. Indices are assembled in scalar registers, which
// are idle here, and signs are applied to 64 codes at once.
#pragma once

#include "formats-k.h"

namespace mimo::MIMO_VARIANT {

// Four patterns of seven bits, as the sign bits of 32 codes.
MIMO_INLINE uint64_t signs_of(uint32_t patterns) {
  return IQ_SIGNS[patterns & 127] | IQ_SIGNS[patterns >> 7 & 127] << 8 | IQ_SIGNS[patterns >> 14 & 127] << 16 |
         static_cast<uint64_t>(IQ_SIGNS[patterns >> 21 & 127]) << 24;
}

// d * (1 + 2 * scale), times a power of two: exact.
MIMO_INLINE f32x16 odd_scales(const uint8_t* d, float factor, f32x16 scales) {
  return mul(mul(half_at(d), set1(factor)), add(add(scales, scales), set1(1.0f)));
}

// Scales of four bits, two to a byte: the low one for the first 16 codes of 32, the high one for the others.
MIMO_INLINE f32x16 nibble_pairs(const uint8_t* p) {
  constexpr uint64_t LOW = 0x0f0f0f0f0f0f0f0f;
  const uint64_t bytes = read<uint64_t>(p);
  return u8_pairs(bytes & LOW, bytes >> 4 & LOW);
}

struct IQ2_XXS {
  static constexpr bool IS_QUANTISED = true, HAS_OFFSETS = false;
  static constexpr int BLOCK = 256, BLOCK_BYTES = 66;

  // Eight bytes for 32 codes: four indices, then 28 bits of sign patterns below 4 bits of scale.
  static MIMO_INLINE Codes decode(const uint8_t* p) {
    Codes out;
    uint64_t scales = 0;
    for (int v = 0; v < 4; v++) {
      const uint8_t *a = p + 2 + 16 * v, *b = a + 8;
      const uint32_t low = read<uint32_t>(a + 4), high = read<uint32_t>(b + 4);
      const uint64_t* grid = IQ2_XXS_GRID;
      const i8x64 magnitudes = set_u64(grid[a[0]], grid[a[1]], grid[a[2]], grid[a[3]], grid[b[0]], grid[b[1]],
                                       grid[b[2]], grid[b[3]]);
      out.codes[v] = negate(magnitudes, signs_of(low) | signs_of(high) << 32);
      scales |= static_cast<uint64_t>(low >> 28 | high >> 28 << 8) << (16 * v);
    }
    out.scales = odd_scales(p, 0.125f, u8_pairs(scales, scales));
    return out;
  }
};

struct IQ2_XS {
  static constexpr bool IS_QUANTISED = true, HAS_OFFSETS = false;
  static constexpr int BLOCK = 256, BLOCK_BYTES = 74;

  // Two bytes for eight codes: nine bits of index, seven of sign pattern.
  static MIMO_INLINE Codes decode(const uint8_t* p) {
    Codes out;
    for (int v = 0; v < 4; v++) {
      uint64_t grid[8], signs = 0;
      for (int i = 0; i < 8; i++) {
        const uint16_t word = read<uint16_t>(p + 2 + 16 * v + 2 * i);
        grid[i] = IQ2_XS_GRID[word & 511];
        signs |= static_cast<uint64_t>(IQ_SIGNS[word >> 9]) << (8 * i);
      }
      out.codes[v] = negate(set_u64(grid[0], grid[1], grid[2], grid[3], grid[4], grid[5], grid[6], grid[7]), signs);
    }
    out.scales = odd_scales(p, 0.125f, nibble_pairs(p + 66));
    return out;
  }
};

struct IQ2_S {
  static constexpr bool IS_QUANTISED = true, HAS_OFFSETS = false;
  static constexpr int BLOCK = 256, BLOCK_BYTES = 82;

  // Low index bytes, sign bytes, two high index bits each, scales.
  static MIMO_INLINE Codes decode(const uint8_t* p) {
    Codes out;
    for (int v = 0; v < 4; v++) {
      const uint64_t high = fields_to_bytes(read<uint16_t>(p + 66 + 2 * v));
      uint64_t grid[8];
      for (int i = 0; i < 8; i++) grid[i] = IQ2_S_GRID[p[2 + 8 * v + i] | (high >> (8 * i) & 3) << 8];
      const i8x64 codes = set_u64(grid[0], grid[1], grid[2], grid[3], grid[4], grid[5], grid[6], grid[7]);
      out.codes[v] = negate(codes, read<uint64_t>(p + 34 + 8 * v));
    }
    out.scales = odd_scales(p, 0.125f, nibble_pairs(p + 74));
    return out;
  }
};

struct IQ3_XXS {
  static constexpr bool IS_QUANTISED = true, HAS_OFFSETS = false;
  static constexpr int BLOCK = 256, BLOCK_BYTES = 98;

  // 64 indices, then for 32 codes each 28 bits of sign patterns below 4 bits of scale.
  static MIMO_INLINE Codes decode(const uint8_t* p) {
    Codes out;
    uint64_t scales = 0;
    for (int v = 0; v < 4; v++) {
      const uint32_t low = read<uint32_t>(p + 66 + 8 * v), high = read<uint32_t>(p + 70 + 8 * v);
      const uint8_t* index = p + 2 + 16 * v;
      uint64_t grid[8];
      for (int i = 0; i < 8; i++) {
        grid[i] = IQ3_XXS_GRID[index[2 * i]] | static_cast<uint64_t>(IQ3_XXS_GRID[index[2 * i + 1]]) << 32;
      }
      const i8x64 codes = set_u64(grid[0], grid[1], grid[2], grid[3], grid[4], grid[5], grid[6], grid[7]);
      out.codes[v] = negate(codes, signs_of(low) | signs_of(high) << 32);
      scales |= static_cast<uint64_t>(low >> 28 | high >> 28 << 8) << (16 * v);
    }
    out.scales = odd_scales(p, 0.25f, u8_pairs(scales, scales));
    return out;
  }
};

struct IQ3_S {
  static constexpr bool IS_QUANTISED = true, HAS_OFFSETS = false;
  static constexpr int BLOCK = 256, BLOCK_BYTES = 110;

  // 64 low index bytes, their ninth bits, sign bytes, four bits of scale for 32 codes each.
  static MIMO_INLINE Codes decode(const uint8_t* p) {
    Codes out;
    for (int v = 0; v < 4; v++) {
      const uint32_t ninth = read<uint16_t>(p + 66 + 2 * v);
      const uint8_t* index = p + 2 + 16 * v;
      uint64_t grid[8];
      for (int i = 0; i < 8; i++) {
        const uint32_t low = IQ3_S_GRID[index[2 * i] | (ninth >> (2 * i) & 1) << 8];
        const uint32_t high = IQ3_S_GRID[index[2 * i + 1] | (ninth >> (2 * i + 1) & 1) << 8];
        grid[i] = low | static_cast<uint64_t>(high) << 32;
      }
      const i8x64 codes = set_u64(grid[0], grid[1], grid[2], grid[3], grid[4], grid[5], grid[6], grid[7]);
      out.codes[v] = negate(codes, read<uint64_t>(p + 74 + 8 * v));
    }
    const uint64_t scales = nibbles_to_bytes(read<uint32_t>(p + 106));
    out.scales = odd_scales(p, 1.0f, u8_pairs(scales, scales));
    return out;
  }
};

}  // namespace mimo::MIMO_VARIANT
