// Weights stored as floating-point numbers: lanes are loaded and widened. See format.h for what a format offers.
#pragma once

#include "format.h"

namespace mimo::MIMO_VARIANT {

struct F32 {
  static constexpr bool IS_QUANTISED = false;
  static const float* at(const Row& row, int64_t k) { return reinterpret_cast<const float*>(row.data) + k; }
  static f32x16 load(const Row& row, int64_t k) { return MIMO_VARIANT::load(at(row, k)); }
  static f32x16 load_n(const Row& row, int64_t k, int n) { return MIMO_VARIANT::load_n(at(row, k), n); }
};

struct F16 {
  static constexpr bool IS_QUANTISED = false;
  static const uint16_t* at(const Row& row, int64_t k) { return reinterpret_cast<const uint16_t*>(row.data) + k; }
  static f32x16 load(const Row& row, int64_t k) { return load_f16(at(row, k)); }
  static f32x16 load_n(const Row& row, int64_t k, int n) { return load_f16_n(at(row, k), n); }
};

struct BF16 {
  static constexpr bool IS_QUANTISED = false;
  static f32x16 load(const Row& row, int64_t k) { return load_bf16(F16::at(row, k)); }
  static f32x16 load_n(const Row& row, int64_t k, int n) { return load_bf16_n(F16::at(row, k), n); }
};

// A scale covers 128 columns, which 16 lanes never straddle.
struct F8_E4M3 {
  static constexpr bool IS_QUANTISED = false;
  static f32x16 load(const Row& row, int64_t k) { return mul(load_f8(row.data + k), set1(row.scales[k / 128])); }
  static f32x16 load_n(const Row& row, int64_t k, int n) {
    return mul(load_f8_n(row.data + k, n), set1(row.scales[k / 128]));
  }
};

}  // namespace mimo::MIMO_VARIANT
