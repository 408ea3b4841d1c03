// Gradients of a linear layer; the contracts are in linear.backward.ts. Threads claim blocks of what they add to.
#include "gradient-products.h"

namespace mimo::MIMO_VARIANT {

namespace {

constexpr int64_t CLAIMS_PER_THREAD = 8;

void multiply_blocks(const Factor& a, Sum sum_a, const Factor& b, int64_t R, int64_t M, int64_t N, float* out,
                     Worker& worker) {
  const Blocks blocks(M, N, CLAIMS_PER_THREAD * worker.count);
  float* scratch = gradient_scratch(worker);
  int64_t begin, end;
  while (worker.next(0, blocks.count(), 1, &begin, &end)) {
    multiply(a, sum_a, b, Sum::OVER_ROWS, R, blocks.at(begin), {out, N}, scratch);
  }
}

}  // namespace

// tensors [dOut, weight, dX], scalars [T, N, K]
void linear_backward_input(const Args& args, Worker& worker) {
  const int64_t T = args.integer(0), N = args.integer(1), K = args.integer(2);
  const Factor d_out = {args.tensors[0].as<const float>(), N}, weight = {args.tensors[1].as<const float>(), K};
  multiply_blocks(d_out, Sum::ALONG_ROWS, weight, N, T, K, args.tensors[2].as<float>(), worker);
}

// tensors [x, dOut, dWeight], scalars [T, N, K]
void linear_backward_weight(const Args& args, Worker& worker) {
  const int64_t T = args.integer(0), N = args.integer(1), K = args.integer(2);
  const Factor x = {args.tensors[0].as<const float>(), K}, d_out = {args.tensors[1].as<const float>(), N};
  multiply_blocks(d_out, Sum::OVER_ROWS, x, T, N, K, args.tensors[2].as<float>(), worker);
}

}  // namespace mimo::MIMO_VARIANT
