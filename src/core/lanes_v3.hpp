// Lanes of x86-64-v3: AVX2, FMA, F16C. Included by lanes.hpp only.
#pragma once

#include <immintrin.h>

namespace rectifier::RECTIFIER_TARGET {

/// A comparison's result: all bits of a lane, set or clear.
struct mask32 {
  __m256 v;
};
struct mask64 {
  __m256d v;
};

/// Eight floats.
struct f32 {
  using scalar = float;
  using mask = mask32;
  static constexpr int width = 8;
  __m256 v;
  f32() = default;
  RECTIFIER_INLINE_MEMBER f32(float s) : v(_mm256_set1_ps(s)) {}
  RECTIFIER_INLINE_MEMBER f32(__m256 lanes) : v(lanes) {}
};

/// Four doubles.
struct f64 {
  using scalar = double;
  using mask = mask64;
  static constexpr int width = 4;
  __m256d v;
  f64() = default;
  RECTIFIER_INLINE_MEMBER f64(double s) : v(_mm256_set1_pd(s)) {}
  RECTIFIER_INLINE_MEMBER f64(__m256d lanes) : v(lanes) {}
};

/// The bits of an f32, as eight integers.
struct i32 {
  __m256i v;
  RECTIFIER_INLINE_MEMBER i32(std::int32_t s) : v(_mm256_set1_epi32(s)) {}
  RECTIFIER_INLINE_MEMBER i32(__m256i lanes) : v(lanes) {}
};

/// The bits of an f64, as four integers.
struct i64 {
  __m256i v;
  RECTIFIER_INLINE_MEMBER i64(std::int64_t s) : v(_mm256_set1_epi64x(s)) {}
  RECTIFIER_INLINE_MEMBER i64(__m256i lanes) : v(lanes) {}
};

RECTIFIER_INLINE f32 operator+(f32 a, f32 b) { return _mm256_add_ps(a.v, b.v); }
RECTIFIER_INLINE f32 operator-(f32 a, f32 b) { return _mm256_sub_ps(a.v, b.v); }
RECTIFIER_INLINE f32 operator*(f32 a, f32 b) { return _mm256_mul_ps(a.v, b.v); }
RECTIFIER_INLINE f32 operator/(f32 a, f32 b) { return _mm256_div_ps(a.v, b.v); }
RECTIFIER_INLINE f64 operator+(f64 a, f64 b) { return _mm256_add_pd(a.v, b.v); }
RECTIFIER_INLINE f64 operator-(f64 a, f64 b) { return _mm256_sub_pd(a.v, b.v); }
RECTIFIER_INLINE f64 operator*(f64 a, f64 b) { return _mm256_mul_pd(a.v, b.v); }
RECTIFIER_INLINE f64 operator/(f64 a, f64 b) { return _mm256_div_pd(a.v, b.v); }

/// a * b + c, rounded once; fnma is c - a * b.
RECTIFIER_INLINE f32 fma(f32 a, f32 b, f32 c) { return _mm256_fmadd_ps(a.v, b.v, c.v); }
RECTIFIER_INLINE f64 fma(f64 a, f64 b, f64 c) { return _mm256_fmadd_pd(a.v, b.v, c.v); }
RECTIFIER_INLINE f32 fnma(f32 a, f32 b, f32 c) { return _mm256_fnmadd_ps(a.v, b.v, c.v); }
RECTIFIER_INLINE f64 fnma(f64 a, f64 b, f64 c) { return _mm256_fnmadd_pd(a.v, b.v, c.v); }

/// fma where the target has it, else a product and a sum: for formulas that are right with either.
RECTIFIER_INLINE f32 muladd(f32 a, f32 b, f32 c) { return fma(a, b, c); }
RECTIFIER_INLINE f64 muladd(f64 a, f64 b, f64 c) { return fma(a, b, c); }
RECTIFIER_INLINE f32 nmuladd(f32 a, f32 b, f32 c) { return fnma(a, b, c); }
RECTIFIER_INLINE f64 nmuladd(f64 a, f64 b, f64 c) { return fnma(a, b, c); }

/// min is a < b ? a : b and max is a > b ? a : b: a NaN in either gives b.
RECTIFIER_INLINE f32 min(f32 a, f32 b) { return _mm256_min_ps(a.v, b.v); }
RECTIFIER_INLINE f32 max(f32 a, f32 b) { return _mm256_max_ps(a.v, b.v); }
RECTIFIER_INLINE f64 min(f64 a, f64 b) { return _mm256_min_pd(a.v, b.v); }
RECTIFIER_INLINE f64 max(f64 a, f64 b) { return _mm256_max_pd(a.v, b.v); }

RECTIFIER_INLINE mask32 operator<(f32 a, f32 b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ)}; }
RECTIFIER_INLINE mask32 operator>(f32 a, f32 b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_GT_OQ)}; }
RECTIFIER_INLINE mask64 operator<(f64 a, f64 b) { return {_mm256_cmp_pd(a.v, b.v, _CMP_LT_OQ)}; }
RECTIFIER_INLINE mask64 operator>(f64 a, f64 b) { return {_mm256_cmp_pd(a.v, b.v, _CMP_GT_OQ)}; }

/// The sign bit: x < 0, and -0 and some NaN, which matter to no formula that asks.
RECTIFIER_INLINE mask32 negative(f32 x) { return {x.v}; }
RECTIFIER_INLINE mask64 negative(f64 x) { return {x.v}; }

/// x > 0; false for NaN.
RECTIFIER_INLINE mask32 positive(f32 x) { return {_mm256_cmp_ps(x.v, _mm256_setzero_ps(), _CMP_GT_OQ)}; }
RECTIFIER_INLINE mask64 positive(f64 x) { return {_mm256_cmp_pd(x.v, _mm256_setzero_pd(), _CMP_GT_OQ)}; }

RECTIFIER_INLINE f32 select(mask32 m, f32 a, f32 b) { return _mm256_blendv_ps(b.v, a.v, m.v); }
RECTIFIER_INLINE f64 select(mask64 m, f64 a, f64 b) { return _mm256_blendv_pd(b.v, a.v, m.v); }

RECTIFIER_INLINE i32 bits(f32 x) { return _mm256_castps_si256(x.v); }
RECTIFIER_INLINE f32 from_bits(i32 x) { return _mm256_castsi256_ps(x.v); }
RECTIFIER_INLINE i64 bits(f64 x) { return _mm256_castpd_si256(x.v); }
RECTIFIER_INLINE f64 from_bits(i64 x) { return _mm256_castsi256_pd(x.v); }
RECTIFIER_INLINE i32 operator+(i32 a, i32 b) { return _mm256_add_epi32(a.v, b.v); }
RECTIFIER_INLINE i32 operator-(i32 a, i32 b) { return _mm256_sub_epi32(a.v, b.v); }
RECTIFIER_INLINE i32 operator&(i32 a, i32 b) { return _mm256_and_si256(a.v, b.v); }
RECTIFIER_INLINE i32 operator|(i32 a, i32 b) { return _mm256_or_si256(a.v, b.v); }
RECTIFIER_INLINE i32 operator^(i32 a, i32 b) { return _mm256_xor_si256(a.v, b.v); }
RECTIFIER_INLINE i64 operator+(i64 a, i64 b) { return _mm256_add_epi64(a.v, b.v); }
RECTIFIER_INLINE i64 operator-(i64 a, i64 b) { return _mm256_sub_epi64(a.v, b.v); }
RECTIFIER_INLINE i64 operator&(i64 a, i64 b) { return _mm256_and_si256(a.v, b.v); }
RECTIFIER_INLINE i64 operator|(i64 a, i64 b) { return _mm256_or_si256(a.v, b.v); }
RECTIFIER_INLINE i64 operator^(i64 a, i64 b) { return _mm256_xor_si256(a.v, b.v); }
template <int n>
RECTIFIER_INLINE i32 shift_left(i32 a) {
  return _mm256_slli_epi32(a.v, n);
}
template <int n>
RECTIFIER_INLINE i32 shift_right(i32 a) {
  return _mm256_srli_epi32(a.v, n);
}
template <int n>
RECTIFIER_INLINE i64 shift_left(i64 a) {
  return _mm256_slli_epi64(a.v, n);
}
template <int n>
RECTIFIER_INLINE i64 shift_right(i64 a) {
  return _mm256_srli_epi64(a.v, n);
}

/// |x|
RECTIFIER_INLINE f32 magnitude(f32 x) { return from_bits(bits(x) & i32(0x7fffffff)); }
RECTIFIER_INLINE f64 magnitude(f64 x) { return from_bits(bits(x) & i64(0x7fffffffffffffff)); }

/// min(|x|, limit), and limit for NaN; limit > 0.
RECTIFIER_INLINE f32 capped_magnitude(f32 x, float limit) { return min(magnitude(x), f32(limit)); }
RECTIFIER_INLINE f64 capped_magnitude(f64 x, double limit) { return min(magnitude(x), f64(limit)); }

template <class F>
RECTIFIER_INLINE f32 in_double(f32 x, F f) {
  const f64 lower = f(f64(_mm256_cvtps_pd(_mm256_castps256_ps128(x.v))));
  const f64 upper = f(f64(_mm256_cvtps_pd(_mm256_extractf128_ps(x.v, 1))));
  return _mm256_set_m128(_mm256_cvtpd_ps(upper.v), _mm256_cvtpd_ps(lower.v));
}

/// table[i mod size], a lookup in registers.
RECTIFIER_INLINE f32 lookup(const float (&table)[8], i32 i) {
  return _mm256_permutevar8x32_ps(_mm256_loadu_ps(table), i.v);
}
RECTIFIER_INLINE void store_index(std::int64_t* p, i64 i) { _mm256_store_si256(reinterpret_cast<__m256i*>(p), i.v); }

RECTIFIER_INLINE f32 widen(__m128i halves, half) { return _mm256_cvtph_ps(halves); }
RECTIFIER_INLINE f32 widen(__m128i upper, bfloat) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(upper), 16));
}
RECTIFIER_INLINE __m128i narrow(f32 x, half) {
  return _mm256_cvtps_ph(x.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
RECTIFIER_INLINE __m128i narrow(f32 x, bfloat) {
  const __m256i u = _mm256_castps_si256(x.v);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(u, _mm256_set1_epi32(0x7fff)), odd);
  const __m256i quiet = _mm256_or_si256(u, _mm256_set1_epi32(0x400000));
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x.v, x.v, _CMP_UNORD_Q));
  const __m256i r = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, nan), 16);
  return _mm_packus_epi32(_mm256_castsi256_si128(r), _mm256_extracti128_si256(r, 1));
}

/// Integer masks of the first n lanes, as maskload and maskstore want them.
RECTIFIER_INLINE __m256i first32(std::size_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
RECTIFIER_INLINE __m256i first64(std::size_t n) {
  return _mm256_cmpgt_epi64(_mm256_set1_epi64x(static_cast<long long>(n)), _mm256_setr_epi64x(0, 1, 2, 3));
}

template <class V, class E>
RECTIFIER_INLINE V load(const E* p) {
  if constexpr (sizeof(E) == 8) {
    return _mm256_loadu_pd(p);
  } else if constexpr (sizeof(E) == 4) {
    return _mm256_loadu_ps(p);
  } else {
    return widen(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)), E{});
  }
}

template <class V, class E>
RECTIFIER_INLINE void store(E* p, V x) {
  if constexpr (sizeof(E) == 8) {
    _mm256_storeu_pd(p, x.v);
  } else if constexpr (sizeof(E) == 4) {
    _mm256_storeu_ps(p, x.v);
  } else {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), narrow(x, E{}));
  }
}

template <class V, class E>
RECTIFIER_INLINE V load_part(const E* p, std::size_t n) {
  if constexpr (sizeof(E) == 8) {
    return _mm256_maskload_pd(p, first64(n));
  } else if constexpr (sizeof(E) == 4) {
    return _mm256_maskload_ps(p, first32(n));
  } else {
    E whole[V::width] = {};
    std::memcpy(whole, p, n * sizeof(E));
    return load<V>(static_cast<const E*>(whole));
  }
}

template <class V, class E>
RECTIFIER_INLINE void store_part(E* p, V x, std::size_t n) {
  if constexpr (sizeof(E) == 8) {
    _mm256_maskstore_pd(p, first64(n), x.v);
  } else if constexpr (sizeof(E) == 4) {
    _mm256_maskstore_ps(p, first32(n), x.v);
  } else {
    E whole[V::width];
    store(static_cast<E*>(whole), x);
    std::memcpy(p, whole, n * sizeof(E));
  }
}

/// A store past the caches; p is aligned to the bytes that it writes.
template <class V, class E>
RECTIFIER_INLINE void stream(E* p, V x) {
  if constexpr (sizeof(E) == 8) {
    _mm256_stream_pd(p, x.v);
  } else if constexpr (sizeof(E) == 4) {
    _mm256_stream_ps(p, x.v);
  } else {
    _mm_stream_si128(reinterpret_cast<__m128i*>(p), narrow(x, E{}));
  }
}

}  // namespace rectifier::RECTIFIER_TARGET
