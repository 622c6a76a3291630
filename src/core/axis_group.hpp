// Axes that are neighbours in C order, taken together as one.
#pragma once

#include <cstdlib>

#include "nest.hpp"

namespace rectifier {

/// The arrays of prelu's backward pass.
enum Part : int { part_dx, part_upstream, part_input, part_gamma, part_d_gamma, part_count };

/// Neighbouring axes as one long axis.
struct Group {
  int dims = 0;
  std::ptrdiff_t shape[max_dims];
  std::ptrdiff_t strides[part_count][max_dims];

  std::ptrdiff_t size() const {
    std::ptrdiff_t n = 1;
    for (int d = 0; d < dims; ++d) n *= shape[d];
    return n;
  }

  void append(std::ptrdiff_t length, const std::ptrdiff_t (&steps)[part_count]) {
    bool joins = dims > 0;
    for (int p = 0; joins && p < part_count; ++p) joins = strides[p][dims - 1] == steps[p] * length;
    if (!joins) shape[dims++] = 1;
    shape[dims - 1] *= length;
    for (int p = 0; p < part_count; ++p) strides[p][dims - 1] = steps[p];
  }

  std::ptrdiff_t offset(Part p, std::ptrdiff_t i) const {
    if (dims == 1) return i * strides[p][0];
    std::ptrdiff_t bytes = 0;
    for (int d = dims - 1; d >= 0; --d) {
      bytes += i % shape[d] * strides[p][d];
      i /= shape[d];
    }
    return bytes;
  }

  /// How far apart neighbours lie, in bytes.
  std::ptrdiff_t nearest(Part p) const { return dims == 0 ? 0 : std::abs(strides[p][dims - 1]); }

  /// Whether n elements from any position on lie one after the other.
  bool contiguous(Part p, std::ptrdiff_t item) const {
    return dims == 0 || size() == 1 || (dims == 1 && strides[p][0] == item);
  }

  /// Calls visit(place in the array, how many, stride, position) for each straight stretch of n elements from i on.
  template <class Visit>
  void stretches(Part p, std::ptrdiff_t i, std::ptrdiff_t n, const Visit& visit) const {
    tiles(p, i, n,
          [&](std::ptrdiff_t place, std::ptrdiff_t rows, std::ptrdiff_t row_stride, std::ptrdiff_t cols,
              std::ptrdiff_t stride, std::ptrdiff_t at) {
            for (std::ptrdiff_t row = 0; row < rows; ++row)
              visit(place + row * row_stride, cols, stride, at + row * cols);
          });
  }

  /// Calls copy(place in the array, rows, their stride, columns, their stride, position) for n elements from i on: for
  /// whole rows of the inner axis together, and for each part of a row.
  template <class Copy>
  void tiles(Part p, std::ptrdiff_t i, std::ptrdiff_t n, const Copy& copy) const {
    const std::ptrdiff_t length = dims == 0 ? 1 : shape[dims - 1], stride = dims == 0 ? 0 : strides[p][dims - 1];
    for (std::ptrdiff_t done = 0; done < n;) {
      const std::ptrdiff_t at = i + done, left = length - at % length;
      std::ptrdiff_t rows = 1, cols = left < n - done ? left : n - done, row_stride = 0;
      if (dims > 1 && cols == length) {
        const std::ptrdiff_t below = shape[dims - 2] - at / length % shape[dims - 2];
        rows = (n - done) / length < below ? (n - done) / length : below;
        row_stride = strides[p][dims - 2];
      }
      copy(offset(p, at), rows, row_stride, cols, stride, done);
      done += rows * cols;
    }
  }
};

}  // namespace rectifier
