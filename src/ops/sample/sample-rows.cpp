// Sampling; see sample-rows.ts for the arguments and sample.ts for what is computed. All threads go through row after
// row together.
//
// Choosing. A token's value is d + g with d = (logit - max) / temperature <= 0 and g = -ln(-ln u). With x = 1 - u,
// rounded down, -ln u >= x, so a token whose value reaches `best` has x <= e^(d - best). That takes one float32
// exponential for each token, rounded the safe way; the few that pass are computed in float64 as defined. (It is a race
// of exponential clocks, and x bounds from below when a token arrives.)
//
// Truncation. Top-k, top-p and min-p each keep the tokens that rank before some border. Top-k's is found by counting.
// Top-p's and min-p's need not be: the winner among all is the answer where it is kept; where it is not, neither is any
// token that ranks behind it, and the race is run again among those before it. With top-p 0.95 that is one race in
// twenty; from a flat distribution cut to a share s, about 1 - ln s of them.
#include "row.h"

namespace mimo::MIMO_VARIANT {

namespace {

struct Request {
  double temperature, top_k, top_p, min_p;
  double repetition, presence, frequency;
  double seed, position;
  double mask;  // row of the masks, or -1
  double num_biases, num_seen, num_counts;
  const double* biases;  // (token, bias)...
  const double* seen;    // token...
  const double* counts;  // (token, count)...
  bool has_changes() const { return num_biases + num_seen + num_counts > 0; }
};

constexpr int NUM_FIELDS = 13;

// Reads one row's request and moves on to the next.
Request take_request(const double*& next) {
  Request request;
  memcpy(&request, next, NUM_FIELDS * sizeof(double));
  request.biases = next + NUM_FIELDS;
  request.seen = request.biases + 2 * static_cast<int64_t>(request.num_biases);
  request.counts = request.seen + static_cast<int64_t>(request.num_seen);
  next = request.counts + 2 * static_cast<int64_t>(request.num_counts);
  return request;
}

// Changes single logits as penalties.ts does, and remembers what they were.
class Adjustments {
 public:
  Adjustments(float* logits, int64_t num_tokens, float* saved)
      : logits_(logits), num_tokens_(num_tokens), saved_(saved) {}

  void apply(const Request& request) {
    for (int64_t i = 0; i < static_cast<int64_t>(request.num_biases); i++) {
      change(request.biases[2 * i], [&](double logit) { return logit + request.biases[2 * i + 1]; });
    }
    for (int64_t i = 0; i < static_cast<int64_t>(request.num_seen); i++) {
      change(request.seen[i],
             [&](double logit) { return logit > 0 ? logit / request.repetition : logit * request.repetition; });
    }
    for (int64_t i = 0; i < static_cast<int64_t>(request.num_counts); i++) {
      const double penalty = request.presence + request.counts[2 * i + 1] * request.frequency;
      change(request.counts[2 * i], [&](double logit) { return logit - penalty; });
    }
  }

  // Backwards, because a token may have been changed more than once.
  void revert(const Request& request) {
    for (int64_t i = static_cast<int64_t>(request.num_counts) - 1; i >= 0; i--) restore(request.counts[2 * i]);
    for (int64_t i = static_cast<int64_t>(request.num_seen) - 1; i >= 0; i--) restore(request.seen[i]);
    for (int64_t i = static_cast<int64_t>(request.num_biases) - 1; i >= 0; i--) restore(request.biases[2 * i]);
  }

 private:
  bool is_token(double token) const { return token >= 0 && token < static_cast<double>(num_tokens_); }

  template <class Change> void change(double token, Change change) {
    if (!is_token(token)) return;
    float& logit = logits_[static_cast<int64_t>(token)];
    saved_[count_++] = logit;
    logit = static_cast<float>(change(static_cast<double>(logit)));
  }

  void restore(double token) {
    if (is_token(token)) logits_[static_cast<int64_t>(token)] = saved_[--count_];
  }

  float* logits_;
  int64_t num_tokens_;
  float* saved_;
  int64_t count_ = 0;
};

// The row with -Infinity in the place of every token that the mask does not allow; each thread writes its share of
// whole words. The row itself is left alone, and rows without a mask never come here.
void copy_allowed(const float* logits, const uint32_t* words, int64_t num_tokens, float* allowed, const Worker& worker) {
  const Range own = share_of((num_tokens + 31) / 32, worker);
  for (int64_t w = own.begin; w < own.end; w++) {
    const int64_t count = min_of(num_tokens - 32 * w, 32);
    for (int64_t i = 0; i < count; i++) {
      allowed[32 * w + i] = (words[w] >> i & 1) != 0 ? logits[32 * w + i] : -INFINITE;
    }
  }
}

// The lowest token that a mask allows; 0 where it allows none.
int64_t first_allowed(const uint32_t* words, int64_t num_tokens) {
  for (int64_t id = 0; id < num_tokens; id++) {
    if ((words[id / 32] >> (id % 32) & 1) != 0) return id;
  }
  return 0;
}

// The randomness of src/util/random.ts.
inline uint32_t mix(uint32_t a, uint32_t b) {
  uint32_t h = a ^ (b * 0x9e3779b9u);
  h = (h ^ (h >> 16)) * 0x21f0aaadu;
  h = (h ^ (h >> 15)) * 0x735a2d97u;
  return h ^ (h >> 15);
}

uint32_t random_key(double seed, double position) {
  const uint64_t words = static_cast<uint64_t>(seed);
  uint32_t key = mix(0x2545f491u, static_cast<uint32_t>(words));
  key = mix(key, static_cast<uint32_t>(words >> 32));
  return mix(key, static_cast<uint32_t>(static_cast<uint64_t>(position)));
}

double random_unit(uint32_t key, uint32_t counter) {
  const double high = mix(key, counter) >> 5, low = mix(key ^ 0x68bc21ebu, counter) >> 6;
  return (high * 0x1p26 + low + 0.5) / 0x1p53;
}

struct Choice {
  double value;
  int64_t token;
  bool is_above(const Choice& other) const {
    return value > other.value || (value == other.value && token < other.token);
  }
};

struct Race {
  const Row& row;
  double temperature;
  uint32_t key;
  Choice* choices;  // [threads], shared

  Choice choice(int64_t token) const {
    const double distance = static_cast<double>(row.logits[token]) - static_cast<double>(row.max);
    const double noise = log_of(-log_of(random_unit(key, static_cast<uint32_t>(token))));
    return {distance / temperature - noise, token};
  }

  // The winner among the tokens before the border, of which row.top is always one.
  int64_t run(const Border& border, Worker& worker) const {
    const Range own = share_of(row.num_blocks(), worker);
    Choice best = choice(row.top);
    for (int64_t b = own.begin; b < own.end; b++) {
      if (row.maxima[b] >= border.logit) run_block(row.block(b), border, best);
    }
    choices[worker.id] = best;
    worker.barrier();
    for (int i = 0; i < worker.count; i++) best = choices[i].is_above(best) ? choices[i] : best;
    worker.barrier();
    return best.token;
  }

 private:
  void run_block(Range tokens, const Border& border, Choice& best) const {
    const float* logits = row.logits + tokens.begin;
    const int32_t count = static_cast<int32_t>(tokens.end - tokens.begin);
    float arrivals[BLOCK], bounds[BLOCK];
    for (int32_t i = 0; i < count; i++) {
      const uint32_t high = mix(key, static_cast<uint32_t>(tokens.begin) + static_cast<uint32_t>(i)) >> 5;
      arrivals[i] = static_cast<float>(static_cast<int32_t>(0x7ffffff - high)) * 0x1p-27f;
    }
    // 1e38: a temperature beyond float32 must not make 0 times infinity of the likeliest token. 1.001: errors in the
    // exponent stay below 2e-5 wherever they could matter.
    const f32x16 inverse = set1(static_cast<float>(temperature > 1e-38 ? 1.0 / temperature : 1e38));
    const f32x16 largest = set1(row.max), value = set1(static_cast<float>(-best.value)), slack = set1(1.001f);
    for (int32_t i = 0; i < count; i += 16) {
      const f32x16 distance = sub(load_up_to(logits + i, count - i), largest);
      store(bounds + i, mul(exp(fma(distance, inverse, value)), slack));
    }
    int32_t passed = 0;
    for (int32_t i = 0; i < count; i++) passed |= arrivals[i] <= bounds[i];
    if (passed == 0) return;
    for (int32_t i = 0; i < count; i++) {
      if (!(arrivals[i] <= bounds[i]) || !border.follows(logits[i], tokens.begin + i)) continue;
      const Choice candidate = choice(tokens.begin + i);
      if (candidate.is_above(best)) best = candidate;
    }
  }
};

// Every thread takes the same decisions.
int64_t sample(Row& row, const Request& request, Choice* choices, Worker& worker) {
  find_maximum(row, worker);
  // An infinite logit leaves nothing to compare.
  if (request.temperature == 0 || row.max - row.max != 0) return row.top;
  const Weigher weigh(row.max, request.temperature);
  Border border = row.everything();
  const bool is_limited = request.top_k > 0 && request.top_k < static_cast<double>(row.num_tokens);
  if (is_limited) border = border_of(row, static_cast<int64_t>(request.top_k));
  double most = INFINITE;  // the mass before a token that top-p keeps is below this
  if (request.top_p < 1) {
    most = request.top_p * mass_of(row, weigh, is_limited ? &border : nullptr, worker);
    if (most <= 1) return row.top;
  }
  const Race race{row, request.temperature, random_key(request.seed, request.position), choices};
  for (;;) {
    const int64_t token = race.run(border, worker);
    if (token == row.top) return token;
    border = {row.logits[token], token};
    const bool is_unlikely = request.min_p > 0 && weigh(border.logit) < request.min_p;
    if (is_unlikely) continue;
    if (request.top_p < 1 && mass_of(row, weigh, &border, worker) >= most) continue;
    return token;
  }
}

}  // namespace

// tensors [logits, tokens, masks where a row has one], scalars [R, V, numTokens, numChanges, numMasks, a request for each row...]
void sample_rows(const Args& args, Worker& worker) {
  const int64_t R = args.integer(0), V = args.integer(1), num_tokens = args.integer(2);
  const size_t num_blocks = static_cast<size_t>((num_tokens + BLOCK - 1) / BLOCK);
  float* maxima = static_cast<float*>(worker.shared_scratch(num_blocks * sizeof(float)));
  double* sums = static_cast<double*>(worker.shared_scratch(num_blocks * sizeof(double)));
  Choice* choices = static_cast<Choice*>(worker.shared_scratch(static_cast<size_t>(worker.count) * sizeof(Choice)));
  const size_t num_changes = worker.id == 0 ? static_cast<size_t>(args.integer(3)) : 0;
  float* saved = static_cast<float*>(worker.scratch((num_changes + 1) * sizeof(float)));
  const size_t num_allowed = args.integer(4) > 0 ? static_cast<size_t>(num_tokens) : 1;
  float* allowed = static_cast<float*>(worker.shared_scratch(num_allowed * sizeof(float)));
  const int64_t num_words = (num_tokens + 31) / 32;
  const double* next = args.scalars + 5;
  for (int64_t r = 0; r < R; r++) {
    const Request request = take_request(next);
    float* logits = args.tensors[0].as<float>() + r * V;
    const uint32_t* mask = nullptr;
    if (request.mask >= 0) {
      mask = args.tensors[2].as<const uint32_t>() + static_cast<int64_t>(request.mask) * num_words;
      copy_allowed(logits, mask, num_tokens, allowed, worker);
      worker.barrier();
      logits = allowed;
    }
    Adjustments adjustments(logits, num_tokens, saved);
    if (worker.id == 0) adjustments.apply(request);
    if (request.has_changes()) worker.barrier();
    Row row{logits, num_tokens, maxima, sums};
    int64_t token = sample(row, request, choices, worker);
    if (mask != nullptr && row.max == -INFINITE) token = first_allowed(mask, num_tokens);
    worker.barrier();
    if (worker.id != 0) continue;
    adjustments.revert(request);
    args.tensors[1].as<int32_t>()[r] = static_cast<int32_t>(token);
  }
}

}  // namespace mimo::MIMO_VARIANT
