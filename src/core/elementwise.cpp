// Element-wise work on arrays of any layout: the nest is cut into tiles, each tile is brought to contiguous runs where
// it is not contiguous already, and one kernel call does the tile. There is never a temporary larger than a tile.
#include <cstring>
#include <initializer_list>

#ifdef RECTIFIER_X86_TARGETS
#include <xmmintrin.h>
#endif

#include "cpu.hpp"
#include "nest.hpp"
#include "pool.hpp"

namespace rectifier {
namespace {

// Elements of a tile that needs room of its own: five such rooms of doubles fit into the L2 cache of any current CPU.
constexpr std::ptrdiff_t packed_tile = 1024, room_bytes = packed_tile * 8;
constexpr std::ptrdiff_t square_side = 32;
// The same where slopes are drawn: long rows, for which registers of slopes are used whole, and as many as the room of
// slopes holds.
constexpr std::ptrdiff_t drawn_cols = 64;
// Rows below this length are not worth a kernel call each: their slopes are written out instead.
// Rows of 64 to 127 floats are quicker by 1.4 to 1.7 times as calls with AVX2 and AVX-512, and up to 7 times slower
// with the baseline, whose tails go element by element (Sapphire Rapids, 2026-11-30).
constexpr std::ptrdiff_t shortest_row = 64, shortest_row_of_baseline = 128;
// Elements of a tile that lies in one piece: few enough that two threads share 1e5 elements evenly.
constexpr std::ptrdiff_t whole_tile = 1 << 13;
// Bytes of an array from which on, measured, prefetching pays, and so do stores that pass by the caches: value and
// gradient of leaky on 1e6 floats took 480 us instead of 505 us, on 1.6e7 floats 7.5 ms instead of 9.9 ms.
constexpr std::size_t prefetch_from = std::size_t{1} << 20;
constexpr std::size_t stream_from = std::size_t{48} << 20;

/// Other threads may see streaming stores after those that follow. Once for many tiles: for each row of 2500 floats or
/// less it took an eighth of the time.
void stream_fence() {
#ifdef RECTIFIER_X86_TARGETS
  _mm_sfence();
#endif
}

struct alignas(64) Room {
  char bytes[room_bytes];
};

/// Scratch memory of one thread's share of the work.
struct Rooms {
  Room input, upstream, out, slopes, draws;
  // What `slopes` holds, so that neighbouring tiles with the same slopes do not fill it again.
  const char* slopes_from = nullptr;
  std::ptrdiff_t slopes_rows = 0, slopes_cols = 0;
};

struct Tile {
  std::ptrdiff_t rows, cols;
  std::ptrdiff_t offset[role_count];
};

class Elementwise {
 public:
  Elementwise(const Nest& nest, const Work& work) : nest_(nest), work_(work), kernels_(kernels()) {
    item_ = static_cast<std::ptrdiff_t>(item_size(work.type));
    choose_tiles();
  }

  void run() {
    const int threads = threads_for(nanoseconds() * static_cast<double>(nest_.size()));
    parallel_stretches(tiles_, threads, [this](std::size_t begin, std::size_t end) {
      Rooms rooms;
      for (std::size_t t = begin; t < end; ++t) process(tile(t), rooms);
      if (access_ == streamed) stream_fence();
    });
  }

 private:
  std::ptrdiff_t stride(Role role, int loop) const { return loop < 0 ? 0 : nest_.views[role].strides[loop]; }
  std::ptrdiff_t unit(Role role) const {
    if (role == position) return 1;
    return role == slopes || role == products ? static_cast<std::ptrdiff_t>(item_size(work_.slope_type)) : item_;
  }

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

  void choose_tiles() {
    inner_ = nest_.dims - 1;
    const std::ptrdiff_t length = nest_.shape[inner_];
    const int crossing = crossing_loop();
    row_ = crossing >= 0 ? crossing : inner_ - 1;
    const bool slopes_vary = nest_.used[slopes] && stride(slopes, inner_) != 0 &&
                             (stride(slopes, inner_) != unit(slopes) || slope_room_needed());
    bool in_place = false;
    if (crossing >= 0) {
      cols_ = work_.drawn ? drawn_cols : square_side;
      rows_ = work_.drawn ? room_bytes / slope_bytes() / drawn_cols : square_side;
      across_ = work_.drawn && has_whole_rows() && stride(position, row_) == 1;
    } else if (in_one_piece() && rows_adjoin() && length <= packed_tile &&
               (stride(slopes, inner_) == 0 ? length >= shortest() : stride(slopes, row_) == 0)) {
      by_rows_ = in_place = true;
      cols_ = length;
      rows_ = whole_tile / length;
    } else if (in_one_piece() && !slopes_vary && (row_ < 0 || length >= packed_tile / 4)) {
      cols_ = whole_tile;
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
    const std::size_t bytes = nest_.size() * static_cast<std::size_t>(item_);
    if ((in_place || cols_ >= packed_tile) && bytes >= prefetch_from) access_ = prefetched;
    if (in_place && bytes >= stream_from) access_ = streamed;
  }

  std::ptrdiff_t slope_bytes() const { return static_cast<std::ptrdiff_t>(slope_size(work_.type)); }
  bool slope_room_needed() const {
    return !nest_.used[products] && item_size(work_.slope_type) != slope_size(work_.type);
  }

  double nanoseconds() const {
    if (nest_.used[products]) return 0.3;
    double cost = work_.drawn ? 0.8 : kernels_.formulas[work_.formula].nanoseconds;
    if (work_.backward) cost *= 1.5;
    return work_.type == float64 ? 3 * cost : cost;
  }

  Tile tile(std::size_t number) const {
    Tile tile;
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

  char* at(Role role, const Tile& tile) const { return nest_.views[role].data + tile.offset[role]; }

  /// Whether the tile's elements of an array lie one after the other.
  bool contiguous(Role role, const Tile& tile) const {
    return (stride(role, inner_) == unit(role) || tile.cols == 1) &&
           (tile.rows == 1 || stride(role, row_) == unit(role) * tile.cols);
  }

  const char* gather(Role role, const Tile& tile, Room& room) const {
    if (contiguous(role, tile)) return at(role, tile);
    const std::ptrdiff_t size = unit(role);
    copy_tile(static_cast<std::size_t>(size), room.bytes, size * tile.cols, size, at(role, tile), stride(role, row_),
              stride(role, inner_), tile.rows, tile.cols);
    return room.bytes;
  }

  /// Where the kernel writes: to the array itself, or to the room from which `scatter` takes it there.
  char* target(Role role, const Tile& tile, Room& room) const {
    if (!nest_.used[role]) return nullptr;
    return contiguous(role, tile) ? at(role, tile) : room.bytes;
  }

  void scatter(Role role, const Tile& tile, const Room& room) const {
    if (!nest_.used[role] || contiguous(role, tile)) return;
    const std::ptrdiff_t size = unit(role);
    copy_tile(static_cast<std::size_t>(size), at(role, tile), stride(role, row_), stride(role, inner_), room.bytes,
              size * tile.cols, size, tile.rows, tile.cols);
  }

  /// Numbers that are above zero where the input was.
  const char* gather_signs(const Tile& tile, Room& room) const {
    for (std::ptrdiff_t row = 0; row < tile.rows; ++row)
      unpack_signs(room.bytes + row * tile.cols * item_, work_.type, work_.signs,
                   tile.offset[position] + row * stride(position, row_), stride(position, inner_), tile.cols);
    return room.bytes;
  }

  /// One slope for the whole tile?
  bool constant_slope(const Tile& tile) const {
    return (stride(slopes, inner_) == 0 || tile.cols == 1) && (stride(slopes, row_) == 0 || tile.rows == 1);
  }

  double read_slope(const char* at) const {
    if (work_.slope_type == float32) {
      float slope;
      std::memcpy(&slope, at, 4);
      return static_cast<double>(slope);
    }
    double wide;
    float single;
    kernels_.widen[work_.slope_type](work_.slope_type == float64 ? static_cast<void*>(&wide) : &single, at, 1);
    return work_.slope_type == float64 ? wide : static_cast<double>(single);
  }

  const char* gather_slopes(const Tile& tile, Rooms& rooms) const {
    if (!slope_room_needed() && contiguous(slopes, tile)) return at(slopes, tile);
    if (rooms.slopes_from == at(slopes, tile) && rooms.slopes_rows == tile.rows && rooms.slopes_cols == tile.cols)
      return rooms.slopes.bytes;
    const std::ptrdiff_t size = unit(slopes);
    Room& room = slope_room_needed() ? rooms.draws : rooms.slopes;
    copy_tile(static_cast<std::size_t>(size), room.bytes, size * tile.cols, size, at(slopes, tile),
              stride(slopes, row_), stride(slopes, inner_), tile.rows, tile.cols);
    if (slope_room_needed())
      kernels_.widen[work_.slope_type](rooms.slopes.bytes, room.bytes, static_cast<std::size_t>(tile.rows * tile.cols));
    rooms.slopes_from = at(slopes, tile);
    rooms.slopes_rows = tile.rows;
    rooms.slopes_cols = tile.cols;
    return rooms.slopes.bytes;
  }

  std::uint64_t index(const Tile& tile, std::ptrdiff_t row) const {
    return work_.first + static_cast<std::uint64_t>(tile.offset[position] + row * stride(position, row_));
  }

  const char* draw_slopes(const Tile& tile, Rooms& rooms) const {
    const bool at_once = stride(position, row_) == 1;
    const TileIndex part{static_cast<std::size_t>(at_once ? tile.rows : 1),
                         static_cast<std::size_t>(tile.cols),
                         static_cast<std::uint64_t>(stride(position, inner_)),
                         tile.cols * slope_bytes(),
                         0,
                         0};
    char* to = rooms.slopes.bytes;
    for (std::ptrdiff_t row = 0; row < (at_once ? 1 : tile.rows); ++row, to += part.out) {
      if (work_.type == float64) {
        kernels_.draw_across_double(reinterpret_cast<double*>(to), index(tile, row), part, work_.range);
      } else {
        kernels_.draw_across_float(reinterpret_cast<float*>(to), index(tile, row), part, work_.range);
      }
    }
    return rooms.slopes.bytes;
  }

  /// A tile in one piece, or in its room, with the slopes of its index.
  void scale_drawn(char* y, const char* g, const char* x, const Tile& tile, Rooms& rooms, Access access) const {
    const bool whole = contiguous(position, tile);
    const auto n = static_cast<std::size_t>(tile.cols * tile.rows);
    if (!whole && stride(position, inner_) != 1) return scale(y, g, x, draw_slopes(tile, rooms), n, access);
    const std::size_t length = whole ? n : static_cast<std::size_t>(tile.cols);
    const auto bytes = static_cast<std::ptrdiff_t>(length) * item_;
    for (std::ptrdiff_t row = 0; row < (whole ? 1 : tile.rows); ++row, y += bytes, x += bytes) {
      if (work_.backward) {
        kernels_.drawn_pullback[work_.type](y, g + row * bytes, x, index(tile, row), length, work_.range, access);
      } else {
        kernels_.drawn_scale[work_.type](y, x, index(tile, row), length, work_.range, access);
      }
    }
  }

  /// A tile whose rows lie in one piece each, while the index counts from row to row.
  void process_across(const Tile& tile) const {
    const TileIndex part{static_cast<std::size_t>(tile.rows),
                         static_cast<std::size_t>(tile.cols),
                         static_cast<std::uint64_t>(stride(position, inner_)),
                         stride(out, row_),
                         stride(input, row_),
                         stride(upstream, row_)};
    if (work_.backward) {
      kernels_.across_pullback[work_.type](at(out, tile), at(upstream, tile), at(input, tile), index(tile, 0), part,
                                           work_.range);
    } else {
      kernels_.across_scale[work_.type](at(out, tile), at(input, tile), index(tile, 0), part, work_.range);
    }
  }

  /// A tile in one piece whose slopes are one for each row, or the same for every row.
  void process_rows(const Tile& tile, Rooms& rooms) const {
    const char* s = at(slopes, tile);
    const bool repeated = stride(slopes, inner_) != 0;
    std::ptrdiff_t rows_at_once = 1;
    if (repeated) {
      Tile first = tile;
      const std::ptrdiff_t most = packed_tile / tile.cols;
      first.rows = rows_at_once = most < tile.rows ? most : tile.rows;
      s = gather_slopes(first, rooms);
    }
    for (std::ptrdiff_t row = 0; row < tile.rows; row += rows_at_once) {
      const std::ptrdiff_t rows = tile.rows - row < rows_at_once ? tile.rows - row : rows_at_once;
      const auto n = static_cast<std::size_t>(rows * tile.cols);
      const std::ptrdiff_t offset = row * tile.cols * item_;
      char* y = at(out, tile) + offset;
      const char* x = at(input, tile) + offset;
      const char* g = work_.backward ? at(upstream, tile) + offset : nullptr;
      if (repeated) {
        scale(y, g, x, s, n, access_);
      } else {
        transform(y, g, x, read_slope(s + row * stride(slopes, row_)), n, access_);
      }
    }
  }

  void scale(char* y, const char* g, const char* x, const char* s, std::size_t n, Access access) const {
    if (work_.backward) {
      kernels_.scale_pullback[work_.type](y, g, x, s, n, access);
    } else {
      kernels_.scale[work_.type](y, x, s, n, access);
    }
  }

  void transform(char* y, const char* g, const char* x, double slope, std::size_t n, Access access) const {
    const Parameters parameters{slope, work_.parameters.lower, work_.parameters.upper};
    if (work_.backward) {
      kernels_.formulas[work_.formula].pullback[work_.type](y, g, x, n, parameters, access);
    } else {
      kernels_.formulas[work_.formula].value[work_.type](y, x, n, parameters, access);
    }
  }

  /// The gradients of the data and of a slope for each element.
  void multiply(const Tile& tile, Rooms& rooms) const {
    const auto* kernel = (work_.slope_type == work_.type ? kernels_.own_products : kernels_.products) + work_.type;
    (*kernel)(target(out, tile, rooms.out), target(products, tile, rooms.draws), gather(upstream, tile, rooms.upstream),
              gather(input, tile, rooms.input), gather(slopes, tile, rooms.slopes),
              static_cast<std::size_t>(tile.rows * tile.cols));
    scatter(out, tile, rooms.out);
    scatter(products, tile, rooms.draws);
  }

  void process(const Tile& tile, Rooms& rooms) const {
    if (nest_.used[products]) return multiply(tile, rooms);
    if (by_rows_) return process_rows(tile, rooms);
    if (across_) return process_across(tile);
    const auto n = static_cast<std::size_t>(tile.rows * tile.cols);
    const char* x = work_.signs != nullptr ? gather_signs(tile, rooms.input) : gather(input, tile, rooms.input);
    const char* g = work_.backward ? gather(upstream, tile, rooms.upstream) : nullptr;
    char* y = target(out, tile, rooms.out);
    const Access access = y == rooms.out.bytes ? cached : access_;
    if (work_.drawn) {
      scale_drawn(y, g, x, tile, rooms, access);
    } else if (nest_.used[slopes] && !constant_slope(tile)) {
      scale(y, g, x, gather_slopes(tile, rooms), n, access);
    } else {
      transform(y, g, x, nest_.used[slopes] ? read_slope(at(slopes, tile)) : work_.parameters.slope, n, access);
    }
    scatter(out, tile, rooms.out);
  }

  const Nest& nest_;
  const Work& work_;
  const Kernels& kernels_;
  std::ptrdiff_t item_ = 0;
  int inner_ = 0, row_ = -1;
  std::ptrdiff_t rows_ = 1, cols_ = 1, row_tiles_ = 1, col_tiles_ = 1;
  std::size_t tiles_ = 0;
  Access access_ = cached;
  bool by_rows_ = false, across_ = false;
};

}  // namespace

void run_elementwise(Nest& nest, const Work& work) {
  simplify(nest);
  if (nest.size() == 0) return;
  Elementwise(nest, work).run();
}

}  // namespace rectifier
