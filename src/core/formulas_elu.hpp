// elu and selu. Included by formulas.hpp only.
#pragma once

#include <cmath>

#include "formulas_exponential.hpp"
#include "tables.hpp"

namespace rectifier::RECTIFIER_TARGET {

/// -expm1(x) for x <= 0, to well below half an ULP, +0 for a zero; garbage for x > 0, NaN for NaN.
template <class V>
RECTIFIER_INLINE Sum<V> less_expm1(V x, V floor) {
  const Reduced<V> p = reduce(max(floor, x));
  const V rest = horner_by_pairs(Expm1<V>::poly, p.r) * p.r;
  const V power = power_of_two(p.shifted);
  const V less_power = V(1) - power;
  const V scaled = power * p.r;  // exact
  const V high = less_power - muladd(rest, scaled, scaled);
  // Both differences are exact, so low is what high lacks, rounded once.
  return {high, nmuladd(rest, scaled, (less_power - high) - scaled)};
}

/// Below it, expm1 is -1 to more than twice the precision.
template <class V>
constexpr typename V::scalar expm1_floor = sizeof(typename V::scalar) == 8 ? -50 : -25;

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
    negated = -s;
    // With a floor of -0, a slope of zero gives zeros with the sign that they have for x = -0.
    value_floor = s == 0 ? scalar(-0.0) : expm1_floor<V>;
    int e = 0;
    fraction = scalar(2) * std::frexp(s, &e);
    exponent = s == 0 ? scalar(0) : static_cast<scalar>(e - 1);
    // Where fraction * 2^(k + exponent) is sure to round to zero.
    const scalar smallest = sizeof(scalar) == 8 ? scalar(-1078) : scalar(-152);
    floor = (smallest - exponent) * Split<V>::ln2_high;
  }

  RECTIFIER_INLINE_MEMBER V value(V x) const {
    const Sum<V> e = less_expm1(x, V(value_floor));
    // Up to here, zeros are those of x = -0.
    return positive_or(x, muladd(V(negated), e.high, V(negated) * e.low));
  }

  RECTIFIER_INLINE_MEMBER V derivative(V x) const {
    const Reduced<V> p = reduce(max(V(floor), x));
    const Sum<V> e = exp_reduced(p.r);
    const V y = muladd(V(fraction), e.high, V(fraction) * e.low);
    return select(positive(x), V(1), scale_by_power(y, p.k + V(exponent)));
  }

  scalar negated;  // -slope
  scalar value_floor;
  scalar fraction;  // slope = fraction * 2^exponent, 1 <= |fraction| < 2
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
    const Sum<V> e = less_expm1(x, V(expm1_floor<V>));
    const V high(-S::selu_slope_high);
    const V low = muladd(V(-S::selu_slope_low), e.high, high * e.low);
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
