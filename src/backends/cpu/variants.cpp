// See variants.h. Compiled without instruction-set flags: this code decides what the machine may execute.
#include "variants.h"

#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace mimo {

#define MIMO_DECLARE(variant)                                                              \
  namespace variant {                                                                      \
  extern const KernelEntry KERNELS[];                                                      \
  extern const int NUM_KERNELS;                                                            \
  int64_t tile_bytes(DType dtype, int64_t columns);                                        \
  bool pack_tile(const Weight& weight, int64_t matrix, int64_t tile, uint8_t* out);        \
  void pack(const Args& args, Worker& worker);                                             \
  }
#define MIMO_VARIANT_ENTRY(variant, is_supported)                                               \
  {#variant,            is_supported,       variant::KERNELS, variant::NUM_KERNELS,             \
   variant::tile_bytes, variant::pack_tile, variant::pack},

#ifdef MIMO_HAS_AVX512
MIMO_DECLARE(avx512)
#endif
#ifdef MIMO_HAS_AVX2
MIMO_DECLARE(avx2)
#endif
#ifdef MIMO_HAS_NEON
MIMO_DECLARE(neon)
#endif

namespace {

#ifdef MIMO_HAS_AVX2
// Every processor with AVX2 has F16C, which some compilers cannot ask for.
bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
}
#endif

#ifdef MIMO_HAS_AVX512
bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vnni");
}
#endif

#ifdef MIMO_HAS_NEON
// The variant uses dot products and half-precision arithmetic (Armv8.2), which every Apple chip has.
bool has_neon() {
#if defined(__linux__)
  const unsigned long needed = HWCAP_ASIMDDP | HWCAP_ASIMDHP;
  return (getauxval(AT_HWCAP) & needed) == needed;
#else
  return true;
#endif
}
#endif

}  // namespace

const std::vector<Variant>& variants() {
  static const std::vector<Variant> list = {
#ifdef MIMO_HAS_AVX512
      MIMO_VARIANT_ENTRY(avx512, has_avx512())
#endif
#ifdef MIMO_HAS_AVX2
      MIMO_VARIANT_ENTRY(avx2, has_avx2())
#endif
#ifdef MIMO_HAS_NEON
      MIMO_VARIANT_ENTRY(neon, has_neon())
#endif
  };
  return list;
}

const Variant* find_variant(const std::string& name) {
  for (const Variant& variant : variants()) {
    if (variant.is_supported && (name.empty() || name == variant.name)) return &variant;
  }
  return nullptr;
}

}  // namespace mimo
