// Loops that draw rrelu's slopes and use them at once, and slopes for tiles that lie across the index. Included once
// per CPU target.
#pragma once

#include <cstddef>
#include <cstdint>

#include "loops.hpp"
#include "philox.hpp"

namespace rectifier::RECTIFIER_TARGET {

constexpr std::size_t drawn_at_once = std::size_t{Drawing::registers} * f32::width;

/// y[i] = compute(in[i]..., slopes[i]) for whole registers of slopes.
template <class V, Access access, int count, class E, class Compute, class... In>
RECTIFIER_INLINE void use_slopes(E* y, const f32 (&slopes)[count], const Compute& compute, const In*... in) {
  constexpr int parts = f32::width / V::width;
  for (int k = 0; k < count; ++k) {
    V part[parts];
    widen_slopes(slopes[k], part);
    for (int p = 0; p < parts; ++p) {
      const std::size_t at = static_cast<std::size_t>(k * parts + p) * V::width;
      if constexpr (access == streamed) {
        stream(y + at, compute(load<V>(in + at)..., part[p]));
      } else {
        store(y + at, compute(load<V>(in + at)..., part[p]));
      }
    }
  }
}

/// At most drawn_at_once elements, the first of which has the slope number `skip` of those that come next.
template <class V, class E, class Compute, class... In>
inline void run_part(E* y, Drawing& drawing, std::size_t skip, std::size_t n, const Compute& compute, const In*... in) {
  typename V::scalar room[drawn_at_once];
  f32 slopes[Drawing::fewest_registers];
  for (std::size_t drawn = 0; drawn < skip + n; drawn += std::size_t{Drawing::fewest_registers} * f32::width) {
    drawing.next(slopes);
    use_slopes<V, cached>(room + drawn, slopes, [](V slope) { return slope; });
  }
  run_block<V, cached>(y, n, compute, in..., static_cast<const typename V::scalar*>(room + skip));
}

/// y[i] = compute(in[i]..., the slope of index first + i), for counters that share their upper half. Drawing takes so
/// long that prefetching costs nothing inside the caches, and it saves a tenth of the time at 1e6.
template <class V, Access access, class E, class Compute, class... In>
inline void run_stretch(E* y, std::uint64_t first, std::size_t n, const SlopeRange& range, const Compute& compute,
                        const In*... in) {
  Drawing drawing(first / 4, range);
  const std::size_t skip = first % 4;
  std::size_t i = 0;
  if (skip != 0) {
    i = n < drawn_at_once - skip ? n : drawn_at_once - skip;
    run_part<V>(y, drawing, skip, i, compute, in...);
  }
  for (; i + drawn_at_once <= n; i += drawn_at_once) {
    (prefetch<false>(in + i), ...);
    if constexpr (access != streamed) prefetch<true>(y + i);
    f32 slopes[Drawing::registers];
    drawing.next(slopes);
    use_slopes<V, access>(y + i, slopes, compute, (in + i)...);
  }
  if (i < n) run_part<V>(y + i, drawing, 0, n - i, compute, (in + i)...);
}

template <class V, class E, class Compute, class... In>
inline void run_drawn(Access access, E* y, std::uint64_t first, std::size_t n, const SlopeRange& range,
                      const Compute& compute, const In*... in) {
  while (n > 0) {
    const std::uint64_t left = (std::uint64_t{1} << 34) - first % (std::uint64_t{1} << 34);
    std::size_t count = n < left ? n : static_cast<std::size_t>(left);
    // Streaming stores want whole lines of 64 bytes, and registers of slopes begin with a whole block.
    const std::size_t past = reinterpret_cast<std::uintptr_t>(y) % 64;
    const std::size_t head = past == 0 ? 0 : (64 - past) / sizeof(E);
    if (access == streamed && past % sizeof(E) == 0 && (first + head) % 4 == 0 && head < count) {
      run_stretch<V, prefetched>(y, first, head, range, compute, in...);
      run_stretch<V, streamed>(y + head, first + head, count - head, range, compute, (in + head)...);
      stream_fence();
    } else {
      run_stretch<V, prefetched>(y, first, count, range, compute, in...);
    }
    y += count;
    first += count;
    n -= count;
    ((in += count), ...);
  }
}

template <class E>
void drawn_scale_loop(void* y, const void* x, std::uint64_t first, std::size_t n, const SlopeRange& range,
                      Access access) {
  using V = typename Arithmetic<E>::lanes;
  run_drawn<V>(
      access, static_cast<E*>(y), first, n, range,
      [](V v, V s) RECTIFIER_INLINE_LAMBDA { return leaky_value(v, s); }, static_cast<const E*>(x));
}

template <class E>
void drawn_pullback_loop(void* dx, const void* g, const void* x, std::uint64_t first, std::size_t n,
                         const SlopeRange& range, Access access) {
  using V = typename Arithmetic<E>::lanes;
  run_drawn<V>(
      access, static_cast<E*>(dx), first, n, range,
      [](V u, V v, V s) RECTIFIER_INLINE_LAMBDA { return leaky_pullback(u, v, s); }, static_cast<const E*>(g),
      static_cast<const E*>(x));
}

inline void draw(float* slopes, std::uint64_t first, std::size_t n, const SlopeRange& range) {
  run_drawn<f32>(cached, slopes, first, n, range, [](f32 slope) RECTIFIER_INLINE_LAMBDA { return slope; });
}

#if RECTIFIER_LEVEL >= 3
/// As many columns of a tile as a register has lanes: a counter for each, so that a register of words is a row.
class Columns {
 public:
  static constexpr std::size_t width = f32::width;

  Columns(std::uint64_t first, std::uint64_t step) {
    alignas(64) std::uint64_t counters[width];
    for (std::size_t lane = 0; lane < width; ++lane) {
      const std::uint64_t index = first + lane * step;
      // pick() takes two counters of one register and two of the other in turn.
      counters[lane / 2 % 2 * u64::width + lane / 4 * 2 + lane % 2] = index / 4;
      odd_[lane] = static_cast<float>(index % 2);
      second_half_[lane] = static_cast<float>(index / 2 % 2);
    }
    for (int c = 0; c < 2; ++c)
      products_[c] = multiply_low(load_counters(counters + c * u64::width), repeat(philox_multiplier[0]));
  }

  /// Four rows, beginning with a counter's first word in each column.
  RECTIFIER_INLINE_MEMBER void next(const Rounds& rounds, const SlopeMap& map, f32* rows) {
    u64 low[2], high[2];
    rounds(products_, low, high);
    for (u64& p : products_) p = p + repeat(philox_multiplier[0]);
    rows[0] = map(pick<0xDD>(low[0], low[1]));
    rows[1] = map(pick<0x88>(low[0], low[1]));
    rows[2] = map(pick<0xDD>(high[0], high[1]));
    rows[3] = map(pick<0x88>(high[0], high[1]));
  }

  /// The four rows that begin with the index's own word in each column, out of eight.
  RECTIFIER_INLINE_MEMBER void align(const f32 (&rows)[8], f32 (&aligned)[4]) const {
    const auto odd = positive(load<f32>(static_cast<const float*>(odd_)));
    const auto second_half = positive(load<f32>(static_cast<const float*>(second_half_)));
    f32 moved[5];
    for (int k = 0; k < 5; ++k) moved[k] = select(second_half, rows[k + 2], rows[k]);
    for (int k = 0; k < 4; ++k) aligned[k] = select(odd, moved[k + 1], moved[k]);
  }

 private:
  u64 products_[2];
  float odd_[width], second_half_[width];
};

template <class S>
RECTIFIER_INLINE void store_columns(S* to, f32 row, std::size_t n) {
  using V = typename Arithmetic<S>::lanes;
  V parts[f32::width / V::width];
  widen_slopes(row, parts);
  for (V part : parts) {
    if (n >= V::width) {
      store(to, part);
      to += V::width;
      n -= V::width;
    } else if (n > 0) {
      return store_part(to, part, n);
    }
  }
}

template <bool aligned, class S>
inline void draw_columns(S* slopes, Columns columns, const Rounds& rounds, const SlopeMap& map, std::size_t rows,
                         std::size_t cols, std::size_t pitch) {
  f32 drawn[8], row[4];
  if (!aligned) columns.next(rounds, map, drawn + 4);
  for (std::size_t r = 0; r < rows; r += 4) {
    if constexpr (aligned) {
      columns.next(rounds, map, row);
    } else {
      for (int k = 0; k < 4; ++k) drawn[k] = drawn[k + 4];
      columns.next(rounds, map, drawn + 4);
      columns.align(drawn, row);
    }
    for (std::size_t k = 0; k < 4 && r + k < rows; ++k) store_columns(slopes + (r + k) * pitch, row[k], cols);
  }
}
#endif

/// A block at a time.
template <class S>
void draw_tile_by_blocks(S* slopes, std::uint64_t first, std::uint64_t step, std::size_t rows, std::size_t cols,
                         const SlopeRange& range) {
  const SlopeMap map(range);
  for (std::size_t c = 0; c < cols; ++c, first += step) {
    std::uint32_t words[4];
    for (std::size_t r = 0; r < rows; ++r) {
      const std::uint64_t index = first + r;
      if (r == 0 || index % 4 == 0) philox_block(index / 4, range.key, words);
      float lanes[f32::width];
      store(static_cast<float*>(lanes), map(f32(static_cast<float>(words[index % 4] >> 8))));
      slopes[r * cols + c] = static_cast<S>(lanes[0]);
    }
  }
}

/// Slopes for a tile, row after row: the index counts by one from row to row, and by `step` from column to column.
template <class S>
void draw_tile(S* slopes, std::uint64_t first, std::uint64_t step, std::size_t rows, std::size_t cols,
               const SlopeRange& range) {
#if RECTIFIER_LEVEL >= 3
  // From the first index to the last one, in either order, and on to the end of the block after it.
  const std::uint64_t other = first + (cols - 1) * step;
  const std::uint64_t least = first < other ? first : other, most = (first < other ? other : first) + rows + 7;
  if (least >> 34 == most >> 34) {
    const SlopeMap map(range);
    const Rounds rounds(range.key, least / 4);
    const bool aligned = first % 4 == 0 && (step % 4 == 0 || cols == 1);
    for (std::size_t c = 0; c < cols; c += Columns::width) {
      const Columns columns(first + c * step, step);
      (aligned ? draw_columns<true, S> : draw_columns<false, S>)(slopes + c, columns, rounds, map, rows, cols - c,
                                                                 cols);
    }
    return;
  }
#endif
  draw_tile_by_blocks(slopes, first, step, rows, cols, range);
}

}  // namespace rectifier::RECTIFIER_TARGET
