// Loops that draw rrelu's slopes and use them at once, and slopes for tiles that lie across the index. Included once
// per CPU target.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "columns.hpp"
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
    for (std::size_t k = i; k < i + drawn_at_once; k += block) {
      (prefetch<false>(in + k), ...);
      if constexpr (access != streamed) prefetch<true>(y + k);
    }
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
    const std::size_t past = past_line(y);
    const std::size_t head = past == 0 ? 0 : (line - past) / sizeof(E);
    if (access == streamed && past % sizeof(E) == 0 && (first + head) % 4 == 0 && head < count) {
      run_stretch<V, prefetched>(y, first, head, range, compute, in...);
      run_stretch<V, streamed>(y + head, first + head, count - head, range, compute, (in + head)...);
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
      access, static_cast<E*>(y), first, n, range, [](V v, V s) RECTIFIER_INLINE_LAMBDA { return leaky_value(v, s); },
      static_cast<const E*>(x));
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

/// Rows of a matrix, `pitch` bytes apart.
template <class E>
struct Matrix {
  E* data;
  std::ptrdiff_t pitch;
  RECTIFIER_INLINE_MEMBER E* at(std::size_t row, std::size_t col) const {
    using Byte = std::conditional_t<std::is_const_v<E>, const char, char>;
    return reinterpret_cast<E*>(reinterpret_cast<Byte*>(data) + static_cast<std::ptrdiff_t>(row) * pitch) + col;
  }
};

/// y[i] = compute(in[i]..., slopes[i]) for at most as many elements as there are slopes.
template <class V, Access access, class E, class Compute, class... In>
RECTIFIER_INLINE void use_row(E* y, f32 slopes, std::size_t n, const Compute& compute, const In*... in) {
  if (n >= static_cast<std::size_t>(f32::width)) return use_slopes<V, access>(y, {slopes}, compute, in...);
  constexpr std::size_t parts = f32::width / V::width;
  V part[parts];
  widen_slopes(slopes, part);
  for (std::size_t p = 0, at = 0; p < parts; ++p, at += V::width) {
    if (n >= at + V::width) {
      store(y + at, compute(load<V>(in + at)..., part[p]));
    } else if (n > at) {
      store_part(y + at, compute(load_part<V>(in + at, n - at)..., part[p]), n - at);
    }
  }
}

#if RECTIFIER_LEVEL >= 3
/// The registers of columns whose rounds run side by side, where an element and its inputs take so many bytes: two with
/// AVX-512, unless memory is what takes the time.
constexpr int side_by_side(std::size_t bytes) { return RECTIFIER_LEVEL == 4 && bytes <= 8 ? 2 : 1; }

/// y = compute(in..., slopes) for the next four rows, up to `height`, of `width` columns. The loop is written so that
/// GCC unrolls it and keeps the slopes in registers: otherwise, the gradient took a fifth more time.
template <class V, Access access, int registers, class E, class Compute, class... In>
RECTIFIER_INLINE void use_rows(Matrix<E> y, std::size_t row, std::size_t col, const f32 (&slopes)[4][registers],
                               std::size_t height, std::size_t width, const Compute& compute, Matrix<In>... in) {
  constexpr std::size_t distance = 256;
  for (std::size_t r = 0; r < 4 && row + r < height; ++r) {
    for (std::size_t at = 0; at < registers * f32::width * sizeof(E); at += line) {
      (prefetch_at<false>(reinterpret_cast<const char*>(in.at(row + r, col)) + distance + at), ...);
      if constexpr (access != streamed)
        prefetch_at<true>(reinterpret_cast<const char*>(y.at(row + r, col)) + distance + at);
    }
    for (std::size_t c = 0, at = 0; c < registers && at < width; ++c, at += f32::width)
      use_row<V, access>(y.at(row + r, col + at), slopes[r][c], width - at, compute, in.at(row + r, col + at)...);
  }
}

template <bool aligned, class V, Access access, int registers, class E, class Compute, class... In>
inline void run_columns(Matrix<E> y, std::size_t col, Columns<registers> columns, const Rounds& rounds,
                        const SlopeMap& map, std::size_t height, std::size_t width, const Compute& compute,
                        Matrix<In>... in) {
  f32 drawn[8][registers], slopes[4][registers];
  if (!aligned) columns.next(rounds, map, drawn + 4);
  for (std::size_t r = 0; r < height; r += 4) {
    if constexpr (aligned) {
      columns.next(rounds, map, slopes);
    } else {
      for (int k = 0; k < 4; ++k)
        for (int c = 0; c < registers; ++c) drawn[k][c] = drawn[k + 4][c];
      columns.next(rounds, map, drawn + 4);
      columns.align(drawn, slopes);
    }
    use_rows<V, access>(y, r, col, slopes, height, width, compute, in...);
  }
}
#endif

/// A block at a time.
template <class V, class E, class Compute, class... In>
inline void run_blocks(Matrix<E> y, std::uint64_t first, const TileIndex& tile, const SlopeRange& range,
                       const Compute& compute, Matrix<In>... in) {
  const SlopeMap map(range);
  for (std::size_t c = 0; c < tile.cols; ++c, first += tile.step) {
    std::uint32_t words[4];
    for (std::size_t r = 0; r < tile.rows; ++r) {
      const std::uint64_t index = first + r;
      if (r == 0 || index % 4 == 0) philox_block(index / 4, range.key, words);
      use_row<V, cached>(y.at(r, c), map(f32(static_cast<float>(words[index % 4] >> 8))), 1, compute, in.at(r, c)...);
    }
  }
}

/// y = compute(in..., slope) for a tile that lies across the index.
template <class V, Access access, class E, class Compute, class... In>
inline void run_tile(Matrix<E> y, std::uint64_t first, const TileIndex& tile, const SlopeRange& range,
                     const Compute& compute, Matrix<In>... in) {
#if RECTIFIER_LEVEL >= 3
  // From the first index to the last one, in either order, and on to the end of the block after it.
  const std::uint64_t other = first + (tile.cols - 1) * tile.step;
  const std::uint64_t least = first < other ? first : other, most = (first < other ? other : first) + tile.rows + 7;
  if (least >> 34 == most >> 34) {
    const SlopeMap map(range);
    const Rounds rounds(range.key, least / 4);
    const bool aligned = first % 4 == 0 && (tile.step % 4 == 0 || tile.cols == 1);
    std::size_t c = 0;
    const auto run = [&](auto columns, std::size_t end) {
      for (; c < end; c += columns.width, columns.advance(tile.step)) {
        if (aligned) {
          run_columns<true, V, access>(y, c, columns, rounds, map, tile.rows, tile.cols - c, compute, in...);
        } else {
          run_columns<false, V, access>(y, c, columns, rounds, map, tile.rows, tile.cols - c, compute, in...);
        }
      }
    };
    // What one register holds goes alone.
    constexpr int registers = side_by_side((sizeof(In) + ... + sizeof(E)));
    constexpr std::size_t rest = std::size_t{registers - 1} * f32::width;
    if (tile.cols > rest) run(Columns<registers>(first, tile.step), tile.cols - rest);
    if (c < tile.cols) run(Columns<1>(first + c * tile.step, tile.step), tile.cols);
    return;
  }
#endif
  run_blocks<V>(y, first, tile, range, compute, in...);
}

template <class V, class E, class Compute, class... In>
inline void run_across(Access access, Matrix<E> y, std::uint64_t first, const TileIndex& tile, const SlopeRange& range,
                       const Compute& compute, Matrix<In>... in) {
  // Streaming stores want whole lines of 64 bytes.
  const bool on_lines = past_line(y.data) == 0 && static_cast<std::size_t>(y.pitch) % line == 0;
  if (access == streamed && on_lines) return run_tile<V, streamed>(y, first, tile, range, compute, in...);
  run_tile<V, prefetched>(y, first, tile, range, compute, in...);
}

template <class E>
void across_scale_loop(void* y, const void* x, std::uint64_t first, const TileIndex& tile, const SlopeRange& range,
                       Access access) {
  using V = typename Arithmetic<E>::lanes;
  run_across<V>(
      access, Matrix<E>{static_cast<E*>(y), tile.out}, first, tile, range,
      [](V v, V s) RECTIFIER_INLINE_LAMBDA { return leaky_value(v, s); },
      Matrix<const E>{static_cast<const E*>(x), tile.input});
}

template <class E>
void across_pullback_loop(void* dx, const void* g, const void* x, std::uint64_t first, const TileIndex& tile,
                          const SlopeRange& range, Access access) {
  using V = typename Arithmetic<E>::lanes;
  run_across<V>(
      access, Matrix<E>{static_cast<E*>(dx), tile.out}, first, tile, range,
      [](V u, V v, V s) RECTIFIER_INLINE_LAMBDA { return leaky_pullback(u, v, s); },
      Matrix<const E>{static_cast<const E*>(g), tile.upstream}, Matrix<const E>{static_cast<const E*>(x), tile.input});
}

template <class S>
void draw_across(S* slopes, std::uint64_t first, const TileIndex& tile, const SlopeRange& range) {
  using V = typename Arithmetic<S>::lanes;
  run_tile<V, cached>(Matrix<S>{slopes, tile.out}, first, tile, range,
                      [](V slope) RECTIFIER_INLINE_LAMBDA { return slope; });
}

}  // namespace rectifier::RECTIFIER_TARGET
