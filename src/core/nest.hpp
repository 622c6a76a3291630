// A nest of loops over arrays of one shape: what a call on arrays of any layout becomes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels.hpp"

namespace rectifier {

constexpr int max_dims = 64;

/// One array in the nest: its first element is at data + offset; strides lead to the next one along each loop, in
/// bytes.
struct View {
  char* data = nullptr;
  std::ptrdiff_t offset = 0;
  std::ptrdiff_t strides[max_dims] = {};
};

/// The arrays of an element-wise call. `position` has no memory: its offset is the element's number in C order.
enum Role : int { out = 0, input = 1, upstream = 2, slopes = 3, position = 4, products = 5 };
constexpr int role_count = 6;

struct Nest {
  int dims = 0;
  std::ptrdiff_t shape[max_dims] = {};
  View views[role_count];
  bool used[role_count] = {};

  std::size_t size() const {
    std::size_t n = 1;
    for (int d = 0; d < dims; ++d) n *= static_cast<std::size_t>(shape[d]);
    return n;
  }
};

/// Makes the loops as few and as long as they can be, in the memory order of `out`: drops loops of one step, turns
/// those that run backwards, sorts them and joins neighbours. The result has at least one loop.
void simplify(Nest& nest);

/// Numbers the elements of a nest in C order, in the view `position`.
void count_elements(Nest& nest);

/// The slopes that a key draws between two bounds, which are rounded to float.
SlopeRange slope_range(std::uint64_t key, double lower, double upper);

/// What to do with the elements of a nest.
struct Work {
  Formula formula = leaky;
  Type type = float32;
  bool backward = false;
  bool drawn = false;  // slopes come from `range`, by the index of the element
  Type slope_type = float32;
  const std::uint8_t* signs = nullptr;  // in place of the input: the bits of pack_signs
  std::uint64_t first = 0;              // the number of the first element, where slopes are drawn
  Parameters parameters{};
  SlopeRange range{};
};

/// Computes out from the other views, and products, where they are used: the gradient of a slope for each element, in
/// the slopes' type, which is then the data's or the arithmetic type. `out` may then be without memory, and gives the
/// order alone. Every view has the same shape; strides of 0 repeat an element.
void run_elementwise(Nest& nest, const Work& work);

/// Writes one bit an element of the input, in C order from the lowest bit on: whether it is above zero.
void pack_signs(const Nest& nest, Type type, std::uint8_t* bits);
/// Numbers that are above zero where a bit is set: n elements from bit `first` on, `step` bits apart.
void unpack_signs(char* to, Type type, const std::uint8_t* bits, std::ptrdiff_t first, std::ptrdiff_t step,
                  std::ptrdiff_t n);

/// Copies rows x cols elements between a strided place and another.
void copy_tile(std::size_t item, char* to, std::ptrdiff_t to_row, std::ptrdiff_t to_col, const char* from,
               std::ptrdiff_t from_row, std::ptrdiff_t from_col, std::ptrdiff_t rows, std::ptrdiff_t cols);

}  // namespace rectifier
