// The activations and their derivatives over the lanes of this CPU target: a functor each, with value and derivative.
// Bounds are in units in the last place (ULP) of the result, over every input; docs/numerics.md explains the methods.
#pragma once

#include "lanes.hpp"
#include "parameters.hpp"

namespace rectifier::RECTIFIER_TARGET {

/// The formula with a number, that of its rows in the table of src/rectifier/parameters.py.
template <int number>
struct Numbered;

/// Numbers a functor; cost is the time for one float's value on one core, in nanoseconds, and decides from what size on
/// threads are worth waking.
#define RECTIFIER_FORMULA(number, functor_, cost) \
  template <>                                     \
  struct Numbered<number> {                       \
    template <class V>                            \
    using functor = functor_<V>;                  \
    static constexpr double nanoseconds = cost;   \
  }

/// x > 0 ? x : s * x, for slopes that differ by element or channel (prelu, rrelu).
template <class V>
RECTIFIER_INLINE V leaky_value(V x, V s) {
  return select(positive(x), x, s * x);
}

/// The gradient g taken back through leaky_value; x = 0, -0 and NaN take the second branch.
template <class V>
RECTIFIER_INLINE V leaky_pullback(V g, V x, V s) {
  return select(positive(x), g, s * g);
}

/// x > 0 ? x : slope * x.
/// Types: f32, f64. Correctly rounded: <= 0.5 ULP; derivative exact, and slope at 0, -0 and NaN.
template <class V>
struct Leaky {
  explicit Leaky(const Parameters& p) : slope(static_cast<typename V::scalar>(p.slope)) {}
  RECTIFIER_INLINE_MEMBER V value(V x) const { return leaky_value(x, slope); }
  RECTIFIER_INLINE_MEMBER V derivative(V x) const { return select(positive(x), V(1), slope); }
  V slope;
};
RECTIFIER_FORMULA(0, Leaky, 0.1);

}  // namespace rectifier::RECTIFIER_TARGET

#include "formulas_elu.hpp"
#include "formulas_gelu.hpp"
#if RECTIFIER_LEVEL == 4
#include "formulas_middle.hpp"
#elif RECTIFIER_LEVEL == 2
#include "formulas_single.hpp"
#endif
