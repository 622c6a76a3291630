// The order of gamma's sums, fixed by the shapes of data and gamma alone:
//   The axes, in C order, fall into groups of neighbours that gamma has for itself (kept) or sums over (reduced). The
//   last reduced group is a row. Element i of a row adds to lane i mod L of its block, where L is the length of the row
//   up to 64, and 16 beyond; a block is 4096 elements of one row, or as many whole rows as 4096 elements hold. The
//   lanes of a block, and then the blocks, are added in pairs.
// The layout in memory only decides which loop does a block: along a row, across the kept group, or along a stretch of
// kept elements with their short rows.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <numeric>

#include "axis_group.hpp"
#include "gamma_gradient.hpp"
#include "pool.hpp"

namespace rectifier {

constexpr std::ptrdiff_t block_length = 4096;
constexpr std::ptrdiff_t short_row = 64;     // rows up to this length have a lane for each element
constexpr std::ptrdiff_t most_kept = 1024;   // kept elements of one task
constexpr std::ptrdiff_t most_lanes = 4096;  // their lanes
constexpr std::ptrdiff_t task_elements = 1 << 16;
constexpr std::ptrdiff_t fewest_tasks = 8;  // where the kept elements can be divided so
// Bytes of neighbouring rows where threads share a block. With pieces of 1 kB, doubles of 16 channels took 45 us
// instead of 23 us: each core asks early for lines that the other one writes.
constexpr std::ptrdiff_t shortest_piece = 2048;
constexpr std::ptrdiff_t most_run = 32;           // blocks of one task
constexpr std::ptrdiff_t turned_bytes = 1 << 16;  // room for what is turned at a time
constexpr std::ptrdiff_t step_rows = 16;          // rows of it that are read by whole lines

/// The groups of axes, and how the sums are cut into tasks. A task is one block of a few kept elements; or a run of
/// blocks, where the memory lies across the rows and a line of it has elements of many blocks.
class GammaPlan {
 protected:
  explicit GammaPlan(const GammaPass& pass) : pass_(pass) {
    item_ = static_cast<std::ptrdiff_t>(item_size(pass.type));
    const View* views[part_count] = {&pass.dx, &pass.upstream, &pass.input, &pass.gamma, &pass.d_gamma};
    for (int p = 0; p < part_count; ++p) base_[p] = views[p]->data + views[p]->offset;
    group_axes(views);
    choose_tasks();
  }

  const GammaPass& pass_;
  std::ptrdiff_t item_ = 0;
  char* base_[part_count];
  Group outer_kept_, outer_reduced_, kept_, reduced_;
  std::ptrdiff_t total_ = 1, kept_size_ = 1, reduced_size_ = 1, rows_ = 1;
  std::ptrdiff_t segments_ = 1, block_rows_ = 1, blocks_ = 1;
  std::ptrdiff_t chunk_ = 1, chunks_ = 1, run_of_chunks_ = 1, chunk_runs_ = 1, lane_runs_ = 1, parts_ = 1, tasks_ = 1;
  std::ptrdiff_t run_of_blocks_ = 1, block_runs_ = 1, block_tasks_ = 1;  // runs of one row, and of all
  bool turned_ = false;
  enum { along, across, joint } loop_ = along;
  std::ptrdiff_t lanes_ = 1;
  Access access_ = cached;

 private:
  void group_axes(const View* const (&views)[part_count]) {
    int last_kept = -1, last_reduced = -1;
    for (int d = 0; d < pass_.dims; ++d)
      if (pass_.shape[d] != 1) (pass_.kept[d] ? last_kept : last_reduced) = d;
    bool inner_kept = true, inner_reduced = true;
    int order[max_dims], count = 0;
    bool inner[max_dims];
    for (int d = pass_.dims - 1; d >= 0; --d) {
      if (pass_.shape[d] == 1) continue;
      total_ *= pass_.shape[d];
      bool& open = pass_.kept[d] ? inner_kept : inner_reduced;
      inner[count] = open;
      order[count++] = d;
      // An axis of the other kind between two like ones closes the group of those, once it has begun.
      if (pass_.kept[d] && last_reduced > d) inner_reduced = false;
      if (!pass_.kept[d] && last_kept > d) inner_kept = false;
    }
    if (last_reduced < 0) {  // nothing is summed, so the order is free: that of the memory
      std::sort(order, order + count, [&](int a, int b) {
        return std::abs(views[part_input]->strides[a]) < std::abs(views[part_input]->strides[b]);
      });
    }
    for (int k = count - 1; k >= 0; --k) {
      const int d = order[k];
      std::ptrdiff_t steps[part_count];
      for (int p = 0; p < part_count; ++p) steps[p] = views[p]->strides[d];
      Group& group = pass_.kept[d] ? (inner[k] ? kept_ : outer_kept_) : (inner[k] ? reduced_ : outer_reduced_);
      group.append(pass_.shape[d], steps);
    }
  }

  void choose_tasks() {
    kept_size_ = kept_.size();
    reduced_size_ = reduced_.size();
    rows_ = outer_reduced_.size();
    if (reduced_size_ >= block_length) {
      segments_ = (reduced_size_ + block_length - 1) / block_length;
      block_rows_ = 1;
    } else {
      block_rows_ = block_length / (reduced_size_ > 0 ? reduced_size_ : 1);
    }
    blocks_ = segments_ * ((rows_ + block_rows_ - 1) / block_rows_);
    const bool row_in_line = reduced_.contiguous(part_input, item_) && reduced_size_ > 1;
    const bool kept_nearer = kept_.nearest(part_input) < reduced_.nearest(part_input);
    if (reduced_size_ == 1 ||
        (kept_size_ >= 8 && (kept_nearer || kept_.contiguous(part_input, item_)) && !row_in_line)) {
      loop_ = across;
    } else {
      loop_ = reduced_size_ > short_row ? along : joint;
    }
    if (static_cast<std::size_t>(total_ * item_) >= stream_from) access_ = streamed;
    lanes_ = reduced_size_ > short_row ? static_cast<std::ptrdiff_t>(sum_lanes) : reduced_size_;
    choose_runs();
    const std::ptrdiff_t in_block =
        run_of_blocks_ * (segments_ > 1 ? block_length : reduced_size_) * (rows_ < block_rows_ ? rows_ : block_rows_);
    chunk_ = loop_ == along ? elements_of_a_task() / in_block : most_kept;
    // Across, the sums are written again for every row: they should leave room in the nearest cache.
    const std::ptrdiff_t room = loop_ == across ? most_lanes / 2 : most_lanes;
    if (chunk_ > room / (lanes_ * run_of_blocks_)) chunk_ = room / (lanes_ * run_of_blocks_);
    if (chunk_ > kept_size_) chunk_ = kept_size_;
    if (chunk_ < 1) chunk_ = 1;
    const std::ptrdiff_t least = loop_ == across ? 64 : loop_ == joint ? 16 : 1;
    block_tasks_ = blocks_ / segments_ * block_runs_;
    const std::ptrdiff_t all_blocks = outer_kept_.size() * block_tasks_;
    while (chunk_ > least && all_blocks * ((kept_size_ + chunk_ - 1) / chunk_) < fewest_tasks) chunk_ /= 2;
    if (access_ == streamed) end_chunks_with_lines();
    chunks_ = (kept_size_ + chunk_ - 1) / chunk_;
    run_of_chunks_ = task_elements / 4 / (in_block * chunk_);
    if (run_of_chunks_ < 1) run_of_chunks_ = 1;
    chunk_runs_ = (chunks_ + run_of_chunks_ - 1) / run_of_chunks_;
    while (can_divide_lanes() && lane_runs_ < 4 && in_block * chunk_ / (2 * lane_runs_) >= task_elements / 4 &&
           lanes_ / (2 * lane_runs_) * kept_size_ * item_ >= shortest_piece)
      lane_runs_ *= 2;
    parts_ = chunk_runs_ * lane_runs_;
    tasks_ = all_blocks * parts_;
  }

  /// Rows of a block lie apart, with those of other kept elements between them: a task that takes all goes through the
  /// memory in one direction. 1.6e7 doubles in rows of 196 took 9.3 ms with 16 kept elements to a task, 8.0 ms with 64.
  std::ptrdiff_t elements_of_a_task() const {
    if (access_ != streamed || block_rows_ == 1) return task_elements;
    return std::max(task_elements, total_ / (24 * static_cast<std::ptrdiff_t>(num_threads())));
  }

  /// Makes even chunks, of as many rows as end with a line of memory.
  void end_chunks_with_lines() {
    const std::ptrdiff_t line = 64 / item_, rows = line / std::gcd(line, reduced_size_);
    if (chunk_ <= rows) return;
    const std::ptrdiff_t whole = chunk_ / rows * rows, count = (kept_size_ + whole - 1) / whole;
    chunk_ = ((kept_size_ + count - 1) / count + rows - 1) / rows * rows;
    if (chunk_ > kept_size_) chunk_ = kept_size_;
  }

  /// Whether the rows of all kept elements lie one after the other, in rounds of a row for each lane: a task may then
  /// do some rows of each round.
  bool can_divide_lanes() const {
    if (loop_ != across || outer_kept_.size() * blocks_ * chunks_ > 1 ||
        lanes_ != static_cast<std::ptrdiff_t>(sum_lanes))
      return false;
    for (Part p : {part_dx, part_upstream, part_input})
      if ((p != part_dx || pass_.wants_dx) &&
          (reduced_.dims != 1 || !kept_.contiguous(p, item_) || reduced_.strides[p][0] != kept_size_ * item_))
        return false;
    return true;
  }

  /// Whether all arrays lie along the second last axis of the group.
  bool is_turned() const {
    const int d = reduced_.dims - 2;
    if (loop_ != along || d < 0 || reduced_.shape[d + 1] * item_ > turned_bytes / 4) return false;
    for (Part p : {part_dx, part_upstream, part_input})
      if ((p != part_dx || pass_.wants_dx) && reduced_.strides[p][d] != item_) return false;
    return true;
  }

  /// As many blocks as whole lines of memory need, and no fewer than leave each of several threads its share; of rows
  /// that are streamed as many as a task takes, so that few lines are shared by two.
  void choose_runs() {
    turned_ = is_turned();
    if (turned_) {
      const std::ptrdiff_t cols = reduced_.shape[reduced_.dims - 1];
      run_of_blocks_ =
          std::max((step_rows * cols + block_length - 1) / block_length, std::min(segments_ / 32, most_run));
    } else if (loop_ == along && access_ == streamed && kept_size_ > 1) {
      run_of_blocks_ = task_elements / block_length;
    }
    run_of_blocks_ = std::min(run_of_blocks_, segments_);
    block_runs_ = (segments_ + run_of_blocks_ - 1) / run_of_blocks_;
  }
};

}  // namespace rectifier
