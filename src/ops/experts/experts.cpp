// experts: out[t] += sum over k of weights[t, k] * down_e(silu(gate_e x_t) * (up_e x_t)), e = ids[t, k]; the
// contract is in experts.ts.
//
// Tokens are grouped by expert, so that a call reads each chosen expert once. A slot is one (token, expert) pair;
// slots of one expert are neighbours. First threads claim rows of gate and up of all experts, then columns of the
// output: whoever has a column block multiplies it for every slot and adds each token's experts in the order of k.
// Tokens pass in rounds when their slots would need too much memory; rounds change no bit.
#include "../linear/products.h"

namespace mimo::MIMO_VARIANT {

namespace {

constexpr int64_t MAX_ROUND_BYTES = 64 << 20;

// Slots of one round of T tokens, sorted by expert, tokens in order within an expert.
struct Grouping {
  struct Group {
    int64_t expert, first, count;
  };
  Group* groups;
  int64_t num_groups = 0, largest = 0;
  int32_t* token;  // [slot]
  int32_t* slot;   // [T, K]

  Grouping(int64_t num_experts, int64_t max_slots, Worker& worker)
      : groups(static_cast<Group*>(worker.scratch(static_cast<size_t>(num_experts) * sizeof(Group)))),
        token(static_cast<int32_t*>(worker.scratch(static_cast<size_t>(max_slots) * sizeof(int32_t)))),
        slot(static_cast<int32_t*>(worker.scratch(static_cast<size_t>(max_slots) * sizeof(int32_t)))),
        num_experts_(num_experts),
        next_(static_cast<int64_t*>(worker.scratch(static_cast<size_t>(num_experts) * sizeof(int64_t)))) {}

  void assign(const int32_t* ids, int64_t T, int64_t K) {
    for (int64_t e = 0; e < num_experts_; e++) next_[e] = 0;
    for (int64_t i = 0; i < T * K; i++) next_[ids[i]]++;
    num_groups = largest = 0;
    int64_t first = 0;
    for (int64_t e = 0; e < num_experts_; e++) {
      const int64_t count = next_[e];
      next_[e] = first;
      if (count == 0) continue;
      groups[num_groups++] = {e, first, count};
      largest = count > largest ? count : largest;
      first += count;
    }
    for (int64_t i = 0; i < T * K; i++) {
      slot[i] = static_cast<int32_t>(next_[ids[i]]++);
      token[slot[i]] = static_cast<int32_t>(i / K);
    }
  }

 private:
  int64_t num_experts_;
  int64_t* next_;
};

// Claims of one phase over several rounds: a claim beyond the round's items is kept for the next round.
class Claims {
 public:
  Claims(Worker& worker, int phase) : worker_(worker), phase_(phase) {}

  // The next of the round's items; false when none is left.
  bool next(int64_t num_items, int64_t* item) {
    if (claimed_ < 0) {
      int64_t end;
      worker_.next(phase_, INT64_MAX, 1, &claimed_, &end);
    }
    if (claimed_ >= passed_ + num_items) {
      passed_ += num_items;
      return false;
    }
    *item = claimed_ - passed_;
    claimed_ = -1;
    return true;
  }

 private:
  Worker& worker_;
  int phase_;
  int64_t claimed_ = -1, passed_ = 0;
};

// The operands and sizes of one call, with this thread's scratch; `inner` is shared.
struct Call {
  const Weight &gate, &up, &down;
  const int64_t T, D, F, K, round;  // round: tokens at a time
  float* inner;                     // [slots, F]: silu(gate x) * (up x)
  QuantisedChunk* inner_quantised;  // the same as chunks; null where down takes f32
  const QuantisedChunk* x_quantised;
  float *first, *second;  // [slots, MAX_CLAIM]: products of the claim at hand
  void *inner_panel, *down_panel;

  Call(const Args& args, Worker& worker)
      : gate(*args.weights[0]), up(*args.weights[1]), down(*args.weights[2]),
        T(args.integer(0)), D(args.integer(1)), F(args.integer(2)), K(args.integer(3)),
        round(tokens_per_round(T, K, F)) {
    const bool quantised = args.integer(4) != 0;
    const size_t slots = static_cast<size_t>(round * K);
    inner = static_cast<float*>(worker.shared_scratch(slots * static_cast<size_t>(F) * sizeof(float)));
    inner_quantised = nullptr;
    if (quantised && is_quantised(down)) {
      const size_t chunks = slots * static_cast<size_t>(num_chunks(F));
      inner_quantised = static_cast<QuantisedChunk*>(worker.shared_scratch(chunks * sizeof(QuantisedChunk)));
    }
    const bool quantise_x = quantised && (is_quantised(gate) || is_quantised(up));
    x_quantised = quantise_x ? quantise_rows(args.tensors[0].as<const float>(), T, D, worker, 0) : nullptr;
    first = static_cast<float*>(worker.scratch(slots * MAX_CLAIM * sizeof(float)));
    second = static_cast<float*>(worker.scratch(slots * MAX_CLAIM * sizeof(float)));
    // A token may name one expert K times.
    inner_panel = panel_scratch(D, round * K, worker);
    down_panel = panel_scratch(F, round * K, worker);
  }

  static int64_t tokens_per_round(int64_t T, int64_t K, int64_t F) {
    const int64_t fit = MAX_ROUND_BYTES / (K * F * static_cast<int64_t>(sizeof(float)));
    return T < fit ? T : fit < 1 ? 1 : fit;
  }
};

// Rows [begin, end) of inner for one expert's slots.
void multiply_inner(const Call& call, const Grouping::Group& group, const Inputs& in, int64_t begin, int64_t end) {
  multiply(Matrix(call.gate, group.expert), begin, end, in, {call.first - begin, MAX_CLAIM, false}, call.inner_panel);
  multiply(Matrix(call.up, group.expert), begin, end, in, {call.second - begin, MAX_CLAIM, false}, call.inner_panel);
  for (int64_t i = 0; i < group.count; i++) {
    float* out = call.inner + (group.first + i) * call.F + begin;
    for (int64_t f = 0; f < end - begin; f += 16) {
      const int lanes = end - begin - f < 16 ? static_cast<int>(end - begin - f) : 16;
      const int64_t at = i * MAX_CLAIM + f;
      store_n(out + f, mul(silu(load(call.first + at)), load(call.second + at)), lanes);
    }
  }
}

// Columns [begin, end) of the output for the round's tokens.
void multiply_down(const Call& call, const Grouping& grouping, const float* weights, int64_t T, int64_t begin,
                   int64_t end, float* out) {
  for (int64_t g = 0; g < grouping.num_groups; g++) {
    const Grouping::Group& group = grouping.groups[g];
    const QuantisedChunk* chunks =
        call.inner_quantised == nullptr ? nullptr : call.inner_quantised + group.first * num_chunks(call.F);
    const Inputs in = {call.inner + group.first * call.F, chunks, nullptr, group.count};
    const Output products = {call.first + group.first * MAX_CLAIM - begin, MAX_CLAIM, false};
    multiply(Matrix(call.down, group.expert), begin, end, in, products, call.down_panel);
  }
  for (int64_t t = 0; t < T; t++) {
    for (int64_t d = begin; d < end; d += 16) {
      f32x16 sum = zero();
      for (int64_t k = t * call.K; k < (t + 1) * call.K; k++) {
        sum = fma(set1(weights[k]), load(call.first + grouping.slot[k] * MAX_CLAIM + d - begin), sum);
      }
      const int lanes = end - d < 16 ? static_cast<int>(end - d) : 16;
      float* at = out + t * call.D + d;
      store_n(at, add(load_n(at, lanes), sum), lanes);
    }
  }
}

// Rounds one slot of inner to int8.
void quantise_inner(const Call& call, int64_t slot) {
  const int64_t chunks = num_chunks(call.F);
  for (int64_t c = 0; c < chunks; c++) {
    const int64_t left = call.F - c * CHUNK;
    quantise_chunk(call.inner + slot * call.F + c * CHUNK, left < CHUNK ? static_cast<int>(left) : CHUNK,
                   call.inner_quantised + slot * chunks + c);
  }
}

int64_t num_steps(int64_t total, int64_t step) { return (total + step - 1) / step; }

}  // namespace

void experts(const Args& args, Worker& worker) {
  const float* x = args.tensors[0].as<const float>();
  const int32_t* ids = args.tensors[1].as<const int32_t>();
  const float* weights = args.tensors[2].as<const float>();
  float* out = args.tensors[3].as<float>();
  const Call call(args, worker);
  const int64_t D = call.D, F = call.F, K = call.K;
  Grouping grouping(call.gate.num_matrices, call.round * K, worker);
  Claims inner(worker, 1), quantise(worker, 2), down(worker, 3);
  for (int64_t t = 0; t < call.T; t += call.round) {
    const int64_t T = call.T - t < call.round ? call.T - t : call.round;
    grouping.assign(ids + t * K, T, K);
    int64_t item;
    const int64_t rows = claim_size(grouping.num_groups * F, D, grouping.largest, worker);
    while (inner.next(grouping.num_groups * num_steps(F, rows), &item)) {
      const Grouping::Group& group = grouping.groups[item / num_steps(F, rows)];
      const QuantisedChunk* chunks = call.x_quantised == nullptr ? nullptr : call.x_quantised + t * num_chunks(D);
      const Inputs in = {x + t * D, chunks, grouping.token + group.first, group.count};
      const int64_t begin = item % num_steps(F, rows) * rows;
      multiply_inner(call, group, in, begin, begin + rows < F ? begin + rows : F);
    }
    worker.barrier();
    if (call.inner_quantised != nullptr) {
      while (quantise.next(T * K, &item)) quantise_inner(call, item);
      worker.barrier();
    }
    const int64_t columns = claim_size(D, F, grouping.largest, worker);
    while (down.next(num_steps(D, columns), &item)) {
      const int64_t begin = item * columns, end = begin + columns < D ? begin + columns : D;
      multiply_down(call, grouping, weights + t * K, T, begin, end, out + t * D);
    }
    if (t + T < call.T) worker.barrier();
  }
}

}  // namespace mimo::MIMO_VARIANT
