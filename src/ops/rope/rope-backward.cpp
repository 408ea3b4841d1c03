// The inverse rotation, in place; see rope.backward.ts. A head of a row belongs to one thread.
#include "rows.h"

namespace mimo::MIMO_VARIANT {

// tensors [dX, table], scalars [T, heads, H, d]
void rope_backward(const Args& args, Worker& worker) {
  constexpr int64_t GRAIN = 16;
  const int64_t T = args.integer(0), heads = args.integer(1), H = args.integer(2), d = args.integer(3), half = d / 2;
  int64_t begin, end;
  while (worker.next(0, T * heads, GRAIN, &begin, &end)) {
    for (int64_t head = begin; head < end; head++) {
      const float* cosines = args.tensors[1].as<const float>() + head / heads * d;
      const float* sines = cosines + half;
      float* first = args.tensors[0].as<float>() + head * H;
      float* second = first + half;
      for (int64_t i = 0; i < half; i += 16) {
        const int64_t n = half - i;
        const f32x16 a = load_up_to(first + i, n), b = load_up_to(second + i, n);
        const f32x16 cos = load_up_to(cosines + i, n), sin = load_up_to(sines + i, n);
        store_up_to(first + i, add(mul(a, cos), mul(b, sin)), n);
        store_up_to(second + i, sub(mul(b, cos), mul(a, sin)), n);
      }
    }
  }
}

}  // namespace mimo::MIMO_VARIANT
