// Brings the elements of a task of gamma's sums together in one piece, and takes results to where they belong.
#pragma once

#include "gamma_plan.hpp"

namespace rectifier {

/// One block of gamma's sums at a time, whatever the layout of its elements.
class GammaPieces : protected GammaPlan {
 protected:
  using GammaPlan::GammaPlan;

  struct Task {
    std::ptrdiff_t outer, first, count;    // kept elements first ... first + count - 1 of the inner group
    std::ptrdiff_t block, blocks;          // the first one, and how many
    std::ptrdiff_t lane_run, lane, lanes;  // the sums of lanes lane ... lane + lanes - 1
    std::ptrdiff_t row, last_row, from, length;
    std::ptrdiff_t base[part_count];
  };

  struct Rooms {
    SharedLine line;
    alignas(64) double lanes[most_lanes];
    alignas(64) double gamma[most_kept];    // a slope for each kept element
    alignas(64) double slopes[most_lanes];  // a slope for each element of a stretch
    alignas(64) char upstream[turned_bytes], input[turned_bytes], dx[block_length * 8];
  };

  /// One block, or a run of blocks, without kept elements yet.
  Task blocks(std::ptrdiff_t number) const {
    Task task;
    const std::ptrdiff_t segment = number % block_runs_ * run_of_blocks_, parts = blocks_ / segments_;
    number /= block_runs_;
    const std::ptrdiff_t part = number % parts;
    task.outer = number / parts;
    for (int p = 0; p < part_count; ++p) task.base[p] = outer_kept_.offset(static_cast<Part>(p), task.outer);
    task.row = part * block_rows_;
    task.last_row = std::min(task.row + block_rows_, rows_);
    task.from = segment * block_length;
    task.length = std::min(reduced_size_ - task.from, run_of_blocks_ * block_length);
    task.block = part * segments_ + segment;
    task.blocks = std::min(segments_ - segment, run_of_blocks_);
    return task;
  }

  void offsets(const Task& task, std::ptrdiff_t row, std::ptrdiff_t (&base)[part_count]) const {
    for (int p = 0; p < part_count; ++p) base[p] = task.base[p] + outer_reduced_.offset(static_cast<Part>(p), row);
  }

  /// Copies n elements of an array from position i of a group on.
  void collect(const Group& group, Part p, std::ptrdiff_t base, std::ptrdiff_t i, std::ptrdiff_t n, std::ptrdiff_t size,
               char* to) const {
    group.tiles(p, i, n,
                [&](std::ptrdiff_t offset, std::ptrdiff_t rows, std::ptrdiff_t row_stride, std::ptrdiff_t cols,
                    std::ptrdiff_t col_stride, std::ptrdiff_t at) {
                  copy_tile(static_cast<std::size_t>(size), to + at * size, cols * size, size, base_[p] + base + offset,
                            row_stride, col_stride, rows, cols);
                });
  }

  /// The same elements in one piece, if need be in the room.
  const char* gather(const Group& group, Part p, std::ptrdiff_t base, std::ptrdiff_t i, std::ptrdiff_t n,
                     char* room) const {
    if (group.contiguous(p, item_)) return base_[p] + base + group.offset(p, i);
    collect(group, p, base, i, n, item_, room);
    return room;
  }

  void scatter(const Group& group, std::ptrdiff_t base, std::ptrdiff_t i, std::ptrdiff_t n, const char* room) const {
    group.tiles(part_dx, i, n,
                [&](std::ptrdiff_t offset, std::ptrdiff_t rows, std::ptrdiff_t row_stride, std::ptrdiff_t cols,
                    std::ptrdiff_t col_stride, std::ptrdiff_t at) {
                  copy_tile(static_cast<std::size_t>(item_), base_[part_dx] + base + offset, row_stride, col_stride,
                            room + at * item_, cols * item_, item_, rows, cols);
                });
  }

  /// One stretch of n elements along a group, given to `kernel` in one piece each.
  template <class Kernel>
  void stretch(const Group& group, const std::ptrdiff_t (&base)[part_count], std::ptrdiff_t i, std::ptrdiff_t n,
               Rooms& rooms, const Kernel& kernel) const {
    const char* x = gather(group, part_input, base[part_input], i, n, rooms.input);
    const char* g = gather(group, part_upstream, base[part_upstream], i, n, rooms.upstream);
    const bool direct = !pass_.wants_dx || group.contiguous(part_dx, item_);
    char* dx = !pass_.wants_dx ? nullptr
               : direct        ? base_[part_dx] + base[part_dx] + group.offset(part_dx, i)
                               : rooms.dx;
    kernel(dx, g, x);
    if (!direct) scatter(group, base[part_dx], i, n, rooms.dx);
  }

  /// Whether kept elements lie one after the other with their rows between them.
  bool rows_adjoin(Part p) const {
    return reduced_.contiguous(p, item_) &&
           (kept_size_ == 1 || (kept_.dims == 1 && kept_.strides[p][0] == reduced_size_ * item_));
  }

  /// Whether the kept elements of a row lie in one piece, and the rows a constant distance apart.
  bool rows_direct(Part p) const { return reduced_.dims <= 1 && kept_.contiguous(p, item_); }

  /// Where the kernel finds rows, and how far apart they are.
  struct Place {
    char* data;
    std::ptrdiff_t step;
  };

  Place place_rows(const Task& task, Part p, std::ptrdiff_t base, std::ptrdiff_t first, char* room) const {
    if (!rows_direct(p)) return {room, task.count * item_};
    return {base_[p] + base + kept_.offset(p, task.first) + reduced_.offset(p, task.from + first),
            reduced_.dims == 0 ? 0 : reduced_.strides[p][0]};
  }

  /// Calls copy(place in the array, its strides, place in the room, rows, columns) for each straight part of n rows.
  template <class Copy>
  void row_tiles(const Task& task, Part p, std::ptrdiff_t base, std::ptrdiff_t first, std::ptrdiff_t n,
                 const Copy& copy) const {
    reduced_.stretches(
        p, task.from + first, n,
        [&](std::ptrdiff_t row_offset, std::ptrdiff_t rows, std::ptrdiff_t row_stride, std::ptrdiff_t row) {
          kept_.stretches(p, task.first, task.count,
                          [&](std::ptrdiff_t offset, std::ptrdiff_t cols, std::ptrdiff_t stride, std::ptrdiff_t col) {
                            copy(base_[p] + base + row_offset + offset, row_stride, stride,
                                 (row * task.count + col) * item_, rows, cols);
                          });
        });
  }

  Place gather_rows(const Task& task, Part p, std::ptrdiff_t base, std::ptrdiff_t first, std::ptrdiff_t n,
                    char* room) const {
    const Place place = place_rows(task, p, base, first, room);
    if (place.data == room)
      row_tiles(task, p, base, first, n,
                [&](const char* from, std::ptrdiff_t row_stride, std::ptrdiff_t stride, std::ptrdiff_t at,
                    std::ptrdiff_t rows, std::ptrdiff_t cols) {
                  copy_tile(static_cast<std::size_t>(item_), room + at, place.step, item_, from, row_stride, stride,
                            rows, cols);
                });
    return place;
  }

  void scatter_rows(const Task& task, std::ptrdiff_t base, std::ptrdiff_t first, std::ptrdiff_t n,
                    const char* room) const {
    row_tiles(task, part_dx, base, first, n,
              [&](char* to, std::ptrdiff_t row_stride, std::ptrdiff_t stride, std::ptrdiff_t at, std::ptrdiff_t rows,
                  std::ptrdiff_t cols) {
                copy_tile(static_cast<std::size_t>(item_), to, row_stride, stride, room + at, task.count * item_, item_,
                          rows, cols);
              });
  }
};

}  // namespace rectifier
