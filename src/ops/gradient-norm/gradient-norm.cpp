// Gradient norm; see gradient-norm.ts. Squares are added in float32 within a piece of 4096 elements, through four vectors in
// turn, and the pieces in float64 in their order: the sum depends on the number of elements alone.
#include "rows.h"

namespace mimo::MIMO_VARIANT {

namespace {

constexpr int64_t PIECE = 4096;

struct Piece {
  double squares;
  int64_t nonzeros;
};

Piece measure(const float* x, int64_t count) {
  f32x16 sums[4] = {zero(), zero(), zero(), zero()};
  i32x16 minus_nonzeros = zero_i32();
  const auto take = [&](f32x16 value, f32x16& sum) {
    sum = fma(value, value, sum);
    // Minus the bits without their sign is negative unless they are zero: all ones, which is minus one.
    const i32x16 magnitude = bit_and(lanes_of(bytes_of(value)), set1_i32(0x7fffffff));
    minus_nonzeros = add(minus_nonzeros, shift_right_signed<31>(sub(zero_i32(), magnitude)));
  };
  int64_t i = 0;
  for (; i + 64 <= count; i += 64) {
    unroll<0, 4>([&](auto j) { take(load(x + i + 16 * j.value), sums[j.value]); });
  }
  for (; i < count; i += 16) take(load_up_to(x + i, count - i), sums[0]);  // beyond the end there are zeros
  int32_t lanes[16];
  store_i32(lanes, minus_nonzeros);
  Piece piece = {static_cast<double>(hsum(add(add(sums[0], sums[1]), add(sums[2], sums[3])))), 0};
  for (int lane = 0; lane < 16; lane++) piece.nonzeros -= lanes[lane];
  return piece;
}

}  // namespace

// tensors [gradient, out], scalars [n]
void gradient_norm(const Args& args, Worker& worker) {
  constexpr int64_t GRAIN = 4;
  const float* gradient = args.tensors[0].as<const float>();
  const int64_t n = args.integer(0), num_pieces = (n + PIECE - 1) / PIECE;
  Piece* pieces = static_cast<Piece*>(worker.shared_scratch(static_cast<size_t>(num_pieces) * sizeof(Piece)));
  int64_t begin, end;
  while (worker.next(0, num_pieces, GRAIN, &begin, &end)) {
    for (int64_t p = begin; p < end; p++) pieces[p] = measure(gradient + p * PIECE, min_of(PIECE, n - p * PIECE));
  }
  worker.barrier();
  if (worker.id != 0) return;
  Piece total = {0, 0};
  for (int64_t p = 0; p < num_pieces; p++) {
    total.squares += pieces[p].squares;
    total.nonzeros += pieces[p].nonzeros;
  }
  float* out = args.tensors[1].as<float>();
  out[0] = static_cast<float>(total.squares);
  out[1] = static_cast<float>(n - total.nonzeros);
}

}  // namespace mimo::MIMO_VARIANT
