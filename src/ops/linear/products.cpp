// Chooses how weight rows meet activation rows, and multiplies panels of unpacked weights; see products.h.
//
// A panel is small enough for the second-level cache. Columns are taken in blocks whose activations stay in the
// first level while all rows of the panel pass; accumulators wait in memory between blocks, which changes no bit.
#include "products.h"

namespace mimo::MIMO_VARIANT {

struct F32; struct F16; struct BF16; struct F8_E4M3;
struct Q8_0; struct Q4_0; struct Q4_1; struct Q5_0; struct Q5_1; struct IQ4_NL; struct MXFP4;
struct Q2_K; struct Q3_K; struct Q4_K; struct Q5_K; struct Q6_K; struct IQ4_XS;
struct IQ2_XXS; struct IQ2_XS; struct IQ2_S; struct IQ3_XXS; struct IQ3_S;
template <class Format> FormatKernels kernels_of();

const FormatKernels& format_kernels(DType dtype) {
  static const FormatKernels kernels[] = {
      kernels_of<F32>(),    kernels_of<F16>(),     kernels_of<BF16>(),    kernels_of<F8_E4M3>(), {},
      kernels_of<Q8_0>(),   kernels_of<Q4_0>(),    kernels_of<Q4_1>(),    kernels_of<Q5_0>(),    kernels_of<Q5_1>(),
      kernels_of<Q2_K>(),   kernels_of<Q3_K>(),    kernels_of<Q4_K>(),    kernels_of<Q5_K>(),    kernels_of<Q6_K>(),
      kernels_of<IQ4_NL>(), kernels_of<IQ4_XS>(),  kernels_of<IQ3_S>(),   kernels_of<IQ3_XXS>(), kernels_of<IQ2_XXS>(),
      kernels_of<IQ2_XS>(), kernels_of<IQ2_S>(),   kernels_of<MXFP4>()};
  static_assert(sizeof kernels / sizeof kernels[0] == static_cast<size_t>(DType::COUNT), "one entry per dtype");
  return kernels[static_cast<size_t>(dtype)];
}

namespace {

constexpr int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
constexpr int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }
constexpr int64_t round_up(int64_t a, int64_t step) { return (a + step - 1) / step * step; }

// Activation rows times weight rows that a tile keeps in registers, and the columns of a block.
constexpr int TILE_T = NUM_REGISTERS >= 32 ? 6 : 3;
constexpr int TILE_N = NUM_REGISTERS >= 32 ? 4 : 2;
constexpr int64_t BLOCK = 512;
// The same for int8, in chunks.
constexpr int CODES_TILE_T = 3;
constexpr int CODES_TILE_N = 4;
constexpr int64_t CODES_BLOCK = 4;

// Rows are a vector more than a power of two apart: else all of a tile would compete for the same cache sets.
constexpr int64_t PACKED = BLOCK + 16;
int64_t panel_stride(int64_t columns) { return num_chunks(columns) * CHUNK + 16; }

constexpr int64_t PANEL_BYTES = 512 << 10;
constexpr int64_t PACKED_BYTES = TILE_T * PACKED * 4;
constexpr int64_t SUMS_BYTES = MAX_CLAIM * max(TILE_T, CODES_TILE_T) * 64;

// What panel_scratch holds.
struct Scratch {
  float* sums;    // [MAX_CLAIM, tile rows of activations, 16]
  float* packed;  // [TILE_T, PACKED]: a block of activations
  float* panel;   // unpacked rows, f32 or CodeChunks, whichever is in use

  explicit Scratch(void* memory)
      : sums(static_cast<float*>(memory)), packed(sums + SUMS_BYTES / 4), panel(packed + PACKED_BYTES / 4) {}
};

int64_t max_claim(int64_t columns, int64_t T) {
  if (T <= MAX_FEW) return MAX_CLAIM;
  return max(TILE_N, min(MAX_CLAIM, PANEL_BYTES / 4 / panel_stride(columns) / TILE_N * TILE_N));
}

// Adds w[r] . x[t] over `count` columns, whole vectors, to the 16 lanes at sums + (r * TILE_T + t) * 16. Rows of w
// are `stride` apart, rows of x PACKED.
template <int T> void add_tile(const float* w, int64_t stride, const float* x, int64_t count, float* sums) {
  f32x16 sum[TILE_N][T];
  for (int r = 0; r < TILE_N; r++) {
    for (int t = 0; t < T; t++) sum[r][t] = load(sums + (r * TILE_T + t) * 16);
  }
  for (int64_t k = 0; k < count; k += 16) {
    f32x16 weights[TILE_N];
    for (int r = 0; r < TILE_N; r++) weights[r] = load(w + r * stride + k);
    for (int t = 0; t < T; t++) {
      const f32x16 value = load(x + t * PACKED + k);
      for (int r = 0; r < TILE_N; r++) sum[r][t] = fma(weights[r], value, sum[r][t]);
    }
  }
  for (int r = 0; r < TILE_N; r++) {
    for (int t = 0; t < T; t++) store(sums + (r * TILE_T + t) * 16, sum[r][t]);
  }
}

// Adds w[r] . x[t] over chunks [begin, end) to the 16 lanes at sums + (r * CODES_TILE_T + t) * 16.
template <bool HAS_OFFSETS, int T>
void add_codes_tile(const CodeChunk* const* w, const QuantisedChunk* const* x, int64_t begin, int64_t end,
                    float* sums) {
  const QuantisedChunk* rows[T];
  for (int t = 0; t < T; t++) rows[t] = x[t];
  f32x16 sum[CODES_TILE_N][T];
  for (int r = 0; r < CODES_TILE_N; r++) {
    for (int t = 0; t < T; t++) sum[r][t] = load(sums + (r * CODES_TILE_T + t) * 16);
  }
  for (int64_t c = begin; c < end; c++) {
    LaneCodes lanes[CODES_TILE_N];
    for (int r = 0; r < CODES_TILE_N; r++) {
      for (int j = 0; j < 4; j++) lanes[r].codes[j] = load_i8x64(w[r][c].codes + 64 * j);
      lanes[r].scales = load(w[r][c].scales);
      if constexpr (HAS_OFFSETS) lanes[r].offsets = load(w[r][c].offsets);
    }
    add_products<HAS_OFFSETS>(lanes, rows, c, sum);
  }
  for (int r = 0; r < CODES_TILE_N; r++) {
    for (int t = 0; t < T; t++) store(sums + (r * CODES_TILE_T + t) * 16, sum[r][t]);
  }
}

template <int N> struct Constant {
  static constexpr int value = N;
};

// Calls run with the integral constant T = t, 1 <= t <= MAX.
template <int MAX, class Run> MIMO_INLINE void with_constant(int t, Run&& run) {
  if constexpr (MAX > 1) {
    if (t < MAX) return with_constant<MAX - 1>(t, run);
  }
  run(Constant<MAX>());
}

// Splits T rows into tiles of at most `tile` that differ by one at most: run(first, count).
template <class Run> void each_tile(int64_t T, int64_t tile, Run&& run) {
  int64_t t = 0;
  for (int64_t left = (T + tile - 1) / tile; left > 0; left--) {
    const int64_t count = (T - t + left - 1) / left;
    run(t, static_cast<int>(count));
    t += count;
  }
}

void multiply_panel(const Matrix& w, int64_t begin, int64_t end, const Inputs& in, const Output& out,
                    const Scratch& scratch) {
  const int64_t columns = w.columns, padded = round_up(columns, 16), stride = panel_stride(columns);
  const int64_t num_rows = end - begin;
  for (int64_t r = 0; r < num_rows; r++) {
    float* row = scratch.panel + r * stride;
    format_kernels(w.dtype).unpack(w.row(begin + r), columns, row);
    for (int64_t k = columns; k < padded; k++) row[k] = 0;
  }
  each_tile(in.T, TILE_T, [&](int64_t first, int num_inputs) {
    memset(scratch.sums, 0, SUMS_BYTES);
    for (int64_t k = 0; k < columns; k += BLOCK) {
      const int64_t count = min(BLOCK, columns - k), whole = round_up(count, 16);
      for (int t = 0; t < num_inputs; t++) {
        float* row = scratch.packed + t * PACKED;
        memcpy(row, in.x + in.row(first + t) * columns + k, static_cast<size_t>(count) * sizeof(float));
        for (int64_t i = count; i < whole; i++) row[i] = 0;
      }
      for (int64_t r = 0; r < num_rows; r += TILE_N) {
        with_constant<TILE_T>(num_inputs, [&](auto T) {
          add_tile<T.value>(scratch.panel + r * stride + k, stride, scratch.packed, whole,
                            scratch.sums + r * TILE_T * 16);
        });
      }
    }
    for (int64_t r = 0; r < num_rows; r++) {
      for (int t = 0; t < num_inputs; t++) {
        out.put(first + t, begin + r, hsum(load(scratch.sums + (r * TILE_T + t) * 16)));
      }
    }
  });
}

template <bool HAS_OFFSETS>
void multiply_codes_panel(const Matrix& w, int64_t begin, int64_t end, const Inputs& in, const Output& out,
                          const Scratch& scratch) {
  CodeChunk* panel = reinterpret_cast<CodeChunk*>(scratch.panel);
  const int64_t chunks = num_chunks(w.columns);
  const int64_t num_rows = end - begin, num_padded = round_up(num_rows, CODES_TILE_N);
  const CodeChunk* rows[MAX_CLAIM];
  for (int64_t r = 0; r < num_padded; r++) {
    rows[r] = panel + (r < num_rows ? r : 0) * chunks;
    if (r < num_rows) format_kernels(w.dtype).unpack_codes(w.row(begin + r), w.columns, panel + r * chunks);
  }
  each_tile(in.T, CODES_TILE_T, [&](int64_t first, int num_inputs) {
    const QuantisedChunk* x[CODES_TILE_T];
    for (int t = 0; t < num_inputs; t++) x[t] = in.quantised + in.row(first + t) * chunks;
    memset(scratch.sums, 0, SUMS_BYTES);
    for (int64_t c = 0; c < chunks; c += CODES_BLOCK) {
      for (int64_t r = 0; r < num_padded; r += CODES_TILE_N) {
        with_constant<CODES_TILE_T>(num_inputs, [&](auto T) {
          add_codes_tile<HAS_OFFSETS, T.value>(rows + r, x, c, min(c + CODES_BLOCK, chunks),
                                               scratch.sums + r * CODES_TILE_T * 16);
        });
      }
    }
    for (int64_t r = 0; r < num_rows; r++) {
      for (int t = 0; t < num_inputs; t++) {
        out.put(first + t, begin + r, hsum(load(scratch.sums + (r * CODES_TILE_T + t) * 16)));
      }
    }
  });
}

}  // namespace

int64_t claim_size(int64_t rows, int64_t columns, int64_t T, const Worker& worker) {
  constexpr int64_t CLAIMS_PER_THREAD = 8;
  const int64_t fair = round_up((rows + worker.count - 1) / worker.count / CLAIMS_PER_THREAD + 1, TILE_N);
  return min(fair, max_claim(columns, T));
}

void* panel_scratch(int64_t columns, int64_t T, Worker& worker) {
  if (T <= MAX_FEW) return nullptr;
  const int64_t panel = max_claim(columns, T) * panel_stride(columns) * static_cast<int64_t>(sizeof(float));
  return worker.scratch(static_cast<size_t>(SUMS_BYTES + PACKED_BYTES + panel));
}

void multiply(const Matrix& w, int64_t begin, int64_t end, const Inputs& in, const Output& out, void* scratch) {
  if (in.T == 0) return;
  const FormatKernels& kernels = format_kernels(w.dtype);
  const bool quantised = kernels.is_quantised && in.quantised != nullptr;
  if (in.T <= MAX_FEW) {
    const float* x[MAX_FEW];
    const QuantisedChunk* chunks[MAX_FEW];
    for (int64_t t = 0; t < in.T; t++) {
      if (quantised) chunks[t] = in.quantised + in.row(t) * num_chunks(w.columns);
      else x[t] = in.x + in.row(t) * w.columns;
    }
    if (quantised) kernels.few_quantised[in.T - 1](w, begin, end, chunks, out);
    else kernels.few[in.T - 1](w, begin, end, x, out);
    return;
  }
  const Scratch parts(scratch);
  if (!quantised) multiply_panel(w, begin, end, in, out, parts);
  else if (kernels.has_offsets) multiply_codes_panel<true>(w, begin, end, in, out, parts);
  else multiply_codes_panel<false>(w, begin, end, in, out, parts);
}

}  // namespace mimo::MIMO_VARIANT
