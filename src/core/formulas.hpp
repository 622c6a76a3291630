// The activations and their derivatives, one functor each, over the lanes of this CPU target.
#pragma once

#include <cmath>

#include "lanes.hpp"
#include "parameters.hpp"

namespace rectifier::RECTIFIER_TARGET {

/// x > 0 ? x : s * x, for slopes that differ by element or channel (prelu, rrelu).
template <class V> RECTIFIER_INLINE V leaky_value(V x, V s) { return select(positive(x), x, s * x); }

/// The gradient g taken back through leaky_value; x = 0, -0 and NaN take the second branch.
template <class V> RECTIFIER_INLINE V leaky_pullback(V g, V x, V s) { return select(positive(x), g, s * g); }

template <class V> struct Leaky {
  explicit Leaky(const Parameters& p) : slope(static_cast<typename V::scalar>(p.slope)) {}
  RECTIFIER_INLINE_MEMBER V value(V x) const { return leaky_value(x, slope); }
  RECTIFIER_INLINE_MEMBER V derivative(V x) const { return select(positive(x), V(1), slope); }
  V slope;
};

template <class V, class F> RECTIFIER_INLINE V each(V x, F f) {
  typename V::scalar a[V::width];
  store(static_cast<typename V::scalar*>(a), x);
  for (auto& e : a) e = static_cast<typename V::scalar>(f(static_cast<double>(e)));
  return load<V>(static_cast<const typename V::scalar*>(a));
}

template <class V> struct Elu {
  explicit Elu(const Parameters& p) : slope(static_cast<typename V::scalar>(p.slope)) {}
  RECTIFIER_INLINE_MEMBER V value(V x) const {
    const double s = slope;
    return each(x, [s](double e) { return e > 0 ? e : s * std::expm1(e); });
  }
  RECTIFIER_INLINE_MEMBER V derivative(V x) const {
    const double s = slope;
    return each(x, [s](double e) { return e > 0 ? 1.0 : s * std::exp(e); });
  }
  typename V::scalar slope;
};

template <class V> struct Selu {
  explicit Selu(const Parameters&) {}
  RECTIFIER_INLINE_MEMBER V value(V x) const {
    return each(x, [](double e) { return e > 0 ? 1.0507009873554805 * e : 1.7580993408473766 * std::expm1(e); });
  }
  RECTIFIER_INLINE_MEMBER V derivative(V x) const {
    return each(x, [](double e) { return e > 0 ? 1.0507009873554805 : 1.7580993408473766 * std::exp(e); });
  }
};

template <class V> struct Gelu {
  explicit Gelu(const Parameters&) {}
  RECTIFIER_INLINE_MEMBER V value(V x) const {
    return each(x, [](double e) { return e < -40 ? -0.0 : e * 0.5 * std::erfc(-0.7071067811865476 * e); });
  }
  RECTIFIER_INLINE_MEMBER V derivative(V x) const {
    return each(x, [](double e) {
      const double t = std::fabs(e) > 40 ? 40.0 : std::fabs(e);
      return 0.5 * std::erfc(-0.7071067811865476 * e) + std::copysign(t, e) * 0.3989422804014327 * std::exp(-0.5 * t * t);
    });
  }
};

}  // namespace rectifier::RECTIFIER_TARGET
