// elu and selu. Included by formulas.hpp only.
#pragma once

#include <cmath>

#include "formulas_exponential.hpp"
#include "tables.hpp"

namespace rectifier::RECTIFIER_TARGET {

/// expm1(x) for x <= 0, to well below half an ULP; garbage for x > 0, NaN for NaN.
template <class V>
RECTIFIER_INLINE Sum<V> expm1_negative(V x) {
  // Below the floor the result is -1 to more than twice the precision.
  const V floor(sizeof(typename V::scalar) == 8 ? -50 : -25);
  const Reduced<V> p = reduce(max(floor, x));
  const Sum<V> e = expm1_reduced(p.r);
  const V power = power_of_two(p.shifted);
  const V less_one = power - V(1);
  const V high = muladd(power, e.high, less_one);
  // power * e.high is exact, |less_one| >= |power * e.high| or 0: a Fast2Sum
  const V low = muladd(power, e.high, less_one - high);
  return {high, muladd(power, e.low, low)};
}

/// x > 0 ? x : slope * expm1(x).
/// Types: f32 (with fma) and f64. f32: value <= 0.79 ULP, derivative <= 0.82 ULP on every input, for slopes
/// 1, 0.25 and 0.3. f64: value and derivative <= 1.1 ULP with fma, 1.5 without. The sign of a zero is that of the
/// formula; value(-inf) = -slope, derivative(-inf) = 0; NaN gives NaN. No intermediate result overflows, whatever the
/// slope.
template <class V>
struct Elu {
  using scalar = typename V::scalar;

  explicit Elu(const Parameters& p) {
    const scalar s = static_cast<scalar>(p.slope);
    magnitude = std::fabs(s);
    flip = std::signbit(s) ? scalar(-0.0) : scalar(0);
    int e = 0;
    fraction = scalar(2) * std::frexp(s, &e);
    exponent = s == 0 ? scalar(0) : static_cast<scalar>(e - 1);
    // Where fraction * 2^(k + exponent) is sure to round to zero.
    const scalar smallest = sizeof(scalar) == 8 ? scalar(-1078) : scalar(-152);
    floor = (smallest - exponent) * Split<V>::ln2_high;
  }

  RECTIFIER_INLINE_MEMBER V value(V x) const {
    const Sum<V> e = expm1_negative(x);
    const V y = muladd(V(magnitude), e.high, V(magnitude) * e.low);
    return select(positive(x), x, flip_sign(or_sign(y, x), V(flip)));
  }

  RECTIFIER_INLINE_MEMBER V derivative(V x) const {
    const Reduced<V> p = reduce(max(V(floor), x));
    const Sum<V> e = exp_reduced(p.r);
    const V y = muladd(V(fraction), e.high, V(fraction) * e.low);
    return select(positive(x), V(1), scale_by_power(y, p.k + V(exponent)));
  }

  scalar magnitude;  // |slope|
  scalar flip;       // the sign of slope, as a zero
  scalar fraction;   // slope = fraction * 2^exponent, 1 <= |fraction| < 2
  scalar exponent;
  scalar floor;
};
RECTIFIER_FORMULA(1, Elu, 0.3);

/// scale * (x > 0 ? x : alpha * expm1(x)), both constants to twice the precision.
/// Types: f32 (with fma) and f64. f32: value <= 1.000 ULP (at a subnormal result; 0.81 else), derivative <= 0.81 ULP
/// on every input. f64: <= 1.0 ULP with fma, 1.5 without. -0 stays -0; value(-inf) = -scale * alpha; NaN gives NaN.
template <class V>
struct Selu {
  using S = Split<V>;

  explicit Selu(const Parameters&) {}

  RECTIFIER_INLINE_MEMBER V value(V x) const {
    const Sum<V> e = expm1_negative(x);
    const V high(S::selu_slope_high);
    const V low = muladd(V(S::selu_slope_low), e.high, high * e.low);
    const V below = muladd(high, e.high, low);
    const V above = muladd(V(S::selu_scale_high), x, V(S::selu_scale_low) * x);
    return select(x < V(0), below, above);
  }

  RECTIFIER_INLINE_MEMBER V derivative(V x) const {
    const V floor(sizeof(typename V::scalar) == 8 ? -748 : -106);
    const Reduced<V> p = reduce(max(floor, x));
    const Sum<V> e = exp_reduced(p.r);
    const V high(S::selu_slope_high);
    const V low = muladd(V(S::selu_slope_low), e.high, high * e.low);
    const V y = scale_by_power(muladd(high, e.high, low), p.k);
    // The sum, a constant, is the number nearest to the scale; the high part alone is rounded down.
    return select(positive(x), V(S::selu_scale_high + S::selu_scale_low), y);
  }
};
RECTIFIER_FORMULA(2, Selu, 0.3);

}  // namespace rectifier::RECTIFIER_TARGET
