// The vectors of simd.h in AVX2 with FMA and F16C: two ymm registers each, lanes 0-7 and 8-15 (bytes 0-31 and
// 32-63). Included by simd.h alone, which says what every function promises; comments here are about AVX2.
#pragma once

#include <immintrin.h>

namespace mimo::MIMO_VARIANT {

struct f32x16 { __m256 lo, hi; };
struct i32x16 { __m256i lo, hi; };
struct i8x64 { __m256i lo, hi; };

// Lanes [from, from + 8) that are below n, as a mask for maskload and maskstore.
inline __m256i first_lanes(int n, int from) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n - from), lane);
}

inline f32x16 load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
inline f32x16 load_n(const float* p, int n) {
  return {_mm256_maskload_ps(p, first_lanes(n, 0)), _mm256_maskload_ps(p + 8, first_lanes(n, 8))};
}
inline void store(float* p, f32x16 a) {
  _mm256_storeu_ps(p, a.lo);
  _mm256_storeu_ps(p + 8, a.hi);
}
inline void store_n(float* p, f32x16 a, int n) {
  _mm256_maskstore_ps(p, first_lanes(n, 0), a.lo);
  _mm256_maskstore_ps(p + 8, first_lanes(n, 8), a.hi);
}
inline f32x16 set1(float a) { return {_mm256_set1_ps(a), _mm256_set1_ps(a)}; }
inline f32x16 zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
inline f32x16 add(f32x16 a, f32x16 b) { return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)}; }
inline f32x16 sub(f32x16 a, f32x16 b) { return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)}; }
inline f32x16 mul(f32x16 a, f32x16 b) { return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)}; }
inline f32x16 div(f32x16 a, f32x16 b) { return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)}; }
inline f32x16 fma(f32x16 a, f32x16 b, f32x16 c) {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
inline f32x16 max(f32x16 a, f32x16 b) { return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)}; }
inline f32x16 min(f32x16 a, f32x16 b) { return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)}; }
inline f32x16 abs(f32x16 a) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_andnot_ps(sign, a.lo), _mm256_andnot_ps(sign, a.hi)};
}
inline f32x16 sqrt(f32x16 a) { return {_mm256_sqrt_ps(a.lo), _mm256_sqrt_ps(a.hi)}; }
inline f32x16 round(f32x16 a) {
  constexpr int mode = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  return {_mm256_round_ps(a.lo, mode), _mm256_round_ps(a.hi, mode)};
}

inline float hsum(f32x16 a) {
  const __m256 eight = _mm256_add_ps(a.lo, a.hi);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
inline float hmax(f32x16 a) {
  const __m256 eight = _mm256_max_ps(a.lo, a.hi);
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

inline i32x16 zero_i32() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
inline i32x16 set1_i32(int32_t a) { return {_mm256_set1_epi32(a), _mm256_set1_epi32(a)}; }
inline i32x16 load_i32(const int32_t* p) {
  const __m256i* q = reinterpret_cast<const __m256i*>(p);
  return {_mm256_loadu_si256(q), _mm256_loadu_si256(q + 1)};
}
inline void store_i32(int32_t* p, i32x16 a) {
  __m256i* q = reinterpret_cast<__m256i*>(p);
  _mm256_storeu_si256(q, a.lo);
  _mm256_storeu_si256(q + 1, a.hi);
}
inline i32x16 add(i32x16 a, i32x16 b) { return {_mm256_add_epi32(a.lo, b.lo), _mm256_add_epi32(a.hi, b.hi)}; }
inline i32x16 sub(i32x16 a, i32x16 b) { return {_mm256_sub_epi32(a.lo, b.lo), _mm256_sub_epi32(a.hi, b.hi)}; }
template <int N> inline i32x16 shift_left(i32x16 a) { return {_mm256_slli_epi32(a.lo, N), _mm256_slli_epi32(a.hi, N)}; }
template <int N> inline i32x16 shift_right_signed(i32x16 a) {
  return {_mm256_srai_epi32(a.lo, N), _mm256_srai_epi32(a.hi, N)};
}
inline i32x16 bit_and(i32x16 a, i32x16 b) { return {_mm256_and_si256(a.lo, b.lo), _mm256_and_si256(a.hi, b.hi)}; }
inline f32x16 bits_as_f32(i32x16 a) { return {_mm256_castsi256_ps(a.lo), _mm256_castsi256_ps(a.hi)}; }
inline i8x64 bytes_of(i32x16 a) { return {a.lo, a.hi}; }
inline i32x16 lanes_of(i8x64 a) { return {a.lo, a.hi}; }
inline i8x64 bytes_of(f32x16 a) { return {_mm256_castps_si256(a.lo), _mm256_castps_si256(a.hi)}; }
inline f32x16 to_f32(i32x16 a) { return {_mm256_cvtepi32_ps(a.lo), _mm256_cvtepi32_ps(a.hi)}; }
inline i32x16 to_i32(f32x16 a) { return {_mm256_cvtps_epi32(a.lo), _mm256_cvtps_epi32(a.hi)}; }
inline __m256 power_of_two(__m256i a) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(a, _mm256_set1_epi32(127)), 23));
}
inline f32x16 power_of_two(i32x16 a) { return {power_of_two(a.lo), power_of_two(a.hi)}; }

inline __m128i load_128(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
inline __m256 bf16_to_f32(__m128i a) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(a), 16)); }
inline f32x16 i8_to_f32(__m128i a) {
  return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(a)), _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(a, 8)))};
}
inline f32x16 u8_to_f32(__m128i a) {
  return {_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(a)), _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_srli_si128(a, 8)))};
}
inline f32x16 load_f16(const uint16_t* p) { return {_mm256_cvtph_ps(load_128(p)), _mm256_cvtph_ps(load_128(p + 8))}; }
inline f32x16 load_bf16(const uint16_t* p) { return {bf16_to_f32(load_128(p)), bf16_to_f32(load_128(p + 8))}; }
inline f32x16 load_i8(const int8_t* p) { return i8_to_f32(load_128(p)); }
inline f32x16 load_f8(const uint8_t* p, float scale) {
  const __m256i code = _mm256_cvtepi8_epi16(load_128(p));
  const __m256i magnitude = _mm256_and_si256(_mm256_slli_epi16(code, 7), _mm256_set1_epi16(0x3f80));
  const __m256i nan = _mm256_cmpeq_epi16(magnitude, _mm256_set1_epi16(0x3f80));
  const __m256i sign = _mm256_and_si256(code, _mm256_set1_epi16(static_cast<int16_t>(0x8000)));
  const __m256i half = _mm256_or_si256(_mm256_or_si256(magnitude, sign), nan);
  const f32x16 value = {_mm256_cvtph_ps(_mm256_castsi256_si128(half)),
                        _mm256_cvtph_ps(_mm256_extracti128_si256(half, 1))};
  return mul(value, set1(256.0f * scale));
}
inline void store_f16(uint16_t* p, f32x16 a) {
  constexpr int mode = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(a.lo, mode));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p + 8), _mm256_cvtps_ph(a.hi, mode));
}
inline __m256i bf16_bits(__m256 a) {
  const __m256i bits = _mm256_castps_si256(a);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(a, a, _CMP_UNORD_Q));
  return _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, nan), 16);
}
inline void store_bf16(uint16_t* p, f32x16 a) {
  const __m256i packed = _mm256_packus_epi32(bf16_bits(a.lo), bf16_bits(a.hi));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permute4x64_epi64(packed, _MM_SHUFFLE(3, 1, 2, 0)));
}

inline i8x64 load_i8x64(const void* p) {
  const __m256i* q = static_cast<const __m256i*>(p);
  return {_mm256_loadu_si256(q), _mm256_loadu_si256(q + 1)};
}
inline void store_i8x64(void* p, i8x64 a) {
  __m256i* q = static_cast<__m256i*>(p);
  _mm256_storeu_si256(q, a.lo);
  _mm256_storeu_si256(q + 1, a.hi);
}

// A product of bytes takes three steps here, one of words two, and two digits of activations are one word.
constexpr bool MULTIPLIES_BYTES = false;
constexpr int WIDE_BIAS = 0;
inline i8x64 wide(i8x64 w) { return w; }
template <int PLANE, bool IS_WIDE> inline __m256i weight_plane(__m256i w) {
  if constexpr (IS_WIDE) return _mm256_srai_epi16(PLANE == 0 ? _mm256_slli_epi16(w, 8) : w, 8);
  else return PLANE == 0 ? _mm256_and_si256(w, _mm256_set1_epi16(0xff)) : _mm256_srli_epi16(w, 8);
}
template <int PLANE, bool IS_WIDE> inline i8x64 weight_plane(i8x64 w) {
  return {weight_plane<PLANE, IS_WIDE>(w.lo), weight_plane<PLANE, IS_WIDE>(w.hi)};
}
inline i32x16 dot(i32x16 sum, i8x64 w, i8x64 x) {
  return {_mm256_add_epi32(sum.lo, _mm256_madd_epi16(w.lo, x.lo)),
          _mm256_add_epi32(sum.hi, _mm256_madd_epi16(w.hi, x.hi))};
}
// Of sixteen columns' int16 codes the words that meet plane 0 of the weights, and those that meet plane 1.
inline void store_words(int8_t* even, int8_t* odd, i32x16 codes) {
  const __m256i words = _mm256_packs_epi32(codes.lo, codes.hi);
  const __m256i parity = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15));
  const __m256i quads = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  const __m256i planes = _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(words, parity), quads);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(even), _mm256_castsi256_si128(planes));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(odd), _mm256_extracti128_si256(planes, 1));
}

inline i8x64 set1_quad(const int8_t* p) {
  int32_t quad;
  memcpy(&quad, p, 4);
  return {_mm256_set1_epi32(quad), _mm256_set1_epi32(quad)};
}
inline i8x64 set1_i8(int8_t a) { return {_mm256_set1_epi8(a), _mm256_set1_epi8(a)}; }
inline __m256i set_u64(uint64_t a, uint64_t b, uint64_t c, uint64_t d) {
  return _mm256_set_epi64x(static_cast<int64_t>(d), static_cast<int64_t>(c), static_cast<int64_t>(b),
                           static_cast<int64_t>(a));
}
inline i8x64 set_u64(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f, uint64_t g, uint64_t h) {
  return {set_u64(a, b, c, d), set_u64(e, f, g, h)};
}
inline i8x64 load_halves(const void* p, const void* q) {
  return {_mm256_loadu_si256(static_cast<const __m256i*>(p)), _mm256_loadu_si256(static_cast<const __m256i*>(q))};
}
inline i8x64 load_32_twice(const void* p) {
  const __m256i a = _mm256_loadu_si256(static_cast<const __m256i*>(p));
  return {a, a};
}
inline i8x64 load_16_twice(const void* p, const void* q) {
  return {_mm256_broadcastsi128_si256(load_128(p)), _mm256_broadcastsi128_si256(load_128(q))};
}
inline i8x64 bit_and(i8x64 a, i8x64 b) { return {_mm256_and_si256(a.lo, b.lo), _mm256_and_si256(a.hi, b.hi)}; }
inline i8x64 bit_or(i8x64 a, i8x64 b) { return {_mm256_or_si256(a.lo, b.lo), _mm256_or_si256(a.hi, b.hi)}; }
inline i8x64 sub(i8x64 a, i8x64 b) { return {_mm256_sub_epi8(a.lo, b.lo), _mm256_sub_epi8(a.hi, b.hi)}; }
template <int A, int B, int C, int D> inline i8x64 shift_right(i8x64 a) {
  return {_mm256_srlv_epi32(a.lo, _mm256_setr_epi32(A, A, A, A, B, B, B, B)),
          _mm256_srlv_epi32(a.hi, _mm256_setr_epi32(C, C, C, C, D, D, D, D))};
}
template <int N> inline i8x64 shift_right(i8x64 a) {
  return {_mm256_srli_epi32(a.lo, N), _mm256_srli_epi32(a.hi, N)};
}
template <int N> inline i8x64 shift_left(i8x64 a) {
  return {_mm256_slli_epi32(a.lo, N), _mm256_slli_epi32(a.hi, N)};
}
inline i8x64 lookup(const int8_t* table, i8x64 index) {
  const __m256i levels = _mm256_broadcastsi128_si256(load_128(table));
  return {_mm256_shuffle_epi8(levels, index.lo), _mm256_shuffle_epi8(levels, index.hi)};
}
// All ones in the bytes whose bit is set: every byte of `bits` meets eight bytes, each of which tests one bit.
inline __m256i spread_bits(uint32_t bits) {
  const __m256i which = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
  const __m256i bit = _mm256_set1_epi64x(static_cast<int64_t>(0x8040201008040201));
  const __m256i bytes = _mm256_shuffle_epi8(_mm256_set1_epi32(static_cast<int32_t>(bits)), which);
  return _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit), bit);
}
inline i8x64 spread_bits(uint64_t bits) {
  return {spread_bits(static_cast<uint32_t>(bits)), spread_bits(static_cast<uint32_t>(bits >> 32))};
}
inline i8x64 select(uint64_t bits, int8_t value) { return bit_and(spread_bits(bits), set1_i8(value)); }
inline i8x64 negate(i8x64 a, uint64_t bits) {
  const i8x64 ones = spread_bits(bits);
  return sub({_mm256_xor_si256(a.lo, ones.lo), _mm256_xor_si256(a.hi, ones.hi)}, ones);
}
template <int QUARTER> inline f32x16 to_f32(i8x64 a) {
  return i8_to_f32(_mm256_extracti128_si256(QUARTER < 2 ? a.lo : a.hi, QUARTER % 2));
}
inline void store_i8(int8_t* p, i32x16 a) {
  const __m256i low = _mm256_set1_epi32(0xff);
  const __m256i words = _mm256_packus_epi32(_mm256_and_si256(a.lo, low), _mm256_and_si256(a.hi, low));
  const __m256i ordered = _mm256_permute4x64_epi64(words, _MM_SHUFFLE(3, 1, 2, 0));
  const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(ordered), _mm256_extracti128_si256(ordered, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), bytes);
}

inline void transpose(__m256i& a, __m256i& b, __m256i& c, __m256i& d) {
  const __m256i t0 = _mm256_unpacklo_epi32(a, b), t1 = _mm256_unpackhi_epi32(a, b);
  const __m256i t2 = _mm256_unpacklo_epi32(c, d), t3 = _mm256_unpackhi_epi32(c, d);
  a = _mm256_unpacklo_epi64(t0, t2), b = _mm256_unpackhi_epi64(t0, t2);
  c = _mm256_unpacklo_epi64(t1, t3), d = _mm256_unpackhi_epi64(t1, t3);
}
inline void transpose(i8x64 (&a)[4]) {
  transpose(a[0].lo, a[1].lo, a[2].lo, a[3].lo);
  transpose(a[0].hi, a[1].hi, a[2].hi, a[3].hi);
}
inline void transpose_quarters(i8x64 (&a)[4]) {
  constexpr int LOW = 0x20, HIGH = 0x31;
  const i8x64 b0 = a[0], b1 = a[1], b2 = a[2], b3 = a[3];
  a[0] = {_mm256_permute2x128_si256(b0.lo, b1.lo, LOW), _mm256_permute2x128_si256(b2.lo, b3.lo, LOW)};
  a[1] = {_mm256_permute2x128_si256(b0.lo, b1.lo, HIGH), _mm256_permute2x128_si256(b2.lo, b3.lo, HIGH)};
  a[2] = {_mm256_permute2x128_si256(b0.hi, b1.hi, LOW), _mm256_permute2x128_si256(b2.hi, b3.hi, LOW)};
  a[3] = {_mm256_permute2x128_si256(b0.hi, b1.hi, HIGH), _mm256_permute2x128_si256(b2.hi, b3.hi, HIGH)};
}

inline float f16_to_f32(uint16_t a) { return _cvtsh_ss(a); }
inline f32x16 u8_lanes(uint64_t lo, uint64_t hi) {
  return u8_to_f32(_mm_set_epi64x(static_cast<int64_t>(hi), static_cast<int64_t>(lo)));
}
inline f32x16 u8_pairs(uint64_t even, uint64_t odd) {
  return u8_to_f32(_mm_unpacklo_epi8(_mm_cvtsi64_si128(static_cast<int64_t>(even)),
                                     _mm_cvtsi64_si128(static_cast<int64_t>(odd))));
}
inline f32x16 f16_pairs(uint64_t lo, uint64_t hi) {
  const __m128i halves = _mm_set_epi64x(static_cast<int64_t>(hi), static_cast<int64_t>(lo));
  return {_mm256_cvtph_ps(_mm_unpacklo_epi16(halves, halves)), _mm256_cvtph_ps(_mm_unpackhi_epi16(halves, halves))};
}

constexpr int NUM_REGISTERS = 8;

}  // namespace mimo::MIMO_VARIANT
