// exp and expm1 of a reduced argument, and exp of a number type. Included by formulas.hpp's parts only.
#pragma once

#include "formulas_common.hpp"
#include "formulas_twofold.hpp"
#include "tables.hpp"

namespace rectifier::RECTIFIER_TARGET {

/// exp(x) = 2^k * exp(r) with |r| <= ln 2 / 2, k an integer. k * ln2_high is exact.
template <class V>
struct Reduced {
  V shifted;  // power_magic + k
  V k;
  V r;
};

template <class V>
RECTIFIER_INLINE Reduced<V> reduce(V x) {
  using S = Split<V>;
  const V magic = power_magic<V>();
  const V shifted = muladd(x, V(S::log2e), magic);
  const V k = shifted - magic;
  const V high = nmuladd(k, V(S::ln2_high), x);
  return {shifted, k, nmuladd(k, V(S::ln2_low), high)};
}

/// exp(r) for a reduced r. The low part is what the last addition of the high part rounded away.
template <class V>
RECTIFIER_INLINE Sum<V> exp_reduced(V r) {
  const V rest = horner_by_pairs(Expm1<V>::poly, r) * r;
  const V high = muladd(rest, r, r) + V(1);
  return {high, muladd(rest, r, (V(1) - high) + r)};
}

/// exp(x) for -700 < x <= 0: to a relative error of little more than poly's and 2^-47, 2^-52 next to 0; of a Sum,
/// 2^-55.
template <class Poly = Expm1Double>
RECTIFIER_INLINE f64 exponential(f64 x) {
  using S = SplitDouble;
  const f64 magic = power_magic<f64>();
  const f64 shifted = muladd(x, f64(S::log2e), magic);
  const f64 r = nmuladd(shifted - magic, f64(S::ln2_high + S::ln2_low), x);
  return power_of_two(shifted) * muladd(horner_by_pairs(Poly::poly, r), r * r, r + f64(1));
}
template <class Poly = Expm1Double>
RECTIFIER_INLINE Sum<f64> exponential(Sum<f64> x) {
  using S = SplitDouble;
  const f64 magic = power_magic<f64>();
  const f64 shifted = muladd(x.high, f64(S::log2e), magic);
  const f64 k = shifted - magic;
  const f64 high = nmuladd(k, f64(S::ln2_high), x.high);
  const f64 low = nmuladd(k, f64(S::ln2_low), x.low);
  const f64 r = high + low;
  const Sum<f64> e = exp_reduced(r);
  const f64 power = power_of_two(shifted);
  return {power * e.high, power * muladd((high - r) + low, e.high, e.low)};
}

}  // namespace rectifier::RECTIFIER_TARGET
