// Chooses how weight tiles meet activation rows, and multiplies panels of decoded tiles; see products.h.
//
// Columns are taken in blocks, so that a claim's panel stays in the second-level cache and the activations that meet
// it in the first; sums wait in memory between blocks, which changes no bit.
#include "products.h"

#include "row-tiles.h"
#include "rows.h"

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

// Rows of activations whose sums stay in registers.
constexpr int TILE_T = NUM_REGISTERS >= 32 ? 12 : 6;
constexpr int CODES_TILE_T = NUM_REGISTERS >= 32 ? 8 : 4;
constexpr int64_t BLOCK = 1024;  // columns; a multiple of 256
constexpr int64_t PASS_T = 512;  // rows whose sums wait in memory

// Copied activations: rows are a little more than a power of two apart, else all would compete for the same cache sets.
constexpr int64_t FLOATS_STRIDE = BLOCK + 16;
constexpr int64_t GROUPS_STRIDE = BLOCK / GROUP;

constexpr int64_t PANEL_TILES = 4;

// What product_scratch holds.
struct Scratch {
  float* sums;                  // [PANEL_TILES, rows of a pass, 16]
  float* floats;                // [TILE_T, FLOATS_STRIDE]: a block of activations
  QuantisedGroup* quantised;    // [CODES_TILE_T, GROUPS_STRIDE], in the same place
  float* values;                // [PANEL_TILES, BLOCK, 16]: decoded tiles
  CodeGroup* codes;             // [PANEL_TILES, BLOCK / 32], in the same place

  static constexpr int64_t INPUT_BYTES = 128 << 10, PANEL_BYTES = PANEL_TILES * BLOCK * 64;
  static_assert(TILE_T * FLOATS_STRIDE * 4 <= INPUT_BYTES, "floats fit");
  static_assert(CODES_TILE_T * GROUPS_STRIDE * sizeof(QuantisedGroup) <= INPUT_BYTES, "groups fit");
  static_assert(PANEL_TILES * GROUPS_STRIDE * sizeof(CodeGroup) <= PANEL_BYTES, "codes fit");
  static int64_t bytes(int64_t T) { return PANEL_TILES * min_of(T, PASS_T) * 64 + INPUT_BYTES + PANEL_BYTES; }

  explicit Scratch(void* memory) {
    uint8_t* p = static_cast<uint8_t*>(memory);
    floats = reinterpret_cast<float*>(p), quantised = reinterpret_cast<QuantisedGroup*>(p);
    values = reinterpret_cast<float*>(p + INPUT_BYTES), codes = reinterpret_cast<CodeGroup*>(p + INPUT_BYTES);
    sums = reinterpret_cast<float*>(p + INPUT_BYTES + PANEL_BYTES);
  }
};

// Adds `count` columns of a panel times T rows of activations to sums [T, 16].
template <int T> void add_values(const float* w, const float* x, int64_t count, float* sums) {
  f32x16 sum[T];
  for (int t = 0; t < T; t++) sum[t] = load(sums + 16 * t);
  for (int64_t k = 0; k < count; k++) {
    const f32x16 weights = load(w + 16 * k);
    for (int t = 0; t < T; t++) sum[t] = fma(weights, set1(x[t * FLOATS_STRIDE + k]), sum[t]);
  }
  for (int t = 0; t < T; t++) store(sums + 16 * t, sum[t]);
}

// High digits' products go first and are multiplied by 128 in place, so that one register holds both sums.
template <int BEGIN, int END, int PART, bool HAS_OFFSETS, int PLANES, int T>
MIMO_INLINE void add_group(const CodeGroup& w, const QuantisedGroup* x, f32x16 (&sum)[T]) {
  i32x16 dots[T];
  for (int t = 0; t < T; t++) {
    const QuantisedGroup& row = x[t * GROUPS_STRIDE];
    dots[t] = biased<PLANES == 2 ? WIDE_BIAS / 128 : WIDE_BIAS>(row.bias_sums[PART]);
  }
  unroll<0, PLANES>([&](auto P) {
    unroll<BEGIN, END>([&](auto J) {
      const i8x64 quad = load_i8x64(w.quads[P.value % WEIGHT_PLANES][J.value]);
      for (int t = 0; t < T; t++) {
        dots[t] = dot(dots[t], quad, set1_quad(x[t * GROUPS_STRIDE].planes[P.value] + 4 * J.value));
      }
    });
    if constexpr (MULTIPLIES_BYTES && P.value + 1 < PLANES) for (i32x16& sum : dots) sum = shift_left<7>(sum);
  });
  const f32x16 scales = load(w.scales[PART % 2]);
  for (int t = 0; t < T; t++) {
    sum[t] = fma(to_f32(dots[t]), mul(scales, set1(x[t * GROUPS_STRIDE].scale)), sum[t]);
  }
  if constexpr (HAS_OFFSETS) {
    const f32x16 offsets = load(w.offsets[PART % 2]);
    for (int t = 0; t < T; t++) sum[t] = fma(offsets, set1(x[t * GROUPS_STRIDE].sums[PART]), sum[t]);
  }
}

template <int SPAN, bool HAS_OFFSETS, int PLANES, int T>
void add_codes(const CodeGroup* w, const QuantisedGroup* x, int64_t groups, float* sums) {
  f32x16 sum[T];
  for (int t = 0; t < T; t++) sum[t] = load(sums + 16 * t);
  for (int64_t g = 0; g < groups; g++) {
    if constexpr (SPAN == 32) {
      add_group<0, 8, 2, HAS_OFFSETS, PLANES>(w[g], x + g, sum);
    } else {
      add_group<0, 4, 0, HAS_OFFSETS, PLANES>(w[g], x + g, sum);
      add_group<4, 8, 1, HAS_OFFSETS, PLANES>(w[g], x + g, sum);
    }
  }
  for (int t = 0; t < T; t++) store(sums + 16 * t, sum[t]);
}

// How panels of f32 are filled and multiplied.
struct Values {
  static constexpr int TILE = TILE_T;
  const Matrix& w;
  const Inputs& in;
  const Scratch& scratch;

  void fill(int64_t tile, int64_t i, int64_t k, int64_t count) const {
    format_kernels(w.dtype).values(w, tile * 16, k, count, scratch.values + i * BLOCK * 16);
  }
  void copy_inputs(int64_t first, int T, int64_t k, int64_t count) const {
    for (int t = 0; t < T; t++) {
      memcpy(scratch.floats + t * FLOATS_STRIDE, in.x + in.row(first + t) * w.columns + k,
             static_cast<size_t>(count) * sizeof(float));
    }
  }
  void add(int64_t i, int T, int64_t count, float* sums) const {
    with_constant<TILE>(T, [&](auto N) {
      add_values<N.value>(scratch.values + i * BLOCK * 16, scratch.floats, count, sums);
    });
  }
};

// The same for codes.
template <int SPAN, bool HAS_OFFSETS, int PLANES> struct CodesOf {
  static constexpr int TILE = CODES_TILE_T;
  const Matrix& w;
  const Inputs& in;
  const Scratch& scratch;

  void fill(int64_t tile, int64_t i, int64_t k, int64_t count) const {
    format_kernels(w.dtype).codes(w, tile * 16, k, count, scratch.codes + i * (BLOCK / 32));
  }
  void copy_inputs(int64_t first, int T, int64_t k, int64_t count) const {
    for (int t = 0; t < T; t++) {
      memcpy(scratch.quantised + t * GROUPS_STRIDE, in.quantised + (in.row(first + t) * w.columns + k) / GROUP,
             static_cast<size_t>(count / GROUP) * sizeof(QuantisedGroup));
    }
  }
  void add(int64_t i, int T, int64_t count, float* sums) const {
    with_constant<TILE>(T, [&](auto N) {
      add_codes<SPAN, HAS_OFFSETS, PLANES, N.value>(scratch.codes + i * (BLOCK / 32), scratch.quantised, count / 32, sums);
    });
  }
};

template <class Panel> void multiply_panels(const Panel& panel, int64_t begin, int64_t end, const Output& out) {
  const Matrix& w = panel.w;
  const int64_t T = panel.in.T;
  for (int64_t pass = 0; pass < T; pass += PASS_T) {
    const int64_t rows = min_of(PASS_T, T - pass);
    float* sums = panel.scratch.sums;  // [end - begin, rows, 16]
    memset(sums, 0, static_cast<size_t>((end - begin) * rows) * 64);
    for (int64_t k = 0; k < w.columns; k += BLOCK) {
      const int64_t count = min_of(BLOCK, w.columns - k);
      for (int64_t tile = begin; tile < end; tile++) panel.fill(tile, tile - begin, k, count);
      each_tile(rows, Panel::TILE, [&](int64_t first, int num) {
        panel.copy_inputs(pass + first, num, k, count);
        for (int64_t i = 0; i < end - begin; i++) panel.add(i, num, count, sums + (i * rows + first) * 16);
      });
    }
    for (int64_t i = 0; i < end - begin; i++) {
      const int64_t n = (begin + i) * 16;
      const int count = static_cast<int>(min_of(16, w.rows - n));
      for (int64_t t = 0; t < rows; t++) out.put(pass + t, n, load(sums + (i * rows + t) * 16), count);
    }
  }
}

template <int SPAN>
void multiply_codes(const Matrix& w, int64_t begin, int64_t end, const Inputs& in, const Output& out,
                    const Scratch& scratch) {
  const auto run = [&](auto P) {
    if (format_kernels(w.dtype).has_offsets) multiply_panels(CodesOf<SPAN, true, P.value>{w, in, scratch}, begin, end, out);
    else multiply_panels(CodesOf<SPAN, false, P.value>{w, in, scratch}, begin, end, out);
  };
  if constexpr (MULTIPLIES_BYTES) with_constant<MAX_PLANES>(in.digits, run);
  else run(Constant<2>());
}

void multiply_few(const Matrix& w, int64_t begin, int64_t end, const Inputs& in, const Output& out) {
  const FormatKernels& kernels = format_kernels(w.dtype);
  for (int64_t t = 0; t < in.T; t += MAX_FEW) {
    const int64_t T = min_of(MAX_FEW, in.T - t);
    if (kernels.is_quantised) {
      const QuantisedGroup* x[MAX_FEW];
      for (int64_t i = 0; i < T; i++) x[i] = in.quantised + in.row(t + i) * (w.columns / GROUP);
      kernels.few_codes[num_planes(in.digits) - 1][T - 1](w, begin, end, x, t, out);
    } else {
      const float* x[MAX_FEW];
      for (int64_t i = 0; i < T; i++) x[i] = in.x + in.row(t + i) * w.columns;
      kernels.few[T - 1](w, begin, end, x, t, out);
    }
  }
}

}  // namespace

void* product_scratch(int64_t T, Worker& worker) { return worker.scratch(static_cast<size_t>(Scratch::bytes(T))); }

void multiply(const Matrix& w, int64_t begin, int64_t end, const Inputs& in, const Output& out, void* scratch) {
  const FormatKernels& kernels = format_kernels(w.dtype);
  const bool codes = kernels.is_quantised && in.quantised != nullptr;
  if (w.is_packed() && in.T <= FEW_ROWS && codes == kernels.is_quantised) return multiply_few(w, begin, end, in, out);
  const Scratch parts(scratch);
  for (int64_t next; begin < end; begin = next) {
    next = min_of(begin + PANEL_TILES, end);
    if (!codes) multiply_panels(Values{w, in, parts}, begin, next, out);
    else if (kernels.group == 32) multiply_codes<32>(w, begin, next, in, out, parts);
    else multiply_codes<16>(w, begin, next, in, out, parts);
  }
}

}  // namespace mimo::MIMO_VARIANT
