// How an element-wise call is cut into tiles: arrays that lie in one piece where they are, by long runs; others by
// tiles that fit into scratch memory, so that every array is read along its memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "cpu.hpp"
#include "nest.hpp"
#include "pool.hpp"

namespace rectifier {

// Elements of a tile that needs room of its own: five such rooms of doubles fit into the L2 cache of any current CPU.
constexpr std::ptrdiff_t packed_tile = 1024, room_bytes = packed_tile * 8;
constexpr std::ptrdiff_t square_side = 32;
// The same where slopes are drawn: long rows, for which registers of slopes are used whole, and as many as the room of
// slopes holds.
constexpr std::ptrdiff_t drawn_cols = 64;
// Rows of a tile across the index: whole counters of four slopes in each column, and so few rows that the processor
// asks for what comes next along each. Tiles of 32 rows of 64 floats took twice as long at 1.6e7.
constexpr std::ptrdiff_t followed_rows = 8;
// Rows below this length are not worth a kernel call each: their slopes are written out instead.
// Rows of 64 to 127 floats are quicker by 1.4 to 1.7 times as calls with AVX2 and AVX-512, and up to 7 times slower
// with the baseline, whose tails go element by element (Sapphire Rapids, 2026-11-30).
constexpr std::ptrdiff_t shortest_row = 64, shortest_row_of_baseline = 128;
// Rows at least as long as any register: no more than two lie in one.
constexpr std::ptrdiff_t shortest_in_run = 16;
// Rows below this length are a run at any size, for its stores are aligned and it has one tail: 1e5 floats in rows of
// 100 took 9.4 us with a kernel call each, and take 7.5 us (two threads of PyTorch's OpenMP, Sapphire Rapids,
// 2026-12-01). Rows of 196 doubles took 22 us so with AVX2, and 17 us by calls.
constexpr std::ptrdiff_t longest_in_run = 256, longest_of_doubles_in_run = 128;
// Elements of a tile that lies in one piece, at most: few enough that two threads share 1e5 elements evenly.
constexpr std::ptrdiff_t whole_tile = 1 << 13, whole_tile_step = 64;

/// The size of equal parts of a whole, each of at most so much and as many for each thread. Of the 13 tiles of 8,192
/// elements in 1e5 one of two threads has one more: gelu of doubles took 65 to 70 us so, and takes 62 us with 14 tiles.
constexpr std::ptrdiff_t even_part(std::ptrdiff_t whole, std::ptrdiff_t most, std::ptrdiff_t threads) {
  const std::ptrdiff_t parts = (whole + threads * most - 1) / (threads * most) * threads;
  return (whole + parts - 1) / parts;
}

/// The length of equal tiles of a run.
constexpr std::ptrdiff_t even_tile(std::ptrdiff_t length, std::ptrdiff_t threads) {
  return (even_part(length, whole_tile, threads) + whole_tile_step - 1) / whole_tile_step * whole_tile_step;
}

struct Tile {
  std::ptrdiff_t rows, cols;
  std::ptrdiff_t offset[role_count];
};

/// The tiles of a call, how they are to be done, and by how many threads.
class ElementwisePlan {
 protected:
  ElementwisePlan(const Nest& nest, const Work& work) : nest_(nest), work_(work), kernels_(kernels()) {
    item_ = static_cast<std::ptrdiff_t>(item_size(work.type));
    threads_ = threads_for(nanoseconds() * static_cast<double>(nest_.size()));
    choose_tiles();
  }

  std::ptrdiff_t stride(Role role, int loop) const { return loop < 0 ? 0 : nest_.views[role].strides[loop]; }
  std::ptrdiff_t unit(Role role) const {
    if (role == position) return 1;
    return role == slopes || role == products ? static_cast<std::ptrdiff_t>(item_size(work_.slope_type)) : item_;
  }

  std::ptrdiff_t slope_bytes() const { return static_cast<std::ptrdiff_t>(slope_size(work_.type)); }
  bool slope_room_needed() const {
    return !nest_.used[products] && item_size(work_.slope_type) != slope_size(work_.type);
  }
  /// Whether kernels can widen the slopes themselves. Slopes that are used again are quicker from a room: with one for
  /// each of 16 neighbours, 1e5 halves took 8.2 us so, and 10.1 us where every register of slopes was widened.
  bool own_slopes() const { return work_.slope_type == work_.type && !work_.backward && !by_rows_; }

  Tile tile(std::size_t number) const {
    Tile tile;
    if (one_run_) {
      const std::ptrdiff_t end = static_cast<std::ptrdiff_t>(number + 1) * cols_ - past_;
      const std::ptrdiff_t begin = number == 0 ? 0 : end - cols_, size = static_cast<std::ptrdiff_t>(nest_.size());
      for (Role role : {out, input}) tile.offset[role] = nest_.views[role].offset + begin * item_;
      tile.rows = 1;
      tile.cols = (end < size ? end : size) - begin;
      return tile;
    }
    const auto col = static_cast<std::ptrdiff_t>(number % static_cast<std::size_t>(col_tiles_));
    number /= static_cast<std::size_t>(col_tiles_);
    const auto row = static_cast<std::ptrdiff_t>(number % static_cast<std::size_t>(row_tiles_));
    number /= static_cast<std::size_t>(row_tiles_);
    std::ptrdiff_t at[max_dims] = {};
    for (int d = inner_ - 1; d >= 0; --d) {
      if (d == row_) continue;
      at[d] = static_cast<std::ptrdiff_t>(number % static_cast<std::size_t>(nest_.shape[d]));
      number /= static_cast<std::size_t>(nest_.shape[d]);
    }
    if (row_ >= 0) at[row_] = row * rows_;
    at[inner_] = col * cols_;
    for (int role = 0; role < role_count; ++role) {
      tile.offset[role] = nest_.views[role].offset;
      if (!nest_.used[role]) continue;
      for (int d = 0; d < nest_.dims; ++d) tile.offset[role] += at[d] * nest_.views[role].strides[d];
    }
    tile.cols = nest_.shape[inner_] - at[inner_] < cols_ ? nest_.shape[inner_] - at[inner_] : cols_;
    const std::ptrdiff_t below = row_ < 0 ? 1 : nest_.shape[row_] - at[row_];
    tile.rows = below < rows_ ? below : rows_;
    return tile;
  }

  /// Whether the tile's elements of an array lie one after the other.
  bool contiguous(Role role, const Tile& tile) const {
    return (stride(role, inner_) == unit(role) || tile.cols == 1) &&
           (tile.rows == 1 || stride(role, row_) == unit(role) * tile.cols);
  }

  const Nest& nest_;
  const Work& work_;
  const Kernels& kernels_;
  std::ptrdiff_t item_ = 0;
  int threads_ = 1;
  int inner_ = 0, row_ = -1;
  std::ptrdiff_t rows_ = 1, cols_ = 1, row_tiles_ = 1, col_tiles_ = 1;
  std::size_t tiles_ = 0;
  Access access_ = cached;
  bool by_rows_ = false, across_ = false, one_run_ = false;
  std::ptrdiff_t past_ = 0;  // elements of `out`'s first line before it

 private:
  /// The loop other than the inner one along which some array is contiguous, or -1.
  int crossing_loop() const {
    for (Role role : {position, input, upstream, slopes, products}) {
      if (!nest_.used[role] || stride(role, inner_) == unit(role) || stride(role, inner_) == 0) continue;
      for (int d = 0; d < inner_; ++d)
        if (stride(role, d) == unit(role)) return d;
    }
    return -1;
  }

  bool has_whole_rows() const {
    for (Role role : {out, input, upstream, products})
      if (nest_.used[role] && stride(role, inner_) != unit(role)) return false;
    return work_.signs == nullptr;
  }

  bool in_one_piece() const { return has_whole_rows() && (!work_.drawn || stride(position, inner_) == 1); }
  std::ptrdiff_t shortest() const { return &kernels_ == &kernels_baseline ? shortest_row_of_baseline : shortest_row; }

  /// Whether only the slopes keep the two inner loops from being one.
  bool rows_adjoin() const {
    if (row_ < 0 || !nest_.used[slopes] || nest_.used[products]) return false;
    for (Role role : {out, input, upstream})
      if (nest_.used[role] && stride(role, row_) != item_ * nest_.shape[inner_]) return false;
    return true;
  }

  /// Whether all rows of data and result lie one after the other, with a slope for each row.
  bool is_one_run() const {
    if (kernels_.scale_rows[work_.type] == nullptr || inner_ == 0 || !nest_.used[slopes] || work_.backward)
      return false;
    for (int d = 0; d < inner_; ++d)
      for (Role role : {out, input})
        if (stride(role, d) != stride(role, d + 1) * nest_.shape[d + 1]) return false;
    return in_one_piece() && stride(slopes, inner_) == 0 && nest_.shape[inner_] >= shortest_in_run;
  }

  void cut_run(std::size_t bytes) {
    one_run_ = true;
    row_ = inner_ - 1;
    cols_ = even_tile(static_cast<std::ptrdiff_t>(nest_.size()), threads_);
    access_ = bytes >= stream_from ? streamed : bytes >= prefetch_from ? prefetched : cached;
    const char* first = nest_.views[out].data + nest_.views[out].offset;
    past_ = static_cast<std::ptrdiff_t>(reinterpret_cast<std::uintptr_t>(first) % 64) / item_;
    tiles_ = (nest_.size() + static_cast<std::size_t>(past_ + cols_ - 1)) / static_cast<std::size_t>(cols_);
  }

  void choose_tiles() {
    inner_ = nest_.dims - 1;
    const std::size_t bytes = nest_.size() * static_cast<std::size_t>(item_);
    const std::ptrdiff_t longest = item_ == 8 ? longest_of_doubles_in_run : longest_in_run;
    if ((bytes >= stream_from || nest_.shape[inner_] < longest) && is_one_run()) return cut_run(bytes);
    const std::ptrdiff_t length = nest_.shape[inner_];
    const int crossing = crossing_loop();
    row_ = crossing >= 0 ? crossing : inner_ - 1;
    const bool slopes_vary = nest_.used[slopes] && stride(slopes, inner_) != 0 &&
                             (stride(slopes, inner_) != unit(slopes) || (slope_room_needed() && !own_slopes()));
    bool in_place = false;
    if (crossing >= 0) {
      cols_ = work_.drawn ? drawn_cols : square_side;
      rows_ = work_.drawn ? room_bytes / slope_bytes() / drawn_cols : square_side;
      across_ = work_.drawn && has_whole_rows() && stride(position, row_) == 1;
      if (across_ && stride(position, inner_) % 4 == 0) {
        in_place = true;
        rows_ = followed_rows;
        cols_ = whole_tile / followed_rows;
      }
    } else if (in_one_piece() && rows_adjoin() && length <= packed_tile &&
               (stride(slopes, inner_) == 0 ? length >= shortest() : stride(slopes, row_) == 0)) {
      by_rows_ = in_place = true;
      cols_ = length;
      rows_ = even_part(nest_.shape[row_], whole_tile / length, row_ == 0 ? threads_ : 1);
    } else if (in_one_piece() && !slopes_vary && (row_ < 0 || length >= packed_tile / 4)) {
      cols_ = even_tile(length, row_ < 0 ? threads_ : 1);
      rows_ = 1;
      in_place = true;
    } else {
      cols_ = packed_tile;
      rows_ = row_ < 0 || length >= packed_tile ? 1 : packed_tile / length;
    }
    if (cols_ > length) cols_ = length;
    const std::ptrdiff_t height = row_ < 0 ? 1 : nest_.shape[row_];
    if (rows_ > height) rows_ = height;
    col_tiles_ = (length + cols_ - 1) / cols_;
    row_tiles_ = (height + rows_ - 1) / rows_;
    tiles_ =
        nest_.size() / static_cast<std::size_t>(length * height) * static_cast<std::size_t>(col_tiles_ * row_tiles_);
    access_ = cached;
    if ((in_place || cols_ >= packed_tile) && bytes >= prefetch_from) access_ = prefetched;
    if (in_place && bytes >= stream_from) access_ = streamed;
  }

  double nanoseconds() const {
    if (nest_.used[products]) return 0.3;
    double cost = work_.drawn ? 0.8 : kernels_.formulas[work_.formula].nanoseconds;
    if (work_.backward) cost *= 1.5;
    return work_.type == float64 ? 3 * cost : cost;
  }
};

}  // namespace rectifier
