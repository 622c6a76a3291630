// Numbers held as a sum of two lanes, for about twice the precision. A formula written for a number type N serves
// float64 with N = Sum<f64>, and float32 with N = f64. Included by formulas.hpp's parts only.
#pragma once

#include <type_traits>

#include "lanes.hpp"

namespace rectifier::RECTIFIER_TARGET {

/// high + low, |low| at most half an ULP of high or little more.
template <class V>
struct Sum {
  V high;
  V low;
};

/// a + b and a - b without error (Knuth's 2Sum).
template <class V>
RECTIFIER_INLINE Sum<V> two_sum(V a, V b) {
  const V high = a + b;
  const V from_b = high - a;
  return {high, (a - (high - from_b)) + (b - from_b)};
}
template <class V>
RECTIFIER_INLINE Sum<V> two_difference(V a, V b) {
  const V high = a - b;
  const V from_b = a - high;
  return {high, (a - (high + from_b)) + (from_b - b)};
}

/// a * b without error, where nothing underflows (without fma, Dekker's product).
RECTIFIER_INLINE Sum<f64> two_product(f64 a, f64 b) {
  const f64 high = a * b;
#if RECTIFIER_LEVEL > 2
  return {high, fma(a, b, f64(-0.0) - high)};
#else
  const f64 split(0x1p27 + 1);  // into halves, whose products are exact
  const f64 a_upper = split * a - (split * a - a), b_upper = split * b - (split * b - b);
  const f64 a_lower = a - a_upper, b_lower = b - b_upper;
  return {high, (((a_upper * b_upper - high) + a_upper * b_lower) + a_lower * b_upper) + a_lower * b_lower};
#endif
}

RECTIFIER_INLINE Sum<f64> operator+(Sum<f64> a, Sum<f64> b) {
  const Sum<f64> s = two_sum(a.high, b.high);
  return {s.high, s.low + (a.low + b.low)};
}
RECTIFIER_INLINE Sum<f64> operator-(Sum<f64> a, Sum<f64> b) {
  const Sum<f64> s = two_difference(a.high, b.high);
  return {s.high, s.low + (a.low - b.low)};
}
RECTIFIER_INLINE Sum<f64> operator*(Sum<f64> a, Sum<f64> b) {
  const Sum<f64> p = two_product(a.high, b.high);
  return {p.high, p.low + muladd(a.high, b.low, a.low * b.high)};
}
RECTIFIER_INLINE Sum<f64> operator/(Sum<f64> a, Sum<f64> b) {
  const f64 inverse = f64(1) / b.high;
  const f64 high = a.high * inverse;
  const Sum<f64> p = two_product(high, b.high);
  return {high, (((a.high - p.high) - p.low) + nmuladd(high, b.low, a.low)) * inverse};
}

/// The same for both number types.
RECTIFIER_INLINE Sum<f64> muladd(Sum<f64> a, Sum<f64> b, Sum<f64> c) { return a * b + c; }

/// high + low as a number type, in which low may be lost.
template <class N>
RECTIFIER_INLINE N number(f64 high, double low = 0) {
  if constexpr (std::is_same_v<N, f64>) {
    return high;
  } else {
    return {high, f64(low)};
  }
}

/// (high + 2 low) * high is (high + low)^2: the last product of a formula that ends in a square is rounded once, so
/// that a subnormal result is right.
RECTIFIER_INLINE f64 with_low_twice(f64 x) { return x; }
RECTIFIER_INLINE Sum<f64> with_low_twice(Sum<f64> x) { return {x.high, x.low + x.low}; }
RECTIFIER_INLINE f64 times_high(f64 a, f64 b) { return a * b; }
RECTIFIER_INLINE f64 times_high(Sum<f64> a, Sum<f64> b) { return muladd(a.high, b.high, a.low * b.high); }

}  // namespace rectifier::RECTIFIER_TARGET
