// Backward of embedding; see embedding.backward.ts. Threads own columns, not rows: any two rows may have the same id, and
// its rows are to be added in one order.
#include "rows.h"

namespace mimo::MIMO_VARIANT {

// tensors [ids, dOut, dWeight], scalars [T, D]
void embedding_backward(const Args& args, Worker& worker) {
  const int32_t* ids = args.tensors[0].as<const int32_t>();
  const float* d_out = args.tensors[1].as<const float>();
  float* d_weight = args.tensors[2].as<float>();
  const int64_t T = args.integer(0), D = args.integer(1);
  // Whole cache lines for each thread, and all of a row for as few threads as there are.
  const int64_t grain = round_up((D + worker.count - 1) / worker.count, 16);
  int64_t begin, end;
  while (worker.next(0, D, grain, &begin, &end)) {
    for (int64_t t = 0; t < T; t++) {
      const float* from = d_out + t * D;
      float* to = d_weight + ids[t] * D;
      for (int64_t d = begin; d < end; d += 16) {
        const int64_t n = end - d;
        store_up_to(to + d, add(load_up_to(to + d, n), load_up_to(from + d, n)), n);
      }
    }
  }
}

}  // namespace mimo::MIMO_VARIANT
