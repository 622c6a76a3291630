// gelu and gelu_tanh. Included by formulas.hpp only.
#pragma once

#include "formulas_exponential.hpp"
#include "tables.hpp"

namespace rectifier::RECTIFIER_TARGET {

/// exp(-t * t / 2) = power * (1 + change), times 1 / E::scale and but for a smooth factor that the tables take in.
template <class V>
struct Gaussian {
  V power;
  V change;
};

/// t * t + k * step for shifted = magic + k, exact but for the last addition.
template <class V>
RECTIFIER_INLINE V reduced_square(V t, V shifted, typename V::scalar step) {
  const V magic = integer_magic<V>();
#if RECTIFIER_LEVEL > 2
  return fma(t, t, fma(shifted, V(step), V(-step) * magic));
#else
  // The upper half of t has an exact square; what is left cancels down before it is rounded.
  const V upper = from_bits(bits(t) & ~std::uint64_t{0x7ffffff});
  return (upper * upper + (shifted - magic) * V(step)) + (t - upper) * (t + upper);
#endif
}

/// The same for exp(-q / 2), given rho = q + k * step.
template <class E, class V>
RECTIFIER_INLINE Gaussian<V> gaussian(V shifted, V rho) {
  const auto k = bits(shifted);
  const Entries<E, V> entry(k);
  const V r = rho + entry.template get<1>();
  const V power = from_bits(bits(entry.template get<0>()) + shift_left<E::shift>(k));
  return {power, horner(E::poly, r) * r};
}
template <class E, class V>
RECTIFIER_INLINE Gaussian<V> gaussian(V t) {
  const V shifted = muladd(t * t, V(E::rate), integer_magic<V>());
  return gaussian<E>(shifted, reduced_square(t, shifted, E::step));
}

/// The polynomial of T on the interval that t lies in: value * (1 + part).
template <class V>
struct Piece {
  V value;
  V h;
  V factor;  // part = (factor + rest * h) * h
  V rest;
};

/// Columns k, k + 1, ... as a polynomial in h.
template <int k, class T, class V>
RECTIFIER_INLINE V columns_from(const Entries<T, V>& entry, V h) {
  if constexpr (k == T::columns - 1) {
    return entry.template get<k>();
  } else {
    return muladd(columns_from<k + 1>(entry, h), h, entry.template get<k>());
  }
}

template <class T, class V>
RECTIFIER_INLINE Piece<V> piece(V t) {
  V d = t + V(T::offset);
  if constexpr (T::squared) d = d * d;
  const Entries<T, V> entry(shift_right<T::shift>(bits(d)));
  const V h = t - entry.template get<0>();
  return {entry.template get<1>(), h, entry.template get<2>(), columns_from<3>(entry, h)};
}

/// amount * (1 + relative - excess), known to more than V's precision; only wide tables have an excess.
template <class V>
struct Product {
  V amount;
  V relative;
  V excess;
};

/// T's function of t times exp(-t * t / 2). amount, a product of two half-length numbers, is exact.
template <class T, class V>
RECTIFIER_INLINE Product<V> tail(V t) {
  const Gaussian<V> g = gaussian<typename T::exponential>(t);
  const Piece<V> p = piece<T>(t);
  const V amount = g.power * p.value;
  if constexpr (T::wide) {
    // The large part, factor * h, enters last, so that it is rounded once.
    const V square = p.h * p.h * p.rest;
    const V small = fma(g.change, fma(p.factor, p.h, square), square + g.change);
    const V relative = fma(p.factor, p.h, small);
    return {amount, relative, fnma(p.factor, p.h, relative - small)};
  } else {
    const V step = muladd(g.change, p.h, p.h);
    return {amount, muladd(muladd(p.rest, p.h, p.factor), step, g.change), V(0)};
  }
}

template <class V>
struct GeluTables;
#if RECTIFIER_LEVEL == 4
template <>
struct GeluTables<f32> {
  using value = TailFloat16;
  using derivative = SlopeFloat16;
};
#elif RECTIFIER_LEVEL == 3
template <>
struct GeluTables<f32> {
  using value = TailFloat8;
  using derivative = SlopeFloat8;
};
#endif
template <>
struct GeluTables<f64> {
  using value = TailDouble16;
  using derivative = SlopeDouble16;
};
template <class V>
struct GeluTables<Pair<V>> : GeluTables<V> {};

/// x * Phi(x) = max(x, 0) - t * Q(t), t = |x|, Q the upper tail; the subtraction is the only rounding that x > 0 sees.
/// Types: f32 (with fma) and f64. NaN gives NaN, -0 gives -0, -inf gives -0, +inf and all that is large gives x.
template <class V>
struct GeluOfAll {
  explicit GeluOfAll(const Parameters&) {}

  RECTIFIER_INLINE_MEMBER V value(V x) const {
    using T = typename GeluTables<V>::value;
    // Beyond the limit t * Q(t) is zero; NaN takes the limit here, and comes back with the maximum.
    const V t = capped_magnitude(x, T::limit);
    const Product<V> q = tail<T>(t);
    const V product = t * q.amount;
    V y;
    if constexpr (T::wide) {
      // excess and q.excess are what product and q.relative were rounded up by.
      const V excess = fnma(t, q.amount, product);
      const V small = fma(product, q.excess, fma(excess, q.relative, excess));
      y = product - fnma(product, q.relative, small);
    } else {
      y = muladd(t, q.amount, product * q.relative);
    }
    const V relu = max(V(typename V::scalar(-0.0)), x);
    // The powers of two were kept large, so that this scaling alone rounds a subnormal result.
    return nmuladd(y, V(T::exponential::scale), relu);
  }

  /// Q(t) - t * density(t) = (root - t) * K(t) for x < 0, one minus that for x > 0.
  RECTIFIER_INLINE_MEMBER V derivative(V x) const {
    using T = typename GeluTables<V>::derivative;
    using S = Split<V>;
    const V t = min(V(T::limit), magnitude(x));
    const Product<V> k = tail<T>(t);
    // Either of root and t may be the larger one.
    const Sum<V> u = two_difference(V(S::gelu_root_high), t);
    const V low = u.low + V(S::gelu_root_low);
    const V rest = muladd(u.high, k.relative, muladd(low, k.relative, low));
    const V y = muladd(u.high, k.amount, rest * k.amount);
    const auto below = negative(x);
    const V scale(T::exponential::scale);
    return muladd(y, select(below, scale, V(-T::exponential::scale)), select(below, V(typename V::scalar(-0.0)), V(1)));
  }
};

template <class V>
struct Gelu : GeluOfAll<V> {
  using GeluOfAll<V>::GeluOfAll;
};
RECTIFIER_FORMULA(3, Gelu, 0.4);
#if RECTIFIER_LEVEL == 4
template <>
constexpr bool in_pairs<Gelu<f64>> = true;
#endif

/// gelu_tanh over a number type N: max(x, 0) - t s with t = |x|, s = 1 / (1 + exp(2 u)) and u = c t + d t^3. In it
/// no digits cancel, as they do in 1 - tanh(u). With h = exp(-u), s is h^2 / (1 + h^2); h stays normal, so that the
/// last product, with h, alone rounds a subnormal result.
template <class N, class Poly>
struct GeluTanhParts {
  static constexpr double c = 0x1.9884533d43651p-1, c_low = -0x1.cbc0d30ebfd15p-55;  // sqrt(2 / pi)
  static constexpr double d = 0x1.2444f2a4d8b4bp-5, d_low = -0x1.6c843a29d1c70p-62;  // 0.044715 c
  static constexpr double d3 = 0x1.b6676bf7450f0p-4, d3_low = 0x1.bba7351828aabp-58;
  // Beyond, t s and its derivative round to zero, in double for a Sum, in float else; up to there, nothing overflows.
  static constexpr double limit = std::is_same_v<N, f64> ? 11.0 : 21.75;

  RECTIFIER_INLINE_MEMBER explicit GeluTanhParts(f64 capped)
      : t(number<N>(capped)),
        square(t * t),
        h(exponential<Poly>(muladd(number<N>(-d, -d_low), square, number<N>(-c, -c_low)) * t)),
        sum(muladd(h, h, number<N>(1))) {}

  RECTIFIER_INLINE_MEMBER static f64 value(f64 x) {
    // NaN takes the limit here, and comes back with the maximum.
    const GeluTanhParts p(capped_magnitude(x, limit));
    return max(f64(-0.0), x) - times_high(p.t * with_low_twice(p.h) / p.sum, p.h);
  }

  /// The derivative of t s is s (1 - (1 - s) 2 t u'(t)) = -h^2 (2 t u'(t) - (1 + h^2)) / (1 + h^2)^2.
  RECTIFIER_INLINE_MEMBER static f64 derivative(f64 x) {
    const GeluTanhParts p(min(f64(limit), magnitude(x)));
    const N twice = p.t * muladd(number<N>(2 * d3, 2 * d3_low), p.square, number<N>(2 * c, 2 * c_low));
    const f64 y = times_high(with_low_twice(p.h) * (twice - p.sum) / (p.sum * p.sum), p.h);
    return select(negative(x), f64(-0.0) - y, f64(1) + y);
  }

  N t, square, h, sum;
};

#if RECTIFIER_LEVEL > 2
/// The same in double, where fma is: e = exp(-2 u) from gelu's tables, 1 / E::scale times, and with it t e / (1 + e).
/// Only sums that cancel are formed as two_difference does; a third of the operations of numbers that are all sums are
/// left out.
struct GeluTanhDouble {
  using T = TanhDouble;
  using E = GaussianDouble16;

  RECTIFIER_INLINE_MEMBER explicit GeluTanhDouble(f64 capped) : t(capped) {
    const f64 magic = integer_magic<f64>();
    square = two_product(t, t);
    const Sum<f64> q = linear(T::slope, T::rise);
    const f64 p = t * q.high;
    const f64 shifted = fma(p, f64(E::rate), magic);
    const f64 steps = fma(shifted, f64(E::step), f64(-E::step) * magic);
    const f64 rho = fma(t, q.low, fma(t, q.high, steps));
    const Gaussian<f64> g = gaussian<E>(shifted, fma(p, f64(T::rest), rho));
    e.high = fma(g.power, g.change, g.power);
    e.low = fma(g.power, g.change, g.power - e.high);
    const f64 scale(E::scale);
    sum.high = fma(e.high, scale, f64(1));
    sum.low = fma(e.low, scale, fma(e.high, scale, f64(1) - sum.high));
  }

  /// a + b * t * t. a has so few bits that its difference from the high part is exact.
  RECTIFIER_INLINE_MEMBER Sum<f64> linear(double a, double b) const {
    const f64 high = fma(f64(b), square.high, f64(a));
    return {high, fma(f64(b), square.low, fma(f64(b), square.high, f64(a) - high))};
  }

  RECTIFIER_INLINE_MEMBER Sum<f64> times_e(f64 factor) const {
    const Sum<f64> product = two_product(factor, e.high);
    return {product.high, fma(factor, e.low, product.low)};
  }

  /// a / b, of which the last addition is all that counts.
  RECTIFIER_INLINE_MEMBER static f64 quotient(Sum<f64> a, Sum<f64> b) {
    const f64 inverse = f64(1) / b.high;
    const f64 y = a.high * inverse;
    return fma(fnma(y, b.high, a.high) + fnma(y, b.low, a.low), inverse, y);
  }

  RECTIFIER_INLINE_MEMBER static f64 value(f64 x) {
    // NaN takes the limit here, and comes back with the maximum.
    const GeluTanhDouble p(capped_magnitude(x, T::limit));
    return fnma(quotient(p.times_e(p.t), p.sum), f64(E::scale), max(f64(-0.0), x));
  }

  /// The derivative of t e / sum is e (sum - 2 t u'(t)) / sum^2.
  RECTIFIER_INLINE_MEMBER static f64 derivative(f64 x) {
    const GeluTanhDouble p(min(f64(T::limit), magnitude(x)));
    const Sum<f64> w = p.linear(T::slope / 2, T::rise * 1.5);
    const Sum<f64> twice = two_product(p.t, w.high);
    const Sum<f64> rest = two_difference(p.sum.high, twice.high);
    const f64 low = p.sum.low - fma(twice.high, f64(T::rest_of_half), fma(p.t, w.low, twice.low));
    Sum<f64> above = p.times_e(rest.high);
    above.low = fma(rest.low + low, p.e.high, above.low);
    Sum<f64> squared = two_product(p.sum.high, p.sum.high);
    squared.low = fma(p.sum.high + p.sum.high, p.sum.low, squared.low);
    const f64 y = quotient(above, squared);
    const auto below = negative(x);
    return fma(y, select(below, f64(E::scale), f64(-E::scale)), select(below, f64(-0.0), f64(1)));
  }

  f64 t;
  Sum<f64> square, e, sum;  // sum = 1 + exp(-2 u)
};
#else
using GeluTanhDouble = GeluTanhParts<Sum<f64>, Expm1Double>;
#endif

/// x * (1 + tanh(u(x))) / 2, gelu's approximation of Hendrycks and Gimpel (arXiv:1606.08415).
/// Types: f32, by way of double: value and derivative <= 0.501 ULP on every input. f64: <= 0.8 ULP with fma, 1.5
/// without; the derivative <= 2^-53 absolute next to its root. NaN gives NaN, -0 gives -0, -inf gives -0, and so does
/// the derivative; +inf and all that is large give x, the derivative 1.
template <class V>
struct GeluTanhOfAll {
  explicit GeluTanhOfAll(const Parameters&) {}
  RECTIFIER_INLINE_MEMBER f64 value(f64 x) const { return GeluTanhDouble::value(x); }
  RECTIFIER_INLINE_MEMBER f64 derivative(f64 x) const { return GeluTanhDouble::derivative(x); }
  RECTIFIER_INLINE_MEMBER f32 value(f32 x) const {
    return in_double(x, [](f64 y) RECTIFIER_INLINE_LAMBDA { return GeluTanhParts<f64, Expm1Short>::value(y); });
  }
  RECTIFIER_INLINE_MEMBER f32 derivative(f32 x) const {
    return in_double(x, [](f64 y) RECTIFIER_INLINE_LAMBDA { return GeluTanhParts<f64, Expm1Double>::derivative(y); });
  }
};

template <class V>
struct GeluTanh : GeluTanhOfAll<V> {
  using GeluTanhOfAll<V>::GeluTanhOfAll;
};
RECTIFIER_FORMULA(4, GeluTanh, 0.5);

}  // namespace rectifier::RECTIFIER_TARGET
