// The vectors of simd.h in AArch64 NEON: four q registers each, q[i] holding lanes 4i..4i+3 (bytes 16i..16i+15).
// Included by simd.h alone, which says what every function promises; comments here are about NEON.
#pragma once

#include <arm_neon.h>

namespace mimo::MIMO_VARIANT {

struct f32x16 { float32x4_t q[4]; };
struct i32x16 { int32x4_t q[4]; };
struct i8x64 { int8x16_t q[4]; };

// Applies `op` to each of the four registers; unrolled by the compiler.
template <class Op> inline f32x16 each_f32(Op op) { return {{op(0), op(1), op(2), op(3)}}; }
template <class Op> inline i32x16 each_i32(Op op) { return {{op(0), op(1), op(2), op(3)}}; }
template <class Op> inline i8x64 each_i8(Op op) { return {{op(0), op(1), op(2), op(3)}}; }

inline f32x16 load(const float* p) {
  return each_f32([&](int i) { return vld1q_f32(p + 4 * i); });
}
inline void store(float* p, f32x16 a) {
  for (int i = 0; i < 4; i++) vst1q_f32(p + 4 * i, a.q[i]);
}
inline f32x16 load_n(const float* p, int n) {
  float lanes[16] = {};
  memcpy(lanes, p, static_cast<size_t>(n) * 4);
  return load(lanes);
}
inline void store_n(float* p, f32x16 a, int n) {
  float lanes[16];
  store(lanes, a);
  memcpy(p, lanes, static_cast<size_t>(n) * 4);
}
inline f32x16 set1(float a) {
  return each_f32([&](int) { return vdupq_n_f32(a); });
}
inline f32x16 zero() { return set1(0.0f); }
inline f32x16 add(f32x16 a, f32x16 b) {
  return each_f32([&](int i) { return vaddq_f32(a.q[i], b.q[i]); });
}
inline f32x16 sub(f32x16 a, f32x16 b) {
  return each_f32([&](int i) { return vsubq_f32(a.q[i], b.q[i]); });
}
inline f32x16 mul(f32x16 a, f32x16 b) {
  return each_f32([&](int i) { return vmulq_f32(a.q[i], b.q[i]); });
}
inline f32x16 div(f32x16 a, f32x16 b) {
  return each_f32([&](int i) { return vdivq_f32(a.q[i], b.q[i]); });
}
inline f32x16 fma(f32x16 a, f32x16 b, f32x16 c) {
  return each_f32([&](int i) { return vfmaq_f32(c.q[i], a.q[i], b.q[i]); });
}
// Compare and select, because vmaxq and vminq return NaN where x86 returns the second operand.
inline f32x16 max(f32x16 a, f32x16 b) {
  return each_f32([&](int i) { return vbslq_f32(vcgtq_f32(a.q[i], b.q[i]), a.q[i], b.q[i]); });
}
inline f32x16 min(f32x16 a, f32x16 b) {
  return each_f32([&](int i) { return vbslq_f32(vcltq_f32(a.q[i], b.q[i]), a.q[i], b.q[i]); });
}
inline f32x16 abs(f32x16 a) {
  return each_f32([&](int i) { return vabsq_f32(a.q[i]); });
}
inline f32x16 sqrt(f32x16 a) {
  return each_f32([&](int i) { return vsqrtq_f32(a.q[i]); });
}
inline f32x16 round(f32x16 a) {
  return each_f32([&](int i) { return vrndnq_f32(a.q[i]); });
}

inline float hsum(f32x16 a) {
  const float32x4_t four = vaddq_f32(vaddq_f32(a.q[0], a.q[2]), vaddq_f32(a.q[1], a.q[3]));
  const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
  return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}
inline float hmax(f32x16 a) {
  const f32x16 two = max(a, {{a.q[2], a.q[3], a.q[0], a.q[1]}});
  const f32x16 one = max(two, {{two.q[1], two.q[0], two.q[1], two.q[0]}});
  float lanes[4];
  vst1q_f32(lanes, one.q[0]);
  const float even = lanes[0] > lanes[2] ? lanes[0] : lanes[2];
  const float odd = lanes[1] > lanes[3] ? lanes[1] : lanes[3];
  return even > odd ? even : odd;
}

inline i32x16 set1_i32(int32_t a) {
  return each_i32([&](int) { return vdupq_n_s32(a); });
}
inline i32x16 zero_i32() { return set1_i32(0); }
inline i32x16 load_i32(const int32_t* p) {
  return each_i32([&](int i) { return vld1q_s32(p + 4 * i); });
}
inline void store_i32(int32_t* p, i32x16 a) {
  for (int i = 0; i < 4; i++) vst1q_s32(p + 4 * i, a.q[i]);
}
inline i32x16 add(i32x16 a, i32x16 b) {
  return each_i32([&](int i) { return vaddq_s32(a.q[i], b.q[i]); });
}
inline i32x16 sub(i32x16 a, i32x16 b) {
  return each_i32([&](int i) { return vsubq_s32(a.q[i], b.q[i]); });
}
template <int N> inline i32x16 shift_left(i32x16 a) {
  return each_i32([&](int i) { return vshlq_n_s32(a.q[i], N); });
}
template <int N> inline i32x16 shift_right_signed(i32x16 a) {
  return each_i32([&](int i) { return vshrq_n_s32(a.q[i], N); });
}
inline i32x16 bit_and(i32x16 a, i32x16 b) {
  return each_i32([&](int i) { return vandq_s32(a.q[i], b.q[i]); });
}
inline f32x16 bits_as_f32(i32x16 a) {
  return each_f32([&](int i) { return vreinterpretq_f32_s32(a.q[i]); });
}
inline i8x64 bytes_of(i32x16 a) {
  return each_i8([&](int i) { return vreinterpretq_s8_s32(a.q[i]); });
}
inline i32x16 lanes_of(i8x64 a) {
  return each_i32([&](int i) { return vreinterpretq_s32_s8(a.q[i]); });
}
inline i8x64 bytes_of(f32x16 a) {
  return each_i8([&](int i) { return vreinterpretq_s8_f32(a.q[i]); });
}
inline f32x16 to_f32(i32x16 a) {
  return each_f32([&](int i) { return vcvtq_f32_s32(a.q[i]); });
}
inline i32x16 to_i32(f32x16 a) {
  return each_i32([&](int i) { return vcvtnq_s32_f32(a.q[i]); });
}
inline f32x16 power_of_two(i32x16 a) {
  return each_f32([&](int i) {
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(a.q[i], vdupq_n_s32(127)), 23));
  });
}

inline f32x16 f16_to_f32(uint16x8_t lo, uint16x8_t hi) {
  const float16x8_t a = vreinterpretq_f16_u16(lo), b = vreinterpretq_f16_u16(hi);
  return {{vcvt_f32_f16(vget_low_f16(a)), vcvt_high_f32_f16(a), vcvt_f32_f16(vget_low_f16(b)), vcvt_high_f32_f16(b)}};
}
inline f32x16 i8_to_f32(int8x16_t a) {
  const int16x8_t lo = vmovl_s8(vget_low_s8(a)), hi = vmovl_high_s8(a);
  return to_f32({{vmovl_s16(vget_low_s16(lo)), vmovl_high_s16(lo), vmovl_s16(vget_low_s16(hi)), vmovl_high_s16(hi)}});
}
inline f32x16 load_f16(const uint16_t* p) { return f16_to_f32(vld1q_u16(p), vld1q_u16(p + 8)); }
inline f32x16 load_bf16(const uint16_t* p) {
  return each_f32([&](int i) { return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p + 4 * i), 16)); });
}
inline f32x16 load_i8(const int8_t* p) { return i8_to_f32(vld1q_s8(p)); }
inline f32x16 u8_to_f32(uint8x16_t a) {
  const uint16x8_t lo = vmovl_u8(vget_low_u8(a)), hi = vmovl_high_u8(a);
  return {{vcvtq_f32_u32(vmovl_u16(vget_low_u16(lo))), vcvtq_f32_u32(vmovl_high_u16(lo)),
           vcvtq_f32_u32(vmovl_u16(vget_low_u16(hi))), vcvtq_f32_u32(vmovl_high_u16(hi))}};
}
inline uint16x8_t f8_to_half(int16x8_t code) {
  const uint16x8_t bits = vreinterpretq_u16_s16(code), all = vdupq_n_u16(0x3f80);
  const uint16x8_t magnitude = vandq_u16(vshlq_n_u16(bits, 7), all);
  return vorrq_u16(vorrq_u16(magnitude, vandq_u16(bits, vdupq_n_u16(0x8000))), vceqq_u16(magnitude, all));
}
inline f32x16 load_f8(const uint8_t* p, float scale) {
  const int8x16_t code = vreinterpretq_s8_u8(vld1q_u8(p));
  const f32x16 value = f16_to_f32(f8_to_half(vmovl_s8(vget_low_s8(code))), f8_to_half(vmovl_high_s8(code)));
  return mul(value, set1(256.0f * scale));
}
inline void store_f16(uint16_t* p, f32x16 a) {
  for (int i = 0; i < 4; i++) vst1_u16(p + 4 * i, vreinterpret_u16_f16(vcvt_f16_f32(a.q[i])));
}
inline void store_bf16(uint16_t* p, f32x16 a) {
  for (int i = 0; i < 4; i++) {
    const uint32x4_t bits = vreinterpretq_u32_f32(a.q[i]);
    const uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
    const uint32x4_t rounded = vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7fff)));
    const uint32x4_t quiet = vorrq_u32(bits, vdupq_n_u32(0x400000));
    vst1_u16(p + 4 * i, vshrn_n_u32(vbslq_u32(vceqq_f32(a.q[i], a.q[i]), rounded, quiet), 16));
  }
}

inline i8x64 load_i8x64(const void* p) {
  return each_i8([&](int i) { return vld1q_s8(static_cast<const int8_t*>(p) + 16 * i); });
}
inline void store_i8x64(void* p, i8x64 a) {
  for (int i = 0; i < 4; i++) vst1q_s8(static_cast<int8_t*>(p) + 16 * i, a.q[i]);
}

inline int32x4_t dot(int32x4_t sum, int8x16_t w, int8x16_t x) {
#if defined(__ARM_FEATURE_DOTPROD)
  return vdotq_s32(sum, w, x);
#else
  const int16x8_t lo = vmull_s8(vget_low_s8(w), vget_low_s8(x)), hi = vmull_high_s8(w, x);
  return vaddq_s32(sum, vpaddq_s32(vpaddlq_s16(lo), vpaddlq_s16(hi)));
#endif
}
constexpr bool MULTIPLIES_BYTES = true;
constexpr int WIDE_BIAS = 0;
inline i8x64 wide(i8x64 w) { return w; }
template <int PLANE, bool IS_WIDE> inline i8x64 weight_plane(i8x64 w) { return w; }
inline i32x16 dot(i32x16 sum, i8x64 w, i8x64 x) {
  return each_i32([&](int i) { return dot(sum.q[i], w.q[i], x.q[i]); });
}

inline i8x64 set1_quad(const int8_t* p) {
  int32_t quad;
  memcpy(&quad, p, 4);
  return each_i8([&](int) { return vreinterpretq_s8_s32(vdupq_n_s32(quad)); });
}
inline i8x64 set1_i8(int8_t a) {
  return each_i8([&](int) { return vdupq_n_s8(a); });
}
inline int8x16_t set_u64(uint64_t a, uint64_t b) {
  return vreinterpretq_s8_u64(vcombine_u64(vcreate_u64(a), vcreate_u64(b)));
}
inline i8x64 set_u64(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f, uint64_t g, uint64_t h) {
  return {{set_u64(a, b), set_u64(c, d), set_u64(e, f), set_u64(g, h)}};
}
inline i8x64 load_halves(const void* p, const void* q) {
  return each_i8([&](int i) { return vld1q_s8(static_cast<const int8_t*>(i < 2 ? p : q) + 16 * (i % 2)); });
}
inline i8x64 load_32_twice(const void* p) {
  return each_i8([&](int i) { return vld1q_s8(static_cast<const int8_t*>(p) + 16 * (i % 2)); });
}
inline i8x64 load_16_twice(const void* p, const void* q) {
  return each_i8([&](int i) { return vld1q_s8(static_cast<const int8_t*>(i < 2 ? p : q)); });
}
inline i8x64 bit_and(i8x64 a, i8x64 b) {
  return each_i8([&](int i) { return vandq_s8(a.q[i], b.q[i]); });
}
inline i8x64 bit_or(i8x64 a, i8x64 b) {
  return each_i8([&](int i) { return vorrq_s8(a.q[i], b.q[i]); });
}
inline i8x64 sub(i8x64 a, i8x64 b) {
  return each_i8([&](int i) { return vsubq_s8(a.q[i], b.q[i]); });
}
inline int8x16_t shift(int8x16_t a, int left) {
  return vreinterpretq_s8_u32(vshlq_u32(vreinterpretq_u32_s8(a), vdupq_n_s32(left)));
}
template <int A, int B, int C, int D> inline i8x64 shift_right(i8x64 a) {
  return {{shift(a.q[0], -A), shift(a.q[1], -B), shift(a.q[2], -C), shift(a.q[3], -D)}};
}
template <int N> inline i8x64 shift_right(i8x64 a) {
  return each_i8([&](int i) { return shift(a.q[i], -N); });
}
template <int N> inline i8x64 shift_left(i8x64 a) {
  return each_i8([&](int i) { return shift(a.q[i], N); });
}
inline i8x64 lookup(const int8_t* table, i8x64 index) {
  const int8x16_t levels = vld1q_s8(table);
  return each_i8([&](int i) { return vqtbl1q_s8(levels, vreinterpretq_u8_s8(index.q[i])); });
}
// All ones in the bytes whose bit is set.
inline int8x16_t spread_bits(uint16_t bits) {
  const uint8x16_t bit = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201));
  const uint8x8_t low = vdup_n_u8(static_cast<uint8_t>(bits)), high = vdup_n_u8(static_cast<uint8_t>(bits >> 8));
  const uint8x16_t bytes = vcombine_u8(low, high);
  return vreinterpretq_s8_u8(vtstq_u8(bytes, bit));
}
inline i8x64 select(uint64_t bits, int8_t value) {
  return each_i8([&](int i) {
    return vandq_s8(spread_bits(static_cast<uint16_t>(bits >> (16 * i))), vdupq_n_s8(value));
  });
}
inline i8x64 negate(i8x64 a, uint64_t bits) {
  return each_i8([&](int i) {
    const int8x16_t ones = spread_bits(static_cast<uint16_t>(bits >> (16 * i)));
    return vsubq_s8(veorq_s8(a.q[i], ones), ones);
  });
}
template <int QUARTER> inline f32x16 to_f32(i8x64 a) { return i8_to_f32(a.q[QUARTER]); }
inline void store_i8(int8_t* p, i32x16 a) {
  const int16x8_t lo = vcombine_s16(vmovn_s32(a.q[0]), vmovn_s32(a.q[1]));
  const int16x8_t hi = vcombine_s16(vmovn_s32(a.q[2]), vmovn_s32(a.q[3]));
  vst1q_s8(p, vcombine_s8(vmovn_s16(lo), vmovn_s16(hi)));
}

inline void transpose(int32x4_t (&a)[4]) {
  const int32x4_t t0 = vzip1q_s32(a[0], a[1]), t1 = vzip2q_s32(a[0], a[1]);
  const int32x4_t t2 = vzip1q_s32(a[2], a[3]), t3 = vzip2q_s32(a[2], a[3]);
  a[0] = vcombine_s32(vget_low_s32(t0), vget_low_s32(t2)), a[1] = vcombine_s32(vget_high_s32(t0), vget_high_s32(t2));
  a[2] = vcombine_s32(vget_low_s32(t1), vget_low_s32(t3)), a[3] = vcombine_s32(vget_high_s32(t1), vget_high_s32(t3));
}
inline void transpose(i8x64 (&a)[4]) {
  for (int i = 0; i < 4; i++) {
    int32x4_t rows[4];
    for (int j = 0; j < 4; j++) rows[j] = vreinterpretq_s32_s8(a[j].q[i]);
    transpose(rows);
    for (int j = 0; j < 4; j++) a[j].q[i] = vreinterpretq_s8_s32(rows[j]);
  }
}
inline void transpose_quarters(i8x64 (&a)[4]) {
  for (int i = 0; i < 4; i++) {
    for (int j = 0; j < i; j++) {
      const int8x16_t below = a[i].q[j];
      a[i].q[j] = a[j].q[i], a[j].q[i] = below;
    }
  }
}

inline float f16_to_f32(uint16_t a) {
  return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(a))), 0);
}
inline f32x16 u8_lanes(uint64_t lo, uint64_t hi) { return u8_to_f32(vreinterpretq_u8_s8(set_u64(lo, hi))); }
inline f32x16 u8_pairs(uint64_t even, uint64_t odd) {
  return u8_to_f32(vzip1q_u8(vreinterpretq_u8_s8(set_u64(even, 0)), vreinterpretq_u8_s8(set_u64(odd, 0))));
}
inline f32x16 f16_pairs(uint64_t lo, uint64_t hi) {
  const uint16x8_t halves = vreinterpretq_u16_s8(set_u64(lo, hi));
  return f16_to_f32(vzip1q_u16(halves, halves), vzip2q_u16(halves, halves));
}

constexpr int NUM_REGISTERS = 8;

}  // namespace mimo::MIMO_VARIANT
