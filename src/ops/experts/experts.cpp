// experts: out[t] += sum over k of weights[t, k] * down_e(silu(gate_e x_t) * (up_e x_t)), e = ids[t, k]; the
// contract is in experts.ts.
//
// Tokens are grouped by expert, so that a call reads each chosen expert once. A slot is one (token, expert) pair;
// slots of one expert are neighbours. First threads claim rows of gate and up of all experts, then columns of the
// output: whoever has a column block multiplies it for every slot and adds a token's experts in ascending order.
// Tokens pass in rounds when their slots would need too much memory; rounds change no bit. Where activations are rounded
// to FP8, threads round x before, and what lies between gate and down once all of it is there.
#include "../fp8-round/fp8-round.h"
#include "../linear/products.h"
#include "grouping.h"
#include "rows.h"

namespace mimo::MIMO_VARIANT {

namespace {

// Tiles of a claim, an even number so that its columns are whole groups of activations.
constexpr int64_t CLAIM_TILES = 4, CLAIM_COLUMNS = TILE_ROWS * CLAIM_TILES;

// The operands and sizes of one call, with this thread's scratch; what lies between gate and down is shared.
struct Call {
  const Weight &gate, &up, &down;
  const int64_t T, D, F, K, round;  // round: tokens at a time
  const int digits;                 // of activations; 0 for f32
  const Tile tile;                  // in which activations are rounded to FP8, of no columns where they are not
  const float* x;
  const QuantisedGroup* x_quantised;
  // silu(gate x) * (up x) as down takes it, the other null: [slots, F], [slots, F / 32].
  float* inner;
  QuantisedGroup* inner_quantised;
  float *first, *second;            // [slots, CLAIM_COLUMNS]: products of the claim at hand
  void* products;

  Call(const Args& args, Worker& worker)
      : gate(*args.weights[0]), up(*args.weights[1]), down(*args.weights[2]),
        T(args.integer(0)), D(args.integer(1)), F(args.integer(2)), K(args.integer(3)),
        round(tokens_per_round(T, K * F)),
        digits(static_cast<int>(args.integer(4))), tile{1, args.integer(5)},
        x(args.tensors[0].as<const float>()), inner(nullptr), inner_quantised(nullptr) {
    const size_t slots = static_cast<size_t>(round * K), size = slots * static_cast<size_t>(F);
    if (digits != 0 && is_quantised(down)) {
      inner_quantised = static_cast<QuantisedGroup*>(worker.shared_scratch(size / GROUP * sizeof(QuantisedGroup)));
    } else {
      inner = static_cast<float*>(worker.shared_scratch(size * sizeof(float)));
    }
    const bool quantise_x = digits != 0 && (is_quantised(gate) || is_quantised(up));
    x_quantised = quantise_x ? quantise_rows(x, T, D, digits, worker, 0) : nullptr;
    first = static_cast<float*>(worker.scratch(slots * CLAIM_COLUMNS * sizeof(float)));
    second = static_cast<float*>(worker.scratch(slots * CLAIM_COLUMNS * sizeof(float)));
    products = product_scratch(round * K, worker);  // a token may name one expert K times
    if (tile.columns != 0) {
      float* rounded = static_cast<float*>(worker.shared_scratch(static_cast<size_t>(T * D) * sizeof(float)));
      round_rows(x, T, D, rounded, worker);
      x = rounded;
    }
  }

  // Every thread its share of the rows, to be read when all have arrived.
  void round_rows(const float* rows, int64_t count, int64_t columns, float* out, Worker& worker) const {
    const int64_t begin = count * worker.id / worker.count, end = count * (worker.id + 1) / worker.count;
    round_tiles(rows + begin * columns, nullptr, end - begin, columns, tile, out + begin * columns);
    worker.barrier();
  }
};

// Tiles [begin, end) of inner, the first on a whole group of 32, for one expert's slots.
void multiply_inner(const Call& call, const Grouping::Group& group, const Inputs& in, int64_t begin, int64_t end) {
  const int64_t column = TILE_ROWS * begin, columns = min_of(TILE_ROWS * end, call.F) - column;
  const Matrix gate(call.gate, group.expert), up(call.up, group.expert);
  multiply(gate, begin, end, in, {call.first - column, CLAIM_COLUMNS, false}, call.products);
  multiply(up, begin, end, in, {call.second - column, CLAIM_COLUMNS, false}, call.products);
  for (int64_t i = 0; i < group.count; i++) {
    float *g = call.first + i * CLAIM_COLUMNS, *u = call.second + i * CLAIM_COLUMNS;
    const int64_t at = (group.first + i) * call.F + column;
    for (int64_t f = 0; f < columns; f += 16) {
      const f32x16 value = mul(silu(load(g + f)), load(u + f));
      if (call.inner_quantised != nullptr) store(g + f, value);
      else store_n(call.inner + at + f, value, columns - f < 16 ? static_cast<int>(columns - f) : 16);
    }
    if (call.inner_quantised == nullptr) continue;
    for (int64_t f = 0; f < columns; f += GROUP) {
      quantise_group(g + f, call.digits, call.inner_quantised + (at + f) / GROUP);
    }
  }
}

// Columns of tiles [begin, end) of the output for the round's tokens.
void multiply_down(const Call& call, const Grouping& grouping, int64_t T, int64_t begin, int64_t end, float* out) {
  const int64_t column = TILE_ROWS * begin, columns = min_of(TILE_ROWS * end, call.D) - column;
  memset(call.first, 0, static_cast<size_t>(T * CLAIM_COLUMNS) * sizeof(float));
  for (int64_t g = 0; g < grouping.num_groups; g++) {
    const Grouping::Group& group = grouping.groups[g];
    const int64_t at = group.first * call.F;
    const Inputs in = {call.inner + at, call.inner_quantised == nullptr ? nullptr : call.inner_quantised + at / GROUP,
                       call.digits, nullptr, group.count};
    const Output sums = {call.first - column, CLAIM_COLUMNS, true, grouping.token + group.first,
                         grouping.factor + group.first};
    multiply(Matrix(call.down, group.expert), begin, end, in, sums, call.products);
  }
  for (int64_t t = 0; t < T; t++) {
    for (int64_t d = 0; d < columns; d += 16) {
      const int count = columns - d < 16 ? static_cast<int>(columns - d) : 16;
      float* at = out + t * call.D + column + d;
      store_n(at, add(load_n(at, count), load(call.first + t * CLAIM_COLUMNS + d)), count);
    }
  }
}

int64_t num_steps(int64_t total, int64_t step) { return (total + step - 1) / step; }

}  // namespace

void experts(const Args& args, Worker& worker) {
  const int32_t* ids = args.tensors[1].as<const int32_t>();
  const float* weights = args.tensors[2].as<const float>();
  float* out = args.tensors[3].as<float>();
  const Call call(args, worker);
  const int64_t D = call.D, K = call.K, inner_tiles = num_tiles(call.F), down_tiles = num_tiles(D);
  Grouping grouping(call.gate.num_matrices, call.round * K, worker);
  Claims inner(worker, 1), down(worker, 2);
  for (int64_t t = 0; t < call.T; t += call.round) {
    const int64_t T = min_of(call.T - t, call.round);
    grouping.assign(ids + t * K, weights + t * K, T, K);
    int64_t item;
    const int64_t steps = num_steps(inner_tiles, CLAIM_TILES);
    while (inner.next(grouping.num_groups * steps, &item)) {
      const Grouping::Group& group = grouping.groups[item / steps];
      const QuantisedGroup* quantised = call.x_quantised == nullptr ? nullptr : call.x_quantised + t * (D / GROUP);
      const Inputs in = {call.x + t * D, quantised, call.digits, grouping.token + group.first, group.count};
      const int64_t begin = item % steps * CLAIM_TILES;
      multiply_inner(call, group, in, begin, min_of(begin + CLAIM_TILES, inner_tiles));
    }
    worker.barrier();
    if (call.tile.columns != 0) call.round_rows(call.inner, T * K, call.F, call.inner, worker);
    // Fewer at a time where there are few, so that threads end together; of few rows, several tiles take hardly longer
    // than one.
    const int64_t few = T <= FEW_ROWS ? min_of(CLAIM_TILES, num_steps(down_tiles, 2 * worker.count)) : 1;
    const int64_t tiles = down_tiles >= 8 * worker.count * CLAIM_TILES ? CLAIM_TILES : few;
    while (down.next(num_steps(down_tiles, tiles), &item)) {
      const int64_t begin = item * tiles;
      multiply_down(call, grouping, T, begin, min_of(begin + tiles, down_tiles), out + t * D);
    }
    if (t + T < call.T) worker.barrier();
  }
}

}  // namespace mimo::MIMO_VARIANT
