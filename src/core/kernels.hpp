// What one CPU target offers: a table of functions, each over a contiguous run of elements.
// The table is the only thing that crosses from code compiled for one instruction set to the rest.
#pragma once

#include <cstddef>
#include <cstdint>

#include "elements.hpp"
#include "parameters.hpp"

namespace rectifier {

enum Type : int { float16 = 0, bfloat16 = 1, float32 = 2, float64 = 3 };
constexpr int type_count = 4;
constexpr std::size_t item_size(Type type) { return type == float64 ? 8 : type == float32 ? 4 : 2; }
// The type that arithmetic is done in, and that slopes are held in.
constexpr std::size_t slope_size(Type type) { return type == float64 ? 8 : 4; }

// A formula's number, given beside its functor by RECTIFIER_FORMULA.
enum Formula : int { leaky = 0 };

// Sums of gamma's gradient are kept in this many interleaved partial sums, on every CPU target.
constexpr std::size_t sum_lanes = 16;

// How a loop should touch memory; measured choices, see docs/performance.md.
enum Access : int { cached = 0, prefetched = 1, streamed = 2 };
// Bytes of an array from which on, measured, prefetching pays, and so do stores that pass by the caches: value and
// gradient of leaky on 1e6 floats took 480 us instead of 505 us, on 1.6e7 floats 7.5 ms instead of 9.9 ms.
constexpr std::size_t prefetch_from = std::size_t{1} << 20;
constexpr std::size_t stream_from = std::size_t{48} << 20;

// A Philox key with the affine map from 24 random bits to [lower, upper).
struct SlopeRange {
  std::uint64_t key;
  float lower;
  float upper;
  float last;  // the greatest float below upper, or lower where the two are equal
};

// Rows of a matrix: how many, how far apart in bytes, and which lane of sums the first one adds to.
struct Rows {
  std::size_t count;
  std::ptrdiff_t dx, g, x;
  std::size_t first_lane, lanes;
};

// The line of a streamed result in which one run ends and another may begin. It is held until both are there.
struct SharedLine {
  alignas(64) char bytes[64];
  char* next = nullptr;   // where what is held ends in the result, or null
  std::size_t begin = 0;  // bytes of the line before it
};

// A tile in which the index counts by one from row to row and by `step` from column to column: how far apart its rows
// are in each array, in bytes.
struct TileIndex {
  std::size_t rows, cols;
  std::uint64_t step;
  std::ptrdiff_t out, input, upstream;
};

struct FormulaKernels {
  double nanoseconds;  // of one float's value on one core, roughly
  // y = f(x)
  void (*value[type_count])(void* y, const void* x, std::size_t n, const Parameters&, Access);
  // dx = g * f'(x)
  void (*pullback[type_count])(void* dx, const void* g, const void* x, std::size_t n, const Parameters&, Access);
};

struct Kernels {
  const char* name;
  const FormulaKernels* formulas;  // by number
  int formula_count;
  // y = x > 0 ? x : s * x, a slope per element
  void (*scale[type_count])(void* y, const void* x, const void* slopes, std::size_t n, Access);
  // The same with slopes of the elements' own type.
  void (*own_scale[type_count])(void* y, const void* x, const void* slopes, std::size_t n, Access);
  // The same with a slope for each row of `length` elements, 16 or more, and one slope more; `left` elements of the
  // first row are left. For n < 2^14; null where it is no gain.
  void (*scale_rows[type_count])(void* y, const void* x, const void* slopes, std::size_t length, std::size_t left,
                                 std::size_t n, Access);
  // dx = x > 0 ? g : s * g
  void (*scale_pullback[type_count])(void* dx, const void* g, const void* x, const void* slopes, std::size_t n, Access);
  // One slope for the whole run: dx as above, and lanes[i % 16] += g[i] * x[i] where x[i] > 0 is false.
  void (*sum_along[type_count])(void* dx, const void* g, const void* x, double slope, std::size_t n, double* lanes,
                                Access, SharedLine&);
  // One slope for rows of n elements: dx as above, and the elements behind each row are asked for early.
  void (*pull_rows[type_count])(void* dx, const void* g, const void* x, double slope, std::size_t n, const Rows&);
  // A slope and a sum per element, row after row: dx as above, and sums[lane][i] += g[i] * x[i] where x[i] > 0 is
  // false, the lane of a row being its number modulo the count of lanes.
  void (*sum_across[type_count])(void* dx, const void* g, const void* x, const void* slopes, std::size_t n,
                                 double* sums, const Rows&, Access, SharedLine&);
  // Writes what the two above still hold.
  void (*put_line)(SharedLine&);
  // A slope per element and nothing to sum: dx as above, and d_gamma = x > 0 ? 0 : g * x. Slopes and d_gamma are of the
  // arithmetic type, or of the elements' own.
  void (*products[type_count])(void* dx, void* d_gamma, const void* g, const void* x, const void* slopes, std::size_t n,
                               Access);
  void (*own_products[type_count])(void* dx, void* d_gamma, const void* g, const void* x, const void* slopes,
                                   std::size_t n, Access);
  // Element type -> arithmetic type
  void (*widen[type_count])(void* wide, const void* narrow, std::size_t n);
  // As scale and scale_pullback, with the slopes of the elements first, first + 1, ...
  void (*drawn_scale[type_count])(void* y, const void* x, std::uint64_t first, std::size_t n, const SlopeRange&,
                                  Access);
  void (*drawn_pullback[type_count])(void* dx, const void* g, const void* x, std::uint64_t first, std::size_t n,
                                     const SlopeRange&, Access);
  // The slopes themselves
  void (*draw)(float* slopes, std::uint64_t first, std::size_t n, const SlopeRange&);
  // The same for tiles that lie across the index, and their slopes
  void (*across_scale[type_count])(void* y, const void* x, std::uint64_t first, const TileIndex&, const SlopeRange&,
                                   Access);
  void (*across_pullback[type_count])(void* dx, const void* g, const void* x, std::uint64_t first, const TileIndex&,
                                      const SlopeRange&, Access);
  void (*draw_across_float)(float* slopes, std::uint64_t first, const TileIndex&, const SlopeRange&);
  void (*draw_across_double)(double* slopes, std::uint64_t first, const TileIndex&, const SlopeRange&);
  // to[c][r] = from[r][c] for items of 2, 4 and 8 bytes: the items of a row lie in one piece, rows so many bytes apart.
  void (*turn[3])(void* to, std::ptrdiff_t to_row, const void* from, std::ptrdiff_t from_row, std::size_t rows,
                  std::size_t cols);
};

extern const Kernels kernels_baseline;
#ifdef RECTIFIER_X86_TARGETS
extern const Kernels kernels_v3;
extern const Kernels kernels_v4;
#endif

}  // namespace rectifier
