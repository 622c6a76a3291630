// Element-wise work on arrays of any layout: each tile of the plan is brought to contiguous runs where it is not
// contiguous already, and one kernel call does the tile. There is never a temporary larger than a tile.
#include <algorithm>
#include <cstring>

#include "elementwise_plan.hpp"

namespace rectifier {
namespace {

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

class Elementwise : ElementwisePlan {
 public:
  Elementwise(const Nest& nest, const Work& work) : ElementwisePlan(nest, work) {}

  void run() {
    const auto stretch = [this](std::size_t begin, std::size_t end) {
      Rooms rooms;
      for (std::size_t t = begin; t < end; ++t) process(tile(t), rooms);
      if (access_ == streamed) stream_fence();
    };
    parallel_stretches(tiles_, threads_, stretch, true);
  }

 private:
  char* at(Role role, const Tile& tile) const { return nest_.views[role].data + tile.offset[role]; }

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
    if ((!slope_room_needed() || own_slopes()) && contiguous(slopes, tile)) return at(slopes, tile);
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
                                           work_.range, access_);
    } else {
      kernels_.across_scale[work_.type](at(out, tile), at(input, tile), index(tile, 0), part, work_.range, access_);
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

  const char* slope_of_row(std::ptrdiff_t row) const {
    std::ptrdiff_t offset = nest_.views[slopes].offset;
    for (int d = row_; d >= 0; row /= nest_.shape[d--]) offset += row % nest_.shape[d] * stride(slopes, d);
    return nest_.views[slopes].data + offset;
  }

  /// The slopes of rows that follow on each other, in the arithmetic type. After the last row comes the first one.
  const char* gather_row_slopes(std::ptrdiff_t row, std::ptrdiff_t rows, Rooms& rooms) const {
    const std::ptrdiff_t size = unit(slopes), height = nest_.shape[row_];
    char* to = slope_room_needed() ? rooms.draws.bytes : rooms.slopes.bytes;
    for (std::ptrdiff_t done = 0, count; done < rows; done += count) {
      count = std::min(rows - done, height - (row + done) % height);
      copy_tile(static_cast<std::size_t>(size), to + done * size, 0, size, slope_of_row(row + done), 0,
                stride(slopes, row_), 1, count);
    }
    if (slope_room_needed()) kernels_.widen[work_.slope_type](rooms.slopes.bytes, to, static_cast<std::size_t>(rows));
    return rooms.slopes.bytes;
  }

  /// A part of one run of rows, with a slope for each.
  void process_run(const Tile& tile, Rooms& rooms) const {
    const std::ptrdiff_t begin = (tile.offset[out] - nest_.views[out].offset) / item_;
    const std::ptrdiff_t length = nest_.shape[inner_], row = begin / length, last = (begin + tile.cols - 1) / length;
    const char* s = gather_row_slopes(row, last - row + 2, rooms);
    kernels_.scale_rows[work_.type](at(out, tile), at(input, tile), s, static_cast<std::size_t>(length),
                                    static_cast<std::size_t>((row + 1) * length - begin),
                                    static_cast<std::size_t>(tile.cols), access_);
  }

  void scale(char* y, const char* g, const char* x, const char* s, std::size_t n, Access access,
             bool own = false) const {
    if (work_.backward) {
      kernels_.scale_pullback[work_.type](y, g, x, s, n, access);
    } else {
      (own ? kernels_.own_scale : kernels_.scale)[work_.type](y, x, s, n, access);
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
              static_cast<std::size_t>(tile.rows * tile.cols), access_);
    scatter(out, tile, rooms.out);
    scatter(products, tile, rooms.draws);
  }

  void process(const Tile& tile, Rooms& rooms) const {
    if (nest_.used[products]) return multiply(tile, rooms);
    if (one_run_) return process_run(tile, rooms);
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
      const char* s = gather_slopes(tile, rooms);
      scale(y, g, x, s, n, access, own_slopes() && s != rooms.slopes.bytes);
    } else {
      transform(y, g, x, nest_.used[slopes] ? read_slope(at(slopes, tile)) : work_.parameters.slope, n, access);
    }
    scatter(out, tile, rooms.out);
  }
};

}  // namespace

void run_elementwise(Nest& nest, const Work& work) {
  simplify(nest);
  if (nest.size() == 0) return;
  Elementwise(nest, work).run();
}

}  // namespace rectifier
