// One contiguous loop for every formula and element type. Included once per CPU target.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "formulas.hpp"
#include "kernels.hpp"
#include "lanes.hpp"

namespace rectifier {
namespace RECTIFIER_TARGET {

template <class E>
struct Arithmetic {
  using lanes = f32;
  using scalar = float;
};
template <>
struct Arithmetic<double> {
  using lanes = f64;
  using scalar = double;
};

/// What formula F is computed in, for elements of type E.
template <class E, template <class> class F, class V = typename Arithmetic<E>::lanes>
using LanesOf = std::conditional_t<in_pairs<F<V>>, Pair<V>, V>;

// Bytes ahead of the loop that are asked for early: worth 1.3 to 1.7 x at 16 Mi elements, a loss inside the L2 cache.
constexpr std::size_t ahead = 2048;
// Bytes of a cache line.
constexpr std::size_t line = 64;
/// Bytes between the line that p lies in, and p.
inline std::size_t past_line(const void* p) { return reinterpret_cast<std::uintptr_t>(p) % line; }
// Elements of a block of a loop.
constexpr std::size_t block = 64;

/// Asks for a block's lines, a distance in bytes behind p.
template <bool for_write, class T>
inline void prefetch(const T* p, std::size_t distance = ahead) {
#if defined(__GNUC__) || defined(__clang__)
  for (std::size_t byte = 0; byte < block * sizeof(T); byte += line)
    __builtin_prefetch(reinterpret_cast<const char*>(p) + distance + byte, for_write ? 1 : 0, 3);
#else
  (void)p;
  (void)distance;
#endif
}

/// Always inline: GCC 12 takes a function that only prefetches for one without effect, and may drop calls of it.
template <bool for_write, class T>
RECTIFIER_INLINE void prefetch_at(const T* p) {
#if defined(__GNUC__) || defined(__clang__)
  __builtin_prefetch(p, for_write ? 1 : 0, 3);
#else
  (void)p;
#endif
}

template <class T>
inline void prefetch_line(const T* p) {
  prefetch_at<false>(reinterpret_cast<const char*>(p) + ahead);
}

/// The block that begins so many elements behind p.
template <class T>
inline void prefetch_next(const T* p, std::size_t elements) {
  prefetch<false>(p, elements * sizeof(T));
}

/// Stands in for an array of n slopes, n < 2^14: each of `length` neighbours has the next one of `slopes`, and the
/// first is the last of `left` such neighbours or fewer. One slope more than there are rows is read.
template <class S>
class RowSlopes {
 public:
  RowSlopes(const S* slopes, std::size_t length, std::size_t left, std::size_t n)
      : slopes_(slopes), length_(length < 2 * n ? length : 2 * n), at_(length_ - (left < n ? left : n)) {
    inverse_ = (std::uint64_t{1} << 32) / length_ + 1;
  }
  RowSlopes& operator+=(std::size_t n) {
    at_ += n;
    return *this;
  }
  RECTIFIER_INLINE_MEMBER friend RowSlopes operator+(RowSlopes slopes, std::size_t n) { return slopes += n; }

  /// Those of a register of elements, in which the next row may begin.
  template <class V>
  RECTIFIER_INLINE_MEMBER V lanes() const {
    static constexpr S number[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    const std::size_t row = at_ * inverse_ >> 32, left = (row + 1) * length_ - at_;
    if (left >= V::width) return V(slopes_[row]);
    return select(load<V>(number) < V(static_cast<S>(left)), V(slopes_[row]), V(slopes_[row + 1]));
  }

 private:
  const S* slopes_;
  std::size_t length_, at_;
  std::uint64_t inverse_;  // at_ * inverse_ / 2^32 is at_ / length_, rounded down
};

template <class V, class S>
RECTIFIER_INLINE V load(const RowSlopes<S>& p) {
  return p.template lanes<V>();
}
template <class V, class S>
RECTIFIER_INLINE V load_part(const RowSlopes<S>& p, std::size_t) {
  return p.template lanes<V>();
}
template <bool for_write, class S>
inline void prefetch(const RowSlopes<S>&) {}
template <class S>
inline void prefetch_next(const RowSlopes<S>&, std::size_t) {}

// y[i] = compute(in[i]...), two registers at a time, with partial loads and stores for the tail.
template <class V, Access access, class E, class Compute, class... In>
inline void run_block(E* y, std::size_t n, const Compute& compute, In... in) {
  constexpr std::size_t width = V::width;
  static_assert(block % width == 0, "a block is a whole number of registers");
  std::size_t i = 0;
  for (; i + block <= n; i += block) {
    if constexpr (access == prefetched) {
      (prefetch<false>(in + i), ...);
      prefetch<true>(y + i);
    }
    for (std::size_t k = i; k < i + block; k += width) store(y + k, compute(load<V>(in + k)...));
  }
  for (; i + width <= n; i += width) store(y + i, compute(load<V>(in + i)...));
  if constexpr (width > 1) {
    if (i < n) {
      const int rest = static_cast<int>(n - i);
      store_part(y + i, compute(load_part<V>(in + i, rest)...), rest);
    }
  }
}

// Runs shorter than this are done before it pays to align their stores.
constexpr std::size_t worth_aligning = 256;

template <class V, class E, class Compute, class... In>
RECTIFIER_INLINE void stream_lines(E* y, std::size_t n, const Compute& compute, In... in) {
  for (std::size_t k = 0; k < n; k += V::width) stream(y + k, compute(load<V>(in + k)...));
}

// The same for whole lines, by stores past the caches. Where there is one input, four pages go on at a time, a block of
// each in turn, as in memcpy: 48 instead of 45 GB/s with huge pages, 41 instead of 32 GB/s without. With two inputs it
// was a loss.
template <class V, class E, class Compute, class... In>
inline void run_streamed(E* y, std::size_t n, const Compute& compute, In... in) {
  constexpr std::size_t page = 4096 / sizeof(E), pages = 4;
  std::size_t i = 0;
  if constexpr ((std::is_pointer_v<In> + ... + 0) == 1) {
    for (; i + pages * page <= n; i += pages * page) {
      for (std::size_t k = i; k < i + page; k += block) {
        // Behind the last block of a page comes the first one of the page that is next in its turn.
        const std::size_t next = k + block < i + page ? block : block + (pages - 1) * page;
        for (std::size_t at = k; at < k + pages * page; at += page) {
          (prefetch_next(in + at, next), ...);
          stream_lines<V>(y + at, block, compute, (in + at)...);
        }
      }
    }
  }
  for (; i + block <= n; i += block) {
    (prefetch<false>(in + i), ...);
    stream_lines<V>(y + i, block, compute, (in + i)...);
  }
  stream_lines<V>(y + i, n - i, compute, (in + i)...);
}

template <class V, class E, class Compute, class... In>
inline void run(Access access, E* y, std::size_t n, const Compute& compute, In... in) {
  // Stores want whole lines of 64 bytes, streaming ones at all costs: the elements before the first one come apart. On
  // 1e5 floats leaky took 11.7 us where every store crossed a line, as in NumPy's own arrays, and 8.8 us where none
  // did.
  const std::size_t past = past_line(y);
  if (past != 0 && (access == streamed || n >= worth_aligning)) {
    std::size_t head = (line - past) / sizeof(E);
    if (past % sizeof(E) != 0) head = access == streamed ? n : 0;
    if (head > n) head = n;
    run_block<V, cached>(y, head, compute, in...);
    y += head;
    n -= head;
    ((in += head), ...);
  }
  if (access == prefetched) return run_block<V, prefetched>(y, n, compute, in...);
  if (access == cached) return run_block<V, cached>(y, n, compute, in...);
  // Streaming stores want whole lines. What is left behind the last one is likely to share a line with the next run's
  // first elements: it is asked for now.
  constexpr std::size_t whole = std::max<std::size_t>(line / sizeof(E), V::width);
  const std::size_t lines = n / whole * whole;
  if (lines < n) prefetch_at<true>(y + n);
  run_streamed<V>(y, lines, compute, in...);
  run_block<V, cached>(y + lines, n - lines, compute, (in + lines)...);
}

// The gradient of most formulas is g times the derivative; Leaky multiplies only where the slope applies,
// so that an infinite g stays what it is where the derivative is 1.
template <class V, class F>
RECTIFIER_INLINE V chain(const F& f, V g, V x) {
  return g * f.derivative(x);
}
template <class V>
RECTIFIER_INLINE V chain(const Leaky<V>& f, V g, V x) {
  return leaky_pullback(g, x, f.slope);
}

template <class E, template <class> class F>
void value_loop(void* y, const void* x, std::size_t n, const Parameters& parameters, Access access) {
  using V = LanesOf<E, F>;
  const F<V> f(parameters);
  run<V>(
      access, static_cast<E*>(y), n, [f](V v) RECTIFIER_INLINE_LAMBDA { return f.value(v); }, static_cast<const E*>(x));
}

template <class E, template <class> class F>
void pullback_loop(void* dx, const void* g, const void* x, std::size_t n, const Parameters& parameters, Access access) {
  using V = LanesOf<E, F>;
  const F<V> f(parameters);
  run<V>(
      access, static_cast<E*>(dx), n, [f](V u, V v) RECTIFIER_INLINE_LAMBDA { return chain(f, u, v); },
      static_cast<const E*>(g), static_cast<const E*>(x));
}

template <class E, class S = typename Arithmetic<E>::scalar>
void scale_loop(void* y, const void* x, const void* slopes, std::size_t n, Access access) {
  using V = typename Arithmetic<E>::lanes;
  run<V>(
      access, static_cast<E*>(y), n, [](V v, V s) { return leaky_value(v, s); }, static_cast<const E*>(x),
      static_cast<const S*>(slopes));
}

template <class E>
void own_scale_loop(void* y, const void* x, const void* slopes, std::size_t n, Access access) {
  scale_loop<E, E>(y, x, slopes, n, access);
}

template <class E>
void scale_rows_loop(void* y, const void* x, const void* slopes, std::size_t length, std::size_t left, std::size_t n,
                     Access access) {
  using V = typename Arithmetic<E>::lanes;
  using S = typename Arithmetic<E>::scalar;
  run<V>(
      access, static_cast<E*>(y), n, [](V v, V s) RECTIFIER_INLINE_LAMBDA { return leaky_value(v, s); },
      static_cast<const E*>(x), RowSlopes<S>(static_cast<const S*>(slopes), length, left, n));
}

template <class E>
void scale_pullback_loop(void* dx, const void* g, const void* x, const void* slopes, std::size_t n, Access access) {
  using V = typename Arithmetic<E>::lanes;
  run<V>(
      access, static_cast<E*>(dx), n, [](V u, V v, V s) { return leaky_pullback(u, v, s); }, static_cast<const E*>(g),
      static_cast<const E*>(x), static_cast<const typename Arithmetic<E>::scalar*>(slopes));
}

template <class E>
void widen_loop(void* wide, const void* narrow, std::size_t n) {
  using V = typename Arithmetic<E>::lanes;
  run<V>(
      cached, static_cast<typename Arithmetic<E>::scalar*>(wide), n, [](V v) { return v; },
      static_cast<const E*>(narrow));
}

}  // namespace RECTIFIER_TARGET
}  // namespace rectifier
