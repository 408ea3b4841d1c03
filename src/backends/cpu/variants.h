// The instruction-set variants compiled into this binary, best first, and which of them this machine can run.
#pragma once

#include <string>
#include <vector>

#include "kernel.h"

namespace mimo {

struct Variant {
  const char* name;
  bool is_supported;
  const KernelEntry* kernels;
  int num_kernels;
  // Packing of weights, see src/ops/linear/pack.cpp: bytes of a tile, one tile, and the kernel for all.
  int64_t (*tile_bytes)(DType dtype, int64_t columns);
  bool (*pack_tile)(const Weight& weight, int64_t matrix, int64_t tile, uint8_t* out);
  KernelFn pack;
};

const std::vector<Variant>& variants();
// The best supported variant for an empty name, else the named one; null where there is none or it is unsupported.
const Variant* find_variant(const std::string& name);

}  // namespace mimo
