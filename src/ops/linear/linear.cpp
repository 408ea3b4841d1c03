// linear: out[t, n] (+)= sum over k of x[t, k] * weight[n, k], for each of some weights; the contract is in linear.ts.
//
// Threads claim tiles of all weights' rows: ever fewer at a time, or, where few rows meet few tiles, an equal share each,
// as several tiles at once take hardly longer than one. Results do not depend on T, on the claims or on the number of threads: see
// products.h.
#include "products.h"
#include "rows.h"

namespace mimo::MIMO_VARIANT {

namespace {

constexpr int64_t FEW_TILES = 16;  // of a thread

}  // namespace

void linear(const Args& args, Worker& worker) {
  const int64_t T = args.integer(0), K = args.integer(1), count = args.integer(2);
  const int digits = static_cast<int>(args.integer(4));
  const float* x = args.tensors[0].as<const float>();
  bool quantised = false;
  int64_t total = 0;
  for (int64_t i = 0; i < count; i++) {
    quantised = quantised || (digits != 0 && is_quantised(*args.weights[i]));
    total += num_tiles(args.weights[i]->out);
  }
  const Inputs in = {x, quantised ? quantise_rows(x, T, K, digits, worker, 0) : nullptr, digits, nullptr, T};
  void* scratch = product_scratch(T, worker);
  const int64_t share = (total + worker.count - 1) / worker.count;
  const int64_t least = T <= FEW_ROWS && share <= FEW_TILES ? share : 1;
  int64_t begin, end;
  while (worker.next_share(1, total, least, &begin, &end)) {
    int64_t first = 0;  // of the weight at hand
    for (int64_t i = 0; i < count && first < end; i++) {
      const Weight& weight = *args.weights[i];
      const int64_t last = first + num_tiles(weight.out);
      const Output out = {args.tensors[1 + i].as<float>(), weight.out, args.integer(3) != 0};
      if (begin < last) {
        const int64_t here = min_of(end, last);
        multiply(Matrix(weight, 0), begin - first, here - first, in, out, scratch);
        begin = here;
      }
      first = last;
    }
  }
}

}  // namespace mimo::MIMO_VARIANT
