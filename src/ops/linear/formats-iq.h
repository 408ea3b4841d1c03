// Quantised formats that take eight (IQ2) or four (IQ3) magnitudes at a time from a code book, with a sign bit for
// each. See format.h for what a format offers, src/tensor/codec/iq.ts for the definitions.
//
// The books' magnitudes and their negatives are the int8 codes. Magnitudes are looked up in scalar registers, which
// are idle here, and joined in vector registers (through memory would be slower: wide loads wait for narrow stores);
// signs are applied to 64 codes at once.
#pragma once

#include "formats-k.h"

namespace mimo::MIMO_VARIANT {

// What a tile's four bits stand for: all magnitudes of the books and their negatives.
constexpr int8_t IQ2_LEVELS[16] = {8, 25, 43, -8, -25, -43};
constexpr int8_t IQ3_XXS_LEVELS[16] = {4, 12, 20, 28, 36, 44, 52, 62, -4, -12, -20, -28, -36, -44, -52, -62};
constexpr int8_t IQ3_S_LEVELS[16] = {1, 3, 5, 7, 9, 11, 13, 15, -1, -3, -5, -7, -9, -11, -13, -15};

// Four patterns of seven bits in each half, as the sign bits of 64 codes: the eighth sign makes their number even.
MIMO_INLINE uint64_t signs_of(uint32_t low, uint32_t high) {
  const uint64_t x = low | static_cast<uint64_t>(high) << 32;
  const uint64_t seven = (x & 0x0000007f0000007f) | (x << 1 & 0x00007f0000007f00) | (x << 2 & 0x007f0000007f0000) |
                         (x << 3 & 0x7f0000007f000000);
  uint64_t parity = seven ^ seven >> 4;
  parity ^= parity >> 2;
  parity ^= parity >> 1;
  return seven | (parity & 0x0101010101010101) << 7;
}

// 64 codes from eight entries of a code book of eight magnitudes, or from sixteen of one of four.
template <class Entry> MIMO_INLINE i8x64 eights(Entry&& at) {
  return set_u64(at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7));
}
template <class Entry> MIMO_INLINE i8x64 fours(Entry&& at) {
  return eights([&](int i) { return at(2 * i) | static_cast<uint64_t>(at(2 * i + 1)) << 32; });
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
  using Tile = CodeTile<4, 0, SuperScales<32, false, 3>, IQ2_LEVELS>;
  static constexpr int D = 0;

  // Eight bytes for 32 codes: four indices, then 28 bits of sign patterns below 4 bits of scale.
  static MIMO_INLINE Codes decode(const uint8_t* p) {
    Codes out;
    uint64_t scales = 0;
    for (int v = 0; v < 4; v++) {
      const uint8_t* words = p + 2 + 16 * v;
      const uint32_t low = read<uint32_t>(words + 4), high = read<uint32_t>(words + 12);
      const i8x64 magnitudes = eights([&](int i) { return IQ2_XXS_GRID[words[i / 4 * 8 + i % 4]]; });
      out.codes[v] = negate(magnitudes, signs_of(low, high));
      scales |= static_cast<uint64_t>(low >> 28 | high >> 28 << 8) << (16 * v);
    }
    out.scales = odd_scales(p, 0.125f, u8_pairs(scales, scales));
    return out;
  }
};

struct IQ2_XS {
  static constexpr bool IS_QUANTISED = true, HAS_OFFSETS = false;
  static constexpr int BLOCK = 256, BLOCK_BYTES = 74;
  using Tile = CodeTile<4, 0, SuperScales<16, false, 3>, IQ2_LEVELS>;
  static constexpr int D = 0;

  // Two bytes for eight codes: nine bits of index, seven of sign pattern.
  static MIMO_INLINE Codes decode(const uint8_t* p) {
    Codes out;
    for (int v = 0; v < 4; v++) {
      const auto word = [&](int i) { return read<uint16_t>(p + 2 + 16 * v + 2 * i); };
      const i8x64 magnitudes = eights([&](int i) { return IQ2_XS_GRID[word(i) & 511]; });
      uint64_t signs = 0;
      for (int i = 0; i < 8; i++) signs |= static_cast<uint64_t>(IQ_SIGNS[word(i) >> 9]) << (8 * i);
      out.codes[v] = negate(magnitudes, signs);
    }
    out.scales = odd_scales(p, 0.125f, nibble_pairs(p + 66));
    return out;
  }
};

struct IQ2_S {
  static constexpr bool IS_QUANTISED = true, HAS_OFFSETS = false;
  static constexpr int BLOCK = 256, BLOCK_BYTES = 82;
  using Tile = CodeTile<4, 0, SuperScales<16, false, 3>, IQ2_LEVELS>;
  static constexpr int D = 0;

  // Low index bytes, sign bytes, two high index bits each, scales.
  static MIMO_INLINE Codes decode(const uint8_t* p) {
    Codes out;
    for (int v = 0; v < 4; v++) {
      const uint32_t high = read<uint16_t>(p + 66 + 2 * v) << 8;
      const i8x64 magnitudes = eights([&](int i) { return IQ2_S_GRID[p[2 + 8 * v + i] | (high >> (2 * i) & 0x300)]; });
      out.codes[v] = negate(magnitudes, read<uint64_t>(p + 34 + 8 * v));
    }
    out.scales = odd_scales(p, 0.125f, nibble_pairs(p + 74));
    return out;
  }
};

struct IQ3_XXS {
  static constexpr bool IS_QUANTISED = true, HAS_OFFSETS = false;
  static constexpr int BLOCK = 256, BLOCK_BYTES = 98;
  using Tile = CodeTile<4, 0, SuperScales<32, false, 2>, IQ3_XXS_LEVELS>;
  static constexpr int D = 0;

  // 64 indices, then for 32 codes each 28 bits of sign patterns below 4 bits of scale.
  static MIMO_INLINE Codes decode(const uint8_t* p) {
    Codes out;
    uint64_t scales = 0;
    for (int v = 0; v < 4; v++) {
      const uint32_t low = read<uint32_t>(p + 66 + 8 * v), high = read<uint32_t>(p + 70 + 8 * v);
      const i8x64 magnitudes = fours([&](int i) { return IQ3_XXS_GRID[p[2 + 16 * v + i]]; });
      out.codes[v] = negate(magnitudes, signs_of(low, high));
      scales |= static_cast<uint64_t>(low >> 28 | high >> 28 << 8) << (16 * v);
    }
    out.scales = odd_scales(p, 0.25f, u8_pairs(scales, scales));
    return out;
  }
};

struct IQ3_S {
  static constexpr bool IS_QUANTISED = true, HAS_OFFSETS = false;
  static constexpr int BLOCK = 256, BLOCK_BYTES = 110;
  using Tile = CodeTile<4, 0, SuperScales<32, false>, IQ3_S_LEVELS>;
  static constexpr int D = 0;

  // 64 low index bytes, their ninth bits, sign bytes, four bits of scale for 32 codes each.
  static MIMO_INLINE Codes decode(const uint8_t* p) {
    Codes out;
    for (int v = 0; v < 4; v++) {
      const uint32_t ninth = read<uint16_t>(p + 66 + 2 * v) << 8;
      const i8x64 magnitudes = fours([&](int i) { return IQ3_S_GRID[p[2 + 16 * v + i] | (ninth >> i & 256)]; });
      out.codes[v] = negate(magnitudes, read<uint64_t>(p + 74 + 8 * v));
    }
    const uint64_t scales = nibbles_to_bytes(read<uint32_t>(p + 106));
    out.scales = odd_scales(p, 1.0f, u8_pairs(scales, scales));
    return out;
  }
};

}  // namespace mimo::MIMO_VARIANT
