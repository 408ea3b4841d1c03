// Rounds activations to codes of int8 digits; see activations.h for the definition.
#include "activations.h"

namespace mimo::MIMO_VARIANT {

// Codes of elements 16 * half.. of a group.
template <class Codes> MIMO_INLINE void store_planes(Codes codes, int digits, int half, QuantisedGroup* out) {
  int8_t *first = out->planes[0] + 16 * half, *second = out->planes[1] + 16 * half;
  if constexpr (!MULTIPLIES_BYTES) {
    store_words(first, second, codes);
  } else if (digits == 1) {
    store_i8(first, codes);
  } else {
    const Codes high = shift_right_signed<7>(add(codes, set1_i32(64)));
    store_i8(first, high);
    store_i8(second, sub(codes, shift_left<7>(high)));
  }
}

void quantise_group(const float* x, int digits, QuantisedGroup* out) {
  constexpr float SMALLEST_NORMAL = 1.17549435e-38f;
  const f32x16 halves[2] = {load(x), load(x + 16)};
  const float scale = hmax(max(abs(halves[0]), abs(halves[1]))) / (digits == 1 ? 127.0f : 16256.0f);
  const f32x16 inverse = set1(scale < SMALLEST_NORMAL ? 0.0f : 1.0f / scale);
  out->scale = scale;
  for (int i = 0; i < 2; i++) {
    const i32x16 codes = to_i32(mul(halves[i], inverse));
    store_planes(codes, digits, i, out);
    out->bias_sums[i] = -static_cast<int32_t>(hsum(to_f32(codes)));  // exact: below 2^24
  }
  out->bias_sums[2] = out->bias_sums[0] + out->bias_sums[1];
  for (int i = 0; i < 3; i++) out->sums[i] = -scale * static_cast<float>(out->bias_sums[i]);
}

const QuantisedGroup* quantise_rows(const float* x, int64_t T, int64_t columns, int digits, Worker& worker, int phase) {
  constexpr int64_t FEW = 512, GRAIN = 128;
  const int64_t total = T * columns / GROUP;
  const size_t bytes = static_cast<size_t>(total) * sizeof(QuantisedGroup);
  const bool alone = total <= FEW;
  QuantisedGroup* out = static_cast<QuantisedGroup*>(alone ? worker.scratch(bytes) : worker.shared_scratch(bytes));
  if (alone) {
    for (int64_t i = 0; i < total; i++) quantise_group(x + i * GROUP, digits, out + i);
    return out;
  }
  int64_t begin, end;
  while (worker.next(phase, total, GRAIN, &begin, &end)) {
    for (int64_t i = begin; i < end; i++) quantise_group(x + i * GROUP, digits, out + i);
  }
  worker.barrier();
  return out;
}

}  // namespace mimo::MIMO_VARIANT
