#include "nest.hpp"

#include <cmath>
#include <cstring>

#include "cpu.hpp"

namespace rectifier {
namespace {

std::ptrdiff_t magnitude(std::ptrdiff_t n) { return n < 0 ? -n : n; }

void swap_loops(Nest& nest, int a, int b) {
  std::ptrdiff_t kept = nest.shape[a];
  nest.shape[a] = nest.shape[b];
  nest.shape[b] = kept;
  for (View& view : nest.views) {
    kept = view.strides[a];
    view.strides[a] = view.strides[b];
    view.strides[b] = kept;
  }
}

void copy_loop(Nest& nest, int from, int to) {
  nest.shape[to] = nest.shape[from];
  for (View& view : nest.views) view.strides[to] = view.strides[from];
}

bool joins(const Nest& nest, int outer, int inner) {
  for (int role = 0; role < role_count; ++role) {
    const View& view = nest.views[role];
    if (nest.used[role] && view.strides[outer] != view.strides[inner] * nest.shape[inner]) return false;
  }
  return true;
}

/// Through memcpy, since NumPy's arrays may lie off their type's alignment.
template <class U>
inline void copy_steps(char* to, std::ptrdiff_t to_col, const char* from, std::ptrdiff_t from_col,
                       std::ptrdiff_t cols) {
  for (std::ptrdiff_t c = 0; c < cols; ++c) {
    U item;
    std::memcpy(&item, from + c * from_col, sizeof(U));
    std::memcpy(to + c * to_col, &item, sizeof(U));
  }
}

/// Every other item: steps that are known become shuffles. A million floats take 0.17 ms instead of 0.34. What comes
/// next is asked for early, a line of 64 bytes at a time.
template <class U>
void copy_every_other(char* to, const char* from, std::ptrdiff_t cols) {
  constexpr auto size = static_cast<std::ptrdiff_t>(sizeof(U));
  constexpr std::ptrdiff_t block = 4 * 64 / (2 * size), ahead = 2048;
  std::ptrdiff_t c = 0;
  for (; c + block <= cols; c += block) {
#if defined(__GNUC__) || defined(__clang__)
    for (int line = 0; line < 4; ++line) __builtin_prefetch(from + 2 * size * c + ahead + 64 * line);
#endif
    copy_steps<U>(to + size * c, size, from + 2 * size * c, 2 * size, block);
  }
  copy_steps<U>(to + size * c, size, from + 2 * size * c, 2 * size, cols - c);
}

template <class U>
void copy_items(char* to, std::ptrdiff_t to_row, std::ptrdiff_t to_col, const char* from, std::ptrdiff_t from_row,
                std::ptrdiff_t from_col, std::ptrdiff_t rows, std::ptrdiff_t cols) {
  for (std::ptrdiff_t r = 0; r < rows; ++r, to += to_row, from += from_row) {
    constexpr auto size = static_cast<std::ptrdiff_t>(sizeof(U));
    if (from_col == size && to_col == size) {
      std::memcpy(to, from, static_cast<std::size_t>(cols) * sizeof(U));
      continue;
    }
    if (from_col == 0 && to_col == size) {
      U item;
      std::memcpy(&item, from, sizeof(U));
      for (std::ptrdiff_t c = 0; c < cols; ++c) std::memcpy(to + c * size, &item, sizeof(U));
      continue;
    }
    if (from_col == 2 * size && to_col == size) {
      copy_every_other<U>(to, from, cols);
    } else {
      copy_steps<U>(to, to_col, from, from_col, cols);
    }
  }
}

}  // namespace

void simplify(Nest& nest) {
  int dims = 0;
  for (int d = 0; d < nest.dims; ++d)
    if (nest.shape[d] != 1) copy_loop(nest, d, dims++);
  const View& target = nest.views[out];
  for (int d = 0; d < dims; ++d) {
    if (target.strides[d] >= 0) continue;
    for (View& view : nest.views) {
      view.offset += view.strides[d] * (nest.shape[d] - 1);
      view.strides[d] = -view.strides[d];
    }
  }
  for (int d = 1; d < dims; ++d)
    for (int k = d; k > 0 && magnitude(target.strides[k - 1]) < magnitude(target.strides[k]); --k)
      swap_loops(nest, k - 1, k);
  int last = 0;
  for (int d = 1; d < dims; ++d) {
    if (joins(nest, last, d)) {
      nest.shape[d] *= nest.shape[last];
      copy_loop(nest, d, last);
    } else {
      copy_loop(nest, d, ++last);
    }
  }
  if (dims == 0) {
    nest.shape[0] = 1;
    for (View& view : nest.views) view.strides[0] = 0;
  }
  nest.dims = dims == 0 ? 1 : last + 1;
}

void count_elements(Nest& nest) {
  nest.used[position] = true;
  std::ptrdiff_t step = 1;
  for (int d = nest.dims - 1; d >= 0; step *= nest.shape[d--]) nest.views[position].strides[d] = step;
}

SlopeRange slope_range(std::uint64_t key, double lower, double upper) {
  SlopeRange range;
  range.key = key;
  range.lower = static_cast<float>(lower);
  range.upper = static_cast<float>(upper);
  range.last = range.lower < range.upper ? std::nextafter(range.upper, range.lower) : range.lower;
  return range;
}

void copy_tile(std::size_t item, char* to, std::ptrdiff_t to_row, std::ptrdiff_t to_col, const char* from,
               std::ptrdiff_t from_row, std::ptrdiff_t from_col, std::ptrdiff_t rows, std::ptrdiff_t cols) {
  constexpr std::ptrdiff_t least = 4;  // rows and columns of what is worth turning in registers
  const auto size = static_cast<std::ptrdiff_t>(item);
  if (rows >= least && cols >= least) {
    const auto turn = kernels().turn[item / 4];
    if (from_col == size && to_row == size && to_col > size && from_row > size)
      return turn(to, to_col, from, from_row, static_cast<std::size_t>(rows), static_cast<std::size_t>(cols));
    if (from_row == size && to_col == size && to_row > size && from_col > size)
      return turn(to, to_row, from, from_col, static_cast<std::size_t>(cols), static_cast<std::size_t>(rows));
  }
  // The inner loop goes where both places together take the shorter steps.
  if (rows > 1 && (cols == 1 || magnitude(to_row) + magnitude(from_row) < magnitude(to_col) + magnitude(from_col))) {
    return copy_tile(item, to, to_col, to_row, from, from_col, from_row, cols, rows);
  }
  if (item == 2) {
    copy_items<std::uint16_t>(to, to_row, to_col, from, from_row, from_col, rows, cols);
  } else if (item == 4) {
    copy_items<std::uint32_t>(to, to_row, to_col, from, from_row, from_col, rows, cols);
  } else {
    copy_items<std::uint64_t>(to, to_row, to_col, from, from_row, from_col, rows, cols);
  }
}

}  // namespace rectifier
