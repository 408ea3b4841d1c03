// Gradients of attention over documents that lie whole in the batch; see attention.backward.ts for the formulas.
//
// Lanes are queries, as in attention.cpp: a tile is the query heads of one KV head for a few consecutive rows. A tile
// keeps its scores against all keys that it sees, so that each score and each exponential is computed once and memory
// grows with the length of a document, never with its square. Normalisation is put off to the small matrices: weights
// e_j = exp(s_j − m) are not divided, queries and dOut of a lane are multiplied by 1 / Σ e instead.
//
// Fixed order: dQ runs over keys ascending. dK and dV run over the rows of a split ascending (heads within a row),
// then over the splits of the document ascending; splits depend on the document's length alone. A key that a lane must
// not see weighs exactly 0. Sinks sum rows ascending in float64.
//
// Matrices lie in blocks of 16 × 16, block row by block row, padded with zeros.
// Letters: T rows, N query heads, G KV heads, H key width, U value width.
#include "../kv-write/kv-rows.h"

namespace mimo::MIMO_VARIANT {

namespace {

constexpr int64_t SIDE = 16;
constexpr int64_t BLOCK = SIDE * SIDE;
constexpr int64_t MAX_LANES = 32;
constexpr int64_t CHUNK = 4;         // key blocks taken together: dQ is loaded and stored once per chunk
constexpr int64_t SPLIT = 512;       // rows, or a multiple of it where a document would have more than MAX_SPLITS
constexpr int64_t MAX_SPLITS = 16;   // each has its own sums of dK and dV for all keys before its end
constexpr float INFINITE = __builtin_inff();

// Vectors of a product's columns taken together, and rows for so many: what the registers hold beside the operands.
#if defined(__AVX512F__)
constexpr int MAX_VECTORS = 3;
constexpr int rows_for(int vectors) { return vectors == 1 ? 16 : 8; }
#else
constexpr int MAX_VECTORS = 2;
constexpr int rows_for(int vectors) { return vectors == 1 ? 4 : 2; }
#endif

struct Problem {
  const float *q, *k, *v, *sinks;
  const int32_t *rows, *segments, *tables;
  const float *out, *d_out;
  float *d_q, *d_k, *d_v, *d_sinks;
  int64_t T, N, G, H, U;
  float scale;
  int64_t window, places;
  int64_t group;                     // query heads per KV head
  int64_t key_blocks, value_blocks;  // of 16 columns

  int64_t first_key(int64_t position) const { return window > 0 ? max_of(0, position - window + 1) : 0; }
};

// Rows at positions [begin, end) of a document, and the keys from `first_key` on that they see.
struct Split {
  int64_t document;   // the batch row of position 0
  int64_t begin, end;
  int64_t first_key;  // a multiple of 16
  int64_t sums;       // floats before its sums of dK and dV, KV head by KV head
  int64_t later;      // splits of the same document after this one

  int64_t num_blocks() const { return (end - first_key + SIDE - 1) / SIDE; }
};

struct Plan {
  Split* splits;
  int64_t count;
  int64_t sums;        // floats of all splits
  int64_t max_blocks;  // of the keys of one split
};

// Rows [position, position + num_rows) of a document, query heads [head, head + num_heads);
// lane = row within the tile · num_heads + head within the tile.
struct Tile {
  int64_t document, position, num_rows;
  int64_t head, num_heads;
  int64_t lanes;                   // a multiple of 16
  int64_t first_block, end_block;  // of keys, counted from the split's first

  int64_t used() const { return num_rows * num_heads; }
};

// What the lanes of a tile know beside their rows.
struct Lanes {
  alignas(64) float latest[MAX_LANES];    // half a position after the last key seen
  alignas(64) float earliest[MAX_LANES];  // half a position before the first
  alignas(64) float sink[MAX_LANES];
  alignas(64) float max[MAX_LANES];
  alignas(64) float delta[MAX_LANES];
  alignas(64) float inverse[MAX_LANES];  // 1 / Σ e
};

struct Scratch {
  float *keys, *values;          // of the split: [keys][H], [keys][U]
  float *scores;                 // [keys][lanes]: s, then e
  float *d_scores;               // [CHUNK · 16 keys][lanes]
  float *queries, *queries_t;    // [lanes][H], [H][lanes], times scale
  float *d_out, *d_out_t;        // [lanes][U], [U][lanes]
  float *d_queries_t, *d_queries;

  Scratch(const Problem& p, int64_t max_blocks, Worker& worker) {
    constexpr int64_t LANE_BLOCKS = MAX_LANES / SIDE;
    const auto blocks = [&](int64_t n) {
      return static_cast<float*>(worker.scratch(static_cast<size_t>(n * BLOCK) * sizeof(float)));
    };
    keys = blocks(max_blocks * p.key_blocks);
    values = blocks(max_blocks * p.value_blocks);
    scores = blocks(max_blocks * LANE_BLOCKS);
    d_scores = blocks(CHUNK * LANE_BLOCKS);
    queries = blocks(LANE_BLOCKS * p.key_blocks);
    queries_t = blocks(LANE_BLOCKS * p.key_blocks);
    d_queries = blocks(LANE_BLOCKS * p.key_blocks);
    d_queries_t = blocks(LANE_BLOCKS * p.key_blocks);
    d_out = blocks(LANE_BLOCKS * p.value_blocks);
    d_out_t = blocks(LANE_BLOCKS * p.value_blocks);
  }
};

// How 16 rows of a product's left matrix lie in a block: as its rows, or as its columns.
struct ByRow {
  static constexpr int ROW = 16, DEPTH = 1;
};
struct ByColumn {
  static constexpr int ROW = 1, DEPTH = 16;
};

// A matrix from one of its blocks on; `step` floats lie between neighbours along the depth of the product.
struct Operand {
  const float* blocks;
  int64_t step;
};

// c[r][lane] += Σ_k a[r][k] · b[k][lane] for r < rows ≤ 16, k ascending; from 0 where it does not add. Lanes are those
// of VECTORS neighbouring blocks. Strides are constants: so many rows have no registers for addresses.
template <class Layout, int VECTORS>
void multiply(Operand a, Operand b, int64_t rows, int64_t depth, float* c, bool adds) {
  constexpr int ROWS = rows_for(VECTORS);
  for (int64_t row = 0; row < rows; row += ROWS) {
    float* target = c + row * SIDE;
    f32x16 sums[ROWS][VECTORS];
    for (int r = 0; r < ROWS; r++) {
      for (int v = 0; v < VECTORS; v++) sums[r][v] = adds ? load(target + r * SIDE + v * BLOCK) : zero();
    }
    for (int64_t k = 0; k < depth; k += SIDE) {
      const float* column = a.blocks + k / SIDE * a.step + row * Layout::ROW;
      const float* lanes = b.blocks + k / SIDE * b.step;
      const int64_t end = min_of(SIDE, depth - k);
      for (int64_t i = 0; i < end; i++, column += Layout::DEPTH, lanes += SIDE) {
        f32x16 operand[VECTORS];
        for (int v = 0; v < VECTORS; v++) operand[v] = load(lanes + v * BLOCK);
        for (int r = 0; r < ROWS; r++) {
          const f32x16 scalar = set1(column[r * Layout::ROW]);
          for (int v = 0; v < VECTORS; v++) sums[r][v] = fma(scalar, operand[v], sums[r][v]);
        }
      }
    }
    for (int r = 0; r < ROWS; r++) {
      for (int v = 0; v < VECTORS; v++) store(target + r * SIDE + v * BLOCK, sums[r][v]);
    }
  }
}

template <class Layout>
void multiply(int64_t vectors, Operand a, Operand b, int64_t rows, int64_t depth, float* c, bool adds) {
  if (vectors == 1) {
    multiply<Layout, 1>(a, b, rows, depth, c, adds);
  } else if (vectors == 2) {
    multiply<Layout, 2>(a, b, rows, depth, c, adds);
  } else {
    multiply<Layout, MAX_VECTORS>(a, b, rows, depth, c, adds);
  }
}

// c[16][columns] += a[16][lanes] · b[lanes][columns], all columns.
void multiply_lanes(const float* a, int64_t lanes, const float* b, int64_t num_blocks, float* c) {
  for (int64_t block = 0; block < num_blocks;) {
    const int64_t left = num_blocks - block;
    const int64_t vectors = left == MAX_VECTORS ? left : min_of(left, 2);
    multiply<ByRow>(vectors, {a, BLOCK}, {b + block * BLOCK, num_blocks * BLOCK}, SIDE, lanes, c + block * BLOCK, true);
    block += vectors;
  }
}

// [rows][columns] in blocks to [columns][rows] in blocks.
void transpose_blocks(const float* from, int64_t row_blocks, int64_t column_blocks, float* to) {
  for (int64_t i = 0; i < row_blocks; i++) {
    for (int64_t j = 0; j < column_blocks; j++) {
      i8x64 rows[SIDE];
      for (int64_t r = 0; r < SIDE; r++) rows[r] = load_i8x64(from + (i * column_blocks + j) * BLOCK + r * SIDE);
      transpose(rows);
      for (int64_t r = 0; r < SIDE; r++) store_i8x64(to + (j * row_blocks + i) * BLOCK + r * SIDE, rows[r]);
    }
  }
}

// Row `row` of a matrix in blocks from plain memory, times `factor`; zeros where there is none.
void pack_row(const float* from, int64_t width, float factor, float* blocks, int64_t row) {
  const int64_t num_blocks = (width + SIDE - 1) / SIDE;
  float* to = blocks + row / SIDE * num_blocks * BLOCK + row % SIDE * SIDE;
  for (int64_t i = 0; i < width; i += SIDE) {
    store(to + i * SIDE, from == nullptr ? zero() : mul(load_up_to(from + i, width - i), set1(factor)));
  }
}

int64_t locate(const Problem& p, const Split& split, int64_t kv_head, int64_t key) {
  const int32_t* segment = p.segments + 4 * p.rows[2 * split.document];
  const int64_t block = p.tables[segment[0] + key / p.places % segment[1]];
  return cache_row(block * p.places + key % p.places, kv_head, p.G, p.places);
}

void load_keys(const Problem& p, const Split& split, int64_t kv_head, const Scratch& scratch) {
  for (int64_t i = 0; i < split.num_blocks() * SIDE; i++) {
    const int64_t key = split.first_key + i;
    const int64_t row = key < split.end ? locate(p, split, kv_head, key) : -1;
    pack_row(row < 0 ? nullptr : p.k + row * p.H, p.H, 1.0f, scratch.keys, i);
    pack_row(row < 0 ? nullptr : p.v + row * p.U, p.U, 1.0f, scratch.values, i);
  }
}

float dot(const float* a, const float* b, int64_t n) {
  f32x16 sum = zero();
  for (int64_t i = 0; i < n; i += 16) sum = fma(load_up_to(a + i, n - i), load_up_to(b + i, n - i), sum);
  return hsum(sum);
}

void load_queries(const Problem& p, const Tile& tile, const Scratch& scratch, Lanes& lanes) {
  for (int64_t lane = 0; lane < tile.lanes; lane++) {
    const bool is_used = lane < tile.used();
    // A lane without a query sees what the first row sees: its weights are finite, and meet zeros.
    const int64_t position = tile.position + (is_used ? lane / tile.num_heads : 0);
    const int64_t head = tile.head + lane % tile.num_heads;
    const int64_t row = (tile.document + position) * p.N + head;
    pack_row(is_used ? p.q + row * p.H : nullptr, p.H, p.scale, scratch.queries, lane);
    pack_row(is_used ? p.d_out + row * p.U : nullptr, p.U, 1.0f, scratch.d_out, lane);
    lanes.latest[lane] = static_cast<float>(position) + 0.5f;
    lanes.earliest[lane] = static_cast<float>(p.first_key(position)) - 0.5f;
    lanes.sink[lane] = is_used && p.sinks != nullptr ? p.sinks[head] : -INFINITE;
    lanes.delta[lane] = is_used ? dot(p.d_out + row * p.U, p.out + row * p.U, p.U) : 0;
  }
  transpose_blocks(scratch.queries, tile.lanes / SIDE, p.key_blocks, scratch.queries_t);
  transpose_blocks(scratch.d_out, tile.lanes / SIDE, p.value_blocks, scratch.d_out_t);
}

// Scores of keys that a lane must not see become −∞: half a position times infinity says which.
void mask_block(const Tile& tile, const Lanes& lanes, int64_t first_key, float* scores) {
  for (int64_t lane = 0; lane < tile.lanes; lane += SIDE) {
    const f32x16 latest = load(lanes.latest + lane), earliest = load(lanes.earliest + lane);
    for (int64_t i = 0; i < SIDE; i++) {
      const f32x16 key = set1(static_cast<float>(first_key + i));
      const f32x16 bound = mul(min(sub(latest, key), sub(key, earliest)), set1(INFINITE));
      float* score = scores + lane * SIDE + i * SIDE;
      store(score, min(load(score), bound));
    }
  }
}

void score_keys(const Problem& p, const Split& split, const Tile& tile, const Scratch& scratch, Lanes& lanes) {
  const int64_t vectors = tile.lanes / SIDE, step = vectors * BLOCK;
  const int64_t last_first = p.first_key(tile.position + tile.num_rows - 1);
  for (int64_t lane = 0; lane < tile.lanes; lane++) lanes.max[lane] = lanes.sink[lane];
  for (int64_t block = tile.first_block; block < tile.end_block; block++) {
    float* scores = scratch.scores + block * step;
    const int64_t first_key = split.first_key + block * SIDE;
    multiply<ByRow>(vectors, {scratch.keys + block * p.key_blocks * BLOCK, BLOCK}, {scratch.queries_t, step}, SIDE, p.H,
                    scores, false);
    const bool is_whole = first_key >= last_first && first_key + SIDE - 1 <= tile.position;
    if (!is_whole) mask_block(tile, lanes, first_key, scores);
    for (int64_t v = 0; v < vectors; v++) {
      f32x16 greatest = load(lanes.max + v * SIDE);
      for (int64_t i = 0; i < SIDE; i++) greatest = max(greatest, load(scores + v * BLOCK + i * SIDE));
      store(lanes.max + v * SIDE, greatest);
    }
  }
}

// Scores become weights, not yet divided by their sum; the sink comes first.
void weigh_keys(const Tile& tile, const Scratch& scratch, Lanes& lanes) {
  const int64_t vectors = tile.lanes / SIDE;
  for (int64_t v = 0; v < vectors; v++) {
    const f32x16 greatest = load(lanes.max + v * SIDE);
    f32x16 sum = exp(sub(load(lanes.sink + v * SIDE), greatest));
    store(lanes.sink + v * SIDE, sum);
    for (int64_t block = tile.first_block; block < tile.end_block; block++) {
      float* scores = scratch.scores + (block * vectors + v) * BLOCK;
      for (int64_t i = 0; i < SIDE; i++) {
        const f32x16 weight = exp(sub(load(scores + i * SIDE), greatest));
        store(scores + i * SIDE, weight);
        sum = add(sum, weight);
      }
    }
    store(lanes.inverse + v * SIDE, div(set1(1.0f), sum));
  }
}

// Rows of queries and of dOut times 1 / Σ e, and the sinks' terms.
void normalise(const Problem& p, const Tile& tile, const Scratch& scratch, const Lanes& lanes, float* sink_terms) {
  for (int64_t lane = 0; lane < tile.used(); lane++) {
    const f32x16 inverse = set1(lanes.inverse[lane]);
    const auto scale_row = [&](float* blocks, int64_t num_blocks) {
      float* row = blocks + lane / SIDE * num_blocks * BLOCK + lane % SIDE * SIDE;
      for (int64_t i = 0; i < num_blocks; i++) store(row + i * BLOCK, mul(load(row + i * BLOCK), inverse));
    };
    scale_row(scratch.queries, p.key_blocks);
    scale_row(scratch.d_out, p.value_blocks);
    const int64_t row = tile.document + tile.position + lane / tile.num_heads;
    float* sink_term = sink_terms + row * p.N + tile.head + lane % tile.num_heads;
    *sink_term = lanes.sink[lane] * lanes.inverse[lane] * lanes.delta[lane];
  }
}

// e · (dOut · v − delta) of one block of keys.
void differentiate_block(const Problem& p, const Tile& tile, const float* values, const float* weights,
                         const Scratch& scratch, const Lanes& lanes, float* d_scores) {
  const int64_t vectors = tile.lanes / SIDE;
  multiply<ByRow>(vectors, {values, BLOCK}, {scratch.d_out_t, vectors * BLOCK}, SIDE, p.U, d_scores, false);
  for (int64_t v = 0; v < vectors; v++) {
    const f32x16 delta = load(lanes.delta + v * SIDE);
    for (int64_t i = v * BLOCK; i < (v + 1) * BLOCK; i += SIDE) {
      store(d_scores + i, mul(load(weights + i), sub(load(d_scores + i), delta)));
    }
  }
}

void differentiate_keys(const Problem& p, const Tile& tile, const Scratch& scratch, const Lanes& lanes, float* d_keys,
                        float* d_values) {
  const int64_t vectors = tile.lanes / SIDE, step = vectors * BLOCK;
  const int64_t key_step = p.key_blocks * BLOCK, value_step = p.value_blocks * BLOCK;
  memset(scratch.d_queries_t, 0, static_cast<size_t>(p.key_blocks * step) * sizeof(float));
  for (int64_t first = tile.first_block; first < tile.end_block; first += CHUNK) {
    const int64_t count = min_of(CHUNK, tile.end_block - first);
    for (int64_t i = 0; i < count; i++) {
      differentiate_block(p, tile, scratch.values + (first + i) * value_step, scratch.scores + (first + i) * step,
                          scratch, lanes, scratch.d_scores + i * step);
    }
    for (int64_t h = 0; h < p.key_blocks; h++) {
      multiply<ByColumn>(vectors, {scratch.keys + first * key_step + h * BLOCK, key_step}, {scratch.d_scores, step},
                         min_of(SIDE, p.H - h * SIDE), count * SIDE, scratch.d_queries_t + h * step, true);
    }
    for (int64_t i = 0; i < count; i++) {
      const int64_t block = first + i;
      multiply_lanes(scratch.d_scores + i * step, tile.lanes, scratch.queries, p.key_blocks, d_keys + block * key_step);
      multiply_lanes(scratch.scores + block * step, tile.lanes, scratch.d_out, p.value_blocks,
                     d_values + block * value_step);
    }
  }
}

void store_d_queries(const Problem& p, const Tile& tile, const Scratch& scratch, const Lanes& lanes) {
  transpose_blocks(scratch.d_queries_t, p.key_blocks, tile.lanes / SIDE, scratch.d_queries);
  for (int64_t lane = 0; lane < tile.used(); lane++) {
    const float* from = scratch.d_queries + lane / SIDE * p.key_blocks * BLOCK + lane % SIDE * SIDE;
    const int64_t row = tile.document + tile.position + lane / tile.num_heads;
    float* to = p.d_q + (row * p.N + tile.head + lane % tile.num_heads) * p.H;
    const f32x16 factor = set1(p.scale * lanes.inverse[lane]);
    for (int64_t h = 0; h < p.H; h += SIDE) store_up_to(to + h, mul(load(from + h * SIDE), factor), p.H - h);
  }
}

void run_tile(const Problem& p, const Split& split, const Tile& tile, const Scratch& scratch, float* sums,
              float* sink_terms) {
  Lanes lanes;
  load_queries(p, tile, scratch, lanes);
  score_keys(p, split, tile, scratch, lanes);
  weigh_keys(tile, scratch, lanes);
  normalise(p, tile, scratch, lanes, sink_terms);
  differentiate_keys(p, tile, scratch, lanes, sums, sums + split.num_blocks() * p.key_blocks * BLOCK);
  store_d_queries(p, tile, scratch, lanes);
}

int64_t sums_of(const Problem& p, const Split& split) {
  return split.num_blocks() * (p.key_blocks + p.value_blocks) * BLOCK;
}

void run_split(const Problem& p, const Split& split, int64_t kv_head, const Scratch& scratch, float* all_sums,
               float* sink_terms) {
  float* sums = all_sums + split.sums + kv_head * sums_of(p, split);
  memset(sums, 0, static_cast<size_t>(sums_of(p, split)) * sizeof(float));
  load_keys(p, split, kv_head, scratch);
  const int64_t tile_rows = max_of(1, MAX_LANES / p.group);
  for (int64_t position = split.begin; position < split.end; position += tile_rows) {
    const int64_t num_rows = min_of(tile_rows, split.end - position);
    const int64_t first_block = (p.first_key(position) - split.first_key) / SIDE;
    const int64_t end_block = (position + num_rows - 1 - split.first_key) / SIDE + 1;
    for (int64_t head = 0; head < p.group; head += MAX_LANES) {
      const int64_t num_heads = min_of(MAX_LANES, p.group - head);
      const Tile tile{split.document, position, num_rows, kv_head * p.group + head, num_heads,
                      round_up(num_rows * num_heads, SIDE), first_block, end_block};
      run_tile(p, split, tile, scratch, sums, sink_terms);
    }
  }
}

Plan find_splits(const Problem& p, Worker& worker) {
  Plan plan{static_cast<Split*>(worker.scratch(static_cast<size_t>(p.T) * sizeof(Split))), 0, 0, 0};
  for (int64_t document = 0, end; document < p.T; document = end) {
    for (end = document + 1; end < p.T && p.rows[2 * end] == p.rows[2 * document];) end++;
    const int64_t rows = end - document;
    const int64_t size = round_up((rows + MAX_SPLITS - 1) / MAX_SPLITS, SPLIT);
    for (int64_t begin = 0; begin < rows; begin += size) {
      Split& split = plan.splits[plan.count++];
      split = {document, begin, min_of(begin + size, rows), p.first_key(begin) / SIDE * SIDE, plan.sums,
               (rows - begin - 1) / size};
      plan.sums += p.G * sums_of(p, split);
      plan.max_blocks = max_of(plan.max_blocks, split.num_blocks());
    }
  }
  return plan;
}

// dCache gains the sums of all splits that see the keys at the positions of split `index`.
void merge_sums(const Problem& p, const Plan& plan, int64_t index, int64_t kv_head, const float* all_sums) {
  const Split& own = plan.splits[index];
  const auto merge = [&](int64_t key, float* target, int64_t width, bool is_value) {
    const int64_t num_blocks = is_value ? p.value_blocks : p.key_blocks;
    for (int64_t i = 0; i < width; i += SIDE) {
      f32x16 sum = zero();
      for (int64_t s = index; s <= index + own.later && plan.splits[s].first_key <= key; s++) {
        const Split& split = plan.splits[s];
        const int64_t place = key - split.first_key;
        const int64_t before = split.sums + kv_head * sums_of(p, split) +
                               (is_value ? split.num_blocks() * p.key_blocks * BLOCK : 0);
        const int64_t block = place / SIDE * num_blocks + i / SIDE;
        sum = add(sum, load(all_sums + before + block * BLOCK + place % SIDE * SIDE));
      }
      store_up_to(target + i, add(load_up_to(target + i, width - i), sum), width - i);
    }
  };
  for (int64_t key = own.begin; key < own.end; key++) {
    const int64_t row = locate(p, own, kv_head, key);
    merge(key, p.d_k + row * p.H, p.H, false);
    merge(key, p.d_v + row * p.U, p.U, true);
  }
}

Problem read_problem(const Args& args) {
  const Tensor* t = args.tensors;
  Problem p{t[0].as<const float>(), t[1].as<const float>(), t[2].as<const float>(), t[3].as<const float>(),
            t[4].as<const int32_t>(), t[5].as<const int32_t>(), t[6].as<const int32_t>(), t[7].as<const float>(),
            t[8].as<const float>(), t[9].as<float>(), t[10].as<float>(), t[11].as<float>(), t[12].as<float>(),
            args.integer(0), args.integer(1), args.integer(2), args.integer(3), args.integer(4), args.real(5),
            args.integer(6), args.integer(7), 0, 0, 0};
  p.group = p.N / p.G;
  p.key_blocks = (p.H + SIDE - 1) / SIDE;
  p.value_blocks = (p.U + SIDE - 1) / SIDE;
  return p;
}

}  // namespace

// tensors [q, k, v, sinks?, rows, segments, tables, out, dOut, dQ, dK, dV, dSinks?],
// scalars [T, N, G, H, U, scale, window, places]
void attention_backward(const Args& args, Worker& worker) {
  const Problem p = read_problem(args);
  if (p.T == 0) return;
  const Plan plan = find_splits(p, worker);
  const Scratch scratch(p, plan.max_blocks, worker);
  float* sums = static_cast<float*>(worker.shared_scratch(static_cast<size_t>(plan.sums) * sizeof(float)));
  float* sink_terms = static_cast<float*>(worker.shared_scratch(static_cast<size_t>(p.T * p.N) * sizeof(float)));
  int64_t index, end;
  // Late splits see the most keys: they come first, so that all threads end together.
  while (worker.next(0, plan.count * p.G, 1, &index, &end)) {
    run_split(p, plan.splits[plan.count - 1 - index / p.G], index % p.G, scratch, sums, sink_terms);
  }
  worker.barrier();
  while (worker.next(1, plan.count * p.G, 1, &index, &end)) merge_sums(p, plan, index / p.G, index % p.G, sums);
  if (p.d_sinks == nullptr) return;
  while (worker.next(2, p.N, 1, &index, &end)) {
    double sum = 0;
    for (int64_t row = 0; row < p.T; row++) sum += static_cast<double>(sink_terms[row * p.N + index]);
    p.d_sinks[index] -= static_cast<float>(sum);
  }
}

}  // namespace mimo::MIMO_VARIANT
