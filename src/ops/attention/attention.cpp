// Attention over cached keys and values; see attention.ts for the formula and for where a key lies.
//
// Lanes are queries. A tile is the query heads of one KV head, for one row or a few consecutive rows of a sequence;
// with queries across the lanes, the scores S[key][lane] = K · qᵀ and the result accᵀ[u][lane] += Vᵀ · P are the
// same small matrix product, softmax needs no sums across lanes, and each key and value is unpacked once per tile.
//
// Fixed order: a score sums over H ascending; a chunk (64 keys) yields one step of online softmax; a split (512 keys)
// starts afresh; splits merge in ascending order, the sink last. Chunks and splits begin at multiples of their size,
// and a key that a lane must not see weighs exactly 0. So a lane's result does not depend on its tile's company.
//
// Letters: T rows, N query heads, G KV heads, H key width, U value width.
#include "../kv-write/kv-rows.h"

namespace mimo::MIMO_VARIANT {

namespace {

constexpr int64_t CHUNK = 64;
constexpr int64_t SPLIT = 512;
constexpr int64_t KEY_BLOCK = 16;  // keys scored at a time: they fit the first-level cache beside the queries
constexpr int64_t MAX_LANES = 32;
constexpr int64_t MAX_PARTIAL_BYTES = int64_t{256} << 20;
constexpr float LOWEST = -1e30f;  // finite, so that the difference of two of them is 0
constexpr float MASKED = -__builtin_inff();

// Accumulators of the inner product, in vectors: what the registers hold beside the operands.
#if defined(__AVX512F__)
constexpr int ACCUMULATORS = 16;
#else
constexpr int ACCUMULATORS = 4;
#endif

struct Problem {
  const float* q;
  const float* sinks;
  const int32_t* rows;
  const int32_t* segments;
  const int32_t* tables;
  float* out;
  Tensor k_cache, v_cache, k_stage, v_stage;
  int64_t T, N, G, H, U;
  float scale;
  int64_t window, places, stage_places;
  int64_t k_row_bytes, v_row_bytes;
  int64_t group;        // query heads per KV head
  int64_t head_blocks;  // tiles that share the heads of a group wider than the lanes

  int64_t position(int64_t row) const { return rows[2 * row + 1]; }
  int64_t first_key(int64_t row) const { return window > 0 ? max_of(0, position(row) - window + 1) : 0; }
};

// Rows [row, row + num_rows) of one segment at consecutive positions.
struct RowRun {
  int64_t row, num_rows;
};

// Query heads [head, head + num_heads) of a run of rows; lane = row within the run · num_heads + head within the tile.
struct Tile {
  const Problem& problem;
  int64_t row, num_rows;
  int64_t kv_head, head, num_heads;
  int64_t lanes;               // a multiple of 16
  int64_t first_key, end_key;  // of all its rows together

  int64_t first_split() const { return first_key / SPLIT; }
  int64_t end_split() const { return (end_key + SPLIT - 1) / SPLIT; }
};

// The state of online softmax over some keys: the result is acc[u][lane] / sum[lane].
struct State {
  float* max;  // [lanes]
  float* sum;  // [lanes]
  float* acc;  // [U′][lanes], U′ = U rounded up to 16

  static int64_t floats(int64_t lanes, int64_t U) { return lanes * (2 + round_up(U, 16)); }
  static State at(float* memory, int64_t lanes) { return {memory, memory + lanes, memory + 2 * lanes}; }

  void clear(int64_t lanes, int64_t U) const {
    for (int64_t i = 0; i < lanes; i++) max[i] = LOWEST;
    memset(sum, 0, static_cast<size_t>(floats(lanes, U) - lanes) * sizeof(float));
  }
};

struct Scratch {
  float* queries;  // [H][lanes], times scale
  float* keys;     // [H′ / 16][KEY_BLOCK][16]
  float* values;   // [U′ / 16][CHUNK][16]
  float* scores;   // [CHUNK][lanes]
  float* factor;   // [lanes]
  float* split;    // a State
  float* merged;   // a State

  Scratch(const Problem& p, Worker& worker) {
    const auto floats = [&](int64_t n) { return static_cast<float*>(worker.scratch(static_cast<size_t>(n) * 4)); };
    queries = floats(p.H * MAX_LANES);
    keys = floats(KEY_BLOCK * round_up(p.H, 16));
    values = floats(CHUNK * round_up(p.U, 16));
    scores = floats(CHUNK * MAX_LANES);
    factor = floats(MAX_LANES);
    split = floats(State::floats(MAX_LANES, p.U));
    merged = floats(State::floats(MAX_LANES, p.U));
  }
};

// How the left matrix of a product lies in blocks of 16 × 16 along its depth: keys by row, values by column.
struct ByRow {
  static constexpr int ROW = 16, DEPTH = 1;
};
struct ByColumn {
  static constexpr int ROW = 1, DEPTH = 16;
};
constexpr int64_t BLOCK = 16 * 16;

// c[r][lane] = c[r][lane] · factor[lane] + Σ_k a[r][k] · b[k][lane] for 16 rows, k ascending; from 0 without `factor`.
// b and c have 16 · VECTORS lanes. Strides are constants: so many rows have no registers for addresses.
template <class Layout, int VECTORS>
void multiply(const float* a, const float* b, int64_t depth, float* c, const float* factor) {
  constexpr int ROWS = ACCUMULATORS / VECTORS;
  constexpr int LANES = 16 * VECTORS;
  for (int row = 0; row < 16; row += ROWS, a += ROWS * Layout::ROW, c += ROWS * LANES) {
    f32x16 sums[ROWS][VECTORS];
    for (int r = 0; r < ROWS; r++) {
      for (int v = 0; v < VECTORS; v++) {
        sums[r][v] = factor == nullptr ? zero() : mul(load(c + r * LANES + 16 * v), load(factor + 16 * v));
      }
    }
    for (int64_t k = 0; k < depth; k++) {
      const float* column = a + k / 16 * BLOCK + k % 16 * Layout::DEPTH;
      f32x16 operand[VECTORS];
      for (int v = 0; v < VECTORS; v++) operand[v] = load(b + k * LANES + 16 * v);
      for (int r = 0; r < ROWS; r++) {
        const f32x16 scalar = set1(column[r * Layout::ROW]);
        for (int v = 0; v < VECTORS; v++) sums[r][v] = fma(scalar, operand[v], sums[r][v]);
      }
    }
    for (int r = 0; r < ROWS; r++) {
      for (int v = 0; v < VECTORS; v++) store(c + r * LANES + 16 * v, sums[r][v]);
    }
  }
}

template <class Layout>
void multiply(const float* a, const float* b, int64_t depth, float* c, int64_t lanes, const float* factor) {
  if (lanes == 16) {
    multiply<Layout, 1>(a, b, depth, c, factor);
  } else {
    multiply<Layout, 2>(a, b, depth, c, factor);
  }
}

// Each 16 elements go to `stride` floats behind the ones before. What a padded row holds beyond `width` is finite.
void unpack_row(DType dtype, const uint8_t* row, int64_t width, float* out, int64_t stride) {
  const uint16_t* halves = reinterpret_cast<const uint16_t*>(row);
  const int64_t whole = width / 16 * 16;
  const int tail = static_cast<int>(width - whole);
  switch (dtype) {
    case DType::F32:
      for (int64_t i = 0; i < width; i += 16) {
        store(out + i / 16 * stride, load_up_to(reinterpret_cast<const float*>(row) + i, width - i));
      }
      break;
    case DType::F16:
      for (int64_t i = 0; i < whole; i += 16) store(out + i / 16 * stride, load_f16(halves + i));
      if (tail > 0) store(out + whole / 16 * stride, load_f16_n(halves + whole, tail));
      break;
    case DType::BF16:
      for (int64_t i = 0; i < whole; i += 16) store(out + i / 16 * stride, load_bf16(halves + i));
      if (tail > 0) store(out + whole / 16 * stride, load_bf16_n(halves + whole, tail));
      break;
    default:  // Q8_0: the contract admits no other
      for (int64_t i = 0; i < width; i += 16) {
        const uint8_t* block = row + i / Q8_ELEMENTS * Q8_BYTES;
        uint16_t scale;
        memcpy(&scale, block, sizeof scale);
        const int8_t* codes = reinterpret_cast<const int8_t*>(block + 2 + i % Q8_ELEMENTS);
        store(out + i / 16 * stride, mul(set1(finite_f16_to_f32(scale)), load_i8(codes)));
      }
  }
}

// Rows that lie one after another in the cache or in the stage.
struct KvRun {
  const uint8_t* keys;
  const uint8_t* values;
  int64_t count;
};

// The keys from `key` on, before `end`, as far as they lie together.
KvRun locate(const Tile& tile, int64_t key, int64_t end) {
  const Problem& p = tile.problem;
  const int32_t* segment = p.segments + 4 * p.rows[2 * tile.row];
  const int64_t table_start = segment[0], table_length = segment[1], staged_from = segment[2], staged_row = segment[3];
  const bool is_staged = key >= staged_from;
  int64_t row, count;
  if (is_staged) {
    row = cache_row(staged_row + key - staged_from, tile.kv_head, p.G, p.stage_places);
    count = end - key;
  } else {
    const int64_t block = p.tables[table_start + key / p.places % table_length];
    const int64_t place = key % p.places;
    row = cache_row(block * p.places + place, tile.kv_head, p.G, p.places);
    count = min_of(min_of(end, staged_from) - key, p.places - place);
  }
  const Tensor& k = is_staged ? p.k_stage : p.k_cache;
  const Tensor& v = is_staged ? p.v_stage : p.v_cache;
  return {k.as<const uint8_t>() + row * p.k_row_bytes, v.as<const uint8_t>() + row * p.v_row_bytes, count};
}

void load_queries(const Tile& tile, float* queries) {
  const Problem& p = tile.problem;
  memset(queries, 0, static_cast<size_t>(p.H * tile.lanes) * sizeof(float));
  for (int64_t r = 0; r < tile.num_rows; r++) {
    for (int64_t n = 0; n < tile.num_heads; n++) {
      const float* query = p.q + ((tile.row + r) * p.N + tile.head + n) * p.H;
      float* lane = queries + r * tile.num_heads + n;
      for (int64_t h = 0; h < p.H; h++) lane[h * tile.lanes] = query[h] * p.scale;
    }
  }
}

// Bytes that are soon to be read; an address outside the cache does no harm.
void prefetch(const uint8_t* bytes, int64_t count) {
  for (int64_t i = 0; i < count; i += 64) __builtin_prefetch(bytes + i);
}

// Scores of keys [begin, end) and their unpacked values. Rows of the next block come in from memory meanwhile.
void score_chunk(const Tile& tile, int64_t begin, int64_t end, const Scratch& scratch) {
  const Problem& p = tile.problem;
  for (int64_t block = begin; block < end; block += KEY_BLOCK) {
    const int64_t block_end = min_of(block + KEY_BLOCK, end);
    for (int64_t key = block; key < block_end;) {
      const KvRun run = locate(tile, key, block_end);
      for (int64_t i = 0; i < run.count; i++, key++) {
        float* keys = scratch.keys + (key - block) * 16;
        float* values = scratch.values + (key - begin) * 16;
        unpack_row(p.k_cache.dtype, run.keys + i * p.k_row_bytes, p.H, keys, KEY_BLOCK * 16);
        unpack_row(p.v_cache.dtype, run.values + i * p.v_row_bytes, p.U, values, CHUNK * 16);
        prefetch(run.keys + (i + KEY_BLOCK) * p.k_row_bytes, p.k_row_bytes);
        prefetch(run.values + (i + KEY_BLOCK) * p.v_row_bytes, p.v_row_bytes);
      }
    }
    // Beyond block_end these are products with keys of an earlier block, which nobody reads.
    multiply<ByRow>(scratch.keys, scratch.queries, p.H, scratch.scores + (block - begin) * tile.lanes, tile.lanes,
                    nullptr);
  }
}

void mask_keys(const Tile& tile, int64_t chunk, int64_t begin, int64_t end, int64_t row, float* scores) {
  for (int64_t key = begin; key < end; key++) {
    float* lane = scores + (key - chunk) * tile.lanes + row * tile.num_heads;
    for (int64_t n = 0; n < tile.num_heads; n++) lane[n] = MASKED;
  }
}

// One step of online softmax: scores become weights; `factor` is what the sums so far must be multiplied by.
void weigh_chunk(float* scores, int64_t count, int64_t lanes, const State& state, float* factor) {
  for (int64_t lane = 0; lane < lanes; lane += 16) {
    const f32x16 old_max = load(state.max + lane);
    f32x16 new_max = old_max;
    for (int64_t key = 0; key < count; key++) new_max = max(new_max, load(scores + key * lanes + lane));
    const f32x16 scale = exp(sub(old_max, new_max));
    f32x16 sum = mul(load(state.sum + lane), scale);
    for (int64_t key = 0; key < count; key++) {
      float* score = scores + key * lanes + lane;
      const f32x16 weight = exp(sub(load(score), new_max));
      store(score, weight);
      sum = add(sum, weight);
    }
    store(state.max + lane, new_max);
    store(state.sum + lane, sum);
    store(factor + lane, scale);
  }
}

void attend_split(const Tile& tile, int64_t split, const State& state, const Scratch& scratch) {
  const Problem& p = tile.problem;
  const int64_t end = min_of((split + 1) * SPLIT, tile.end_key);
  state.clear(tile.lanes, p.U);
  for (int64_t begin = max_of(split * SPLIT, tile.first_key); begin < end;) {
    const int64_t chunk_end = min_of((begin / CHUNK + 1) * CHUNK, end);
    score_chunk(tile, begin, chunk_end, scratch);
    for (int64_t r = 0; r < tile.num_rows; r++) {
      const int64_t first = p.first_key(tile.row + r), last = p.position(tile.row + r);
      mask_keys(tile, begin, begin, min_of(first, chunk_end), r, scratch.scores);
      mask_keys(tile, begin, max_of(last + 1, begin), chunk_end, r, scratch.scores);
    }
    weigh_chunk(scratch.scores, chunk_end - begin, tile.lanes, state, scratch.factor);
    for (int64_t u = 0; u < p.U; u += 16) {
      multiply<ByColumn>(scratch.values + u * CHUNK, scratch.scores, chunk_end - begin, state.acc + u * tile.lanes,
                         tile.lanes, scratch.factor);
    }
    begin = chunk_end;
  }
}

// `into` takes in the keys of `other`. A state without keys changes nothing.
void merge(const State& into, const State& other, int64_t lanes, int64_t U) {
  for (int64_t lane = 0; lane < lanes; lane += 16) {
    const f32x16 a = load(into.max + lane), b = load(other.max + lane);
    const f32x16 joint = max(a, b);
    const f32x16 keep = exp(sub(a, joint)), take = exp(sub(b, joint));
    store(into.max + lane, joint);
    store(into.sum + lane, fma(load(other.sum + lane), take, mul(load(into.sum + lane), keep)));
    for (int64_t u = 0; u < U; u++) {
      float* sum = into.acc + u * lanes + lane;
      store(sum, fma(load(other.acc + u * lanes + lane), take, mul(load(sum), keep)));
    }
  }
}

// Takes in the sinks, divides, and writes the tile's part of `out`. Overwrites the state.
void finish(const Tile& tile, const State& state) {
  const Problem& p = tile.problem;
  const int64_t lanes = tile.lanes;
  alignas(64) float sinks[MAX_LANES] = {};
  for (int64_t lane = 0; lane < lanes; lane++) {
    const bool has_sink = p.sinks != nullptr && lane < tile.num_rows * tile.num_heads;
    sinks[lane] = has_sink ? p.sinks[tile.head + lane % tile.num_heads] : MASKED;
  }
  for (int64_t lane = 0; lane < lanes; lane += 16) {
    const f32x16 sink = load(sinks + lane), old_max = load(state.max + lane);
    const f32x16 joint = max(old_max, sink);
    const f32x16 keep = exp(sub(old_max, joint));
    const f32x16 sum = fma(load(state.sum + lane), keep, exp(sub(sink, joint)));
    const f32x16 factor = div(keep, sum);
    for (int64_t u = 0; u < p.U; u++) {
      float* value = state.acc + u * lanes + lane;
      store(value, mul(load(value), factor));
    }
  }
  for (int64_t lane = 0; lane < tile.num_rows * tile.num_heads; lane++) {
    const int64_t row = tile.row + lane / tile.num_heads, head = tile.head + lane % tile.num_heads;
    float* out = p.out + (row * p.N + head) * p.U;
    for (int64_t u = 0; u < p.U; u++) out[u] = state.acc[u * lanes + lane];
  }
}

// Runs as long as the lanes allow: every row of a run shares the keys that are unpacked for it.
int64_t find_runs(const Problem& p, RowRun* runs) {
  const int64_t max_rows = max_of(1, MAX_LANES / p.group);
  int64_t count = 0;
  for (int64_t row = 0; row < p.T; row++) {
    if (count > 0) {
      RowRun& run = runs[count - 1];
      const bool is_next = p.rows[2 * row] == p.rows[2 * run.row] && p.position(row) == p.position(row - 1) + 1;
      if (is_next && run.num_rows < max_rows) {
        run.num_rows++;
        continue;
      }
    }
    runs[count++] = {row, 1};
  }
  return count;
}

Tile make_tile(const Problem& p, const RowRun* runs, int64_t index) {
  const RowRun& run = runs[index / (p.G * p.head_blocks)];
  const int64_t kv_head = index / p.head_blocks % p.G, block = index % p.head_blocks;
  const int64_t num_heads = min_of(p.group - block * MAX_LANES, MAX_LANES);
  const int64_t last_row = run.row + run.num_rows - 1;
  const int64_t head = kv_head * p.group + block * MAX_LANES;
  const int64_t lanes = round_up(run.num_rows * num_heads, 16);
  return {p, run.row, run.num_rows, kv_head, head, num_heads, lanes, p.first_key(run.row), p.position(last_row) + 1};
}

// Every split of a tile in one go: enough where there are more tiles than threads.
void attend_tiles(const Problem& p, const RowRun* runs, int64_t num_tiles, Worker& worker) {
  const Scratch scratch(p, worker);
  int64_t index, end;
  while (worker.next(0, num_tiles, 1, &index, &end)) {
    const Tile tile = make_tile(p, runs, index);
    const State split = State::at(scratch.split, tile.lanes), merged = State::at(scratch.merged, tile.lanes);
    load_queries(tile, scratch.queries);
    merged.clear(tile.lanes, p.U);
    for (int64_t s = tile.first_split(); s < tile.end_split(); s++) {
      attend_split(tile, s, split, scratch);
      merge(merged, split, tile.lanes, p.U);
    }
    finish(tile, merged);
  }
}

// Splits of all tiles spread over the threads, then merged in the same order as above.
void attend_splits(const Problem& p, const RowRun* runs, int64_t num_tiles, int64_t max_splits, Worker& worker) {
  const Scratch scratch(p, worker);
  const int64_t state_floats = State::floats(MAX_LANES, p.U);
  float* partials =
      static_cast<float*>(worker.shared_scratch(static_cast<size_t>(num_tiles * max_splits * state_floats) * 4));
  int64_t index, end;
  while (worker.next(0, num_tiles * max_splits, 1, &index, &end)) {
    const Tile tile = make_tile(p, runs, index / max_splits);
    const int64_t split = tile.first_split() + index % max_splits;
    if (split >= tile.end_split()) continue;
    load_queries(tile, scratch.queries);
    attend_split(tile, split, State::at(partials + index * state_floats, tile.lanes), scratch);
  }
  worker.barrier();
  while (worker.next(1, num_tiles, 1, &index, &end)) {
    const Tile tile = make_tile(p, runs, index);
    const State merged = State::at(scratch.merged, tile.lanes);
    merged.clear(tile.lanes, p.U);
    for (int64_t s = 0; s < tile.end_split() - tile.first_split(); s++) {
      merge(merged, State::at(partials + (index * max_splits + s) * state_floats, tile.lanes), tile.lanes, p.U);
    }
    finish(tile, merged);
  }
}

Problem read_problem(const Args& args) {
  const Tensor* t = args.tensors;
  Problem p{t[0].as<const float>(), t[5].as<const float>(), t[6].as<const int32_t>(), t[7].as<const int32_t>(),
            t[8].as<const int32_t>(), t[9].as<float>(), t[1], t[2], t[3], t[4],
            args.integer(0), args.integer(1), args.integer(2), args.integer(3), args.integer(4), args.real(5),
            args.integer(6), args.integer(7), args.integer(8), 0, 0, 0, 0};
  p.k_row_bytes = kv_row_bytes(p.k_cache.dtype, p.H);
  p.v_row_bytes = kv_row_bytes(p.v_cache.dtype, p.U);
  p.group = p.N / p.G;
  p.head_blocks = (p.group + MAX_LANES - 1) / MAX_LANES;
  return p;
}

}  // namespace

// tensors [q, kCache, vCache, kStage?, vStage?, sinks?, rows, segments, tables, out],
// scalars [T, N, G, H, U, scale, window, places, stagePlaces]
void attention(const Args& args, Worker& worker) {
  const Problem p = read_problem(args);
  if (p.T == 0) return;
  RowRun* runs = static_cast<RowRun*>(worker.scratch(static_cast<size_t>(p.T) * sizeof(RowRun)));
  const int64_t num_tiles = find_runs(p, runs) * p.G * p.head_blocks;
  int64_t max_splits = 1;
  for (int64_t i = 0; i < num_tiles; i += p.G * p.head_blocks) {
    const Tile tile = make_tile(p, runs, i);
    max_splits = max_of(max_splits, tile.end_split() - tile.first_split());
  }
  // Which way is taken changes speed, never results.
  const int64_t partial_bytes = num_tiles * max_splits * State::floats(MAX_LANES, p.U) * 4;
  const bool is_balanced = worker.count == 1 || num_tiles >= 4 * worker.count || max_splits <= 2;
  if (is_balanced || partial_bytes > MAX_PARTIAL_BYTES) {
    attend_tiles(p, runs, num_tiles, worker);
  } else {
    attend_splits(p, runs, num_tiles, max_splits, worker);
  }
}

}  // namespace mimo::MIMO_VARIANT
