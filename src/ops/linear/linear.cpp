// linear: out[t, n] (+)= sum over k of x[t, k] * weight[n, k]; the contract is in linear.ts.
//
// Threads claim tiles of weight rows. Results do not depend on T, on the claims or on the number of threads: see
// products.h.
#include "products.h"

namespace mimo::MIMO_VARIANT {

void linear(const Args& args, Worker& worker) {
  const int64_t T = args.integer(0), K = args.integer(1), N = args.integer(2);
  const Weight& weight = *args.weights[0];
  const float* x = args.tensors[0].as<const float>();
  const bool quantised = args.integer(4) != 0 && is_quantised(weight);
  const Inputs in = {x, quantised ? quantise_rows(x, T, K, worker, 0) : nullptr, nullptr, T};
  const Output out = {args.tensors[1].as<float>(), N, args.integer(3) != 0};
  const Matrix matrix(weight, 0);
  void* scratch = product_scratch(T, worker);
  int64_t begin, end;
  while (worker.next_share(1, num_tiles(N), &begin, &end)) multiply(matrix, begin, end, in, out, scratch);
}

}  // namespace mimo::MIMO_VARIANT
