// RMS norm; see rms-norm.ts. A row belongs to one thread. The sum of squares runs through four vectors in turn,
// which are then added in a fixed order: it depends on D alone.
#include <math.h>

#include "rows.h"

namespace mimo::MIMO_VARIANT {

namespace {

float sum_of_squares(const float* x, int64_t D) {
  f32x16 sums[4] = {zero(), zero(), zero(), zero()};
  for (int64_t d = 0; d < D; d += 16) {
    f32x16& sum = sums[d / 16 % 4];
    const f32x16 value = load_up_to(x + d, D - d);
    sum = fma(value, value, sum);
  }
  return hsum(add(add(sums[0], sums[1]), add(sums[2], sums[3])));
}

}  // namespace

// tensors [x, weight, out], scalars [T, D, epsilon, S, outColumn]
void rms_norm(const Args& args, Worker& worker) {
  const float* weight = args.tensors[1].as<const float>();
  const int64_t T = args.integer(0), D = args.integer(1), S = args.integer(3), out_column = args.integer(4);
  const double epsilon = args.scalars[2];
  int64_t begin, end;
  while (worker.next(0, T, 1, &begin, &end)) {
    const float* x = args.tensors[0].as<const float>() + begin * D;
    float* out = args.tensors[2].as<float>() + begin * S + out_column;
    const double mean = static_cast<double>(sum_of_squares(x, D)) / static_cast<double>(D);
    const f32x16 scale = set1(static_cast<float>(1.0 / ::sqrt(mean + epsilon)));
    for (int64_t d = 0; d < D; d += 16) {
      const f32x16 normed = mul(load_up_to(x + d, D - d), scale);
      store_up_to(out + d, mul(normed, load_up_to(weight + d, D - d)), D - d);
    }
  }
}

}  // namespace mimo::MIMO_VARIANT
