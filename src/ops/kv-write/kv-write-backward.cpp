// Reads the gradients of keys and values back from where kv-write put them; see kv-write.backward.ts. Every row belongs
// to one thread.
#include "kv-rows.h"

namespace mimo::MIMO_VARIANT {

namespace {

// out[width] = factor · from[width]; zeros where nothing was kept.
void read_row(const float* from, int64_t width, float factor, float* out) {
  for (int64_t i = 0; i < width; i += 16) {
    const int64_t n = width - i;
    store_up_to(out + i, from == nullptr ? zero() : mul(load_up_to(from + i, n), set1(factor)), n);
  }
}

}  // namespace

// tensors [slots, dKCache, dVCache, dK, dV], scalars [T, G, H, U, valueScale, places]
void kv_write_backward(const Args& args, Worker& worker) {
  constexpr int64_t GRAIN = 16;
  const Tensor* t = args.tensors;
  const int32_t* slots = t[0].as<const int32_t>();
  const int64_t T = args.integer(0), G = args.integer(1), H = args.integer(2), U = args.integer(3);
  const float value_scale = args.real(4);
  int64_t begin, end;
  while (worker.next(0, T * G, GRAIN, &begin, &end)) {
    for (int64_t row = begin; row < end; row++) {
      const int64_t slot = slots[row / G];
      const int64_t source = slot < 0 ? 0 : cache_row(slot, row % G, G, args.integer(5));
      read_row(slot < 0 ? nullptr : t[1].as<const float>() + source * H, H, 1.0f, t[3].as<float>() + row * H);
      read_row(slot < 0 ? nullptr : t[2].as<const float>() + source * U, U, value_scale, t[4].as<float>() + row * U);
    }
  }
}

}  // namespace mimo::MIMO_VARIANT
