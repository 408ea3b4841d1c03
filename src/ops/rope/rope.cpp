// Rotary position embedding; see rope.ts. Angles are float64 up to their cosine: positions reach 2^18.
#include <math.h>

#include "rows.h"

namespace mimo::MIMO_VARIANT {

// tensors [positions, out], scalars [T, d, theta]
void rope_table(const Args& args, Worker& worker) {
  constexpr int64_t GRAIN = 8;
  const int32_t* positions = args.tensors[0].as<const int32_t>();
  float* out = args.tensors[1].as<float>();
  const int64_t T = args.integer(0), d = args.integer(1), half = d / 2;
  double* frequencies = static_cast<double*>(worker.scratch(static_cast<size_t>(half) * sizeof(double)));
  for (int64_t i = 0; i < half; i++) {
    frequencies[i] = ::pow(args.scalars[2], static_cast<double>(-2 * i) / static_cast<double>(d));
  }
  int64_t begin, end;
  while (worker.next(0, T, GRAIN, &begin, &end)) {
    for (int64_t t = begin; t < end; t++) {
      for (int64_t i = 0; i < half; i++) {
        const double angle = positions[t] * frequencies[i];
        out[t * d + i] = static_cast<float>(::cos(angle));
        out[t * d + half + i] = static_cast<float>(::sin(angle));
      }
    }
  }
}

namespace {

// By the table's angles, or back by them.
template <bool BACK> void rotate(const Args& args, Worker& worker) {
  constexpr int64_t GRAIN = 16;
  float* x = args.tensors[0].as<float>();
  const float* table = args.tensors[1].as<const float>();
  const int64_t T = args.integer(0), heads = args.integer(1), H = args.integer(2), d = args.integer(3), half = d / 2;
  int64_t begin, end;
  while (worker.next(0, T * heads, GRAIN, &begin, &end)) {
    for (int64_t head = begin; head < end; head++) {
      const float* cosines = table + head / heads * d;
      const float* sines = cosines + half;
      float* first = x + head * H;
      float* second = first + half;
      for (int64_t i = 0; i < half; i += 16) {
        const int64_t n = half - i;
        const f32x16 a = load_up_to(first + i, n), b = load_up_to(second + i, n);
        const f32x16 cos = load_up_to(cosines + i, n), sin = load_up_to(sines + i, n);
        const f32x16 from_b = mul(b, sin), from_a = mul(a, sin);
        store_up_to(first + i, BACK ? add(mul(a, cos), from_b) : sub(mul(a, cos), from_b), n);
        store_up_to(second + i, BACK ? sub(mul(b, cos), from_a) : add(mul(b, cos), from_a), n);
      }
    }
  }
}

}  // namespace

// tensors [x, table], scalars [T, heads, H, d]
void rope(const Args& args, Worker& worker) { rotate<false>(args, worker); }

// tensors [dX, table], scalars [T, heads, H, d]; see rope.backward.ts
void rope_backward(const Args& args, Worker& worker) { rotate<true>(args, worker); }

}  // namespace mimo::MIMO_VARIANT
