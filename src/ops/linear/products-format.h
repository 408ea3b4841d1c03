// The parts of the product that are compiled for each storage format; included by the files that instantiate them.
// See products.h for the order of summation, which all paths keep.
#pragma once

#include "products.h"
#include "row-tiles.h"
#include "tile.h"

namespace mimo::MIMO_VARIANT {

template <class Format> void unpack(const Row& row, int64_t columns, float* out) {
  int64_t k = 0;
  for (; k + CHUNK <= columns; k += CHUNK) {
    each_value<Format>(row, k, [&](int i, f32x16 value) { store(out + k + 16 * i, value); });
  }
  if (k < columns) unpack_last<Format>(row, k, static_cast<int>(columns - k), out + k);
}

// ---- Rows as they are stored, sixteen at a time. Rows beyond the last one repeat it: nobody reads their lanes.

MIMO_INLINE Row row_of_tile(const Matrix& w, int64_t n, int r) { return w.row(n + r < w.rows ? n + r : w.rows - 1); }

// Columns [k, k + count) of rows n.. as f32 [count, 16].
template <class Format> void stored_values(const Matrix& w, int64_t n, int64_t k, int64_t count, float* out) {
  alignas(64) float rows[TILE_ROWS][CHUNK];
  for (int64_t begin = 0; begin < count; begin += CHUNK, out += CHUNK * TILE_ROWS) {
    const int here = count - begin < CHUNK ? static_cast<int>(count - begin) : CHUNK;
    for (int r = 0; r < TILE_ROWS; r++) {
      const Row row = row_of_tile(w, n, r);
      if (here < CHUNK) unpack_last<Format>(row, k + begin, here, rows[r]);
      else each_value<Format>(row, k + begin, [&](int i, f32x16 value) { store(rows[r] + 16 * i, value); });
    }
    for (int i = 0; i < here; i += 16) {
      i8x64 columns[16];
      for (int r = 0; r < TILE_ROWS; r++) columns[r] = load_i8x64(rows[r] + i);
      transpose(columns);
      for (int j = 0; j < 16 && i + j < here; j++) store_i8x64(out + (i + j) * TILE_ROWS, columns[j]);
    }
  }
}

// Sixteen short streams side by side are more than the processor follows by itself.
MIMO_INLINE void prefetch(const uint8_t* p, int bytes) {
  for (int i = 0; i < bytes; i += 64) __builtin_prefetch(p + i);
}

// The same as int8 codes in quads.
template <class Format> void stored_codes(const Matrix& w, int64_t n, int64_t k, int64_t count, CodeGroup* out) {
  constexpr int CHUNK_BYTES = CHUNK / Format::BLOCK * Format::BLOCK_BYTES;
  alignas(64) int8_t codes[TILE_ROWS][CHUNK];
  i8x64 scales[16], offsets[16];
  for (int64_t begin = 0; begin < count; begin += CHUNK, out += CHUNK / 32) {
    const int here = count - begin < CHUNK ? static_cast<int>(count - begin) : CHUNK;
    for (int r = 0; r < TILE_ROWS; r++) {
      const Row row = row_of_tile(w, n, r);
      prefetch(row.data + (k + begin + 2 * CHUNK) / CHUNK * CHUNK_BYTES, CHUNK_BYTES);
      const Codes chunk = here < CHUNK ? decode_last<Format>(row, k + begin, here) : decode<Format>(row, k + begin);
      for (int v = 0; v < 4; v++) store_i8x64(codes[r] + 64 * v, chunk.codes[v]);
      scales[r] = bytes_of(chunk.scales);
      if constexpr (Format::HAS_OFFSETS) offsets[r] = bytes_of(chunk.offsets);
    }
    transpose(scales);
    if constexpr (Format::HAS_OFFSETS) transpose(offsets);
    for (int g = 0; 32 * g < here; g += 2) {
      i8x64 quads[16];
      for (int r = 0; r < TILE_ROWS; r++) quads[r] = load_i8x64(codes[r] + 32 * g);
      transpose(quads);
      for (int j = 0; j < 16 && 32 * g + 4 * j < here; j++) store_i8x64(out[g + j / 8].quads[0][j % 8], quads[j]);
    }
    for (int g = 0; 16 * g < here; g++) {
      store_i8x64(out[g / 2].scales[g % 2], scales[g]);
      if constexpr (Format::HAS_OFFSETS) store_i8x64(out[g / 2].offsets[g % 2], offsets[g]);
    }
  }
}

// ---- Tiles.

template <class Tile> int64_t tile_bytes(int64_t columns) {
  const int64_t whole = columns / Tile::SPAN * Tile::BYTES, rest = columns % Tile::SPAN;
  constexpr int STEP = Tile::SPAN * Tile::STEP_BYTES / (Tile::BYTES - Tile::HEADER);
  return rest == 0 ? whole : whole + Tile::HEADER + (rest + STEP - 1) / STEP * Tile::STEP_BYTES;
}

inline void pack_values(const float* values, uint8_t* p, F32Tile) { memcpy(p, values, F32Tile::BYTES); }
inline void pack_values(const float* values, uint8_t* p, F16Tile) {
  for (int i = 0; i < 4; i++) store_f16(reinterpret_cast<uint16_t*>(p) + 16 * i, load(values + 16 * i));
}
inline void pack_values(const float* values, uint8_t* p, BF16Tile) {
  const int32_t* bits = reinterpret_cast<const int32_t*>(values);
  for (int i = 0; i < 4; i += 2) {
    const i32x16 low = bit_and(shift_right_signed<16>(load_i32(bits + 16 * i)), set1_i32(0xffff));
    const i32x16 high = bit_and(load_i32(bits + 16 * i + 16), set1_i32(static_cast<int32_t>(0xffff0000)));
    store_i8x64(p + 32 * i, bit_or(bytes_of(low), bytes_of(high)));
  }
}

// Values are unpacked and stored again in their own width: exact.
template <class Format> bool pack_floats(const Matrix& w, int64_t n, uint8_t* tile) {
  using Tile = typename Format::Tile;
  alignas(64) float values[CHUNK * TILE_ROWS];
  for (int64_t k = 0; k < w.columns; k += CHUNK) {
    const int64_t count = w.columns - k < CHUNK ? w.columns - k : CHUNK;
    memset(values, 0, sizeof values);
    stored_values<Format>(w, n, k, count, values);
    for (int64_t i = 0; i < count; i += 4, tile += Tile::BYTES) pack_values(values + i * TILE_ROWS, tile, Tile());
  }
  return true;
}

inline bool pack_f8(const Matrix& w, int64_t n, uint8_t* tile) {
  for (int64_t k = 0; k < w.columns; k += 64) {
    const int64_t count = w.columns - k < 64 ? w.columns - k : 64;
    i8x64 quads[16];
    for (int r = 0; r < TILE_ROWS; r++) {
      const Row row = row_of_tile(w, n, r);
      alignas(64) uint8_t codes[64] = {};
      memcpy(codes, row.data + k, static_cast<size_t>(count));
      for (uint8_t code : codes) if ((code & 0x7f) == 0x7f) return false;
      quads[r] = load_i8x64(codes);
      if (k % F8Tile::SPAN == 0) {
        const float scale = row.scales[k / F8Tile::SPAN] * F8Tile::SCALE_UNIT;
        if (!(scale < 3.4e38f && scale > -3.4e38f)) return false;
        memcpy(tile + 4 * r, &scale, sizeof scale);
      }
    }
    if (k % F8Tile::SPAN == 0) tile += F8Tile::HEADER;
    transpose(quads);
    for (int64_t j = 0; 4 * j < count; j++, tile += QUAD_BYTES) store_i8x64(tile, quads[j]);
  }
  return true;
}

inline void pack_scales(const CodeGroup* groups, uint8_t* p, HalfScales<false>) {
  store_f16(reinterpret_cast<uint16_t*>(p), load(groups->scales[0]));
}
inline void pack_scales(const CodeGroup* groups, uint8_t* p, HalfScales<true>) {
  store_f16(reinterpret_cast<uint16_t*>(p), load(groups->scales[0]));
  store_f16(reinterpret_cast<uint16_t*>(p) + TILE_ROWS, load(groups->offsets[0]));
}
inline void pack_scales(const CodeGroup* groups, uint8_t* p, PowerScales) {
  store_bf16(reinterpret_cast<uint16_t*>(p), load(groups->scales[0]));
}

// The integers that scales were made from: scale = unit * integer is exact, so the quotient is the integer. Where it is
// NaN, as for a unit of zero, max and min give their second operands, and so zero.
template <class Scales>
void pack_integers(const CodeGroup* groups, bool offsets, const uint16_t* units, float factor, int8_t* out) {
  const f32x16 unit = mul(load_f16(units), set1(factor));
  for (int g = 0; g < Scales::NUM_GROUPS; g++, out += TILE_ROWS) {
    const int part = Scales::GROUP == 16 ? g % 2 : 0;
    const CodeGroup& group = groups[g * Scales::GROUP / 32];
    const f32x16 quotient = div(load(offsets ? group.offsets[part] : group.scales[part]), unit);
    store_i8(out, to_i32(add(max(quotient, zero()), min(quotient, zero()))));
  }
}

template <class Format> void pack_super_scales(const Matrix& w, int64_t n, int64_t k, const CodeGroup* groups, uint8_t* p) {
  using Scales = typename Format::Tile::Scales;
  uint16_t* units = reinterpret_cast<uint16_t*>(p);
  int8_t* integers = reinterpret_cast<int8_t*>(p + Scales::UNITS_BYTES);
  for (int r = 0; r < TILE_ROWS; r++) {
    const uint8_t* block = row_of_tile(w, n, r).data + k / CHUNK * Format::BLOCK_BYTES;
    memcpy(units + r, block + Format::D, 2);
    if constexpr (Scales::HAS_OFFSETS) memcpy(units + TILE_ROWS + r, block + Format::D_MIN, 2);
  }
  pack_integers<Scales>(groups, false, units, Scales::UNIT, integers);
  if constexpr (Scales::HAS_OFFSETS) {
    pack_integers<Scales>(groups, true, units + TILE_ROWS, -1.0f, integers + Scales::INTEGERS_BYTES);
  }
}

template <class Format> bool pack_codes(const Matrix& w, int64_t n, uint8_t* tile) {
  using Tile = typename Format::Tile;
  CodeGroup groups[CHUNK / 32];
  for (int64_t k = 0; k < w.columns; k += CHUNK) {
    const int64_t count = w.columns - k < CHUNK ? w.columns - k : CHUNK;
    stored_codes<Format>(w, n, k, count, groups);
    for (int64_t i = 0; i < count; i += Tile::SPAN) {
      if constexpr (Format::BLOCK == CHUNK) pack_super_scales<Format>(w, n, k, groups, tile);
      else pack_scales(groups + i / 32, tile, typename Tile::Scales());
      tile += Tile::HEADER;
      for (int g = 0; g < Tile::SPAN / 32; g++, tile += Tile::STEP_BYTES) Tile::pack(groups[i / 32 + g].quads[0][0], tile);
    }
  }
  return true;
}

// ---- Panels.

template <class Tile> void tile_values(const uint8_t* p, int64_t count, float* out) {
  for (int64_t k = 0; k < count; k += Tile::SPAN) {
    const auto context = Tile::open(p);
    p += Tile::HEADER;
    for (int64_t i = k; i < count && i < k + Tile::SPAN; i += 4, p += Tile::STEP_BYTES, out += 4 * TILE_ROWS) {
      unroll<0, 4>([&](auto I) { store(out + I.value * TILE_ROWS, Tile::template value<I.value>(context, p)); });
    }
  }
}

template <class Tile> void code_tile_values(const uint8_t* p, int64_t count, float* out) {
  for (int64_t k = 0; k < count; k += Tile::SPAN) {
    const auto context = Tile::open(p);
    p += Tile::HEADER;
    for (int g = 0; g < Tile::SPAN / 32; g++, p += Tile::STEP_BYTES) {
      unroll<0, 8>([&](auto J) {
        const int group = Tile::GROUP == 32 ? g : 2 * g + J.value / 4;
        const f32x16 scales = Tile::scales(context, group);
        const i32x16 codes = lanes_of(Tile::to_codes(Tile::template quad<J.value>(p)));
        unroll<0, 4>([&](auto I) {
          const f32x16 code = to_f32(shift_right_signed<24>(shift_left<24 - 8 * I.value>(codes)));
          if constexpr (Tile::HAS_OFFSETS) store(out, fma(code, scales, Tile::offsets(context, group)));
          else store(out, mul(code, scales));
          out += TILE_ROWS;
        });
      });
    }
  }
}

MIMO_INLINE void store_wide(CodeGroup* out, int j, i8x64 quad) {
  unroll<0, WEIGHT_PLANES>([&](auto P) { store_i8x64(out->quads[P.value][j], weight_plane<P.value, true>(quad)); });
}

template <class Tile> void tile_codes(const uint8_t* p, int64_t count, CodeGroup* out) {
  for (int64_t k = 0; k < count; k += Tile::SPAN) {
    const auto context = Tile::open(p);
    p += Tile::HEADER;
    for (int g = 0; g < Tile::SPAN / 32; g++, p += Tile::STEP_BYTES, out++) {
      for (int part = 0; part < 32 / Tile::GROUP; part++) {
        const int group = g * (32 / Tile::GROUP) + part;
        store(out->scales[part], Tile::scales(context, group));
        if constexpr (Tile::HAS_OFFSETS) store(out->offsets[part], Tile::offsets(context, group));
      }
      unroll<0, 8>([&](auto J) {
        const i8x64 quad = Tile::template quad<J.value>(p);
        store_wide(out, J.value, Tile::IS_WIDE ? quad : wide(Tile::to_codes(quad)));
      });
    }
  }
}

// Where column k, a multiple of 256, of a tile is.
template <class Tile> MIMO_INLINE const uint8_t* tile_column(const Matrix& w, int64_t n, int64_t k) {
  return w.tile(n / TILE_ROWS) + k / Tile::SPAN * Tile::BYTES;
}

template <class Format> void panel_values(const Matrix& w, int64_t n, int64_t k, int64_t count, float* out) {
  using Tile = typename Format::Tile;
  if (!w.is_packed()) {
    stored_values<Format>(w, n, k, count, out);
    for (int64_t i = count; i % 4 != 0; i++) store(out + i * TILE_ROWS, zero());
  } else if constexpr (Format::IS_QUANTISED) {
    code_tile_values<Tile>(tile_column<Tile>(w, n, k), count, out);
  } else {
    tile_values<Tile>(tile_column<Tile>(w, n, k), count, out);
  }
}

template <class Format> void panel_codes(const Matrix& w, int64_t n, int64_t k, int64_t count, CodeGroup* out) {
  using Tile = typename Format::Tile;
  if (w.is_packed()) return tile_codes<Tile>(tile_column<Tile>(w, n, k), count, out);
  stored_codes<Format>(w, n, k, count, out);
  for (int64_t g = 0; g < count / 32; g++) {
    for (int j = 0; j < 8; j++) store_wide(out + g, j, wide(load_i8x64(out[g].quads[0][j])));
  }
}

// ---- Few rows.

// What rows t.. of activations gave with a tile, of which the last may hold fewer rows of the matrix.
template <int T>
MIMO_INLINE void put_tile(const Matrix& w, int64_t tile, int64_t t, const f32x16 (&sums)[T], const Output& out) {
  const int64_t n = tile * TILE_ROWS, left = w.rows - n;
  for (int j = 0; j < T; j++) out.put(t + j, n, sums[j], static_cast<int>(left < TILE_ROWS ? left : TILE_ROWS));
}

template <class Tile, int T> struct FewFloats {
  // Tiles that advance together: one chain of fused steps alone would wait for each step's result.
  static constexpr int TILES = T == 1 ? 4 : T == 2 ? 2 : 1;

  template <int COUNT>
  static void multiply(const Matrix& w, int64_t tile, const float* const (&x)[T], int64_t t, const Output& out) {
    f32x16 sums[COUNT][T];
    for (auto& row : sums) for (f32x16& sum : row) sum = zero();
    const uint8_t* p[COUNT];
    for (int i = 0; i < COUNT; i++) p[i] = w.tile(tile + i);
    const auto step = [&](const typename Tile::Context (&context)[COUNT], const float* const (&values)[T], int64_t k) {
      unroll<0, 4>([&](auto I) {
        for (int i = 0; i < COUNT; i++) {
          const f32x16 value = Tile::template value<I.value>(context[i], p[i]);
          for (int j = 0; j < T; j++) sums[i][j] = fma(value, set1(values[j][k + I.value]), sums[i][j]);
        }
      });
      for (int i = 0; i < COUNT; i++) p[i] += Tile::STEP_BYTES;
    };
    const int64_t whole = w.columns / 4 * 4;
    typename Tile::Context context[COUNT];
    for (int64_t k = 0; k < w.columns; k += Tile::SPAN) {
      for (int i = 0; i < COUNT; i++) context[i] = Tile::open(p[i]), p[i] += Tile::HEADER;
      const int64_t end = k + Tile::SPAN < whole ? k + Tile::SPAN : whole;
      for (int64_t at = k; at < end; at += 4) step(context, x, at);
    }
    if (whole < w.columns) {
      // A column that does not exist has no activation either.
      float last[T][4] = {};
      const float* values[T];
      for (int j = 0; j < T; j++) {
        memcpy(last[j], x[j] + whole, static_cast<size_t>(w.columns - whole) * sizeof(float));
        values[j] = last[j];
      }
      step(context, values, 0);
    }
    for (int i = 0; i < COUNT; i++) put_tile(w, tile + i, t, sums[i], out);
  }

  static void run(const Matrix& w, int64_t begin, int64_t end, const float* const* x, int64_t t, const Output& out) {
    const float* rows[T];
    for (int j = 0; j < T; j++) rows[j] = x[j];
    for (; begin + TILES <= end; begin += TILES) multiply<TILES>(w, begin, rows, t, out);
    if constexpr (TILES > 1) {
      if (begin == end) return;
      with_constant<TILES - 1>(static_cast<int>(end - begin), [&](auto N) { multiply<N.value>(w, begin, rows, t, out); });
    }
  }
};

template <class Tile, int T, int PLANES> struct FewCodes {
  // Digits are summed apart, since the high ones' sum is worth more; words are not.
  static constexpr int SUMS = MULTIPLIES_BYTES ? PLANES : 1;

  // Adds quads [BEGIN, END) of one scale's columns; PART says which of the group's sums belong to them.
  template <int BEGIN, int END, int PART>
  static MIMO_INLINE void add(const uint8_t* p, f32x16 scales, f32x16 offsets, const QuantisedGroup* const (&x)[T],
                              int64_t g, f32x16 (&sums)[T]) {
    i32x16 dots[SUMS][T];
    for (int t = 0; t < T; t++) {
      dots[0][t] = zero_i32();
      dots[SUMS - 1][t] = biased<Tile::BIAS>(x[t][g].bias_sums[PART]);
    }
    unroll<BEGIN, END>([&](auto J) {
      const i8x64 quad = Tile::template quad<J.value>(p);
      unroll<0, PLANES>([&](auto P) {
        const i8x64 weights = weight_plane<P.value, Tile::IS_WIDE>(quad);
        i32x16(&sum)[T] = dots[P.value % SUMS];
        for (int t = 0; t < T; t++) sum[t] = dot(sum[t], weights, set1_quad(x[t][g].planes[P.value] + 4 * J.value));
      });
    });
    for (int t = 0; t < T; t++) {
      i32x16 codes = dots[SUMS - 1][t];
      if constexpr (SUMS == 2) codes = mimo::MIMO_VARIANT::add(shift_left<7>(dots[0][t]), codes);
      sums[t] = fma(to_f32(codes), mul(scales, set1(x[t][g].scale)), sums[t]);
      if constexpr (Tile::HAS_OFFSETS) sums[t] = fma(offsets, set1(x[t][g].sums[PART]), sums[t]);
    }
  }

  static void multiply(const Matrix& w, int64_t tile, const QuantisedGroup* const (&x)[T], int64_t t,
                       const Output& out) {
    f32x16 sums[T];
    for (f32x16& sum : sums) sum = zero();
    const uint8_t* p = w.tile(tile);
    for (int64_t g = 0; g < w.columns / 32; g += Tile::SPAN / 32) {
      const auto context = Tile::open(p);
      p += Tile::HEADER;
      for (int i = 0; i < Tile::SPAN / 32; i++, p += Tile::STEP_BYTES) {
        constexpr int PER_GROUP = 32 / Tile::GROUP;
        // So many products lie between two reads that the processor's own window no longer reaches far enough ahead.
        prefetch(p + 2048, Tile::STEP_BYTES);
        const f32x16 scales = Tile::scales(context, PER_GROUP * i);
        f32x16 offsets = scales;
        if constexpr (Tile::HAS_OFFSETS) offsets = Tile::offsets(context, PER_GROUP * i);
        if constexpr (PER_GROUP == 1) {
          add<0, 8, 2>(p, scales, offsets, x, g + i, sums);
        } else {
          add<0, 4, 0>(p, scales, offsets, x, g + i, sums);
          if constexpr (Tile::HAS_OFFSETS) offsets = Tile::offsets(context, 2 * i + 1);
          add<4, 8, 1>(p, Tile::scales(context, 2 * i + 1), offsets, x, g + i, sums);
        }
      }
    }
    put_tile(w, tile, t, sums, out);
  }

  static void run(const Matrix& w, int64_t begin, int64_t end, const QuantisedGroup* const* x, int64_t t,
                  const Output& out) {
    const QuantisedGroup* rows[T];
    for (int j = 0; j < T; j++) rows[j] = x[j];
    for (; begin < end; begin++) multiply(w, begin, rows, t, out);
  }
};

template <class Format> FormatKernels kernels_of() {
  using Tile = typename Format::Tile;
  FormatKernels kernels = {};
  kernels.unpack = unpack<Format>;
  kernels.tile_bytes = tile_bytes<Tile>;
  kernels.values = panel_values<Format>;
  if constexpr (Format::IS_QUANTISED) {
    kernels.is_quantised = true;
    kernels.has_offsets = Format::HAS_OFFSETS;
    kernels.group = Tile::GROUP;
    kernels.pack = pack_codes<Format>;
    kernels.codes = panel_codes<Format>;
    unroll<1, MAX_FEW + 1>([&](auto T) {
      unroll<num_planes(1), MAX_PLANES + 1>([&](auto P) {
        kernels.few_codes[P.value - 1][T.value - 1] = FewCodes<Tile, T.value, P.value>::run;
      });
    });
  } else {
    if constexpr (Tile::SPAN == 4) kernels.pack = pack_floats<Format>;
    else kernels.pack = pack_f8;
    unroll<1, MAX_FEW + 1>([&](auto T) { kernels.few[T.value - 1] = FewFloats<Tile, T.value>::run; });
  }
  return kernels;
}

}  // namespace mimo::MIMO_VARIANT
