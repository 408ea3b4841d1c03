// How tokens meet their experts in rounds: who is in a group, and who works on what.
//
// A slot is one (token, expert) pair; slots of one expert are neighbours. Every thread makes its own grouping, the same
// as the others'. Knows nothing of what is computed for a slot.
#pragma once

#include "rows.h"

namespace mimo::MIMO_VARIANT {

constexpr int64_t MAX_ROUND_BYTES = 64 << 20;

// Tokens that pass at a time where each needs so many floats.
inline int64_t tokens_per_round(int64_t T, int64_t floats) {
  const int64_t fit = MAX_ROUND_BYTES / (floats * static_cast<int64_t>(sizeof(float)));
  return T < fit ? T : fit < 1 ? 1 : fit;
}

// Slots of one round of T tokens, sorted by expert, tokens in order within an expert.
struct Grouping {
  struct Group {
    int64_t expert, first, count;
  };
  Group* groups;
  int64_t num_groups = 0;
  int32_t* token;   // [slot]
  int32_t* choice;  // [slot]: its place in ids and weights
  float* factor;    // [slot]: the expert's weight for that token

  Grouping(int64_t num_experts, int64_t max_slots, Worker& worker)
      : groups(static_cast<Group*>(worker.scratch(static_cast<size_t>(num_experts) * sizeof(Group)))),
        token(static_cast<int32_t*>(worker.scratch(static_cast<size_t>(max_slots) * sizeof(int32_t)))),
        choice(static_cast<int32_t*>(worker.scratch(static_cast<size_t>(max_slots) * sizeof(int32_t)))),
        factor(static_cast<float*>(worker.scratch(static_cast<size_t>(max_slots) * sizeof(float)))),
        num_experts_(num_experts),
        next_(static_cast<int64_t*>(worker.scratch(static_cast<size_t>(num_experts) * sizeof(int64_t)))) {}

  void assign(const int32_t* ids, const float* weights, int64_t T, int64_t K) {
    for (int64_t e = 0; e < num_experts_; e++) next_[e] = 0;
    for (int64_t i = 0; i < T * K; i++) next_[ids[i]]++;
    num_groups = 0;
    int64_t first = 0;
    for (int64_t e = 0; e < num_experts_; e++) {
      const int64_t count = next_[e];
      next_[e] = first;
      if (count == 0) continue;
      groups[num_groups++] = {e, first, count};
      first += count;
    }
    for (int64_t i = 0; i < T * K; i++) {
      const int64_t slot = next_[ids[i]]++;
      token[slot] = static_cast<int32_t>(i / K);
      choice[slot] = static_cast<int32_t>(i);
      factor[slot] = weights[i];
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

}  // namespace mimo::MIMO_VARIANT
