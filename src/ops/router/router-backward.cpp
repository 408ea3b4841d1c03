// Backward of the router; see router.backward.ts. A row belongs to one thread. Only the chosen logits are looked at; sums
// over them go in the order of the choice. 1 - s is the sigmoid of the other sign: a score near one keeps its gradient.
#include "rows.h"

namespace mimo::MIMO_VARIANT {

// tensors [logits, ids, dWeights, dLogits], scalars [T, E, K, scale, normalise]
void router_backward(const Args& args, Worker& worker) {
  constexpr int64_t GRAIN = 32;
  const int64_t T = args.integer(0), E = args.integer(1), K = args.integer(2);
  const float scale = args.real(3);
  const bool is_normalised = args.integer(4) != 0;
  const size_t bytes = static_cast<size_t>(round_up(K, 16)) * sizeof(float);
  float* scores = static_cast<float*>(worker.scratch(bytes));
  float* rests = static_cast<float*>(worker.scratch(bytes));
  int64_t begin, end;
  while (worker.next(0, T, GRAIN, &begin, &end)) {
    for (int64_t t = begin; t < end; t++) {
      const float* logits = args.tensors[0].as<const float>() + t * E;
      const int32_t* ids = args.tensors[1].as<const int32_t>() + t * K;
      const float* d_weights = args.tensors[2].as<const float>() + t * K;
      float* d_logits = args.tensors[3].as<float>() + t * E;
      for (int64_t k = 0; k < K; k++) scores[k] = logits[ids[k]];
      for (int64_t k = 0; k < K; k += 16) {
        const f32x16 x = load_up_to(scores + k, K - k);
        store(scores + k, sigmoid(x));
        store(rests + k, sigmoid(sub(zero(), x)));
      }
      float sum = is_normalised ? 1e-20f : 1.0f, mean = 0;
      for (int64_t k = 0; k < K && is_normalised; k++) sum += scores[k];
      for (int64_t k = 0; k < K; k++) scores[k] /= sum;
      for (int64_t k = 0; k < K && is_normalised; k++) mean += d_weights[k] * scores[k];
      memset(d_logits, 0, static_cast<size_t>(E) * sizeof(float));
      for (int64_t k = 0; k < K; k++) d_logits[ids[k]] = scale * scores[k] * rests[k] * (d_weights[k] - mean);
    }
  }
}

}  // namespace mimo::MIMO_VARIANT
