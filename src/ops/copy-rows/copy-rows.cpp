// Copies rows of floats; see copy-rows.ts.
#include "rows.h"

namespace mimo::MIMO_VARIANT {

// tensors [source, sourceRows, target, targetRows], scalars [R, D]
void copy_rows(const Args& args, Worker& worker) {
  const float* source = args.tensors[0].as<const float>();
  const int32_t* source_rows = args.tensors[1].as<const int32_t>();
  float* target = args.tensors[2].as<float>();
  const int32_t* target_rows = args.tensors[3].as<const int32_t>();
  const int64_t R = args.integer(0), D = args.integer(1);
  int64_t begin, end;
  while (worker.next(0, R, 1, &begin, &end)) {
    if (target_rows[begin] < 0) continue;
    memcpy(target + target_rows[begin] * D, source + source_rows[begin] * D, static_cast<size_t>(D) * sizeof(float));
  }
}

}  // namespace mimo::MIMO_VARIANT
