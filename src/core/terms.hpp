// The terms of gamma's gradient, in registers. Included once per CPU target. Terms and sums are double. The product of
// two floats is exact there, so that fusing it with the sum changes nothing; that of two doubles is rounded before it
// is added, on every target alike.
#pragma once

#include <cstddef>
#include <type_traits>

#include "lanes.hpp"

namespace rectifier::RECTIFIER_TARGET {

/// Elements of any type as doubles.
template <class E>
RECTIFIER_INLINE f64 load_wide(const E* p) {
  if constexpr (sizeof(E) == 8) {
    return load<f64>(p);
  } else {
#if RECTIFIER_LEVEL == 4
    if constexpr (sizeof(E) == 4) {
      return _mm512_cvtps_pd(_mm256_loadu_ps(p));
    } else if constexpr (std::is_same_v<E, half>) {
      return _mm512_cvtps_pd(_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
    } else {
      const __m128i upper = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
      return _mm512_cvtps_pd(_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(upper), 16)));
    }
#elif RECTIFIER_LEVEL == 3
    if constexpr (sizeof(E) == 4) {
      return _mm256_cvtps_pd(_mm_loadu_ps(p));
    } else {
      const __m128i narrow = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
      if constexpr (std::is_same_v<E, half>) return _mm256_cvtps_pd(_mm_cvtph_ps(narrow));
      return _mm256_cvtps_pd(_mm_castsi128_ps(_mm_slli_epi32(_mm_cvtepu16_epi32(narrow), 16)));
    }
#else
    return static_cast<double>(load<f32>(p).v);
#endif
  }
}

/// The first n of them, fewer than a register holds, with zeros behind.
template <class E>
RECTIFIER_INLINE f64 load_wide_part(const E* p, std::size_t n) {
  if constexpr (sizeof(E) == 8) {
    return load_part<f64>(p, n);
  } else {
    const f32 lanes = load_part<f32>(p, n);
#if RECTIFIER_LEVEL == 4
    return _mm512_cvtps_pd(_mm512_castps512_ps256(lanes.v));
#elif RECTIFIER_LEVEL == 3
    return _mm256_cvtps_pd(_mm256_castps256_ps128(lanes.v));
#else
    return static_cast<double>(lanes.v);
#endif
  }
}

/// sum + g * x where x > 0 is false; E is the type that both come from.
template <class E>
RECTIFIER_INLINE f64 add_term(f64 sum, f64 wide_g, f64 wide_x) {
#if RECTIFIER_LEVEL == 4
  const __mmask8 counted = _mm512_cmp_pd_mask(wide_x.v, _mm512_setzero_pd(), _CMP_NGT_UQ);
  if constexpr (sizeof(E) < 8) return _mm512_mask3_fmadd_pd(wide_g.v, wide_x.v, sum.v, counted);
  return _mm512_mask_add_pd(sum.v, counted, sum.v, _mm512_mul_pd(wide_g.v, wide_x.v));
#else
  return sum + select(positive(wide_x), f64(0.0), wide_g * wide_x);
#endif
}

/// How many registers of doubles hold what one of floats does.
constexpr std::size_t pair = static_cast<std::size_t>(f32::width) / f64::width;

/// The numbers of an f32 as doubles.
struct Wide {
  f64 part[pair];
};
RECTIFIER_INLINE Wide widen(f32 x) {
#if RECTIFIER_LEVEL == 4
  return {{_mm512_cvtps_pd(_mm512_castps512_ps256(x.v)), _mm512_cvtps_pd(_mm512_extractf32x8_ps(x.v, 1))}};
#elif RECTIFIER_LEVEL == 3
  return {{_mm256_cvtps_pd(_mm256_castps256_ps128(x.v)), _mm256_cvtps_pd(_mm256_extractf128_ps(x.v, 1))}};
#else
  return {{f64(static_cast<double>(x.v))}};
#endif
}

/// `pair` registers of sums with the terms of as many elements. 16-bit elements are read once for both, and a float
/// holds the product of two halves.
template <class E>
RECTIFIER_INLINE void add_terms(f64* sums, const E* g, const E* x) {
  if constexpr (sizeof(E) == 2) {
    const f32 u = load<f32>(g), v = load<f32>(x);
    if constexpr (std::is_same_v<E, half>) {
      const Wide terms = widen(select(positive(v), f32(0.0F), u * v));
      for (std::size_t r = 0; r < pair; ++r) sums[r] = sums[r] + terms.part[r];
    } else {
      const Wide wide_u = widen(u), wide_v = widen(v);
      for (std::size_t r = 0; r < pair; ++r) sums[r] = add_term<E>(sums[r], wide_u.part[r], wide_v.part[r]);
    }
  } else {
    for (std::size_t r = 0; r < pair; ++r)
      sums[r] = add_term<E>(sums[r], load_wide(g + r * f64::width), load_wide(x + r * f64::width));
  }
}

}  // namespace rectifier::RECTIFIER_TARGET
