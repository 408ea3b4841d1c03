// Gradients of the experts; the contract is in experts.backward.ts.
//
// Tokens are grouped by expert, in rounds, as the forward does. First threads claim slots of one expert and take them
// all the way: gate and up again, back through down and the activation, and back through gate and up. What a slot adds
// to its token's input waits in a place of its own. Then they claim blocks of the weights' gradients, large groups first,
// and tokens, which add their slots in order. Rounds change no bit: chains over slots go on from what the last one left.
// With FP8 there is one round, and two steps more: rows of x and dOut are rounded before, and between the claims whatever
// meets in sums over tokens, in tiles of one expert's slots. Threads divide both by number.
#include "../fp8-round/fp8-round.h"
#include "../linear/gradient-products.h"
#include "grouping.h"

namespace mimo::MIMO_VARIANT {

namespace {

constexpr int64_t MAX_CLAIM_SLOTS = 192, MIN_CLAIM_SLOTS = 48;
constexpr int64_t CLAIM_TOKENS = 32;
constexpr int64_t CLAIMS_PER_THREAD = 8;

// The operands and sizes of one call, with this thread's scratch; what is kept for each slot is shared.
struct Call {
  const float *x, *weights, *gate, *up, *down, *d_out;
  const int32_t* ids;
  float *d_x, *d_weights, *d_gate, *d_up, *d_down;
  const int64_t T, E, D, F, K, block, round;  // block: of FP8, or 0; round: tokens at a time
  // [slots, F]: gradients of what gate and up gave, and what the forward gave to down times the expert's weight.
  float *gates, *ups, *inners;
  float* inputs;  // [tokens, K, D]: what each choice adds to d_x
  float* products;
  // With FP8, rounded along columns: all x and dOut [T, D], one claim's gradients of gate or up [slots, F]; rounded
  // along an expert's slots: its x and dOut [slots, D]. Otherwise null.
  float *x_rows, *d_out_rows, *claim_rows, *slot_x, *slot_d_out;

  Call(const Args& args, Worker& worker)
      : x(floats(args, 0)), weights(floats(args, 2)), gate(floats(args, 3)), up(floats(args, 4)), down(floats(args, 5)),
        d_out(floats(args, 6)), ids(args.tensors[1].as<const int32_t>()), d_x(floats(args, 7)),
        d_weights(floats(args, 8)), d_gate(floats(args, 9)), d_up(floats(args, 10)), d_down(floats(args, 11)),
        T(args.integer(0)), E(args.integer(1)), D(args.integer(2)), F(args.integer(3)), K(args.integer(4)),
        block(args.integer(5)), round(block == 0 ? tokens_per_round(T, K * (3 * F + D)) : T),
        gates(share(round * K * F, worker)), ups(share(round * K * F, worker)), inners(share(round * K * F, worker)),
        inputs(share(round * K * D, worker)), products(gradient_scratch(worker)), x_rows(nullptr), d_out_rows(nullptr),
        claim_rows(nullptr), slot_x(nullptr), slot_d_out(nullptr) {
    if (block == 0) return;
    x_rows = share(T * D, worker), d_out_rows = share(T * D, worker);
    slot_x = share(T * K * D, worker), slot_d_out = share(T * K * D, worker);
    claim_rows = static_cast<float*>(worker.scratch(static_cast<size_t>(MAX_CLAIM_SLOTS * F) * sizeof(float)));
  }

  static float* floats(const Args& args, int i) { return args.tensors[i].as<float>(); }
  static float* share(int64_t count, Worker& worker) {
    return static_cast<float*>(worker.shared_scratch(static_cast<size_t>(count) * sizeof(float)));
  }
};

// Back through the activation of one slot, in place: gate, up [F] and the gradient `inner` [F] of what they gave become
// their own gradients and what the weighted forward gave. Returns the gradient of the weight.
float pass_activation(float* gate, float* up, float* inner, float weight, int64_t F) {
  f32x16 dots = zero();
  const f32x16 one = set1(1.0f), factor = set1(weight);
  for (int64_t f = 0; f < F; f += 16) {
    const int64_t n = F - f;
    const f32x16 g = load_up_to(gate + f, n), u = load_up_to(up + f, n), d = load_up_to(inner + f, n);
    const f32x16 s = sigmoid(g), silu_g = mul(g, s), value = mul(silu_g, u), weighted = mul(factor, d);
    dots = fma(value, d, dots);
    store_up_to(gate + f, mul(mul(weighted, u), mul(s, fma(g, sub(one, s), one))), n);
    store_up_to(up + f, mul(weighted, silu_g), n);
    store_up_to(inner + f, mul(factor, value), n);
  }
  return hsum(dots);
}

// Each thread its share of x and dOut, along columns.
void round_tokens(const Call& call, Worker& worker) {
  const int64_t D = call.D, begin = call.T * worker.id / worker.count, end = call.T * (worker.id + 1) / worker.count;
  const auto round = [&](const float* rows, float* out) {
    round_tiles(rows + begin * D, nullptr, end - begin, D, {1, call.block}, out + begin * D);
  };
  round(call.x, call.x_rows);
  round(call.d_out, call.d_out_rows);
  worker.barrier();
}

// Each thread its tiles of what meets in sums over tokens, along the slots of an expert.
void round_slots(const Call& call, const Grouping& grouping, Worker& worker) {
  const int64_t D = call.D, F = call.F;
  const Tile tile = {call.block, 1};
  float* const kept[] = {call.gates, call.ups, call.inners};
  int64_t number = 0;
  for (int64_t g = 0; g < grouping.num_groups; g++) {
    const Grouping::Group& group = grouping.groups[g];
    for (int64_t at = 0; at < group.count; at += call.block) {
      if (number++ % worker.count != worker.id) continue;
      const int64_t slot = group.first + at, count = min_of(call.block, group.count - at);
      for (float* of_slots : kept) round_tiles(of_slots + slot * F, nullptr, count, F, tile, of_slots + slot * F);
      round_tiles(call.x, grouping.token + slot, count, D, tile, call.slot_x + slot * D);
      round_tiles(call.d_out, grouping.token + slot, count, D, tile, call.slot_d_out + slot * D);
    }
  }
  worker.barrier();
}

// Slots [first, first + count) of one expert.
void pass_slots(const Call& call, const Grouping& grouping, int64_t expert, int64_t first, int64_t count, int64_t t) {
  const int64_t D = call.D, F = call.F, matrix = expert * F * D;
  const int32_t *token = grouping.token + first, *choice = grouping.choice + first;
  const bool is_fp8 = call.block != 0;
  const Factor x = {(is_fp8 ? call.x_rows : call.x) + t * D, D, token};
  const Factor d_out = {(is_fp8 ? call.d_out_rows : call.d_out) + t * D, D, token};
  const Factor gate = {call.gate + matrix, D}, up = {call.up + matrix, D}, down = {call.down + matrix, F};
  float *gates = call.gates + first * F, *ups = call.ups + first * F, *inners = call.inners + first * F;
  const Block inner_block = {0, count, 0, F}, input_block = {0, count, 0, D};
  multiply(x, Sum::ALONG_ROWS, gate, Sum::ALONG_ROWS, D, inner_block, {gates, F, false}, call.products);
  multiply(x, Sum::ALONG_ROWS, up, Sum::ALONG_ROWS, D, inner_block, {ups, F, false}, call.products);
  multiply(d_out, Sum::ALONG_ROWS, down, Sum::OVER_ROWS, D, inner_block, {inners, F, false}, call.products);
  for (int64_t i = 0; i < count; i++) {
    call.d_weights[t * call.K + choice[i]] =
        pass_activation(gates + i * F, ups + i * F, inners + i * F, grouping.factor[first + i], F);
  }
  const Target from_gate = {call.inputs, D, false, choice}, from_up = {call.inputs, D, true, choice};
  const auto rounded = [&](const float* rows) -> Factor {
    if (!is_fp8) return {rows, F};
    round_tiles(rows, nullptr, count, F, {1, call.block}, call.claim_rows);
    return {call.claim_rows, F};
  };
  multiply(rounded(gates), Sum::ALONG_ROWS, gate, Sum::OVER_ROWS, F, input_block, from_gate, call.products);
  multiply(rounded(ups), Sum::ALONG_ROWS, up, Sum::OVER_ROWS, F, input_block, from_up, call.products);
}

// Splits every group into claims of nearly equal size; claims are numbered through all groups.
struct SlotClaims {
  int64_t most;  // slots of a claim

  SlotClaims(int64_t slots, int threads)
      : most(max_of(MIN_CLAIM_SLOTS, min_of(MAX_CLAIM_SLOTS, slots / (CLAIMS_PER_THREAD * threads)))) {}

  int64_t parts(const Grouping::Group& group) const { return (group.count + most - 1) / most; }
  int64_t count(const Grouping& grouping) const {
    int64_t sum = 0;
    for (int64_t g = 0; g < grouping.num_groups; g++) sum += parts(grouping.groups[g]);
    return sum;
  }
};

void pass_claim(const Call& call, const Grouping& grouping, const SlotClaims& claims, int64_t item, int64_t t) {
  const Grouping::Group* group = grouping.groups;
  while (item >= claims.parts(*group)) item -= claims.parts(*group++);
  const int64_t parts = claims.parts(*group), begin = group->count * item / parts;
  pass_slots(call, grouping, group->expert, group->first + begin, group->count * (item + 1) / parts - begin, t);
}

// Blocks of the three gradients of one expert: of gate, of up, of down.
struct WeightClaims {
  Blocks inner, outer;

  WeightClaims(const Call& call, int64_t wanted) : inner(call.F, call.D, wanted), outer(call.D, call.F, wanted) {}
  int64_t count() const { return 2 * inner.count() + outer.count(); }
};

void add_weight_gradients(const Call& call, const Grouping& grouping, const Grouping::Group& group,
                          const WeightClaims& claims, int64_t item, int64_t t) {
  const int64_t D = call.D, F = call.F, matrix = group.expert * F * D;
  const int32_t* token = grouping.token + group.first;
  Factor x = {call.x + t * D, D, token}, d_out = {call.d_out + t * D, D, token};
  if (call.block != 0) x = {call.slot_x + group.first * D, D}, d_out = {call.slot_d_out + group.first * D, D};
  const auto add = [&](const Factor& a, const Factor& b, const Block& block, const Target& target) {
    multiply(a, Sum::OVER_ROWS, b, Sum::OVER_ROWS, group.count, block, target, call.products);
  };
  if (item < claims.outer.count()) {
    return add(d_out, {call.inners + group.first * F, F}, claims.outer.at(item), {call.d_down + matrix, F});
  }
  item -= claims.outer.count();
  const bool is_gate = item < claims.inner.count();
  const float* of_slots = (is_gate ? call.gates : call.ups) + group.first * F;
  add({of_slots, F}, x, claims.inner.at(item % claims.inner.count()), {(is_gate ? call.d_gate : call.d_up) + matrix, D});
}

// Adds the choices of tokens [begin, end) in order.
void add_inputs(const Call& call, int64_t begin, int64_t end, int64_t t) {
  const int64_t D = call.D, K = call.K;
  for (int64_t i = begin; i < end; i++) {
    float* out = call.d_x + (t + i) * D;
    for (int64_t d = 0; d < D; d += 16) {
      f32x16 sum = load_up_to(out + d, D - d);
      for (int64_t k = 0; k < K; k++) sum = add(sum, load_up_to(call.inputs + (i * K + k) * D + d, D - d));
      store_up_to(out + d, sum, D - d);
    }
  }
}

// Large groups first, so that threads end together.
void sort_groups(Grouping& grouping) {
  for (int64_t i = 1; i < grouping.num_groups; i++) {
    const Grouping::Group group = grouping.groups[i];
    int64_t j = i;
    for (; j > 0 && grouping.groups[j - 1].count < group.count; j--) grouping.groups[j] = grouping.groups[j - 1];
    grouping.groups[j] = group;
  }
}

}  // namespace

// tensors [x, ids, weights, gate, up, down, dOut, dX, dWeights, dGate, dUp, dDown], scalars [T, E, D, F, K, fp8Block or 0]
void experts_backward(const Args& args, Worker& worker) {
  const Call call(args, worker);
  Grouping grouping(call.E, call.round * call.K, worker);
  Claims slots(worker, 0), gradients(worker, 1), inputs(worker, 2);
  if (call.block != 0) round_tokens(call, worker);
  for (int64_t t = 0; t < call.T; t += call.round) {
    const int64_t T = min_of(call.T - t, call.round);
    grouping.assign(call.ids + t * call.K, call.weights + t * call.K, T, call.K);
    sort_groups(grouping);
    int64_t item;
    const SlotClaims slot_claims(T * call.K, worker.count);
    const int64_t num_slot_claims = slot_claims.count(grouping);
    while (slots.next(num_slot_claims, &item)) pass_claim(call, grouping, slot_claims, item, t);
    worker.barrier();
    if (call.block != 0) round_slots(call, grouping, worker);
    const WeightClaims weight_claims(call, CLAIMS_PER_THREAD * worker.count / (3 * grouping.num_groups) + 1);
    while (gradients.next(grouping.num_groups * weight_claims.count(), &item)) {
      const Grouping::Group& group = grouping.groups[item / weight_claims.count()];
      add_weight_gradients(call, grouping, group, weight_claims, item % weight_claims.count(), t);
    }
    while (inputs.next((T + CLAIM_TOKENS - 1) / CLAIM_TOKENS, &item)) {
      add_inputs(call, item * CLAIM_TOKENS, min_of((item + 1) * CLAIM_TOKENS, T), t);
    }
    if (t + T < call.T) worker.barrier();
  }
}

}  // namespace mimo::MIMO_VARIANT
