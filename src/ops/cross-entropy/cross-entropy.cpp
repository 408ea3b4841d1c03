// Cross-entropy; see cross-entropy.ts. A row belongs to one thread and goes three times through its nearest cache: its
// maximum, its exponentials and their sum, its gradient. Only the first pass waits for memory. The sum runs through four
// vectors in turn, which are then added in a fixed order: it depends on V alone.
#include "../sample/row.h"

namespace mimo::MIMO_VARIANT {

namespace {

// Replaces logits by e^(logit - max) and returns their sum.
float exponentiate(float* row, int64_t V, float max) {
  f32x16 sums[4] = {zero(), zero(), zero(), zero()};
  const f32x16 maximum = set1(max);
  int64_t v = 0;
  for (; v + 64 <= V; v += 64) {
    unroll<0, 4>([&](auto i) {
      const f32x16 value = exp(sub(load(row + v + 16 * i.value), maximum));
      store(row + v + 16 * i.value, value);
      sums[i.value] = add(sums[i.value], value);
    });
  }
  for (; v < V; v += 16) {
    store_up_to(row + v, exp(sub(load_up_to(row + v, V - v), maximum)), V - v);
    sums[0] = add(sums[0], load_up_to(row + v, V - v));  // zero beyond the end
  }
  return hsum(add(add(sums[0], sums[1]), add(sums[2], sums[3])));
}

}  // namespace

// tensors [logits, targets, coefficients, losses], scalars [R, V]
void cross_entropy(const Args& args, Worker& worker) {
  const int64_t R = args.integer(0), V = args.integer(1);
  const int32_t* targets = args.tensors[1].as<const int32_t>();
  const float* coefficients = args.tensors[2].as<const float>();
  float* losses = args.tensors[3].as<float>();
  int64_t r, end;
  while (worker.next(0, R, 1, &r, &end)) {
    float* row = args.tensors[0].as<float>() + r * V;
    const int32_t target = targets[r];
    if (target < 0) {
      losses[r] = 0;
      memset(row, 0, static_cast<size_t>(V) * sizeof(float));
      continue;
    }
    const float max = largest(row, V), logit = row[target];
    const double sum = static_cast<double>(exponentiate(row, V, max));
    // The maximum goes first: added to the small logarithm, a large one would swallow it.
    losses[r] = static_cast<float>(log_of(sum) + (static_cast<double>(max) - static_cast<double>(logit)));
    const f32x16 scale = set1(static_cast<float>(static_cast<double>(coefficients[r]) / sum));
    for (int64_t v = 0; v < V; v += 16) store_up_to(row + v, mul(load_up_to(row + v, V - v), scale), V - v);
    row[target] -= coefficients[r];
  }
}

}  // namespace mimo::MIMO_VARIANT
