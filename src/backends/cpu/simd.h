// Sixteen float lanes, sixteen int32 lanes and sixty-four bytes, the same on every instruction set.
//
// Kernels are written once against these types. Each lane goes through the same operations in the same order
// whatever the registers are (one zmm, two ymm, four q), so that all variants give the same bits: rounding is to
// nearest even, products are only fused where `fma` says so (the build sets -ffp-contract=off), sums over lanes
// follow one tree. Everything lives in the variant's namespace and nothing here instantiates a std:: template:
// the linker would keep one copy for all variants, perhaps one that this machine cannot run.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernel.h"

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512DQ__) && \
    defined(__AVX512VNNI__)
#include "simd-avx512.h"
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#include "simd-avx2.h"
#elif defined(__ARM_NEON)
#include "simd-neon.h"
#else
#error "simd.h knows AVX-512 (F, BW, VL, DQ, VNNI), AVX2 (with FMA and F16C) and NEON"
#endif

namespace mimo::MIMO_VARIANT {

// A number that the compiler knows.
template <int N> struct Constant {
  static constexpr int value = N;
};

// body(Constant<BEGIN>()), ..., body(Constant<END - 1>()).
template <int BEGIN, int END, class Body> MIMO_INLINE void unroll(Body&& body) {
  if constexpr (BEGIN < END) {
    body(Constant<BEGIN>());
    unroll<BEGIN + 1, END>(body);
  }
}

// Lanes beyond n are zero; nothing beyond n is read. The plain loads exist for whole vectors.
inline f32x16 load_f16_n(const uint16_t* p, int n) {
  alignas(32) uint16_t lanes[16] = {};
  memcpy(lanes, p, static_cast<size_t>(n) * 2);
  return load_f16(lanes);
}

inline f32x16 load_bf16_n(const uint16_t* p, int n) {
  alignas(32) uint16_t lanes[16] = {};
  memcpy(lanes, p, static_cast<size_t>(n) * 2);
  return load_bf16(lanes);
}

inline f32x16 load_f8_n(const uint8_t* p, int n, float scale) {
  alignas(16) uint8_t lanes[16] = {};
  memcpy(lanes, p, static_cast<size_t>(n));
  return load_f8(lanes, scale);
}

inline void store_f16_n(uint16_t* p, f32x16 a, int n) {
  alignas(32) uint16_t lanes[16];
  store_f16(lanes, a);
  memcpy(p, lanes, static_cast<size_t>(n) * 2);
}

inline void store_bf16_n(uint16_t* p, f32x16 a, int n) {
  alignas(32) uint16_t lanes[16];
  store_bf16(lanes, a);
  memcpy(p, lanes, static_cast<size_t>(n) * 2);
}

// Dword j of vector i goes to dword i of vector j.
inline void transpose(i8x64 (&a)[16]) {
  i8x64 rows[4][4];
  for (int i = 0; i < 4; i++) {
    for (int j = 0; j < 4; j++) rows[i][j] = a[4 * i + j];
    transpose(rows[i]);
  }
  for (int j = 0; j < 4; j++) {
    i8x64 quarters[4] = {rows[0][j], rows[1][j], rows[2][j], rows[3][j]};
    transpose_quarters(quarters);
    for (int i = 0; i < 4; i++) a[4 * i + j] = quarters[i];
  }
}

// e^x within 1.01 ulp: x = n ln 2 + r with |r| <= ln 2 / 2, a polynomial for e^r, then 2^n in two exact steps so
// that results below the normal range round once. Overflows to infinity, underflows to zero, keeps NaN.
inline f32x16 exp(f32x16 x) {
  // The second operand is what max and min return for a NaN.
  x = min(set1(89.0f), max(set1(-104.0f), x));
  const f32x16 n = round(mul(x, set1(1.44269504f)));
  f32x16 r = fma(n, set1(-0.693145752f), x);
  r = fma(n, set1(-1.42860677e-6f), r);
  f32x16 p = set1(1.98756915e-4f);
  p = fma(p, r, set1(1.39819995e-3f));
  p = fma(p, r, set1(8.33345191e-3f));
  p = fma(p, r, set1(4.16657959e-2f));
  p = fma(p, r, set1(1.66666655e-1f));
  p = fma(p, r, set1(5.00000012e-1f));
  p = add(fma(p, mul(r, r), r), set1(1.0f));
  const i32x16 whole = to_i32(n);
  const i32x16 half = shift_right_signed<1>(whole);
  return mul(mul(p, power_of_two(half)), power_of_two(sub(whole, half)));
}

inline f32x16 sigmoid(f32x16 x) {
  return div(set1(1.0f), add(set1(1.0f), exp(sub(zero(), x))));
}

inline f32x16 silu(f32x16 x) { return mul(x, sigmoid(x)); }

}  // namespace mimo::MIMO_VARIANT
