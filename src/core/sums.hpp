// prelu's backward pass: the data's gradient and the terms of gamma's gradient in one pass. Included once per CPU
// target.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "loops.hpp"
#include "shared_line.hpp"
#include "terms.hpp"

namespace rectifier::RECTIFIER_TARGET {

/// Elements of one step: a whole number of registers of any type, and a lane each in sum_along.
constexpr std::size_t step = sum_lanes;
static_assert(step % f32::width == 0 && step % f64::width == 0, "a step is made of whole registers");

/// Asks early for the lines of a step that is still ahead.
template <bool for_write, class E>
RECTIFIER_INLINE void prefetch_step(const E* p) {
  for (std::size_t byte = 0; byte < step * sizeof(E); byte += line)
    prefetch_at<for_write>(reinterpret_cast<const char*>(p) + ahead + byte);
}

/// One step of the data's gradient; nothing where dx is null.
template <class E, class Slope>
RECTIFIER_INLINE void step_dx(E* dx, const E* g, const E* x, const Slope& slope) {
  using V = typename Arithmetic<E>::lanes;
  if (dx == nullptr) return;
  for (std::size_t k = 0; k < step; k += V::width)
    store(dx + k, leaky_pullback(load<V>(g + k), load<V>(x + k), slope(k)));
}

/// The same for the n elements of a run's last, partial step. slope(k, n) reads n slopes from k on.
template <class E, class Slope>
RECTIFIER_INLINE void last_dx(E* dx, const E* g, const E* x, std::size_t n, const Slope& slope) {
  using V = typename Arithmetic<E>::lanes;
  if (dx == nullptr) return;
  std::size_t k = 0;
  for (; k + V::width <= n; k += V::width)
    store(dx + k, leaky_pullback(load<V>(g + k), load<V>(x + k), slope(k, V::width)));
  if constexpr (V::width > 1) {
    const std::size_t rest = n - k;
    if (rest != 0)
      store_part(dx + k, leaky_pullback(load_part<V>(g + k, rest), load_part<V>(x + k, rest), slope(k, rest)), rest);
  }
}

template <class E>
inline void sum_along_run(E* dx, const E* g, const E* x, double slope_, std::size_t n, double* lanes) {
  using V = typename Arithmetic<E>::lanes;
  const V repeated(static_cast<typename V::scalar>(slope_));
  const auto slope = [repeated](std::size_t) { return repeated; };
  constexpr std::size_t registers = step / f64::width;
  f64 sums[registers];
  for (std::size_t r = 0; r < registers; ++r) sums[r] = load<f64>(lanes + r * f64::width);
  // The sums come first in each step: dx may be g or x itself.
  std::size_t i = 0;
  for (; i + step <= n; i += step) {
    prefetch_step<false>(g + i);
    prefetch_step<false>(x + i);
    for (std::size_t r = 0, k = i; r < registers; r += pair, k += pair * f64::width) add_terms(sums + r, g + k, x + k);
    step_dx(dx == nullptr ? dx : dx + i, g + i, x + i, slope);
  }
  if (i < n) {
    std::size_t k = i, r = 0;
    for (; k + f64::width <= n; k += f64::width, ++r)
      sums[r] = add_term<E>(sums[r], load_wide(g + k), load_wide(x + k));
    if constexpr (f64::width > 1)
      if (k < n) sums[r] = add_term<E>(sums[r], load_wide_part(g + k, n - k), load_wide_part(x + k, n - k));
    last_dx(dx == nullptr ? dx : dx + i, g + i, x + i, n - i,
            [repeated](std::size_t, std::size_t) { return repeated; });
  }
  for (std::size_t r = 0; r < registers; ++r) store(lanes + r * f64::width, sums[r]);
}

template <class E>
void sum_along_loop(void* dx_, const void* g_, const void* x_, double slope, std::size_t n, double* lanes,
                    Access access, SharedLine& held) {
  E* dx = static_cast<E*>(dx_);
  const E* g = static_cast<const E*>(g_);
  const E* x = static_cast<const E*>(x_);
  if (access != streamed || !can_stream(dx)) return sum_along_run(dx, g, x, slope, n, lanes);
  sum_and_stream(
      dx, n, held,
      [&](std::size_t i, std::size_t count) { sum_along_run<E>(nullptr, g + i, x + i, slope, count, lanes); },
      [&](E* to, std::size_t i, std::size_t count, Access how) {
        pullback_loop<E, Leaky>(to, g + i, x + i, count, Parameters{slope, 0, 0}, how);
      });
}

template <class E>
void pull_rows_loop(void* dx_, const void* g_, const void* x_, double slope_, std::size_t n, const Rows& rows) {
  using V = typename Arithmetic<E>::lanes;
  const V repeated(static_cast<typename V::scalar>(slope_));
  const auto slope = [repeated](std::size_t) { return repeated; };
  for (std::size_t row = 0; row < rows.count; ++row) {
    const auto at = static_cast<std::ptrdiff_t>(row);
    E* dx = reinterpret_cast<E*>(static_cast<char*>(dx_) + at * rows.dx);
    const E* g = reinterpret_cast<const E*>(static_cast<const char*>(g_) + at * rows.g);
    const E* x = reinterpret_cast<const E*>(static_cast<const char*>(x_) + at * rows.x);
    std::size_t i = 0;
    for (; i + step <= n; i += step) {
      prefetch_at<false>(g + i + n + step - 1);
      prefetch_at<false>(x + i + n + step - 1);
      prefetch_at<true>(dx + i + n + step - 1);
      step_dx(dx + i, g + i, x + i, slope);
    }
    if (i < n) last_dx(dx + i, g + i, x + i, n - i, [repeated](std::size_t, std::size_t) { return repeated; });
  }
}

template <class E, class S>
RECTIFIER_INLINE void sum_across_row(E* dx, const E* g, const E* x, const S* slopes, std::size_t n, double* sums) {
  using V = typename Arithmetic<E>::lanes;
  const double* before = sums;
  std::size_t i = 0;
  for (; i + step <= n; i += step) {
    prefetch_step<false>(g + i);
    prefetch_step<false>(x + i);
    for (std::size_t k = i; k < i + step; k += pair * f64::width) {
      f64 both[pair];
      for (std::size_t r = 0; r < pair; ++r) both[r] = load<f64>(before + k + r * f64::width);
      add_terms(both, g + k, x + k);
      for (std::size_t r = 0; r < pair; ++r) store(sums + k + r * f64::width, both[r]);
    }
    if (dx != nullptr) prefetch_step<true>(dx + i);
    step_dx(dx == nullptr ? dx : dx + i, g + i, x + i, [at = slopes + i](std::size_t k) { return load<V>(at + k); });
  }
  if (i < n) {
    std::size_t k = i;
    for (; k + f64::width <= n; k += f64::width)
      store(sums + k, add_term<E>(load<f64>(before + k), load_wide(g + k), load_wide(x + k)));
    if constexpr (f64::width > 1) {
      const std::size_t rest = n - k;
      if (rest != 0)
        store_part(
            sums + k,
            add_term<E>(load_part<f64>(before + k, rest), load_wide_part(g + k, rest), load_wide_part(x + k, rest)),
            rest);
    }
    last_dx(dx == nullptr ? dx : dx + i, g + i, x + i, n - i, [at = slopes + i](std::size_t from, std::size_t count) {
      return count == V::width ? load<V>(at + from) : load_part<V>(at + from, count);
    });
  }
}

template <class E>
void sum_across_loop(void* dx_, const void* g_, const void* x_, const void* slopes_, std::size_t n, double* sums,
                     const Rows& rows, Access access, SharedLine& held) {
  const auto* slopes = static_cast<const typename Arithmetic<E>::scalar*>(slopes_);
  std::size_t lane = rows.first_lane;
  for (std::size_t row = 0; row < rows.count; ++row) {
    const auto at = static_cast<std::ptrdiff_t>(row);
    E* dx = dx_ == nullptr ? nullptr : reinterpret_cast<E*>(static_cast<char*>(dx_) + at * rows.dx);
    const E* g = reinterpret_cast<const E*>(static_cast<const char*>(g_) + at * rows.g);
    const E* x = reinterpret_cast<const E*>(static_cast<const char*>(x_) + at * rows.x);
    double* lane_sums = sums + lane * n;
    if (access == streamed && can_stream(dx)) {
      sum_and_stream(
          dx, n, held,
          [&](std::size_t i, std::size_t count) {
            sum_across_row<E>(nullptr, g + i, x + i, slopes + i, count, lane_sums + i);
          },
          [&](E* to, std::size_t i, std::size_t count, Access how) {
            scale_pullback_loop<E>(to, g + i, x + i, slopes + i, count, how);
          });
    } else {
      sum_across_row(dx, g, x, slopes, n, lane_sums);
    }
    if (++lane == rows.lanes) lane = 0;
  }
}

/// 0 + u * v for elements of type E, as float64 sums it: -0 where a negative product is too small for a float, but 0
/// where it is zero.
template <class E, class V>
RECTIFIER_INLINE V single_term(V u, V v) {
  const V product = u * v, sum = V(0) + product;
  if constexpr (sizeof(E) == 8) return sum;
  const V least(std::numeric_limits<float>::denorm_min());
  return select(magnitude(u) < least, sum, select(magnitude(v) < least, sum, product));
}

/// Elements before the first place where a whole register of them lies in one line of 64 bytes.
template <class V, class E>
inline std::size_t before_whole_store(const E* p) {
  const std::size_t past = reinterpret_cast<std::uintptr_t>(p) / sizeof(E) % V::width;
  return past == 0 ? 0 : V::width - past;
}

/// The products of two floats or halves need one rounding, as the sums of one term do.
template <bool streams, class E, class S>
RECTIFIER_INLINE void products_run(E* dx, S* d_gamma, const E* g, const E* x, const S* slopes, std::size_t n) {
  using V = typename Arithmetic<E>::lanes;
  // All is read before anything is written: dx may be g or x itself.
  const auto piece = [&](std::size_t i, const auto& read, const auto& write) {
    const V u = read(g + i), v = read(x + i), s = read(slopes + i);
    write(d_gamma + i, select(positive(v), V(0), single_term<E>(u, v)));
    if (dx != nullptr) write(dx + i, leaky_pullback(u, v, s));
  };
  const auto part = [&](std::size_t i, std::size_t count) {
    if constexpr (V::width > 1) {
      if (count != 0)
        piece(
            i, [count](const auto* p) { return load_part<V>(p, count); },
            [count](auto* p, V value) { store_part(p, value, count); });
    }
  };
  // Whole registers from the first place on where a store crosses no line: 1e5 floats in arrays that begin 16 bytes
  // into a line, as NumPy's do, took 66 us, and take 31 us so.
  std::size_t i = n >= worth_aligning ? before_whole_store<V>(dx) : 0;
  part(0, i);
  for (; i + V::width <= n; i += V::width) {
    prefetch_line(g + i);
    prefetch_line(x + i);
    prefetch_line(slopes + i);
    piece(
        i, [](const auto* p) { return load<V>(p); },
        [](auto* p, V value) {
          if constexpr (streams) {
            stream(p, value);
          } else {
            store(p, value);
          }
        });
  }
  part(i, n - i);
}

template <class E, class S>
inline void products_of(void* dx_, void* d_gamma_, const void* g_, const void* x_, const void* slopes_, std::size_t n,
                        Access access) {
  E* dx = static_cast<E*>(dx_);
  S* d_gamma = static_cast<S*>(d_gamma_);
  const E* g = static_cast<const E*>(g_);
  const E* x = static_cast<const E*>(x_);
  const S* slopes = static_cast<const S*>(slopes_);
  if (access == streamed && past_line(dx) == 0 && past_line(d_gamma) == 0) {
    products_run<true>(dx, d_gamma, g, x, slopes, n);
  } else {
    products_run<false>(dx, d_gamma, g, x, slopes, n);
  }
}

template <class E>
void products_loop(void* dx, void* d_gamma, const void* g, const void* x, const void* slopes, std::size_t n,
                   Access access) {
  products_of<E, typename Arithmetic<E>::scalar>(dx, d_gamma, g, x, slopes, n, access);
}

template <class E>
void own_products_loop(void* dx, void* d_gamma, const void* g, const void* x, const void* slopes, std::size_t n,
                       Access access) {
  products_of<E, E>(dx, d_gamma, g, x, slopes, n, access);
}

}  // namespace rectifier::RECTIFIER_TARGET
