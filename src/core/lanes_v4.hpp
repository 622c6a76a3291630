// Lanes of x86-64-v4: AVX-512 F, BW, DQ, VL. Included by lanes.hpp only.
#pragma once

#include <immintrin.h>

namespace rectifier::RECTIFIER_TARGET {

/// Sixteen floats.
struct f32 {
  using scalar = float;
  using mask = __mmask16;
  static constexpr int width = 16;
  __m512 v;
  f32() = default;
  RECTIFIER_INLINE_MEMBER f32(float s) : v(_mm512_set1_ps(s)) {}
  RECTIFIER_INLINE_MEMBER f32(__m512 lanes) : v(lanes) {}
};

/// Eight doubles.
struct f64 {
  using scalar = double;
  using mask = __mmask8;
  static constexpr int width = 8;
  __m512d v;
  f64() = default;
  RECTIFIER_INLINE_MEMBER f64(double s) : v(_mm512_set1_pd(s)) {}
  RECTIFIER_INLINE_MEMBER f64(__m512d lanes) : v(lanes) {}
};

/// The bits of an f32, as sixteen integers.
struct i32 {
  __m512i v;
  RECTIFIER_INLINE_MEMBER i32(std::int32_t s) : v(_mm512_set1_epi32(s)) {}
  RECTIFIER_INLINE_MEMBER i32(__m512i lanes) : v(lanes) {}
};

/// The bits of an f64, as eight integers.
struct i64 {
  __m512i v;
  RECTIFIER_INLINE_MEMBER i64(std::int64_t s) : v(_mm512_set1_epi64(s)) {}
  RECTIFIER_INLINE_MEMBER i64(__m512i lanes) : v(lanes) {}
};

RECTIFIER_INLINE f32 operator+(f32 a, f32 b) { return _mm512_add_ps(a.v, b.v); }
RECTIFIER_INLINE f32 operator-(f32 a, f32 b) { return _mm512_sub_ps(a.v, b.v); }
RECTIFIER_INLINE f32 operator*(f32 a, f32 b) { return _mm512_mul_ps(a.v, b.v); }
RECTIFIER_INLINE f32 operator/(f32 a, f32 b) { return _mm512_div_ps(a.v, b.v); }
RECTIFIER_INLINE f64 operator+(f64 a, f64 b) { return _mm512_add_pd(a.v, b.v); }
RECTIFIER_INLINE f64 operator-(f64 a, f64 b) { return _mm512_sub_pd(a.v, b.v); }
RECTIFIER_INLINE f64 operator*(f64 a, f64 b) { return _mm512_mul_pd(a.v, b.v); }
RECTIFIER_INLINE f64 operator/(f64 a, f64 b) { return _mm512_div_pd(a.v, b.v); }

/// a * b + c, rounded once; fnma is c - a * b.
RECTIFIER_INLINE f32 fma(f32 a, f32 b, f32 c) { return _mm512_fmadd_ps(a.v, b.v, c.v); }
RECTIFIER_INLINE f64 fma(f64 a, f64 b, f64 c) { return _mm512_fmadd_pd(a.v, b.v, c.v); }
RECTIFIER_INLINE f32 fnma(f32 a, f32 b, f32 c) { return _mm512_fnmadd_ps(a.v, b.v, c.v); }
RECTIFIER_INLINE f64 fnma(f64 a, f64 b, f64 c) { return _mm512_fnmadd_pd(a.v, b.v, c.v); }

/// fma where the target has it, else a product and a sum: for formulas that are right with either.
RECTIFIER_INLINE f32 muladd(f32 a, f32 b, f32 c) { return fma(a, b, c); }
RECTIFIER_INLINE f64 muladd(f64 a, f64 b, f64 c) { return fma(a, b, c); }
RECTIFIER_INLINE f32 nmuladd(f32 a, f32 b, f32 c) { return fnma(a, b, c); }
RECTIFIER_INLINE f64 nmuladd(f64 a, f64 b, f64 c) { return fnma(a, b, c); }

/// min is a < b ? a : b and max is a > b ? a : b: a NaN in either gives b.
RECTIFIER_INLINE f32 min(f32 a, f32 b) { return _mm512_min_ps(a.v, b.v); }
RECTIFIER_INLINE f32 max(f32 a, f32 b) { return _mm512_max_ps(a.v, b.v); }
RECTIFIER_INLINE f64 min(f64 a, f64 b) { return _mm512_min_pd(a.v, b.v); }
RECTIFIER_INLINE f64 max(f64 a, f64 b) { return _mm512_max_pd(a.v, b.v); }

RECTIFIER_INLINE __mmask16 operator<(f32 a, f32 b) { return _mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ); }
RECTIFIER_INLINE __mmask16 operator>(f32 a, f32 b) { return _mm512_cmp_ps_mask(a.v, b.v, _CMP_GT_OQ); }
RECTIFIER_INLINE __mmask8 operator<(f64 a, f64 b) { return _mm512_cmp_pd_mask(a.v, b.v, _CMP_LT_OQ); }
RECTIFIER_INLINE __mmask8 operator>(f64 a, f64 b) { return _mm512_cmp_pd_mask(a.v, b.v, _CMP_GT_OQ); }

/// x < 0; false for NaN. Where it matters to no formula, a target may count -0 or NaN among the negative.
RECTIFIER_INLINE __mmask16 negative(f32 x) { return _mm512_cmp_ps_mask(x.v, _mm512_setzero_ps(), _CMP_LT_OQ); }
RECTIFIER_INLINE __mmask8 negative(f64 x) { return _mm512_cmp_pd_mask(x.v, _mm512_setzero_pd(), _CMP_LT_OQ); }

/// x > 0; false for NaN.
RECTIFIER_INLINE __mmask16 positive(f32 x) { return _mm512_cmp_ps_mask(x.v, _mm512_setzero_ps(), _CMP_GT_OQ); }
RECTIFIER_INLINE __mmask8 positive(f64 x) { return _mm512_cmp_pd_mask(x.v, _mm512_setzero_pd(), _CMP_GT_OQ); }

RECTIFIER_INLINE f32 select(__mmask16 m, f32 a, f32 b) { return _mm512_mask_blend_ps(m, b.v, a.v); }
RECTIFIER_INLINE f64 select(__mmask8 m, f64 a, f64 b) { return _mm512_mask_blend_pd(m, b.v, a.v); }

RECTIFIER_INLINE i32 bits(f32 x) { return _mm512_castps_si512(x.v); }
RECTIFIER_INLINE f32 from_bits(i32 x) { return _mm512_castsi512_ps(x.v); }
RECTIFIER_INLINE i64 bits(f64 x) { return _mm512_castpd_si512(x.v); }
RECTIFIER_INLINE f64 from_bits(i64 x) { return _mm512_castsi512_pd(x.v); }
RECTIFIER_INLINE i32 operator+(i32 a, i32 b) { return _mm512_add_epi32(a.v, b.v); }
RECTIFIER_INLINE i32 operator-(i32 a, i32 b) { return _mm512_sub_epi32(a.v, b.v); }
RECTIFIER_INLINE i32 operator&(i32 a, i32 b) { return _mm512_and_si512(a.v, b.v); }
RECTIFIER_INLINE i32 operator|(i32 a, i32 b) { return _mm512_or_si512(a.v, b.v); }
RECTIFIER_INLINE i32 operator^(i32 a, i32 b) { return _mm512_xor_si512(a.v, b.v); }
RECTIFIER_INLINE i64 operator+(i64 a, i64 b) { return _mm512_add_epi64(a.v, b.v); }
RECTIFIER_INLINE i64 operator-(i64 a, i64 b) { return _mm512_sub_epi64(a.v, b.v); }
RECTIFIER_INLINE i64 operator&(i64 a, i64 b) { return _mm512_and_si512(a.v, b.v); }
RECTIFIER_INLINE i64 operator|(i64 a, i64 b) { return _mm512_or_si512(a.v, b.v); }
RECTIFIER_INLINE i64 operator^(i64 a, i64 b) { return _mm512_xor_si512(a.v, b.v); }
template <int n>
RECTIFIER_INLINE i32 shift_left(i32 a) {
  return _mm512_slli_epi32(a.v, n);
}
template <int n>
RECTIFIER_INLINE i32 shift_right(i32 a) {
  return _mm512_srli_epi32(a.v, n);
}
template <int n>
RECTIFIER_INLINE i64 shift_left(i64 a) {
  return _mm512_slli_epi64(a.v, n);
}
template <int n>
RECTIFIER_INLINE i64 shift_right(i64 a) {
  return _mm512_srli_epi64(a.v, n);
}

/// |x|
RECTIFIER_INLINE f32 magnitude(f32 x) { return from_bits(bits(x) & i32(0x7fffffff)); }
RECTIFIER_INLINE f64 magnitude(f64 x) { return from_bits(bits(x) & i64(0x7fffffffffffffff)); }

/// min(|x|, limit), and limit for NaN; limit > 0.
RECTIFIER_INLINE f32 capped_magnitude(f32 x, float limit) { return _mm512_range_ps(x.v, _mm512_set1_ps(limit), 0xa); }
RECTIFIER_INLINE f64 capped_magnitude(f64 x, double limit) { return _mm512_range_pd(x.v, _mm512_set1_pd(limit), 0xa); }

/// y * 2^k, rounded once, for an integer k.
RECTIFIER_INLINE f32 scale_by_power(f32 y, f32 k) { return _mm512_scalef_ps(y.v, k.v); }
RECTIFIER_INLINE f64 scale_by_power(f64 y, f64 k) { return _mm512_scalef_pd(y.v, k.v); }

/// x > 0 ? x : (y, its sign changed where x has no sign bit). The masked operation keeps x, or takes y's bits but for
/// the sign: there, not (x ^ y).
RECTIFIER_INLINE f32 positive_or(f32 x, f32 y) {
  const __mmask16 other = _mm512_cmp_ps_mask(x.v, _mm512_setzero_ps(), _CMP_NGT_UQ);
  return from_bits(i32(_mm512_mask_ternarylogic_epi32(bits(x).v, other, bits(y).v, bits(f32(-0.0F)).v, 0xc6)));
}
RECTIFIER_INLINE f64 positive_or(f64 x, f64 y) {
  const __mmask8 other = _mm512_cmp_pd_mask(x.v, _mm512_setzero_pd(), _CMP_NGT_UQ);
  return from_bits(i64(_mm512_mask_ternarylogic_epi64(bits(x).v, other, bits(y).v, bits(f64(-0.0)).v, 0xc6)));
}

template <class F>
RECTIFIER_INLINE f32 in_double(f32 x, F f) {
  const f64 lower = f(f64(_mm512_cvtps_pd(_mm512_castps512_ps256(x.v))));
  const f64 upper = f(f64(_mm512_cvtps_pd(_mm512_extractf32x8_ps(x.v, 1))));
  return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(lower.v)), _mm512_cvtpd_ps(upper.v), 1);
}

/// table[i mod size], a lookup in registers.
RECTIFIER_INLINE f32 lookup(const float (&table)[16], i32 i) {
  return _mm512_permutexvar_ps(i.v, _mm512_loadu_ps(table));
}
RECTIFIER_INLINE f64 lookup(const double (&table)[16], i64 i) {
  return _mm512_permutex2var_pd(_mm512_loadu_pd(table), i.v, _mm512_loadu_pd(table + 8));
}

RECTIFIER_INLINE f32 lookup(const float (&table)[32], i32 i) {
  return _mm512_permutex2var_ps(_mm512_loadu_ps(table), i.v, _mm512_loadu_ps(table + 16));
}

/// y, but rest() in the lanes where x < limit is false, which are expected to be few.
template <class Rest>
RECTIFIER_INLINE f32 unless_below(f32 x, float limit, f32 y, Rest rest) {
  const __mmask16 beyond = _mm512_cmp_ps_mask(x.v, _mm512_set1_ps(limit), _CMP_NLT_UQ);
  if (__builtin_expect(beyond != 0, 0)) y = select(beyond, rest(), y);
  return y;
}

RECTIFIER_INLINE f32 widen(__m256i halves, half) { return _mm512_cvtph_ps(halves); }
/// The odd places of sixteen pairs of 16-bit numbers. A permutation takes them or fills them in one operation.
RECTIFIER_INLINE __m512i odd_places() {
  return _mm512_set_epi32(0, 0, 0, 0, 0, 0, 0, 0, 0x1f001d, 0x1b0019, 0x170015, 0x130011, 0xf000d, 0xb0009, 0x70005,
                          0x30001);
}
RECTIFIER_INLINE f32 widen(__m256i upper, bfloat) {
  const __m512i halved = _mm512_set_epi32(0xf0000, 0xe0000, 0xd0000, 0xc0000, 0xb0000, 0xa0000, 0x90000, 0x80000,
                                          0x70000, 0x60000, 0x50000, 0x40000, 0x30000, 0x20000, 0x10000, 0);
  return _mm512_castsi512_ps(_mm512_maskz_permutexvar_epi16(0xaaaaaaaa, halved, _mm512_castsi256_si512(upper)));
}
RECTIFIER_INLINE __m256i narrow(f32 x, half) {
  return _mm512_cvtps_ph(x.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
RECTIFIER_INLINE __m256i narrow(f32 x, bfloat) {
  const __m512i u = _mm512_castps_si512(x.v);
  const __mmask16 odd = _mm512_test_epi32_mask(u, _mm512_set1_epi32(0x10000));
  __m512i r = _mm512_add_epi32(u, _mm512_set1_epi32(0x7fff));
  r = _mm512_mask_add_epi32(r, odd, r, _mm512_set1_epi32(1));
  const __mmask16 nan = _mm512_cmp_ps_mask(x.v, x.v, _CMP_UNORD_Q);
  r = _mm512_mask_or_epi32(r, nan, u, _mm512_set1_epi32(0x400000));
  return _mm512_castsi512_si256(_mm512_permutexvar_epi16(odd_places(), r));
}

template <class V, class E>
RECTIFIER_INLINE V load(const E* p) {
  if constexpr (sizeof(E) == 8) {
    return _mm512_loadu_pd(p);
  } else if constexpr (sizeof(E) == 4) {
    return _mm512_loadu_ps(p);
  } else {
    return widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)), E{});
  }
}

template <class V, class E>
RECTIFIER_INLINE void store(E* p, V x) {
  if constexpr (sizeof(E) == 8) {
    _mm512_storeu_pd(p, x.v);
  } else if constexpr (sizeof(E) == 4) {
    _mm512_storeu_ps(p, x.v);
  } else {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), narrow(x, E{}));
  }
}

template <class V, class E>
RECTIFIER_INLINE V load_part(const E* p, std::size_t n) {
  const unsigned first = (1U << n) - 1U;
  if constexpr (sizeof(E) == 8) {
    return _mm512_maskz_loadu_pd(static_cast<__mmask8>(first), p);
  } else if constexpr (sizeof(E) == 4) {
    return _mm512_maskz_loadu_ps(static_cast<__mmask16>(first), p);
  } else {
    return widen(_mm256_maskz_loadu_epi16(static_cast<__mmask16>(first), p), E{});
  }
}

template <class V, class E>
RECTIFIER_INLINE void store_part(E* p, V x, std::size_t n) {
  const unsigned first = (1U << n) - 1U;
  if constexpr (sizeof(E) == 8) {
    _mm512_mask_storeu_pd(p, static_cast<__mmask8>(first), x.v);
  } else if constexpr (sizeof(E) == 4) {
    _mm512_mask_storeu_ps(p, static_cast<__mmask16>(first), x.v);
  } else {
    _mm256_mask_storeu_epi16(p, static_cast<__mmask16>(first), narrow(x, E{}));
  }
}

/// A store past the caches; p is aligned to the bytes that it writes.
template <class V, class E>
RECTIFIER_INLINE void stream(E* p, V x) {
  if constexpr (sizeof(E) == 8) {
    _mm512_stream_pd(p, x.v);
  } else if constexpr (sizeof(E) == 4) {
    _mm512_stream_ps(p, x.v);
  } else {
    _mm256_stream_si256(reinterpret_cast<__m256i*>(p), narrow(x, E{}));
  }
}

}  // namespace rectifier::RECTIFIER_TARGET
