// Muon; see muon.ts. All matrices take each step of the iteration together: threads divide their blocks among themselves
// by number, and wait for each other before the next step reads them. A matrix and the norm of its update belong to one
// thread, so that the sum has one order.
#include "../linear/gradient-products.h"

namespace mimo::MIMO_VARIANT {

namespace {

constexpr int ROUNDS = 5;
constexpr float A = 3.4445f, B = -4.775f, C = 2.0315f;

struct Matrices {
  float* data;
  int64_t rows, columns;

  float* at(int64_t e) const { return data + e * rows * columns; }
};

// m and the update of one matrix, which is divided by its norm; the gradient becomes zero.
void take_momentum(float* gradient, float* momentum, float* update, int64_t size, float beta, float scale) {
  f32x16 squares = zero();
  for (int64_t i = 0; i < size; i += 16) {
    const int64_t n = size - i;
    const f32x16 g = mul(load_up_to(gradient + i, n), set1(scale));
    const f32x16 m = fma(set1(beta), load_up_to(momentum + i, n), g);
    const f32x16 x = fma(set1(beta), m, g);
    squares = fma(x, x, squares);
    store_up_to(gradient + i, zero(), n);
    store_up_to(momentum + i, m, n);
    store_up_to(update + i, x, n);
  }
  const f32x16 inverse = div(set1(1.0f), add(sqrt(set1(hsum(squares))), set1(1e-7f)));
  for (int64_t i = 0; i < size; i += 16) {
    store_up_to(update + i, mul(load_up_to(update + i, size - i), inverse), size - i);
  }
}

// This thread's blocks of `count` matrices [M, N]: each(matrix, block).
template <class Each>
void each_block(int64_t count, int64_t M, int64_t N, const Worker& worker, const Each& each) {
  const Blocks blocks(M, N, (worker.count + count - 1) / count);
  for (int64_t i = worker.id; i < count * blocks.count(); i += worker.count) {
    each(i / blocks.count(), blocks.at(i % blocks.count()));
  }
}

// out = a * x + b * y in a block of matrices with `stride` columns.
void add_scaled(const Block& block, int64_t stride, float a, const float* x, float b, const float* y, float* out) {
  for (int64_t m = block.m; m < block.m + block.rows; m++) {
    for (int64_t n = 0; n < block.columns; n += 16) {
      const int64_t at = m * stride + block.n + n, left = block.columns - n;
      const f32x16 sum = mul(set1(a), load_up_to(x + at, left));
      store_up_to(out + at, y == nullptr ? sum : fma(set1(b), load_up_to(y + at, left), sum), left);
    }
  }
}

// One round: x to `out`, by way of `square`, x times itself, and `factor`.
void iterate(int64_t count, const Matrices& x, const Matrices& square, const Matrices& factor, const Matrices& out,
             float* scratch, Worker& worker) {
  const bool is_tall = x.rows > x.columns;
  const int64_t S = square.rows, L = is_tall ? x.rows : x.columns;
  const Sum along = is_tall ? Sum::OVER_ROWS : Sum::ALONG_ROWS;
  each_block(count, S, S, worker, [&](int64_t e, const Block& block) {
    const Factor self = {x.at(e), x.columns};
    multiply(self, along, self, along, L, block, {square.at(e), S, false}, scratch);
  });
  worker.barrier();
  each_block(count, S, S, worker, [&](int64_t e, const Block& block) {
    const Factor self = {square.at(e), S};
    multiply(self, Sum::ALONG_ROWS, self, Sum::OVER_ROWS, S, block, {factor.at(e), S, false}, scratch);
    add_scaled(block, S, B, square.at(e), C, factor.at(e), factor.at(e));
  });
  worker.barrier();
  each_block(count, x.rows, x.columns, worker, [&](int64_t e, const Block& block) {
    const Factor self = {x.at(e), x.columns}, other = {factor.at(e), S};
    add_scaled(block, x.columns, A, self.data, 0, nullptr, out.at(e));
    multiply(is_tall ? self : other, Sum::ALONG_ROWS, is_tall ? other : self, Sum::OVER_ROWS, S, block,
             {out.at(e), x.columns}, scratch);
  });
  worker.barrier();
}

}  // namespace

// tensors [parameter, gradient, m], scalars [E, M, N, step length, momentum, decay of the step, gradientScale]
void muon(const Args& args, Worker& worker) {
  const int64_t E = args.integer(0), M = args.integer(1), N = args.integer(2), size = M * N, S = min_of(M, N);
  const Matrices parameter = {args.tensors[0].as<float>(), M, N}, gradient = {args.tensors[1].as<float>(), M, N},
                 momentum = {args.tensors[2].as<float>(), M, N};
  auto shared = [&](int64_t rows, int64_t columns) {
    const size_t bytes = static_cast<size_t>(E * rows * columns) * sizeof(float);
    return Matrices{static_cast<float*>(worker.shared_scratch(bytes)), rows, columns};
  };
  Matrices x = shared(M, N), next = shared(M, N);
  const Matrices square = shared(S, S), factor = shared(S, S);
  float* scratch = gradient_scratch(worker);

  for (int64_t e = worker.id; e < E; e += worker.count) {
    take_momentum(gradient.at(e), momentum.at(e), x.at(e), size, args.real(4), args.real(6));
  }
  worker.barrier();
  for (int round = 0; round < ROUNDS; round++) {
    iterate(E, x, square, factor, next, scratch, worker);
    const Matrices previous = x;
    x = next, next = previous;
  }
  const f32x16 step = set1(-args.real(3)), decay = set1(-args.real(5));
  for (int64_t e = worker.id; e < E; e += worker.count) {
    float* p = parameter.at(e);
    for (int64_t i = 0; i < size; i += 16) {
      const f32x16 before = load_up_to(p + i, size - i);
      const f32x16 direction = fma(decay, before, mul(step, load_up_to(x.at(e) + i, size - i)));
      store_up_to(p + i, add(before, direction), size - i);
    }
  }
}

}  // namespace mimo::MIMO_VARIANT
