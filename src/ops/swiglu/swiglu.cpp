// SwiGLU; see swiglu.ts. Element by element, so `out` may be one of the inputs.
#include "rows.h"

namespace mimo::MIMO_VARIANT {

// tensors [gate, up, out], scalars [n]
void swiglu(const Args& args, Worker& worker) {
  constexpr int64_t GRAIN = 4096;
  const float* gate = args.tensors[0].as<const float>();
  const float* up = args.tensors[1].as<const float>();
  float* out = args.tensors[2].as<float>();
  int64_t begin, end;
  while (worker.next(0, args.integer(0), GRAIN, &begin, &end)) {
    for (int64_t i = begin; i < end; i += 16) {
      const int64_t n = end - i;
      store_up_to(out + i, mul(silu(load_up_to(gate + i, n)), load_up_to(up + i, n)), n);
    }
  }
}

}  // namespace mimo::MIMO_VARIANT
