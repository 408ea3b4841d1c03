// Rounds activations to codes of int8 digits; see activations.h for the definition.
#include "activations.h"

namespace mimo::MIMO_VARIANT {

void quantise_group(const float* x, int digits, QuantisedGroup* out) {
  constexpr float SMALLEST_NORMAL = 1.17549435e-38f;
  const f32x16 halves[2] = {load(x), load(x + 16)};
  const float scale = hmax(max(abs(halves[0]), abs(halves[1]))) / (digits == 1 ? 127.0f : 16256.0f);
  const f32x16 inverse = set1(scale < SMALLEST_NORMAL ? 0.0f : 1.0f / scale);
  out->scale = scale;
  for (int i = 0; i < 2; i++) {
    const i32x16 codes = to_i32(mul(halves[i], inverse));
    const i32x16 high = digits == 1 ? zero_i32() : shift_right_signed<7>(add(codes, set1_i32(64)));
    store_i8(out->high + 16 * i, high);
    store_i8(out->low + 16 * i, sub(codes, shift_left<7>(high)));
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
