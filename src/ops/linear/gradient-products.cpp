// Register tiles of C meet packed panels; see gradient-products.h.
//
// r is taken in steps, and columns in panels of a step that stay in the second-level cache while rows pass by: a tile
// of rows is packed into the first-level cache, then meets every panel. Between steps the chains wait in C.
#include "gradient-products.h"

#include "row-tiles.h"

namespace mimo::MIMO_VARIANT {

namespace {

// Rows and sixteen-column vectors of C whose chains run in registers.
constexpr int TILE_M = NUM_REGISTERS >= 32 ? 12 : 6;
constexpr int TILE_VECTORS = NUM_REGISTERS >= 32 ? 2 : 1;
constexpr int64_t STEP = 256;           // of r
constexpr int64_t PANEL_COLUMNS = 512;  // packed at a time
constexpr int64_t PANEL_FLOATS = STEP * 16;
constexpr int64_t TILE_FLOATS = STEP * TILE_M + 16;  // packing writes whole vectors

// Blocks of this size spend little on packing; smaller ones than the least spend much.
constexpr int64_t MAX_ROWS = 192, MAX_COLUMNS = 512, MIN_ROWS = 48, MIN_COLUMNS = 64;

// Elements (r, i) of a factor, r in [r, r + num) and i in [first, first + count), to out[r * width + i]: count <= 16.
// What lies beyond `count` in a vector is zero, or overwritten by the next.
void pack(const Factor& factor, Sum sum, int64_t first, int count, int64_t r, int64_t num, int width, float* out) {
  if (sum == Sum::OVER_ROWS) {
    if (count == 16) {
      for (int64_t j = 0; j < num; j++) store(out + j * width, load(factor.row(r + j) + first));
    } else {
      for (int64_t j = 0; j < num; j++) store(out + j * width, load_n(factor.row(r + j) + first, count));
    }
    return;
  }
  const float* rows[16];
  for (int i = 0; i < count; i++) rows[i] = factor.row(first + i) + r;
  for (int64_t j = 0; j < num; j += 16) {
    i8x64 square[16];
    for (int i = 0; i < 16; i++) square[i] = bytes_of(i < count ? load_up_to(rows[i] + j, num - j) : zero());
    transpose(square);
    const int64_t left = min_of(16, num - j);
    for (int64_t i = 0; i < left; i++) store_i8x64(out + (j + i) * width, square[i]);
  }
}

// Adds `num` products to the chains of T rows and V vectors, of which the last has `count` columns.
template <int T, int V>
void add_tile(const float* a, const float* b, int64_t num, float* const* c, bool from_zero, int count) {
  f32x16 sums[T][V];
  for (int t = 0; t < T; t++) {
    for (int v = 0; v < V; v++) {
      if (from_zero) sums[t][v] = zero();
      else sums[t][v] = v < V - 1 ? load(c[t] + 16 * v) : load_n(c[t] + 16 * v, count);
    }
  }
  for (int64_t r = 0; r < num; r++) {
    f32x16 lanes[V];
    for (int v = 0; v < V; v++) lanes[v] = load(b + v * PANEL_FLOATS + 16 * r);
    for (int t = 0; t < T; t++) {
      const f32x16 factor = set1(a[T * r + t]);
      for (int v = 0; v < V; v++) sums[t][v] = fma(lanes[v], factor, sums[t][v]);
    }
  }
  for (int t = 0; t < T; t++) {
    for (int v = 0; v < V - 1; v++) store(c[t] + 16 * v, sums[t][v]);
    store_n(c[t] + 16 * (V - 1), sums[t][V - 1], count);
  }
}

// T packed rows meet packed panels of `columns` columns.
template <int T>
void add_row_tile(const float* a, const float* panels, int64_t num, float* const (&rows)[TILE_M], bool from_zero,
                  int64_t columns) {
  float* c[T];
  for (int t = 0; t < T; t++) c[t] = rows[t];
  for (int64_t n = 0; n < columns;) {
    const float* b = panels + n / 16 * PANEL_FLOATS;
    const int64_t vectors = min_of(TILE_VECTORS, (columns - n + 15) / 16);
    const int count = static_cast<int>(min_of(16, columns - n - 16 * (vectors - 1)));
    if (vectors == TILE_VECTORS) add_tile<T, TILE_VECTORS>(a, b, num, c, from_zero, count);
    else add_tile<T, 1>(a, b, num, c, from_zero, count);
    for (int t = 0; t < T; t++) c[t] += 16 * vectors;
    n += 16 * vectors;
  }
}

}  // namespace

Blocks::Blocks(int64_t M, int64_t N, int64_t wanted) : M_(M), N_(N) {
  down_ = (M + MAX_ROWS - 1) / MAX_ROWS, across_ = (N + MAX_COLUMNS - 1) / MAX_COLUMNS;
  while (down_ * across_ < wanted) {
    const int64_t rows = M / (2 * down_), columns = N / (2 * across_);
    if (rows < MIN_ROWS && columns < MIN_COLUMNS) break;
    if (columns < MIN_COLUMNS || (rows >= MIN_ROWS && rows >= columns)) down_ *= 2;
    else across_ *= 2;
  }
  rows_ = round_up((M + down_ - 1) / down_, TILE_M), columns_ = round_up((N + across_ - 1) / across_, 16);
  down_ = (M + rows_ - 1) / rows_, across_ = (N + columns_ - 1) / columns_;
}

Block Blocks::at(int64_t i) const {
  const int64_t m = i / across_ * rows_, n = i % across_ * columns_;
  return {m, min_of(rows_, M_ - m), n, min_of(columns_, N_ - n)};
}

float* gradient_scratch(Worker& worker) {
  return static_cast<float*>(worker.scratch((PANEL_COLUMNS * STEP + TILE_FLOATS) * sizeof(float)));
}

void multiply(const Factor& a, Sum sum_a, const Factor& b, Sum sum_b, int64_t R, const Block& block, const Target& c,
              float* scratch) {
  float *panels = scratch, *tile = scratch + PANEL_COLUMNS * STEP;
  const int64_t end = block.n + block.columns;
  for (int64_t n = block.n; n < end; n += PANEL_COLUMNS) {
    const int64_t columns = min_of(PANEL_COLUMNS, end - n);
    for (int64_t r = 0; r < R; r += STEP) {
      const int64_t num = min_of(STEP, R - r);
      for (int64_t i = 0; i < columns; i += 16) {
        pack(b, sum_b, n + i, static_cast<int>(min_of(16, columns - i)), r, num, 16, panels + i / 16 * PANEL_FLOATS);
      }
      each_tile(block.rows, TILE_M, [&](int64_t first, int count) {
        const int64_t m = block.m + first;
        pack(a, sum_a, m, count, r, num, count, tile);
        float* rows[TILE_M];
        for (int t = 0; t < count; t++) rows[t] = c.row(m + t) + n;
        with_constant<TILE_M>(count, [&](auto T) {
          add_row_tile<T.value>(tile, panels, num, rows, r == 0 && !c.accumulate, columns);
        });
      });
    }
  }
}

}  // namespace mimo::MIMO_VARIANT
