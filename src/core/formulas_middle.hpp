// gelu and gelu_tanh of floats where most inputs lie, by one polynomial of low degree on each of 32 intervals, for CPU
// targets whose registers hold 32 entries of a table. Included by formulas.hpp only.
#pragma once

#include "formulas_gelu.hpp"
#include "tables.hpp"

namespace rectifier::RECTIFIER_TARGET {

/// T's function of t near a node: value + h * (factor + h * rest).
struct Near {
  f32 h;
  f32 value;
  f32 factor;
  f32 rest;
};

template <class T>
RECTIFIER_INLINE Near near_node(f32 t) {
  const Entries<T, f32> entry(bits(t + f32(T::magic)));
  const f32 h = t - entry.template get<0>();
  return {h, entry.template get<1>(), entry.template get<2>(), columns_from<3>(entry, h)};
}

/// A formula whose value at -t is -t times the function of Tail, and whose derivative is that of Slope and one minus
/// it: by tables where they reach, by OfAll beyond.
template <class Tail, class Slope, class OfAll>
struct InMiddle : OfAll {
  using OfAll::OfAll;

  RECTIFIER_INLINE_MEMBER f32 value(f32 x) const {
    const f32 t = magnitude(x);
    const Near q = near_node<Tail>(t);
    const f32 factor = fma(q.rest, q.h, q.factor);
    // The large part of the sum is a float: its product with t enters unrounded.
    f32 large = q.value, small;
    if constexpr (Tail::wide) {
      large = fma(factor, q.h, q.value);
      small = fma(factor, q.h, q.value - large);
    } else {
      small = factor * q.h;
    }
    const f32 y = max(f32(-0.0F), x) - fma(t, large, t * small);
    return unless_below(t, Tail::limit, y, [this, x]() RECTIFIER_INLINE_LAMBDA { return OfAll::value(x); });
  }

  RECTIFIER_INLINE_MEMBER f32 derivative(f32 x) const {
    const f32 t = magnitude(x);
    const Near g = near_node<Slope>(t);
    // g.value is next to nothing at the root's node: there, what the sum of rest and factor lost would show.
    const f32 sum = fma(g.rest, g.h, g.factor);
    const f32 lost = fma(g.rest, g.h, g.factor - sum);
    const f32 below = fma(sum, g.h, fma(lost, g.h, g.value));
    const f32 y = select(positive(x), f32(1) - below, below);
    return unless_below(t, Slope::limit, y, [this, x]() RECTIFIER_INLINE_LAMBDA { return OfAll::derivative(x); });
  }
};

/// As the templates: gelu <= 0.97 ULP, derivative 0.91; gelu_tanh <= 0.79 ULP, derivative 0.86.
template <>
struct Gelu<f32> : InMiddle<TailCentral, SlopeCentral, GeluOfAll<f32>> {
  using InMiddle::InMiddle;
};
template <>
struct GeluTanh<f32> : InMiddle<TanhTailCentral, TanhSlopeCentral, GeluTanhOfAll<f32>> {
  using InMiddle::InMiddle;
};

}  // namespace rectifier::RECTIFIER_TARGET
