// Backward of SwiGLU; see swiglu.backward.ts. Element by element, all loads before all stores, so an output may be one of
// the inputs.
#include "rows.h"

namespace mimo::MIMO_VARIANT {

// tensors [gate, up, dOut, dGate, dUp], scalars [n]
void swiglu_backward(const Args& args, Worker& worker) {
  constexpr int64_t GRAIN = 4096;
  const float* gate = args.tensors[0].as<const float>();
  const float* up = args.tensors[1].as<const float>();
  const float* d_out = args.tensors[2].as<const float>();
  float* d_gate = args.tensors[3].as<float>();
  float* d_up = args.tensors[4].as<float>();
  int64_t begin, end;
  while (worker.next(0, args.integer(0), GRAIN, &begin, &end)) {
    for (int64_t i = begin; i < end; i += 16) {
      const int64_t n = end - i;
      const f32x16 g = load_up_to(gate + i, n), u = load_up_to(up + i, n), d = load_up_to(d_out + i, n);
      const f32x16 s = sigmoid(g);
      const f32x16 activation = mul(g, s);
      const f32x16 slope = fma(activation, sub(set1(1.0f), s), s);
      store_up_to(d_gate + i, mul(mul(d, u), slope), n);
      store_up_to(d_up + i, mul(d, activation), n);
    }
  }
}

}  // namespace mimo::MIMO_VARIANT
