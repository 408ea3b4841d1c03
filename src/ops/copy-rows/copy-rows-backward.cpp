// Backward of copy-rows; see copy-rows.backward.ts. Threads own columns, not rows: a source row may have been copied
// several times, and its gradients are to be added in one order.
#include "rows.h"

namespace mimo::MIMO_VARIANT {

// tensors [dTarget, targetRows, dSource, sourceRows], scalars [R, D]
void copy_rows_backward(const Args& args, Worker& worker) {
  const float* d_target = args.tensors[0].as<const float>();
  const int32_t* target_rows = args.tensors[1].as<const int32_t>();
  float* d_source = args.tensors[2].as<float>();
  const int32_t* source_rows = args.tensors[3].as<const int32_t>();
  const int64_t R = args.integer(0), D = args.integer(1);
  // Whole cache lines for each thread, and all of a row for as few threads as there are.
  const int64_t grain = round_up((D + worker.count - 1) / worker.count, 16);
  int64_t begin, end;
  while (worker.next(0, D, grain, &begin, &end)) {
    for (int64_t r = 0; r < R; r++) {
      if (target_rows[r] < 0) continue;
      const float* from = d_target + target_rows[r] * D;
      float* to = d_source + source_rows[r] * D;
      for (int64_t d = begin; d < end; d += 16) {
        const int64_t n = end - d;
        store_up_to(to + d, add(load_up_to(to + d, n), load_up_to(from + d, n)), n);
      }
    }
  }
}

}  // namespace mimo::MIMO_VARIANT
