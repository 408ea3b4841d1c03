// AdamW; see adamw.ts. Element by element. Moments move towards the gradient by a share of their distance, in one rounding,
// and decay is added to the direction: 1 - learningRate * weightDecay itself would round to a visibly different decay.
#include "rows.h"

namespace mimo::MIMO_VARIANT {

namespace {

// Zero where the exponent is: subnormal numbers.
inline f32x16 without_subnormals(f32x16 a) {
  const i32x16 bits = lanes_of(bytes_of(a));
  const i32x16 exponent = bit_and(bits, set1_i32(0x7f800000));
  const i32x16 keeps = shift_right_signed<31>(sub(zero_i32(), exponent));
  return bits_as_f32(bit_and(bits, keeps));
}

}  // namespace

// tensors [parameter, gradient, m, v], scalars [n, learningRate, beta1, beta2, epsilon, weightDecay, 1 - beta1^step,
// 1 - beta2^step, gradientScale]
void adamw(const Args& args, Worker& worker) {
  constexpr int64_t GRAIN = 4096;
  float* parameter = args.tensors[0].as<float>();
  float* gradient = args.tensors[1].as<float>();
  float* first = args.tensors[2].as<float>();
  float* second = args.tensors[3].as<float>();
  const f32x16 minus_rate = set1(-args.real(1)), epsilon = set1(args.real(4)), decay = set1(args.real(5));
  const f32x16 share1 = set1(static_cast<float>(1.0 - args.scalars[2]));
  const f32x16 share2 = set1(static_cast<float>(1.0 - args.scalars[3]));
  const f32x16 inverse1 = set1(static_cast<float>(1.0 / args.scalars[6]));
  const f32x16 inverse2 = set1(static_cast<float>(1.0 / args.scalars[7]));
  const f32x16 scale = set1(args.real(8));
  int64_t begin, end;
  while (worker.next(0, args.integer(0), GRAIN, &begin, &end)) {
    for (int64_t i = begin; i < end; i += 16) {
      const int64_t n = end - i;
      const f32x16 g = mul(load_up_to(gradient + i, n), scale);
      f32x16 m = load_up_to(first + i, n), v = load_up_to(second + i, n), p = load_up_to(parameter + i, n);
      m = without_subnormals(fma(share1, sub(g, m), m));
      v = without_subnormals(fma(share2, sub(mul(g, g), v), v));
      const f32x16 direction = div(mul(m, inverse1), add(sqrt(mul(v, inverse2)), epsilon));
      p = fma(minus_rate, fma(decay, p, direction), p);
      store_up_to(parameter + i, p, n);
      store_up_to(gradient + i, zero(), n);
      store_up_to(first + i, m, n);
      store_up_to(second + i, v, n);
    }
  }
}

}  // namespace mimo::MIMO_VARIANT
