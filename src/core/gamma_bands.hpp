// Gamma's sums along rows that lie across the memory and are longer than what is turned at a time.
#pragma once

#include <algorithm>
#include <cstring>

#include "gamma_turned.hpp"
#include "rounding.hpp"

namespace rectifier {

/// Rows that are neighbours in memory form a band. Pieces of all its rows are turned together, so that each line of
/// memory is read once, where a row alone would take an element of it. A task does the blocks that begin in some of
/// the band's columns, up to their ends. The sums come first, of all; the data's gradient is element-wise work.
class GammaBands : protected GammaTurned {
 protected:
  explicit GammaBands(const GammaPass& pass) : GammaTurned(pass) {
    in_bands_ = lies_in_bands();
    if (in_bands_) choose_bands();
  }

  /// Writes the sums of a task's blocks to where those of all blocks are.
  void sum_band(std::ptrdiff_t number, Rooms& rooms, double* all_sums) const {
    const std::ptrdiff_t from = number % ranges_ * range_, to = std::min(from + range_, length());
    number /= ranges_;
    const std::ptrdiff_t first = number % bands_ * band_, count = std::min(band_, reduced_.shape[0] - first);
    number /= bands_;
    const std::ptrdiff_t row = number % rows_, kept = number / rows_ % kept_size_, outer = number / rows_ / kept_size_;
    Band band{first, count, {}, all_sums + (outer * kept_size_ + kept) * blocks_ + row * segments_};
    for (Part p : {part_input, part_upstream})
      band.base[p] = base_[p] + outer_kept_.offset(p, outer) + kept_.offset(p, kept) + outer_reduced_.offset(p, row);
    std::memset(rooms.lanes, 0, sizeof(double) * static_cast<std::size_t>(count * lanes_));
    add_columns(band, 0, from, std::min(to + block_length, length()), rooms, [&](std::ptrdiff_t at) {
      return Columns{block_from(at, from), std::min(block_from(at, to), length())};
    });
    if (to < length()) return;
    // The last block of each row ends in the next one.
    add_columns(band, 1, 0, block_length, rooms,
                [&](std::ptrdiff_t at) { return Columns{0, block_from(at - 1, length()) - length()}; });
    if (first + count == reduced_.shape[0] && reduced_size_ % block_length != 0)
      band.sums[segments_ - 1] = pairwise(rooms.lanes + (count - 1) * lanes_, static_cast<std::size_t>(lanes_));
  }

  bool in_bands_ = false;

 private:
  static constexpr std::ptrdiff_t most_rows = 32, fewest_rows = 8, line = 64;
  static constexpr std::ptrdiff_t blocks_of_a_range = 8;  // at least: all but the last end beyond it

  struct Band {
    std::ptrdiff_t first, count;
    const char* base[part_count];
    double* sums;  // of all blocks of its rows
  };
  struct Columns {
    std::ptrdiff_t begin, end;
  };

  std::ptrdiff_t length() const { return reduced_.shape[1]; }
  bool lies_across(Part p) const { return reduced_.strides[p][0] == item_; }

  bool lies_in_bands() const {
    if (loop_ != along || turned_ || reduced_.dims != 2 || reduced_.shape[0] < fewest_rows || length() < block_length)
      return false;
    for (Part p : {part_input, part_upstream})
      if (!lies_across(p) && reduced_.strides[p][1] != item_) return false;
    return lies_across(part_input) || lies_across(part_upstream);
  }

  void choose_bands() {
    const std::ptrdiff_t others = outer_kept_.size() * kept_size_ * rows_;
    const std::ptrdiff_t most = std::max(length() / (blocks_of_a_range * block_length), std::ptrdiff_t{1});
    ranges_ = std::min((fewest_tasks + others - 1) / others, most);
    range_ = (length() + ranges_ - 1) / ranges_;
    band_ = std::min(reduced_.shape[0], most_rows);
    const auto bands = [this] { return (reduced_.shape[0] + band_ - 1) / band_; };
    while (others * ranges_ * bands() < 2 * num_threads() && band_ / 2 * item_ >= line) band_ /= 2;
    bands_ = bands();
    tasks_ = others * ranges_ * bands_;
  }

  /// The first column from this one on with which a block begins, perhaps beyond the row.
  std::ptrdiff_t block_from(std::ptrdiff_t row, std::ptrdiff_t column) const {
    const std::ptrdiff_t past = (row * length() + column) % block_length;
    return past == 0 ? column : column + block_length - past;
  }

  /// Adds columns(row) of the rows that come so many behind those of the band, to the lanes of those.
  template <class ColumnsOf>
  void add_columns(const Band& band, std::ptrdiff_t behind, std::ptrdiff_t from, std::ptrdiff_t to, Rooms& rooms,
                   const ColumnsOf& columns) const {
    const std::ptrdiff_t first = band.first + behind, rows = std::min(band.count, reduced_.shape[0] - first);
    const std::ptrdiff_t at_once = turned_bytes / item_ / band_;
    for (std::ptrdiff_t c = from, n; c < to; c += n) {
      n = std::min(at_once, to - c);
      const Place x = rows_at(band, part_input, first, rows, c, n, rooms.input);
      const Place g = rows_at(band, part_upstream, first, rows, c, n, rooms.upstream);
      for (std::ptrdiff_t k = 0; k < rows; ++k) {
        const Columns wanted = columns(first + k);
        const std::ptrdiff_t begin = std::max(wanted.begin, c), count = std::min(wanted.end, c + n) - begin;
        const std::ptrdiff_t past = (begin - c) * item_;
        if (count > 0)
          add(g.data + k * g.step + past, x.data + k * x.step + past, (first + k) * length() + begin, count,
              rooms.lanes + k * lanes_, band.sums, rooms);
      }
    }
  }

  /// n columns of rows, each in one piece.
  Place rows_at(const Band& band, Part p, std::ptrdiff_t first, std::ptrdiff_t rows, std::ptrdiff_t column,
                std::ptrdiff_t n, char* room) const {
    const std::ptrdiff_t row_stride = reduced_.strides[p][0], stride = reduced_.strides[p][1];
    char* from = const_cast<char*>(band.base[p]) + first * row_stride + column * stride;
    if (!lies_across(p)) return {from, row_stride};
    copy_tile(static_cast<std::size_t>(item_), room, n * item_, item_, from, row_stride, stride, rows, n);
    return {room, n * item_};
  }

  /// Adds n elements from position i of all rows on to the lanes of their block, and puts down what ends.
  void add(const char* g, const char* x, std::ptrdiff_t i, std::ptrdiff_t n, double* lanes, double* sums,
           Rooms& rooms) const {
    for (std::ptrdiff_t count; n > 0; i += count, n -= count, g += count * item_, x += count * item_) {
      count = std::min(n, block_length - i % block_length);
      // The kernel begins with the first lane.
      std::rotate(lanes, lanes + i % lanes_, lanes + lanes_);
      kernels_.sum_along[pass_.type](nullptr, g, x, 0, static_cast<std::size_t>(count), lanes, cached, rooms.line);
      std::rotate(lanes, lanes + (lanes_ - i % lanes_) % lanes_, lanes + lanes_);
      if ((i + count) % block_length != 0) continue;
      sums[i / block_length] = pairwise(lanes, static_cast<std::size_t>(lanes_));
      std::memset(lanes, 0, sizeof(double) * static_cast<std::size_t>(lanes_));
    }
  }

  std::ptrdiff_t band_ = 1, bands_ = 1, range_ = 1, ranges_ = 1;
};

}  // namespace rectifier
