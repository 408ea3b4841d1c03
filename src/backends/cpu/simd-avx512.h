// The vectors of simd.h in AVX-512 (F, BW, VL, DQ, VNNI): one zmm register each. Included by simd.h alone.
#pragma once

// GCC 12 takes its own "undefined" vectors in this header for uninitialised variables.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop

namespace mimo::MIMO_VARIANT {

struct f32x16 { __m512 v; };
struct i32x16 { __m512i v; };
struct i8x64 { __m512i v; };

inline __mmask16 first_lanes(int n) { return static_cast<__mmask16>((1u << n) - 1); }

inline f32x16 load(const float* p) { return {_mm512_loadu_ps(p)}; }
inline f32x16 load_n(const float* p, int n) { return {_mm512_maskz_loadu_ps(first_lanes(n), p)}; }
inline void store(float* p, f32x16 a) { _mm512_storeu_ps(p, a.v); }
inline void store_n(float* p, f32x16 a, int n) { _mm512_mask_storeu_ps(p, first_lanes(n), a.v); }
inline f32x16 set1(float a) { return {_mm512_set1_ps(a)}; }
inline f32x16 zero() { return {_mm512_setzero_ps()}; }
inline f32x16 add(f32x16 a, f32x16 b) { return {_mm512_add_ps(a.v, b.v)}; }
inline f32x16 sub(f32x16 a, f32x16 b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline f32x16 mul(f32x16 a, f32x16 b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline f32x16 div(f32x16 a, f32x16 b) { return {_mm512_div_ps(a.v, b.v)}; }
// a * b + c, rounded once.
inline f32x16 fma(f32x16 a, f32x16 b, f32x16 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
// a > b ? a : b, so b where either is NaN; min likewise.
inline f32x16 max(f32x16 a, f32x16 b) { return {_mm512_max_ps(a.v, b.v)}; }
inline f32x16 min(f32x16 a, f32x16 b) { return {_mm512_min_ps(a.v, b.v)}; }
inline f32x16 abs(f32x16 a) { return {_mm512_abs_ps(a.v)}; }
inline f32x16 sqrt(f32x16 a) { return {_mm512_sqrt_ps(a.v)}; }
inline f32x16 round(f32x16 a) {
  return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}

// Lanes i and i + 8, then i + 4, then i + 2, then i + 1.
inline float hsum(f32x16 a) {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
inline float hmax(f32x16 a) {
  const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

inline i32x16 zero_i32() { return {_mm512_setzero_si512()}; }
inline i32x16 set1_i32(int32_t a) { return {_mm512_set1_epi32(a)}; }
inline i32x16 load_i32(const int32_t* p) { return {_mm512_loadu_si512(p)}; }
inline void store_i32(int32_t* p, i32x16 a) { _mm512_storeu_si512(p, a.v); }
inline i32x16 add(i32x16 a, i32x16 b) { return {_mm512_add_epi32(a.v, b.v)}; }
inline i32x16 sub(i32x16 a, i32x16 b) { return {_mm512_sub_epi32(a.v, b.v)}; }
template <int N> inline i32x16 shift_left(i32x16 a) { return {_mm512_slli_epi32(a.v, N)}; }
template <int N> inline i32x16 shift_right_signed(i32x16 a) { return {_mm512_srai_epi32(a.v, N)}; }
inline i32x16 bit_and(i32x16 a, i32x16 b) { return {_mm512_and_si512(a.v, b.v)}; }
inline f32x16 bits_as_f32(i32x16 a) { return {_mm512_castsi512_ps(a.v)}; }
inline i8x64 bytes_of(i32x16 a) { return {a.v}; }
inline i32x16 lanes_of(i8x64 a) { return {a.v}; }
inline i8x64 bytes_of(f32x16 a) { return {_mm512_castps_si512(a.v)}; }
inline f32x16 to_f32(i32x16 a) { return {_mm512_cvtepi32_ps(a.v)}; }
// To nearest, ties to even; the value must fit.
inline i32x16 to_i32(f32x16 a) { return {_mm512_cvtps_epi32(a.v)}; }
// 2^a for -127 < a < 128.
inline f32x16 power_of_two(i32x16 a) {
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(a.v, _mm512_set1_epi32(127)), 23))};
}

inline f32x16 load_f16(const uint16_t* p) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
inline f32x16 load_bf16(const uint16_t* p) {
  const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(wide, 16))};
}
inline f32x16 load_i8(const int8_t* p) {
  return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))))};
}
// E4M3FN times a scale, rounded once. The magnitude's bits, moved to where a half keeps them, read as the value / 256;
// 0x7f and 0xff are NaN.
inline f32x16 load_f8(const uint8_t* p, float scale) {
  const __m256i code = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  const __m256i magnitude = _mm256_and_si256(_mm256_slli_epi16(code, 7), _mm256_set1_epi16(0x3f80));
  const __m256i nan = _mm256_cmpeq_epi16(magnitude, _mm256_set1_epi16(0x3f80));
  const __m256i sign = _mm256_and_si256(code, _mm256_set1_epi16(static_cast<int16_t>(0x8000)));
  const __m256i half = _mm256_or_si256(_mm256_or_si256(magnitude, sign), nan);
  return {_mm512_mul_ps(_mm512_cvtph_ps(half), _mm512_set1_ps(256.0f * scale))};
}
inline void store_f16(uint16_t* p, f32x16 a) {
  const __m256i half = _mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), half);
}
inline void store_bf16(uint16_t* p, f32x16 a) {
  const __m512i bits = _mm512_castps_si512(a.v);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  const __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
  const __m512i kept = _mm512_mask_mov_epi32(rounded, _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q), quiet);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(_mm512_srli_epi32(kept, 16)));
}

inline i8x64 load_i8x64(const void* p) { return {_mm512_loadu_si512(p)}; }
inline void store_i8x64(void* p, i8x64 a) { _mm512_storeu_si512(p, a.v); }

// Products of weights' codes and activations' codes, both exact. A quad holds the codes of four columns in each lane:
// small ones, 0..127, or any int8 that was made `wide`. Where bytes are multiplied, activations are int8 digits, never
// -128, and lane i gains the sum over bytes 4i..4i+3; where words are, activations are int16, and quads and activations
// are two planes: columns 0 and 2 of every four as words, then columns 1 and 3. Over all planes a sum then has
// WIDE_BIAS * sum(x) too much where codes are wide, as VNNI multiplies unsigned by signed bytes: the caller starts from
// as much less.
constexpr bool MULTIPLIES_BYTES = true;
constexpr int WIDE_BIAS = 128;
inline i8x64 wide(i8x64 w) { return {_mm512_xor_si512(w.v, _mm512_set1_epi8(static_cast<char>(0x80)))}; }
template <int PLANE, bool IS_WIDE> inline i8x64 weight_plane(i8x64 w) { return w; }
inline i32x16 dot(i32x16 sum, i8x64 w, i8x64 x) { return {_mm512_dpbusd_epi32(sum.v, w.v, x.v)}; }

// Bytes as sixteen-byte quarters 0-3 of a vector.
// The same four bytes in every lane.
inline i8x64 set1_quad(const int8_t* p) {
  int32_t quad;
  memcpy(&quad, p, 4);
  return {_mm512_set1_epi32(quad)};
}
inline i8x64 set1_i8(int8_t a) { return {_mm512_set1_epi8(a)}; }
inline i8x64 set_u64(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f, uint64_t g, uint64_t h) {
  return {_mm512_set_epi64(static_cast<int64_t>(h), static_cast<int64_t>(g), static_cast<int64_t>(f),
                           static_cast<int64_t>(e), static_cast<int64_t>(d), static_cast<int64_t>(c),
                           static_cast<int64_t>(b), static_cast<int64_t>(a))};
}
// 32 bytes from each address.
inline i8x64 load_halves(const void* p, const void* q) {
  const __m512i lo = _mm512_castsi256_si512(_mm256_loadu_si256(static_cast<const __m256i*>(p)));
  return {_mm512_inserti64x4(lo, _mm256_loadu_si256(static_cast<const __m256i*>(q)), 1)};
}
// The same 32 bytes in both halves.
inline i8x64 load_32_twice(const void* p) {
  return {_mm512_broadcast_i64x4(_mm256_loadu_si256(static_cast<const __m256i*>(p)))};
}
// 16 bytes in quarters 0 and 1, 16 others in quarters 2 and 3.
inline i8x64 load_16_twice(const void* p, const void* q) {
  const __m256i lo = _mm256_broadcastsi128_si256(_mm_loadu_si128(static_cast<const __m128i*>(p)));
  const __m256i hi = _mm256_broadcastsi128_si256(_mm_loadu_si128(static_cast<const __m128i*>(q)));
  return {_mm512_inserti64x4(_mm512_castsi256_si512(lo), hi, 1)};
}
inline i8x64 bit_and(i8x64 a, i8x64 b) { return {_mm512_and_si512(a.v, b.v)}; }
inline i8x64 bit_or(i8x64 a, i8x64 b) { return {_mm512_or_si512(a.v, b.v)}; }
inline i8x64 sub(i8x64 a, i8x64 b) { return {_mm512_sub_epi8(a.v, b.v)}; }
// Shifts each quarter by its own count; bits cross bytes, so the caller masks what it wants.
template <int A, int B, int C, int D> inline i8x64 shift_right(i8x64 a) {
  const __m512i counts = _mm512_setr_epi32(A, A, A, A, B, B, B, B, C, C, C, C, D, D, D, D);
  return {_mm512_srlv_epi32(a.v, counts)};
}
template <int N> inline i8x64 shift_right(i8x64 a) { return {_mm512_srli_epi32(a.v, N)}; }
template <int N> inline i8x64 shift_left(i8x64 a) { return {_mm512_slli_epi32(a.v, N)}; }
// table[index] for every byte; indices are below 16.
inline i8x64 lookup(const int8_t* table, i8x64 index) {
  const __m128i levels = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table));
  return {_mm512_shuffle_epi8(_mm512_broadcast_i32x4(levels), index.v)};
}
// `value` where the bit is set, else zero.
inline i8x64 select(uint64_t bits, int8_t value) { return {_mm512_maskz_set1_epi8(bits, value)}; }
// -a where the bit is set.
inline i8x64 negate(i8x64 a, uint64_t bits) {
  return {_mm512_mask_sub_epi8(a.v, bits, _mm512_setzero_si512(), a.v)};
}
template <int QUARTER> inline f32x16 to_f32(i8x64 a) {
  return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm512_extracti32x4_epi32(a.v, QUARTER)))};
}
// The low bytes of the lanes.
inline void store_i8(int8_t* p, i32x16 a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(a.v));
}

// Within every quarter, the four vectors' four dwords are transposed: dword i of vector j goes to dword j of i.
inline void transpose(i8x64 (&a)[4]) {
  const __m512i t0 = _mm512_unpacklo_epi32(a[0].v, a[1].v), t1 = _mm512_unpackhi_epi32(a[0].v, a[1].v);
  const __m512i t2 = _mm512_unpacklo_epi32(a[2].v, a[3].v), t3 = _mm512_unpackhi_epi32(a[2].v, a[3].v);
  a[0].v = _mm512_unpacklo_epi64(t0, t2), a[1].v = _mm512_unpackhi_epi64(t0, t2);
  a[2].v = _mm512_unpacklo_epi64(t1, t3), a[3].v = _mm512_unpackhi_epi64(t1, t3);
}
// Quarter i of vector j goes to quarter j of vector i.
inline void transpose_quarters(i8x64 (&a)[4]) {
  const __m512i t0 = _mm512_shuffle_i32x4(a[0].v, a[1].v, 0x88), t1 = _mm512_shuffle_i32x4(a[0].v, a[1].v, 0xdd);
  const __m512i t2 = _mm512_shuffle_i32x4(a[2].v, a[3].v, 0x88), t3 = _mm512_shuffle_i32x4(a[2].v, a[3].v, 0xdd);
  a[0].v = _mm512_shuffle_i32x4(t0, t2, 0x88), a[2].v = _mm512_shuffle_i32x4(t0, t2, 0xdd);
  a[1].v = _mm512_shuffle_i32x4(t1, t3, 0x88), a[3].v = _mm512_shuffle_i32x4(t1, t3, 0xdd);
}

inline float f16_to_f32(uint16_t a) { return _cvtsh_ss(a); }
// Lanes 0-7 from the bytes of lo, lowest first, lanes 8-15 from those of hi.
inline f32x16 u8_lanes(uint64_t lo, uint64_t hi) {
  const __m128i bytes = _mm_set_epi64x(static_cast<int64_t>(hi), static_cast<int64_t>(lo));
  return {_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes))};
}
// Lanes 2i from the bytes of `even`, lanes 2i + 1 from those of `odd`.
inline f32x16 u8_pairs(uint64_t even, uint64_t odd) {
  const __m128i bytes = _mm_unpacklo_epi8(_mm_cvtsi64_si128(static_cast<int64_t>(even)),
                                          _mm_cvtsi64_si128(static_cast<int64_t>(odd)));
  return {_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes))};
}
// Lanes 2i and 2i + 1 from half i: four halves in lo, four in hi.
inline f32x16 f16_pairs(uint64_t lo, uint64_t hi) {
  const __m128i halves = _mm_set_epi64x(static_cast<int64_t>(hi), static_cast<int64_t>(lo));
  const __m256i low = _mm256_castsi128_si256(_mm_unpacklo_epi16(halves, halves));
  return {_mm512_cvtph_ps(_mm256_inserti128_si256(low, _mm_unpackhi_epi16(halves, halves), 1))};
}

// How many f32x16 fit in the registers.
constexpr int NUM_REGISTERS = 32;

}  // namespace mimo::MIMO_VARIANT
