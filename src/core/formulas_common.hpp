// What the formulas share: polynomials, powers of two, signs. Included by formulas.hpp's parts only.
#pragma once

#include "lanes.hpp"
#include "lanes_pair.hpp"
#include "tables.hpp"

namespace rectifier::RECTIFIER_TARGET {

/// poly[0] + x * (poly[1] + ...), written out at compile time: GCC 12 does not unroll such a loop in time.
template <int k, class V, int size>
RECTIFIER_INLINE V horner_from(const typename V::scalar (&poly)[size], V x) {
  if constexpr (k == size - 1) {
    return V(poly[k]);
  } else {
    return muladd(horner_from<k + 1>(poly, x), x, V(poly[k]));
  }
}

template <class V, int size>
RECTIFIER_INLINE V horner(const typename V::scalar (&poly)[size], V x) {
  return horner_from<0>(poly, x);
}

template <int k, class V, int size>
RECTIFIER_INLINE V pairs_from(const typename V::scalar (&poly)[size], V x, V x2) {
  if constexpr (k == size - 1) {
    return V(poly[k]);
  } else if constexpr (k == size - 2) {
    return muladd(V(poly[k + 1]), x, V(poly[k]));
  } else {
    return muladd(pairs_from<k + 2>(poly, x, x2), x2, muladd(V(poly[k + 1]), x, V(poly[k])));
  }
}

/// The same polynomial by pairs of coefficients: half as long a chain of operations that wait for each other, for one
/// multiplication more. Worth 4 to 10 % in elu.
template <class V, int size>
RECTIFIER_INLINE V horner_by_pairs(const typename V::scalar (&poly)[size], V x) {
  return pairs_from<0>(poly, x, x * x);
}

/// The entries index mod size of a table, column by column.
template <class T, class V>
struct Entries {
  using Index = decltype(bits(V(0)));
  RECTIFIER_INLINE_MEMBER explicit Entries(Index i) : index(i) {}
  template <int k>
  RECTIFIER_INLINE_MEMBER V get() const {
    return lookup(T::column[k], index);
  }
  Index index;
};

#if RECTIFIER_LEVEL == 3
/// A table by rows: AVX2 has no lookup of doubles, so whole rows are loaded and transposed. Gathers take 2.3 times as
/// long (gelu in double on a Zen 4 core, 2026-11: 0.12 against 0.27 Gelem/s).
template <class T>
struct ByRow {
  static constexpr int size = T::columns + T::columns % 2;
  alignas(64) double row[16][size];
  constexpr ByRow() : row{} {
    for (int i = 0; i < 16; ++i) {
      for (int k = 0; k < T::columns; ++k) row[i][k] = T::column[k][i];
    }
  }
};
template <class T>
static constexpr ByRow<T> by_row{};

template <class T>
struct Entries<T, f64> {
  RECTIFIER_INLINE_MEMBER explicit Entries(i64 index) { store_index(place, index & i64(15)); }
  template <int k>
  RECTIFIER_INLINE_MEMBER f64 get() const {
    const __m256d even = pair(at<k>(0), at<k>(2));
    const __m256d odd = pair(at<k>(1), at<k>(3));
    return k % 2 == 0 ? _mm256_unpacklo_pd(even, odd) : _mm256_unpackhi_pd(even, odd);
  }

 private:
  template <int k>
  RECTIFIER_INLINE_MEMBER const double* at(int lane) const {
    return by_row<T>.row[place[lane]] + (k - k % 2);
  }
  RECTIFIER_INLINE_MEMBER static __m256d pair(const double* low, const double* high) {
    return _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(low)), _mm_loadu_pd(high), 1);
  }
  alignas(32) std::int64_t place[4];
};
#endif

/// Tables by lane type.
template <class V>
struct TablesOf;
template <>
struct TablesOf<f32> {
  using split = SplitFloat;
  using expm1 = Expm1Float;
};
template <>
struct TablesOf<f64> {
  using split = SplitDouble;
  using expm1 = Expm1Double;
};
template <class V>
struct TablesOf<Pair<V>> : TablesOf<V> {};
template <class V>
using Split = typename TablesOf<V>::split;
template <class V>
using Expm1 = typename TablesOf<V>::expm1;

/// 1.5 * 2^p, p the fraction's bits: x + magic has the integer next to x in its low bits.
template <class V>
RECTIFIER_INLINE V integer_magic() {
  return V(sizeof(typename V::scalar) == 8 ? typename V::scalar(0x1.8p52) : typename V::scalar(0x1.8p23));
}

/// integer_magic, with what a number of exponent 0 has for an exponent: x + magic is power_of_two's argument.
template <class V>
RECTIFIER_INLINE V power_magic() {
  constexpr bool wide = sizeof(typename V::scalar) == 8;
  return V(wide ? typename V::scalar(0x1.8p52 + 1023) : typename V::scalar(0x1.8p23 + 127));
}

/// 2^k for shifted = power_magic + k and a normal 2^k: the upper bits fall out in the shift.
RECTIFIER_INLINE f32 power_of_two(f32 shifted) { return from_bits(shift_left<23>(bits(shifted))); }
RECTIFIER_INLINE f64 power_of_two(f64 shifted) { return from_bits(shift_left<52>(bits(shifted))); }

#if RECTIFIER_LEVEL < 4
/// x > 0 ? x : (y, its sign changed where x has no sign bit).
template <class V>
RECTIFIER_INLINE V positive_or(V x, V y) {
  const auto sign = bits(V(typename V::scalar(-0.0)));
  return select(positive(x), x, from_bits(bits(y) ^ ((bits(x) & sign) ^ sign)));
}

/// y * 2^k, rounded once, for an integer k; 2^(k/2) must be normal. Two factors, so that subnormal results and huge
/// slopes come out right.
template <class V>
RECTIFIER_INLINE V scale_by_power(V y, V k) {
  constexpr bool wide = sizeof(typename V::scalar) == 8;
  constexpr int fraction = wide ? 52 : 23;
  // Both exponents with their bias: the upper bits of the magic number fall out in the shift.
  const auto sum = bits(k + (integer_magic<V>() + V(wide ? 2046 : 254)));
  const auto half = shift_right<1>(sum);
  const V first = from_bits(shift_left<fraction>(half));
  const V second = from_bits(shift_left<fraction>(sum - half));
  return y * first * second;
}
#endif

}  // namespace rectifier::RECTIFIER_TARGET
