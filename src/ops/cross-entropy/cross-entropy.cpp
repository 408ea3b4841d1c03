// Cross-entropy; see cross-entropy.ts. A row belongs to one thread and goes three times through its nearest cache: its
// maximum, its mass, its gradient. Only the first pass waits for memory.
//
// The mass is what sampling divides by, block by block in float64, so that a loss is to the last bit the
// log-probability that was reported when the token was sampled.
#include "../sample/row.h"

namespace mimo::MIMO_VARIANT {

namespace {

// Replaces logits by their gradient and returns the loss.
float differentiate(float* logits, int64_t V, int32_t target, float coefficient) {
  const Row row{logits, V, nullptr, nullptr, largest(logits, V)};
  const Weigher weigh(row.max, 1);
  double mass = 0;
  for (int64_t b = 0; b < row.num_blocks(); b++) mass += block_mass(row, b, weigh, nullptr);
  // The maximum goes first: added to the small logarithm, a large one would swallow it.
  const double distance = static_cast<double>(logits[target]) - static_cast<double>(row.max);
  const f32x16 maximum = set1(row.max), scale = set1(static_cast<float>(static_cast<double>(coefficient) / mass));
  for (int64_t v = 0; v < V; v += 16) {
    store_up_to(logits + v, mul(exp(sub(load_up_to(logits + v, V - v), maximum)), scale), V - v);
  }
  logits[target] -= coefficient;
  return -static_cast<float>(distance - log_of(mass));
}

}  // namespace

// tensors [logits, targets, coefficients, losses], scalars [R, V]
void cross_entropy(const Args& args, Worker& worker) {
  constexpr int64_t GRAIN = 8;
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
