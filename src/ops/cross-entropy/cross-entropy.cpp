// Cross-entropy; see cross-entropy.ts. A row belongs to one thread and goes three times through its nearest cache: its
// maximum, its exponentials and their sum, its gradient. Only the first pass needs memory, so the second asks for the row
// behind, or memory would rest while exponentials are computed. The sum runs through four
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
      __builtin_prefetch(row + V + v + 16 * i.value, 1);
    });
  }
  for (; v < V; v += 16) {
    store_up_to(row + v, exp(sub(load_up_to(row + v, V - v), maximum)), V - v);
    sums[0] = add(sums[0], load_up_to(row + v, V - v));  // zero beyond the end
  }
  return hsum(add(add(sums[0], sums[1]), add(sums[2], sums[3])));
}

// Replaces logits by their gradient and returns the loss.
float differentiate(float* row, int64_t V, int32_t target, float coefficient) {
  const float max = largest(row, V), logit = row[target];
  const double sum = static_cast<double>(exponentiate(row, V, max));
  const f32x16 scale = set1(static_cast<float>(static_cast<double>(coefficient) / sum));
  for (int64_t v = 0; v < V; v += 16) store_up_to(row + v, mul(load_up_to(row + v, V - v), scale), V - v);
  row[target] -= coefficient;
  // The maximum goes first: added to the small logarithm, a large one would swallow it.
  return static_cast<float>(log_of(sum) + (static_cast<double>(max) - static_cast<double>(logit)));
}

}  // namespace

// tensors [logits, targets, coefficients, losses], scalars [R, V]
void cross_entropy(const Args& args, Worker& worker) {
  constexpr int64_t GRAIN = 8;  // all rows of a claim but the first were asked for
  const int64_t R = args.integer(0), V = args.integer(1);
  const int32_t* targets = args.tensors[1].as<const int32_t>();
  const float* coefficients = args.tensors[2].as<const float>();
  float* losses = args.tensors[3].as<float>();
  int64_t begin, end;
  while (worker.next(0, R, GRAIN, &begin, &end)) {
    for (int64_t r = begin; r < end; r++) {
      float* row = args.tensors[0].as<float>() + r * V;
      if (targets[r] < 0) {
        losses[r] = 0;
        memset(row, 0, static_cast<size_t>(V) * sizeof(float));
      } else {
        losses[r] = differentiate(row, V, targets[r], coefficients[r]);
      }
    }
  }
}

}  // namespace mimo::MIMO_VARIANT
