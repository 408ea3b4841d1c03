// One row of logits, which all threads of the pool go through together: its maximum, its k-th largest token, its mass.
//
// A row is cut into blocks of BLOCK tokens, and every thread has a fixed run of blocks. Counts are exact, and sums are
// taken by block and lane in the order of the ids, so nothing here depends on the number of threads. The maximum of
// each block is kept: whoever looks for large logits need not enter most blocks.
//
// Float64 is computed by plain loops and operators, which mean the same on every machine and which compilers turn into
// vectors. Tokens rank by descending logit, equal ones by ascending id; a NaN has no rank and is never chosen.
#pragma once

#include "rows.h"

namespace mimo::MIMO_VARIANT {

constexpr int64_t BLOCK = 256;
constexpr float INFINITE = __builtin_inff();

struct Range {
  int64_t begin, end;
};

// The share of this thread in `total` items.
inline Range share_of(int64_t total, const Worker& worker) {
  return {total * worker.id / worker.count, total * (worker.id + 1) / worker.count};
}

// The tokens that rank before a place: those above `logit`, and of those equal to it the ones with ids below `end`.
struct Border {
  float logit;
  int64_t end;
  bool follows(float other, int64_t id) const { return other > logit || (other == logit && id < end); }
};

struct Row {
  const float* logits;
  int64_t num_tokens;
  float* maxima;  // [num_blocks()], shared
  double* sums;   // [num_blocks()], shared
  float max = -INFINITE;
  int64_t top = 0;  // the first token that reaches `max`; 0 where all are -Infinity or NaN

  int64_t num_blocks() const { return (num_tokens + BLOCK - 1) / BLOCK; }
  Range block(int64_t b) const { return {b * BLOCK, min_of((b + 1) * BLOCK, num_tokens)}; }
  Border everything() const { return {-INFINITE, num_tokens}; }
};

inline float largest(const float* values, int64_t count) {
  f32x16 max_lanes = set1(-INFINITE);
  int64_t i = 0;
  // The second operand is what remains beside a NaN.
  for (; i + 16 <= count; i += 16) max_lanes = max(load(values + i), max_lanes);
  float result = hmax(max_lanes);
  for (; i < count; i++) result = values[i] > result ? values[i] : result;
  return result;
}

// Fills `maxima`, `max` and `top`; the kernel's first step.
inline void find_maximum(Row& row, Worker& worker) {
  const Range own = share_of(row.num_blocks(), worker);
  for (int64_t b = own.begin; b < own.end; b++) {
    const Range tokens = row.block(b);
    row.maxima[b] = largest(row.logits + tokens.begin, tokens.end - tokens.begin);
  }
  worker.barrier();
  row.max = largest(row.maxima, row.num_blocks());
  row.top = 0;
  if (row.max == -INFINITE) return;
  while (row.maxima[row.top / BLOCK] != row.max) row.top += BLOCK;
  while (row.logits[row.top] != row.max) row.top++;
}

inline int64_t count_from(const float* values, int64_t count, float threshold) {
  int32_t result = 0;
  for (int64_t i = 0; i < count; i++) result += values[i] >= threshold;
  return result;
}

// Floats in their order as integers, and back: both ways are the same.
inline int32_t order_of(int32_t bits) { return bits ^ ((bits >> 31) & 0x7fffffff); }
inline int32_t order_of(float value) {
  int32_t bits;
  memcpy(&bits, &value, 4);
  return order_of(bits);
}
inline float float_at(int32_t order) {
  const int32_t bits = order_of(order);
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

// The largest threshold, from `low` to `high`, that at least `k` values reach; -Infinity where none is.
template <class Count> float kth_largest(int64_t k, float low, float high, Count count) {
  int64_t from = order_of(low), to = order_of(high);
  while (from < to) {
    const int64_t middle = to - (to - from) / 2;
    if (count(float_at(static_cast<int32_t>(middle))) >= k) {
      from = middle;
    } else {
      to = middle - 1;
    }
  }
  return float_at(static_cast<int32_t>(from));
}

// The border behind the `k` tokens that rank first. Every thread computes it for itself: few blocks are entered.
inline Border border_of(const Row& row, int64_t k) {
  const int64_t num_blocks = row.num_blocks();
  const auto in_maxima = [&](float threshold) { return count_from(row.maxima, num_blocks, threshold); };
  const auto in_row = [&](float threshold) {
    int64_t count = 0;
    for (int64_t b = 0; b < num_blocks; b++) {
      if (!(row.maxima[b] >= threshold)) continue;
      const Range tokens = row.block(b);
      count += count_from(row.logits + tokens.begin, tokens.end - tokens.begin, threshold);
    }
    return count;
  };
  // k blocks whose maxima reach a value hold k tokens that do.
  const float low = k <= num_blocks ? kth_largest(k, -INFINITE, row.max, in_maxima) : -INFINITE;
  const float logit = kth_largest(k, low, row.max, in_row);
  int64_t ties = k - (logit < row.max ? in_row(float_at(order_of(logit) + 1)) : 0);
  for (int64_t b = 0; b < num_blocks; b++) {
    if (!(row.maxima[b] >= logit)) continue;
    const Range tokens = row.block(b);
    for (int64_t id = tokens.begin; id < tokens.end; id++) {
      if (row.logits[id] == logit && --ties == 0) return {logit, id + 1};
    }
  }
  return {logit, row.num_tokens};
}

// e^x for x <= 0, correct to about one unit in the last place: x = n ln 2 + r with |r| <= ln 2 / 2, the Taylor series
// of e^r, then 2^n. Below -700 as there; NaN stays NaN.
inline double exp_of_negative(double x) {
  x = x < -700.0 ? -700.0 : x;
  constexpr double SHIFT = 6755399441055744.0;  // 1.5 * 2^52: adding it rounds, and leaves n in the low bits
  const double shifted = __builtin_fma(x, 1.4426950408889634, SHIFT);
  const double n = shifted - SHIFT;
  double r = __builtin_fma(n, -6.93147180369123816490e-01, x);
  r = __builtin_fma(n, -1.90821492927058770002e-10, r);
  double p = 1.0 / 6227020800.0;
  p = __builtin_fma(p, r, 1.0 / 479001600.0);
  p = __builtin_fma(p, r, 1.0 / 39916800.0);
  p = __builtin_fma(p, r, 1.0 / 3628800.0);
  p = __builtin_fma(p, r, 1.0 / 362880.0);
  p = __builtin_fma(p, r, 1.0 / 40320.0);
  p = __builtin_fma(p, r, 1.0 / 5040.0);
  p = __builtin_fma(p, r, 1.0 / 720.0);
  p = __builtin_fma(p, r, 1.0 / 120.0);
  p = __builtin_fma(p, r, 1.0 / 24.0);
  p = __builtin_fma(p, r, 1.0 / 6.0);
  p = __builtin_fma(p, r, 0.5);
  p = __builtin_fma(p, r, 1.0);
  p = __builtin_fma(p, r, 1.0);
  uint64_t bits;
  memcpy(&bits, &shifted, 8);
  bits = (bits + 1023) << 52;
  double power;
  memcpy(&power, &bits, 8);
  return p * power;
}

// Log of a positive normal number, of 0 or of NaN. This is fdlibm's, operation by operation, which JavaScript engines
// use too: a token's noise here is the noise of sample.ts to the last bit.
// Copyright (C) 1993 by Sun Microsystems, Inc. All rights reserved. Developed at SunSoft, a Sun Microsystems, Inc.
// business. Permission to use, copy, modify, and distribute this software is freely granted, provided that this notice
// is preserved.
inline double log_of(double x) {
  if (!(x > 0)) return x == 0 ? -__builtin_inf() : x;
  constexpr double LN2_HIGH = 6.93147180369123816490e-01, LN2_LOW = 1.90821492927058770002e-10;
  uint64_t bits;
  memcpy(&bits, &x, 8);
  const int32_t high = static_cast<int32_t>(bits >> 32) & 0xfffff;
  const int32_t halved = (high + 0x95f64) & 0x100000;
  const double k = static_cast<double>(static_cast<int32_t>(bits >> 52) - 1023 + (halved >> 20));
  bits = (bits & 0xffffffffu) | static_cast<uint64_t>(high | (halved ^ 0x3ff00000)) << 32;
  memcpy(&x, &bits, 8);
  const double f = x - 1.0;
  if ((0xfffff & (2 + high)) < 3) {  // |f| < 2^-20
    if (f == 0) return k * LN2_HIGH + k * LN2_LOW;
    const double R = f * f * (0.5 - 0.33333333333333333 * f);
    return k == 0 ? f - R : k * LN2_HIGH - ((R - k * LN2_LOW) - f);
  }
  const double s = f / (2.0 + f), z = s * s, w = z * z;
  const double even = w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01));
  const double last = 1.818357216161805012e-01 + w * 1.479819860511658591e-01;
  const double odd = z * (6.666666666666735130e-01 + w * (2.857142874366239149e-01 + w * last));
  const double R = odd + even;
  if (((high - 0x6147a) | (0x6b851 - high)) > 0) {
    const double half = 0.5 * f * f;
    return k == 0 ? f - (half - s * (half + R)) : k * LN2_HIGH - ((half - (s * (half + R) + k * LN2_LOW)) - f);
  }
  return k == 0 ? f - s * (f - R) : k * LN2_HIGH - ((s * (f - R) - k * LN2_LOW) - f);
}

// e^((logit - max) / temperature): how likely a token is beside the likeliest one.
struct Weigher {
  double max, inverse;
  Weigher(float largest, double temperature) : max(largest), inverse(1.0 / temperature) {
    if (inverse > 1e300) inverse = 1e300;  // so that the largest itself is 0 times a number
  }
  double operator()(float logit) const { return exp_of_negative((static_cast<double>(logit) - max) * inverse); }
};

inline double block_mass(const Row& row, int64_t b, Weigher weigh, const Border* before) {
  const Range tokens = row.block(b);
  if (before != nullptr && !(row.maxima[b] >= before->logit)) return 0;
  const float* logits = row.logits + tokens.begin;
  const int32_t count = static_cast<int32_t>(tokens.end - tokens.begin);
  double weights[BLOCK];
  for (int32_t i = 0; i < count; i++) weights[i] = weigh(logits[i]);
  if (before != nullptr) {
    for (int32_t i = 0; i < count; i++) {
      if (!before->follows(logits[i], tokens.begin + i)) weights[i] = 0;
    }
  }
  for (int64_t i = count; i < BLOCK; i++) weights[i] = 0;
  double lanes[8] = {};
  for (int64_t i = 0; i < BLOCK; i += 8) {
    for (int64_t lane = 0; lane < 8; lane++) lanes[lane] += weights[i + lane];
  }
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

// The weights of all tokens added up, so that a NaN among them shows; or of those before a border, which has none.
inline double mass_of(const Row& row, Weigher weigh, const Border* before, Worker& worker) {
  const int64_t num_blocks = row.num_blocks();
  const Range own = share_of(num_blocks, worker);
  for (int64_t b = own.begin; b < own.end; b++) row.sums[b] = block_mass(row, b, weigh, before);
  worker.barrier();
  double total = 0;
  for (int64_t b = 0; b < num_blocks; b++) total += row.sums[b];
  worker.barrier();
  return total;
}

}  // namespace mimo::MIMO_VARIANT
