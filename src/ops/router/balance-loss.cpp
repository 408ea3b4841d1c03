// The balance loss; see balance-loss.ts. First the choices of each sequence are counted, a sequence to a thread; then rows
// are claimed, which need nothing but the counts of their sequence: a row's share of the loss is the very sum that its
// gradient subtracts. At last the shares of each sequence are added in the order of its rows, in float64.
#include "rows.h"

namespace mimo::MIMO_VARIANT {

namespace {

struct Sizes {
  int64_t T, E, K, S;
};

// f_e of one sequence.
void count_choices(const int32_t* ids, int64_t rows, const Sizes& sizes, float* shares) {
  for (int64_t e = 0; e < sizes.E; e++) shares[e] = 0;
  for (int64_t i = 0; i < rows * sizes.K; i++) shares[ids[i]] += 1;  // exact below 2^24 rows
  const float unit = static_cast<float>(static_cast<double>(sizes.E) / static_cast<double>(sizes.K * rows));
  for (int64_t e = 0; e < sizes.E; e++) shares[e] *= unit;
}

// Adds a row's gradient and returns its share of the loss; `scores` is scratch [E].
float add_row(const float* logits, const float* shares, int64_t E, float factor, float* scores, float* d_logits) {
  for (int64_t e = 0; e < E; e += 16) store_up_to(scores + e, sigmoid(load_up_to(logits + e, E - e)), E - e);
  // Beyond the end of the row the scores are read as zero.
  f32x16 sums = zero(), products = zero();
  for (int64_t e = 0; e < E; e += 16) {
    const f32x16 score = load_up_to(scores + e, E - e);
    sums = add(sums, score);
    products = fma(score, load_up_to(shares + e, E - e), products);
  }
  const float inverse = 1.0f / (hsum(sums) + 1e-20f);
  const float share = hsum(products) * inverse;
  const f32x16 scale = set1(factor * inverse);
  for (int64_t e = 0; e < E; e += 16) {
    const f32x16 score = load_up_to(scores + e, E - e);
    const f32x16 slope = mul(mul(scale, score), sub(set1(1.0f), score));
    const f32x16 distance = sub(load_up_to(shares + e, E - e), set1(share));
    store_up_to(d_logits + e, fma(slope, distance, load_up_to(d_logits + e, E - e)), E - e);
  }
  return share;
}

}  // namespace

// tensors [logits, ids, sequences, loss, dLogits], scalars [T, E, K, S, alpha]
void balance_loss(const Args& args, Worker& worker) {
  constexpr int64_t GRAIN = 32;
  const float* logits = args.tensors[0].as<const float>();
  const int32_t* ids = args.tensors[1].as<const int32_t>();
  const int32_t* sequences = args.tensors[2].as<const int32_t>();
  float* loss = args.tensors[3].as<float>();
  float* d_logits = args.tensors[4].as<float>();
  const Sizes sizes = {args.integer(0), args.integer(1), args.integer(2), args.integer(3)};
  const int64_t T = sizes.T, E = sizes.E, S = sizes.S;
  const double alpha = args.scalars[4];
  float* shares = static_cast<float*>(worker.shared_scratch(static_cast<size_t>(S * E) * sizeof(float)));
  float* row_losses = static_cast<float*>(worker.shared_scratch(static_cast<size_t>(T) * sizeof(float)));
  float* scores = static_cast<float*>(worker.scratch(static_cast<size_t>(E) * sizeof(float)));
  double num_counted = 0;
  for (int64_t s = 0; s < S; s++) num_counted += sequences[2 * s + 1] > 0;

  int64_t begin, end;
  while (worker.next(0, S, 1, &begin, &end)) {
    const int64_t first = sequences[2 * begin], rows = sequences[2 * begin + 1];
    if (rows > 0) count_choices(ids + first * sizes.K, rows, sizes, shares + begin * E);
  }
  worker.barrier();
  while (worker.next(1, T, GRAIN, &begin, &end)) {
    for (int64_t s = 0; s < S; s++) {
      const int64_t first = sequences[2 * s], rows = sequences[2 * s + 1];
      const float factor = static_cast<float>(alpha / (num_counted * static_cast<double>(rows)));
      for (int64_t t = max_of(begin, first); t < min_of(end, first + rows); t++) {
        row_losses[t] = add_row(logits + t * E, shares + s * E, E, factor, scores, d_logits + t * E);
      }
    }
  }
  worker.barrier();
  while (worker.next(2, S, 1, &begin, &end)) {
    const int64_t first = sequences[2 * begin], rows = sequences[2 * begin + 1];
    double total = 0;
    for (int64_t t = first; t < first + rows; t++) total += static_cast<double>(row_losses[t]);
    loss[begin] = rows > 0 ? static_cast<float>(alpha / static_cast<double>(rows) * total) : 0.0f;
  }
}

}  // namespace mimo::MIMO_VARIANT
