// Quantised formats in blocks of 256 elements whose groups of 16 or 32 have small integer scales: the K-quants and
// IQ4_XS. See format.h for what a format offers, src/tensor/codec/k-quants.ts for the definitions.
#pragma once

#include "tile.h"
#include "iq-tables.h"

namespace mimo::MIMO_VARIANT {

template <class T> MIMO_INLINE T read(const uint8_t* p) {
  T value;
  memcpy(&value, p, sizeof value);
  return value;
}

MIMO_INLINE f32x16 half_at(const uint8_t* p) { return set1(f16_to_f32(read<uint16_t>(p))); }

// The eight nibbles of a word as eight bytes, lowest first.
MIMO_INLINE uint64_t nibbles_to_bytes(uint32_t a) {
  uint64_t x = a;
  x = (x | x << 16) & 0x0000ffff0000ffff;
  x = (x | x << 8) & 0x00ff00ff00ff00ff;
  return (x | x << 4) & 0x0f0f0f0f0f0f0f0f;
}

// The eight two-bit fields of a half word as eight bytes, lowest first.
MIMO_INLINE uint64_t fields_to_bytes(uint16_t a) {
  uint64_t x = a;
  x = (x | x << 24) & 0x000000ff000000ff;
  x = (x | x << 12) & 0x000f000f000f000f;
  return (x | x << 6) & 0x0303030303030303;
}

// 32 bytes of nibbles: the low ones are the first 32 codes, the high ones the others.
MIMO_INLINE i8x64 nibbles(const uint8_t* p) {
  return bit_and(shift_right<0, 0, 4, 4>(load_32_twice(p)), set1_i8(15));
}

// 64 codes of which 32 bytes hold two bits each, from bit SHIFT (first half) and SHIFT + 2 (second half).
template <int SHIFT> MIMO_INLINE i8x64 fields(const uint8_t* p) {
  return bit_and(shift_right<SHIFT, SHIFT, SHIFT + 2, SHIFT + 2>(load_32_twice(p)), set1_i8(3));
}

// Bit BIT of 32 bytes for the first 32 codes and bit BIT + 1 for the others, as a bit worth VALUE.
template <int BIT, int VALUE> MIMO_INLINE i8x64 single_bits(const uint8_t* p) {
  const i8x64 bits = bit_and(shift_right<BIT, BIT, BIT + 1, BIT + 1>(load_32_twice(p)), set1_i8(1));
  return VALUE == 16 ? shift_left<4>(bits) : shift_left<2>(bits);
}

struct Q2_K {
  static constexpr bool IS_QUANTISED = true, HAS_OFFSETS = true;
  static constexpr int BLOCK = 256, BLOCK_BYTES = 84;
  using Tile = CodeTile<2, 0, SuperScales<16, true>>;
  static constexpr int D = 80, D_MIN = 82;

  static MIMO_INLINE Codes decode(const uint8_t* p) {
    constexpr uint64_t LOW = 0x0f0f0f0f0f0f0f0f;
    const uint64_t first = read<uint64_t>(p), second = read<uint64_t>(p + 8);
    Codes out;
    out.codes[0] = fields<0>(p + 16), out.codes[1] = fields<4>(p + 16);
    out.codes[2] = fields<0>(p + 48), out.codes[3] = fields<4>(p + 48);
    out.scales = mul(half_at(p + 80), u8_lanes(first & LOW, second & LOW));
    out.offsets = sub(zero(), mul(half_at(p + 82), u8_lanes(first >> 4 & LOW, second >> 4 & LOW)));
    return out;
  }
};

struct Q3_K {
  static constexpr bool IS_QUANTISED = true, HAS_OFFSETS = false;
  static constexpr int BLOCK = 256, BLOCK_BYTES = 110;
  using Tile = CodeTile<3, 4, SuperScales<16, false>>;
  static constexpr int D = 108;

  // Codes have their third bit in the first 32 bytes, bit k/32 of byte k%32; 4 is taken away.
  template <int V> static MIMO_INLINE i8x64 codes(const uint8_t* p) {
    const i8x64 code = bit_or(fields<V % 2 * 4>(p + 32 + V / 2 * 32), single_bits<2 * V, 4>(p));
    return sub(code, set1_i8(4));
  }

  static MIMO_INLINE Codes decode(const uint8_t* p) {
    const uint64_t low = read<uint64_t>(p + 96), high = read<uint32_t>(p + 104);
    constexpr uint64_t LOW = 0x0f0f0f0f0f0f0f0f, TWO = 0x0303030303030303;
    const uint64_t first = (low & LOW) | ((high | high >> 2 << 32) & TWO) << 4;
    const uint64_t second = (low >> 4 & LOW) | ((high >> 4 | high >> 6 << 32) & TWO) << 4;
    Codes out = {{codes<0>(p), codes<1>(p), codes<2>(p), codes<3>(p)}, zero(), zero()};
    out.scales = mul(half_at(p + 108), sub(u8_lanes(first, second), set1(32.0f)));
    return out;
  }
};

// The eight scales and mins of Q4_K and Q5_K: six bits each in twelve bytes, then times d and dmin.
MIMO_INLINE void decode_scales(const uint8_t* p, Codes& out) {
  const uint32_t a = read<uint32_t>(p + 4), b = read<uint32_t>(p + 8), c = read<uint32_t>(p + 12);
  const uint64_t scales = (a & 0x3f3f3f3f) | static_cast<uint64_t>((c & 0x0f0f0f0f) | (a >> 2 & 0x30303030)) << 32;
  const uint64_t mins = (b & 0x3f3f3f3f) | static_cast<uint64_t>((c >> 4 & 0x0f0f0f0f) | (b >> 2 & 0x30303030)) << 32;
  out.scales = mul(half_at(p), u8_pairs(scales, scales));
  out.offsets = sub(zero(), mul(half_at(p + 2), u8_pairs(mins, mins)));
}

struct Q4_K {
  static constexpr bool IS_QUANTISED = true, HAS_OFFSETS = true;
  static constexpr int BLOCK = 256, BLOCK_BYTES = 144;
  using Tile = CodeTile<4, 0, SuperScales<32, true>>;
  static constexpr int D = 0, D_MIN = 2;

  static MIMO_INLINE Codes decode(const uint8_t* p) {
    Codes out;
    for (int v = 0; v < 4; v++) out.codes[v] = nibbles(p + 16 + 32 * v);
    decode_scales(p, out);
    return out;
  }
};

struct Q5_K {
  static constexpr bool IS_QUANTISED = true, HAS_OFFSETS = true;
  static constexpr int BLOCK = 256, BLOCK_BYTES = 176;
  using Tile = CodeTile<5, 0, SuperScales<32, true>>;
  static constexpr int D = 0, D_MIN = 2;

  template <int V> static MIMO_INLINE i8x64 codes(const uint8_t* p) {
    return bit_or(nibbles(p + 48 + 32 * V), single_bits<2 * V, 16>(p + 16));
  }

  static MIMO_INLINE Codes decode(const uint8_t* p) {
    Codes out = {{codes<0>(p), codes<1>(p), codes<2>(p), codes<3>(p)}, zero(), zero()};
    decode_scales(p, out);
    return out;
  }
};

struct Q6_K {
  static constexpr bool IS_QUANTISED = true, HAS_OFFSETS = false;
  static constexpr int BLOCK = 256, BLOCK_BYTES = 210;
  using Tile = CodeTile<6, 32, SuperScales<16, false>>;
  static constexpr int D = 208;

  // Four low bits from 64 bytes of nibbles (low ones first), two high bits as in Q2_K; 32 is taken away.
  template <int V> static MIMO_INLINE i8x64 codes(const uint8_t* p) {
    constexpr int SHIFT = V % 2 * 4;
    const i8x64 low = shift_right<SHIFT, SHIFT, SHIFT, SHIFT>(load_i8x64(p + V / 2 * 64));
    const i8x64 high = shift_left<4>(fields<SHIFT>(p + 128 + V / 2 * 32));
    return sub(bit_or(bit_and(low, set1_i8(15)), high), set1_i8(32));
  }

  static MIMO_INLINE Codes decode(const uint8_t* p) {
    Codes out = {{codes<0>(p), codes<1>(p), codes<2>(p), codes<3>(p)}, zero(), zero()};
    out.scales = mul(half_at(p + 208), load_i8(reinterpret_cast<const int8_t*>(p + 192)));
    return out;
  }
};

struct IQ4_XS {
  static constexpr bool IS_QUANTISED = true, HAS_OFFSETS = false;
  static constexpr int BLOCK = 256, BLOCK_BYTES = 136;
  using Tile = CodeTile<4, 0, SuperScales<32, false>, IQ4_LEVELS>;
  static constexpr int D = 0;

  static MIMO_INLINE Codes decode(const uint8_t* p) {
    Codes out;
    for (int v = 0; v < 4; v++) {
      const i8x64 bytes = load_16_twice(p + 8 + 32 * v, p + 24 + 32 * v);
      out.codes[v] = lookup(IQ4_LEVELS, bit_and(shift_right<0, 4, 0, 4>(bytes), set1_i8(15)));
    }
    const uint64_t scales = nibbles_to_bytes(read<uint32_t>(p + 4)) | fields_to_bytes(read<uint16_t>(p + 2)) << 4;
    out.scales = mul(half_at(p), sub(u8_pairs(scales, scales), set1(32.0f)));
    return out;
  }
};

}  // namespace mimo::MIMO_VARIANT
