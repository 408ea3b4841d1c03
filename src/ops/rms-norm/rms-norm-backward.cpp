// Gradients of RMS norm; see rms-norm.backward.ts. A row of dX belongs to one thread; its two sums over D run through
// one vector each. dWeight sums the rows of a split ascending, then splits; a split is SPLIT rows of the batch.
#include <math.h>

#include "rows.h"

namespace mimo::MIMO_VARIANT {

namespace {

constexpr int64_t SPLIT = 64;

struct Row {
  const float *x, *d_out;
  float* d_x;
};

// dX of one row, and its part of dWeight added to `sums`.
void run_row(const Row& row, const float* weight, int64_t D, double epsilon, float* sums) {
  f32x16 squares = zero(), products = zero();
  for (int64_t d = 0; d < D; d += 16) {
    const f32x16 x = load_up_to(row.x + d, D - d);
    squares = fma(x, x, squares);
    products = fma(mul(load_up_to(row.d_out + d, D - d), load_up_to(weight + d, D - d)), x, products);
  }
  const double width = static_cast<double>(D);
  const double scale = 1.0 / ::sqrt(static_cast<double>(hsum(squares)) / width + epsilon);
  const f32x16 factor = set1(static_cast<float>(scale));
  const f32x16 pull = set1(static_cast<float>(scale * scale * scale * static_cast<double>(hsum(products)) / width));
  for (int64_t d = 0; d < D; d += 16) {
    const int64_t n = D - d;
    const f32x16 x = load_up_to(row.x + d, n), d_out = load_up_to(row.d_out + d, n);
    const f32x16 d_x = sub(mul(mul(d_out, load_up_to(weight + d, n)), factor), mul(x, pull));
    store_up_to(row.d_x + d, add(load_up_to(row.d_x + d, n), d_x), n);
    store(sums + d, fma(d_out, mul(x, factor), load(sums + d)));
  }
}

}  // namespace

// tensors [x, weight, dOut, dX, dWeight], scalars [T, D, epsilon, S, outColumn]
void rms_norm_backward(const Args& args, Worker& worker) {
  const Tensor* t = args.tensors;
  const int64_t T = args.integer(0), D = args.integer(1), S = args.integer(3), out_column = args.integer(4);
  const int64_t num_splits = (T + SPLIT - 1) / SPLIT, stride = round_up(D, 16);
  float* sums = static_cast<float*>(worker.shared_scratch(static_cast<size_t>(num_splits * stride) * sizeof(float)));
  int64_t begin, end;
  while (worker.next(0, T, SPLIT, &begin, &end)) {
    float* own = sums + begin / SPLIT * stride;
    memset(own, 0, static_cast<size_t>(stride) * sizeof(float));
    for (int64_t row = begin; row < end; row++) {
      const Row one{t[0].as<const float>() + row * D, t[2].as<const float>() + row * S + out_column,
                    t[3].as<float>() + row * D};
      run_row(one, t[1].as<const float>(), D, args.scalars[2], own);
    }
  }
  worker.barrier();
  while (worker.next(1, D, 16, &begin, &end)) {
    f32x16 sum = zero();
    for (int64_t split = 0; split < num_splits; split++) sum = add(sum, load(sums + split * stride + begin));
    float* target = t[4].as<float>() + begin;
    store_up_to(target, add(load_up_to(target, D - begin), sum), D - begin);
  }
}

}  // namespace mimo::MIMO_VARIANT
