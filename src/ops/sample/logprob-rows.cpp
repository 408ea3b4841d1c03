// Log-probabilities; see logprob-rows.ts for the arguments and logprobs.ts for what is computed.
#include "row.h"

namespace mimo::MIMO_VARIANT {

namespace {

// The ids of the tokens before the border in their order, at most K of them; how many they are.
int64_t collect(const Row& row, const Border& border, int64_t K, int32_t* ids) {
  int64_t count = 0;
  for (int64_t b = 0; b < row.num_blocks(); b++) {
    if (!(row.maxima[b] >= border.logit)) continue;
    const Range tokens = row.block(b);
    for (int64_t id = tokens.begin; id < tokens.end && count < K; id++) {
      if (!border.follows(row.logits[id], id)) continue;
      int64_t place = count++;
      for (; place > 0 && row.logits[ids[place - 1]] < row.logits[id]; place--) ids[place] = ids[place - 1];
      ids[place] = static_cast<int32_t>(id);
    }
  }
  return count;
}

}  // namespace

// tensors [logits, tokens, ids, logprobs], scalars [W, K, V, numTokens, row...]
void logprob_rows(const Args& args, Worker& worker) {
  const int64_t W = args.integer(0), K = args.integer(1), V = args.integer(2), num_tokens = args.integer(3);
  const size_t num_blocks = static_cast<size_t>((num_tokens + BLOCK - 1) / BLOCK);
  float* maxima = static_cast<float*>(worker.shared_scratch(num_blocks * sizeof(float)));
  double* sums = static_cast<double*>(worker.shared_scratch(num_blocks * sizeof(double)));
  for (int64_t w = 0; w < W; w++) {
    const int64_t r = args.integer(4 + static_cast<int>(w));
    Row row{args.tensors[0].as<const float>() + r * V, num_tokens, maxima, sums};
    find_maximum(row, worker);
    const double log_sum = log_of(mass_of(row, Weigher(row.max, 1), nullptr, worker));
    if (worker.id == 0) {
      int32_t* ids = args.tensors[2].as<int32_t>() + w * (1 + K);
      float* logprobs = args.tensors[3].as<float>() + w * (1 + K);
      ids[0] = args.tensors[1].as<const int32_t>()[r];
      const int64_t count = 1 + (K > 0 ? collect(row, border_of(row, min_of(K, num_tokens)), K, ids + 1) : 0);
      for (int64_t k = 0; k <= K; k++) {
        if (k >= count) {
          ids[k] = -1;
          logprobs[k] = -INFINITE;
          continue;
        }
        // The maximum goes first: added to the small logarithm, a large one would swallow it.
        const double distance = static_cast<double>(row.logits[ids[k]]) - static_cast<double>(row.max);
        logprobs[k] = static_cast<float>(distance - log_sum);
      }
    }
    worker.barrier();
  }
}

}  // namespace mimo::MIMO_VARIANT
