// Where the rows of a KV cache [blocks, G, places] lie and how many bytes they take; see kv-write.ts.
#pragma once

#include "rows.h"

namespace mimo::MIMO_VARIANT {

constexpr int64_t Q8_ELEMENTS = 32;
constexpr int64_t Q8_BYTES = 34;  // an f16 scale, then 32 codes

// Index of the row of head g at a slot.
inline int64_t cache_row(int64_t slot, int64_t g, int64_t G, int64_t places) {
  return (slot / places * G + g) * places + slot % places;
}

inline int64_t kv_row_bytes(DType dtype, int64_t width) {
  switch (dtype) {
    case DType::F32: return width * 4;
    case DType::Q8_0: return round_up(width, Q8_ELEMENTS) / Q8_ELEMENTS * Q8_BYTES;
    default: return width * 2;  // F16, BF16
  }
}

}  // namespace mimo::MIMO_VARIANT
