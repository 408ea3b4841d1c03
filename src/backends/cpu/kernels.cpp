// The kernels of one variant by name: the one list of what the CPU backend can run. Compiled once per variant.
#include <cstring>

#include "kernel.h"

namespace mimo::MIMO_VARIANT {

// Tensors [source, target], scalars [bytes].
void copy(const Args& args, Worker& worker) {
  constexpr int64_t GRAIN = 1 << 18;
  const uint8_t* source = args.tensors[0].as<const uint8_t>();
  uint8_t* target = args.tensors[1].as<uint8_t>();
  int64_t begin, end;
  while (worker.next(0, args.integer(0), GRAIN, &begin, &end)) {
    std::memcpy(target + begin, source + begin, static_cast<size_t>(end - begin));
  }
}

// Tensors [target], scalars [bytes].
void clear(const Args& args, Worker& worker) {
  constexpr int64_t GRAIN = 1 << 18;
  uint8_t* target = args.tensors[0].as<uint8_t>();
  int64_t begin, end;
  while (worker.next(0, args.integer(0), GRAIN, &begin, &end)) {
    std::memset(target + begin, 0, static_cast<size_t>(end - begin));
  }
}

// Tensors [ids], weights that are used together, scalars [number of ids, number of weights, whether they
// are a guess].
void fetch(const Args& args, Worker& worker) {
  if (worker.id != 0) return;  // the others wait for it at the end of the command
  fetch_matrices(args.weights, args.integer(1), args.tensors[0].as<const int32_t>(), args.integer(0),
                 args.integer(2) != 0);
}

#define MIMO_KERNELS(KERNEL)     \
  KERNEL(copy)                   \
  KERNEL(clear)                  \
  KERNEL(fetch)                  \
  KERNEL(embedding)              \
  KERNEL(embedding_backward)     \
  KERNEL(linear)                 \
  KERNEL(linear_backward_input)  \
  KERNEL(linear_backward_weight) \
  KERNEL(experts)                \
  KERNEL(experts_backward)       \
  KERNEL(rms_norm)               \
  KERNEL(rms_norm_backward)      \
  KERNEL(rope_table)             \
  KERNEL(rope)                   \
  KERNEL(rope_backward)          \
  KERNEL(kv_write)               \
  KERNEL(kv_write_backward)      \
  KERNEL(kv_copy)                \
  KERNEL(attention)              \
  KERNEL(attention_backward)     \
  KERNEL(router)                 \
  KERNEL(router_backward)        \
  KERNEL(balance_loss)           \
  KERNEL(swiglu)                 \
  KERNEL(swiglu_backward)        \
  KERNEL(copy_rows)              \
  KERNEL(copy_rows_backward)     \
  KERNEL(sample_rows)            \
  KERNEL(logprob_rows)           \
  KERNEL(cross_entropy)          \
  KERNEL(gradient_norm)          \
  KERNEL(adamw)                  \
  KERNEL(muon)                   \
  KERNEL(fp8_round)

#define MIMO_DECLARE(name) void name(const Args&, Worker&);
#define MIMO_ENTRY(name) {#name, name},

MIMO_KERNELS(MIMO_DECLARE)

extern const KernelEntry KERNELS[];
extern const int NUM_KERNELS;
const KernelEntry KERNELS[] = {MIMO_KERNELS(MIMO_ENTRY)};
const int NUM_KERNELS = static_cast<int>(sizeof KERNELS / sizeof KERNELS[0]);

}  // namespace mimo::MIMO_VARIANT
