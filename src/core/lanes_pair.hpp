// Two registers as one, for formulas that are a long chain of operations: each operation is done for both registers
// before the next one, so that one chain goes on while the other waits. Included by formulas.hpp's parts only.
#pragma once

#include "lanes.hpp"

namespace rectifier::RECTIFIER_TARGET {

/// A mask, or the bits of numbers, of two registers.
template <class R>
struct Both {
  R first, second;
};

/// The numbers of two registers of type V.
template <class V>
struct Pair {
  using scalar = typename V::scalar;
  static constexpr int width = 2 * V::width;
  V first, second;
  Pair() = default;
  RECTIFIER_INLINE_MEMBER Pair(scalar s) : first(s), second(s) {}
  RECTIFIER_INLINE_MEMBER Pair(V a, V b) : first(a), second(b) {}
};

RECTIFIER_INLINE Pair<f64> both(f64 first, f64 second) { return {first, second}; }
template <class R>
RECTIFIER_INLINE Both<R> both(R first, R second) {
  return {first, second};
}

/// Whether functor F is worth it: where its one chain leaves the processor waiting, and inside its registers.
template <class F>
constexpr bool in_pairs = false;

#define RECTIFIER_IN_STEP_1(operation, Two)               \
  template <class R>                                      \
  RECTIFIER_INLINE auto operation(Two<R> a) {             \
    return both(operation(a.first), operation(a.second)); \
  }
#define RECTIFIER_IN_STEP_2(operation, Two)                              \
  template <class R>                                                     \
  RECTIFIER_INLINE Two<R> operation(Two<R> a, Two<R> b) {                \
    return {operation(a.first, b.first), operation(a.second, b.second)}; \
  }
#define RECTIFIER_IN_STEP_3(operation)                                                      \
  template <class V>                                                                        \
  RECTIFIER_INLINE Pair<V> operation(Pair<V> a, Pair<V> b, Pair<V> c) {                     \
    return {operation(a.first, b.first, c.first), operation(a.second, b.second, c.second)}; \
  }
RECTIFIER_IN_STEP_1(magnitude, Pair)
RECTIFIER_IN_STEP_1(negative, Pair)
RECTIFIER_IN_STEP_1(bits, Pair)
RECTIFIER_IN_STEP_1(from_bits, Both)
RECTIFIER_IN_STEP_2(operator+, Both)
RECTIFIER_IN_STEP_2(operator+, Pair)
RECTIFIER_IN_STEP_2(operator-, Pair)
RECTIFIER_IN_STEP_2(operator*, Pair)
RECTIFIER_IN_STEP_2(min, Pair)
RECTIFIER_IN_STEP_2(max, Pair)
RECTIFIER_IN_STEP_3(fma)
RECTIFIER_IN_STEP_3(fnma)
RECTIFIER_IN_STEP_3(muladd)
RECTIFIER_IN_STEP_3(nmuladd)
#undef RECTIFIER_IN_STEP_1
#undef RECTIFIER_IN_STEP_2
#undef RECTIFIER_IN_STEP_3

template <class M, class V>
RECTIFIER_INLINE Pair<V> select(Both<M> m, Pair<V> a, Pair<V> b) {
  return {select(m.first, a.first, b.first), select(m.second, a.second, b.second)};
}
template <int n, class R>
RECTIFIER_INLINE Both<R> shift_left(Both<R> a) {
  return {shift_left<n>(a.first), shift_left<n>(a.second)};
}
template <int n, class R>
RECTIFIER_INLINE Both<R> shift_right(Both<R> a) {
  return {shift_right<n>(a.first), shift_right<n>(a.second)};
}
template <class V>
RECTIFIER_INLINE Pair<V> capped_magnitude(Pair<V> x, typename V::scalar limit) {
  return {capped_magnitude(x.first, limit), capped_magnitude(x.second, limit)};
}
template <int size, class R>
RECTIFIER_INLINE Pair<f64> lookup(const double (&table)[size], Both<R> i) {
  return {lookup(table, i.first), lookup(table, i.second)};
}

template <>
RECTIFIER_INLINE_MEMBER Pair<f64> load<Pair<f64>, double>(const double* p) {
  return {load<f64>(p), load<f64>(p + f64::width)};
}
template <>
RECTIFIER_INLINE_MEMBER Pair<f64> load_part<Pair<f64>, double>(const double* p, std::size_t n) {
  constexpr std::size_t width = f64::width;
  if (n < width) return {load_part<f64>(p, n), f64(0)};
  return {load<f64>(p), load_part<f64>(p + width, n - width)};
}
template <class V, class E>
RECTIFIER_INLINE void store(E* p, Pair<V> x) {
  store(p, x.first);
  store(p + V::width, x.second);
}
template <class V, class E>
RECTIFIER_INLINE void store_part(E* p, Pair<V> x, std::size_t n) {
  constexpr std::size_t width = V::width;
  store_part(p, x.first, n < width ? n : width);
  if (n > width) store_part(p + width, x.second, n - width);
}
template <class V, class E>
RECTIFIER_INLINE void stream(E* p, Pair<V> x) {
  stream(p, x.first);
  stream(p + V::width, x.second);
}

}  // namespace rectifier::RECTIFIER_TARGET
