// Sixteen rows of a matrix side by side: how weights lie in memory after packing, and how products read them.
//
// Lane r of every vector belongs to row r, so that a product needs no sum over lanes, scales load as vectors, and a
// matrix streams from memory in one direction. A tile is a run of blocks of SPAN columns. Packing changes where bits
// are, never a value: a float tile gives a column's sixteen values, a code tile gives, for each 32 columns, eight
// quads (the codes of four columns in every lane) with a scale and perhaps an offset per 16 or 32 columns:
// value = scale * code + offset, the same numbers as the storage format's.
#pragma once

#include "format.h"

namespace mimo::MIMO_VARIANT {

constexpr int QUAD_BYTES = 4 * TILE_ROWS;

// ---- Float tiles: value<I>(context, p) is column I of the four at p.

struct NoContext {};

struct F32Tile {
  static constexpr int SPAN = 4, HEADER = 0, STEP_BYTES = 4 * 64, BYTES = STEP_BYTES;
  using Context = NoContext;
  static MIMO_INLINE Context open(const uint8_t*) { return {}; }
  template <int I> static MIMO_INLINE f32x16 value(Context, const uint8_t* p) {
    return load(reinterpret_cast<const float*>(p) + TILE_ROWS * I);
  }
};

struct F16Tile {
  static constexpr int SPAN = 4, HEADER = 0, STEP_BYTES = 4 * 32, BYTES = STEP_BYTES;
  using Context = NoContext;
  static MIMO_INLINE Context open(const uint8_t*) { return {}; }
  template <int I> static MIMO_INLINE f32x16 value(Context, const uint8_t* p) {
    return load_f16(reinterpret_cast<const uint16_t*>(p) + TILE_ROWS * I);
  }
};

// A lane holds two columns: the even one in its low half.
struct BF16Tile {
  static constexpr int SPAN = 4, HEADER = 0, STEP_BYTES = 4 * 32, BYTES = STEP_BYTES;
  using Context = NoContext;
  static MIMO_INLINE Context open(const uint8_t*) { return {}; }
  template <int I> static MIMO_INLINE f32x16 value(Context, const uint8_t* p) {
    const i32x16 pair = load_i32(reinterpret_cast<const int32_t*>(p) + TILE_ROWS * (I / 2));
    if constexpr (I % 2 == 0) return bits_as_f32(shift_left<16>(pair));
    return bits_as_f32(bit_and(pair, set1_i32(static_cast<int32_t>(0xffff0000))));
  }
};

// A lane holds four columns; 128 columns begin with their scales. E4M3's sign, exponent and mantissa, moved to where
// f32 keeps them, read as the value * 2^-120, subnormals included; the stored scales make up for it. NaN has no place
// here: a matrix that holds one is not packed.
struct F8Tile {
  static constexpr int SPAN = 128, HEADER = 64, STEP_BYTES = QUAD_BYTES, BYTES = HEADER + SPAN / 4 * STEP_BYTES;
  static constexpr float SCALE_UNIT = 0x1p120f;
  using Context = f32x16;
  static MIMO_INLINE Context open(const uint8_t* p) { return load(reinterpret_cast<const float*>(p)); }
  template <int I> static MIMO_INLINE f32x16 value(Context scales, const uint8_t* p) {
    const i32x16 top = shift_left<24 - 8 * I>(load_i32(reinterpret_cast<const int32_t*>(p)));
    const i32x16 bits = bit_and(shift_right_signed<4>(top), set1_i32(static_cast<int32_t>(0x87f00000)));
    return mul(bits_as_f32(bits), scales);
  }
};

// ---- Code tiles.

// Codes of BITS bits of 32 columns: the low bits and, for odd widths, the high ones in planes of their own. A plane of
// WIDTH bits holds quad j in bits (j / WIDTH) * WIDTH.. of the bytes of its vector j mod WIDTH.
template <int BITS> struct Planes {
  static constexpr int LOW = BITS == 8 ? 8 : BITS >= 4 ? 4 : 2;
  static constexpr int HIGH = BITS - LOW;
  static constexpr int BYTES = QUAD_BYTES * BITS;

  // Bits of quad J from a plane, moved to bit TO.
  template <int WIDTH, int TO, int J> static MIMO_INLINE i8x64 bits(const uint8_t* plane) {
    constexpr int FROM = J / WIDTH * WIDTH;
    const i8x64 bytes = load_i8x64(plane + QUAD_BYTES * (J % WIDTH));
    const i8x64 mask = set1_i8(((1 << WIDTH) - 1) << TO);
    if constexpr (FROM > TO) return bit_and(shift_right<FROM - TO>(bytes), mask);
    if constexpr (FROM < TO) return bit_and(shift_left<TO - FROM>(bytes), mask);
    return bit_and(bytes, mask);
  }

  template <int J> static MIMO_INLINE i8x64 quad(const uint8_t* p) {
    if constexpr (LOW == 8) return load_i8x64(p + QUAD_BYTES * J);
    else if constexpr (HIGH == 0) return bits<LOW, 0, J>(p);
    else return bit_or(bits<LOW, 0, J>(p), bits<HIGH, LOW, J>(p + QUAD_BYTES * LOW));
  }

  template <int WIDTH> static void put(const uint8_t* codes, int from, uint8_t* plane) {
    memset(plane, 0, QUAD_BYTES * WIDTH);
    for (int j = 0; j < 8; j++) {
      uint8_t* out = plane + QUAD_BYTES * (j % WIDTH);
      for (int i = 0; i < QUAD_BYTES; i++) {
        const int bits = codes[QUAD_BYTES * j + i] >> from & ((1 << WIDTH) - 1);
        out[i] = static_cast<uint8_t>(out[i] | bits << j / WIDTH * WIDTH);
      }
    }
  }
  // All eight quads.
  static void pack(const uint8_t* codes, uint8_t* p) {
    put<LOW>(codes, 0, p);
    if constexpr (HIGH > 0) put<HIGH>(codes, LOW, p + QUAD_BYTES * LOW);
  }
};

// A half-precision scale, and perhaps an offset, for each 32 columns.
template <bool OFFSETS> struct HalfScales {
  static constexpr bool HAS_OFFSETS = OFFSETS;
  static constexpr int SPAN = 32, GROUP = 32, BYTES = OFFSETS ? 64 : 32;
  struct Context { const uint16_t* p; };
  static MIMO_INLINE Context open(const uint8_t* p) { return {reinterpret_cast<const uint16_t*>(p)}; }
  static MIMO_INLINE f32x16 scales(Context c, int) { return load_f16(c.p); }
  static MIMO_INLINE f32x16 offsets(Context c, int) { return load_f16(c.p + TILE_ROWS); }
};

// A power of two for each 32 columns, as BF16.
struct PowerScales {
  static constexpr bool HAS_OFFSETS = false;
  static constexpr int SPAN = 32, GROUP = 32, BYTES = 32;
  struct Context { const uint16_t* p; };
  static MIMO_INLINE Context open(const uint8_t* p) { return {reinterpret_cast<const uint16_t*>(p)}; }
  static MIMO_INLINE f32x16 scales(Context c, int) { return load_bf16(c.p); }
};

// For 256 columns a half-precision unit, here divided by 2^SHIFT, and small integers times it for each GROUP_ columns;
// offsets likewise, to be taken away.
template <int GROUP_, bool OFFSETS, int SHIFT = 0> struct SuperScales {
  static constexpr bool HAS_OFFSETS = OFFSETS;
  static constexpr int SPAN = 256, GROUP = GROUP_, NUM_GROUPS = SPAN / GROUP;
  static constexpr int UNITS_BYTES = OFFSETS ? 64 : 32, INTEGERS_BYTES = NUM_GROUPS * TILE_ROWS;
  static constexpr int BYTES = UNITS_BYTES + INTEGERS_BYTES * (OFFSETS ? 2 : 1);
  static constexpr float UNIT = 1.0f / (1 << SHIFT);
  struct Context {
    f32x16 unit, min_unit;
    const int8_t* integers;
  };
  static MIMO_INLINE Context open(const uint8_t* p) {
    const uint16_t* units = reinterpret_cast<const uint16_t*>(p);
    const f32x16 unit = SHIFT == 0 ? load_f16(units) : mul(load_f16(units), set1(UNIT));
    return {unit, OFFSETS ? load_f16(units + TILE_ROWS) : unit, reinterpret_cast<const int8_t*>(p + UNITS_BYTES)};
  }
  static MIMO_INLINE f32x16 scales(const Context& c, int group) {
    return mul(c.unit, load_i8(c.integers + TILE_ROWS * group));
  }
  static MIMO_INLINE f32x16 offsets(const Context& c, int group) {
    return sub(zero(), mul(c.min_unit, load_i8(c.integers + INTEGERS_BYTES + TILE_ROWS * group)));
  }
};

// Sixteen int8 values as `wide` makes them.
template <const int8_t* LEVELS> struct WideLevels {
  int8_t values[16] = {};
  constexpr WideLevels() {
    for (int i = 0; i < 16; i++) values[i] = static_cast<int8_t>(WIDE_BIAS == 0 ? LEVELS[i] : LEVELS[i] ^ -128);
  }
};

// Codes are stored as code + BIAS, or as indices of LEVELS; eight bits are `wide`.
template <int BITS, int BIAS_, class Scales_, const int8_t* LEVELS = nullptr> struct CodeTile {
  using Scales = Scales_;
  using Context = typename Scales::Context;
  using Codes = Planes<BITS>;
  static constexpr bool IS_WIDE = BITS == 8 || LEVELS != nullptr, HAS_OFFSETS = Scales::HAS_OFFSETS;
  static constexpr int SPAN = Scales::SPAN, GROUP = Scales::GROUP;
  static constexpr int BIAS = IS_WIDE ? WIDE_BIAS : BIAS_;  // of quads in a dot
  static constexpr int HEADER = Scales::BYTES, STEP_BYTES = Codes::BYTES;  // a step is 32 columns
  static constexpr int BYTES = HEADER + SPAN / 32 * STEP_BYTES;

  static MIMO_INLINE Context open(const uint8_t* p) { return Scales::open(p); }
  static MIMO_INLINE f32x16 scales(const Context& c, int group) { return Scales::scales(c, group); }
  static MIMO_INLINE f32x16 offsets(const Context& c, int group) { return Scales::offsets(c, group); }

  template <int J> static MIMO_INLINE i8x64 quad(const uint8_t* p) {
    if constexpr (LEVELS == nullptr) {
      return Codes::template quad<J>(p);
    } else {
      static constexpr WideLevels<LEVELS> levels;
      return lookup(levels.values, Codes::template quad<J>(p));
    }
  }

  // The int8 codes of a quad.
  static MIMO_INLINE i8x64 to_codes(i8x64 quad) { return IS_WIDE ? wide(quad) : sub(quad, set1_i8(BIAS)); }

  // Eight quads of int8 codes.
  static void pack(const int8_t* codes, uint8_t* p) {
    uint8_t stored[8 * QUAD_BYTES];
    if constexpr (LEVELS != nullptr) {
      uint8_t index[256] = {};
      for (int i = 15; i >= 0; i--) index[static_cast<uint8_t>(LEVELS[i])] = static_cast<uint8_t>(i);
      for (int i = 0; i < 8 * QUAD_BYTES; i++) stored[i] = index[static_cast<uint8_t>(codes[i])];
    } else {
      constexpr int bias = IS_WIDE ? WIDE_BIAS : BIAS_;
      for (int i = 0; i < 8 * QUAD_BYTES; i++) stored[i] = static_cast<uint8_t>(codes[i] + bias);
    }
    Codes::pack(stored, p);
  }
};

}  // namespace mimo::MIMO_VARIANT
