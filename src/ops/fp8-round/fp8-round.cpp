// FP8 rounding; see fp8-round.ts. Tiles do not know of each other: threads claim rows of tiles.
#include "fp8-round.h"

namespace mimo::MIMO_VARIANT {

namespace {

constexpr float LARGEST = 448.0f, SMALLEST_NORMAL = 0x1p-6f, SMALLEST_SCALE = 0x1p-126f;

// The nearest E4M3 value, as a float.
MIMO_INLINE f32x16 to_grid(f32x16 x) {
  // Bounds come first: min and max return their second operand for NaN.
  const f32x16 size = min(set1(LARGEST), abs(x));
  const i32x16 exponent =
      bit_and(lanes_of(bytes_of(max(set1(SMALLEST_NORMAL), size))), set1_i32(0x7f800000));
  // 2^23 steps, an eighth of the power of two each: a float beside that many counts whole ones, ties to even.
  const f32x16 steps = mul(bits_as_f32(exponent), set1(0x1p20f));
  const f32x16 rounded = sub(add(size, steps), steps);
  const i8x64 sign = bit_and(bytes_of(x), bytes_of(set1(-0.0f)));
  return bits_as_f32(lanes_of(bit_or(bytes_of(rounded), sign)));
}

}  // namespace

void round_tiles(const float* x, const int32_t* index, int64_t rows, int64_t columns, Tile tile, float* out) {
  // Tiles of one column go side by side, a lane each.
  const bool is_lane = tile.columns == 1;
  const int64_t width = is_lane ? 16 : tile.columns;
  const auto row = [&](int64_t r) { return x + (index == nullptr ? r : index[r]) * columns; };
  for (int64_t first = 0; first < rows; first += tile.rows) {
    const int64_t last = min_of(first + tile.rows, rows);
    for (int64_t begin = 0; begin < columns; begin += width) {
      const int64_t end = min_of(begin + width, columns);
      f32x16 largest = zero();
      for (int64_t r = first; r < last; r++) {
        for (int64_t c = begin; c < end; c += 16) largest = max(abs(load_up_to(row(r) + c, end - c)), largest);
      }
      const f32x16 peak = is_lane ? largest : set1(hmax(largest));
      const f32x16 scale = max(div(peak, set1(LARGEST)), set1(SMALLEST_SCALE));
      for (int64_t r = first; r < last; r++) {
        for (int64_t c = begin; c < end; c += 16) {
          const f32x16 value = to_grid(div(load_up_to(row(r) + c, end - c), scale));
          store_up_to(out + r * columns + c, mul(value, scale), end - c);
        }
      }
    }
  }
}

// tensors [x, out], scalars [E, M, N, rows of a tile, columns of a tile]
void fp8_round(const Args& args, Worker& worker) {
  const int64_t E = args.integer(0), M = args.integer(1), N = args.integer(2);
  const Tile tile = {args.integer(3), args.integer(4)};
  const float* x = args.tensors[0].as<const float>();
  float* out = args.tensors[1].as<float>();
  constexpr int64_t GRAIN_ROWS = 16;
  const int64_t bands = (M + tile.rows - 1) / tile.rows;
  int64_t begin, end;
  while (worker.next(0, E * bands, max_of(1, GRAIN_ROWS / tile.rows), &begin, &end)) {
    for (int64_t band = begin; band < end; band++) {
      const int64_t row = band % bands * tile.rows, at = (band / bands * M + row) * N;
      round_tiles(x + at, nullptr, min_of(tile.rows, M - row), N, tile, out + at);
    }
  }
}

}  // namespace mimo::MIMO_VARIANT
