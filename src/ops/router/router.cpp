// The router; see router.ts. A row belongs to one thread. A NaN score ranks below every number, so the ids are
// valid and distinct whatever the logits are.
#include "rows.h"

namespace mimo::MIMO_VARIANT {

namespace {

bool is_above(float a, float b) { return a > b || (b != b && a == a); }

// Inserts each expert into the sorted list of the best so far; an equal one stays behind, so the lower id wins.
void choose(const float* scores, const float* bias, int64_t E, int64_t K, int32_t* ids, float* ranks) {
  int64_t count = 0;
  for (int64_t e = 0; e < E; e++) {
    const float rank = scores[e] + bias[e];
    if (count == K && !is_above(rank, ranks[K - 1])) continue;
    int64_t place = count < K ? count++ : K - 1;
    for (; place > 0 && is_above(rank, ranks[place - 1]); place--) {
      ranks[place] = ranks[place - 1];
      ids[place] = ids[place - 1];
    }
    ranks[place] = rank;
    ids[place] = static_cast<int32_t>(e);
  }
}

}  // namespace

// tensors [logits, bias, ids, weights], scalars [T, E, K, scale, normalise]
void router(const Args& args, Worker& worker) {
  const float* bias = args.tensors[1].as<const float>();
  const int64_t T = args.integer(0), E = args.integer(1), K = args.integer(2);
  const float factor = args.real(3);
  const bool is_normalised = args.integer(4) != 0;
  float* scores = static_cast<float*>(worker.scratch(static_cast<size_t>(E) * sizeof(float)));
  float* ranks = static_cast<float*>(worker.scratch(static_cast<size_t>(K) * sizeof(float)));
  int64_t begin, end;
  while (worker.next(0, T, 1, &begin, &end)) {
    const float* logits = args.tensors[0].as<const float>() + begin * E;
    int32_t* ids = args.tensors[2].as<int32_t>() + begin * K;
    float* weights = args.tensors[3].as<float>() + begin * K;
    for (int64_t e = 0; e < E; e += 16) store_up_to(scores + e, sigmoid(load_up_to(logits + e, E - e)), E - e);
    choose(scores, bias, E, K, ids, ranks);
    float sum = 0;
    for (int64_t k = 0; k < K; k++) sum += scores[ids[k]];
    const float scale = is_normalised ? factor / (sum + 1e-20f) : factor;
    for (int64_t k = 0; k < K; k++) weights[k] = scores[ids[k]] * scale;
  }
}

}  // namespace mimo::MIMO_VARIANT
