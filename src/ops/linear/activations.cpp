// Rounds activations to codes of two digits; see activations.h for the definition and the layout.
#include "activations.h"

namespace mimo::MIMO_VARIANT {

namespace {

MIMO_INLINE void store_digits(i32x16 codes, int8_t* high, int8_t* low) {
  const i32x16 upper = shift_right_signed<7>(add(codes, set1_i32(64)));
  store_i8(high, upper);
  store_i8(low, sub(codes, shift_left<7>(upper)));
}

struct DigitSums {
  i32x16 sum, start;
};

// Writes a chunk of digits in the layout of the product; the sums of its groups, by lane.
MIMO_INLINE DigitSums place_digits(const int8_t* digits, int8_t* out) {
  i8x64 vectors[4];
  for (int j = 0; j < 4; j++) vectors[j] = load_i8x64(digits + 64 * j);
  transpose(vectors);
  DigitSums sums = {zero_i32(), zero_i32()};
  for (int j = 0; j < 4; j++) {
    store_i8x64(out + 64 * j, vectors[j]);
    sums.sum = dot(sums.sum, set1_i8(1), vectors[j]);
    sums.start = dot(sums.start, set1_i8(static_cast<int8_t>(-DOT_OFFSET)), vectors[j]);
  }
  return sums;
}

}  // namespace

void quantise_chunk(const float* x, int count, QuantisedChunk* out) {
  constexpr float SMALLEST_NORMAL = 1.17549435e-38f;
  alignas(64) int8_t high[CHUNK] = {}, low[CHUNK] = {};
  alignas(64) float scales[16] = {};
  for (int k = 0; k < count; k += 32) {
    const f32x16 a = load(x + k), b = load(x + k + 16);
    const float scale = hmax(max(abs(a), abs(b))) / 16256.0f;
    const f32x16 inverse = set1(scale < SMALLEST_NORMAL ? 0.0f : 1.0f / scale);
    store_digits(to_i32(mul(a, inverse)), high + k, low + k);
    store_digits(to_i32(mul(b, inverse)), high + k + 16, low + k + 16);
    scales[k / 16] = scales[k / 16 + 1] = scale;
  }
  const DigitSums of_high = place_digits(high, out->high);
  const DigitSums of_low = place_digits(low, out->low);
  store_i32(out->start_high, of_high.start);
  store_i32(out->start_low, of_low.start);
  const f32x16 lanes = transpose(load(scales));
  store(out->scales, lanes);
  store(out->sums, mul(lanes, to_f32(add(shift_left<7>(of_high.sum), of_low.sum))));
}

const QuantisedChunk* quantise_rows(const float* x, int64_t T, int64_t columns, Worker& worker, int phase) {
  constexpr int64_t FEW = 64, GRAIN = 16;
  const int64_t chunks = num_chunks(columns), total = T * chunks;
  const size_t bytes = static_cast<size_t>(total) * sizeof(QuantisedChunk);
  const bool alone = total <= FEW;
  QuantisedChunk* out = static_cast<QuantisedChunk*>(alone ? worker.scratch(bytes) : worker.shared_scratch(bytes));
  const auto quantise = [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const int64_t k = i % chunks * CHUNK;
      const int64_t count = columns - k < CHUNK ? columns - k : CHUNK;
      quantise_chunk(x + i / chunks * columns + k, static_cast<int>(count), out + i);
    }
  };
  if (alone) {
    quantise(0, total);
    return out;
  }
  int64_t begin, end;
  while (worker.next(phase, total, GRAIN, &begin, &end)) quantise(begin, end);
  worker.barrier();
  return out;
}

}  // namespace mimo::MIMO_VARIANT
