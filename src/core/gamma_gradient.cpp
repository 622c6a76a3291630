// The sums of gamma's gradient, a task at a time, in the order that gamma_plan.hpp sets.
#include "gamma_gradient.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "gamma_bands.hpp"
#include "pool.hpp"
#include "rounding.hpp"

namespace rectifier {
namespace {

constexpr std::ptrdiff_t piece = 1024;  // elements brought together from a scattered layout at a time

class GammaGradient : GammaBands {
 public:
  explicit GammaGradient(const GammaPass& pass) : GammaBands(pass) {
    if (has_partial_sums())
      partial_.resize(static_cast<std::size_t>(outer_kept_.size() * kept_size_ * blocks_ * lane_runs_));
  }

  void run() {
    if (is_elementwise()) return pull_back(true);
    const int threads = threads_for(0.3 * static_cast<double>(total_));
    parallel_stretches(static_cast<std::size_t>(tasks_), threads, [this](std::size_t begin, std::size_t end) {
      Rooms rooms;
      for (auto task = static_cast<std::ptrdiff_t>(begin); task < static_cast<std::ptrdiff_t>(end); ++task)
        in_bands_ ? sum_band(task, rooms, partial_.data()) : work(task, rooms);
      if (access_ != streamed) return;
      kernels_.put_line(rooms.line);
      stream_fence();
    });
    if (in_bands_ && pass_.wants_dx) pull_back(false);
    if (has_partial_sums()) finish();
  }

 private:
  bool has_partial_sums() const { return blocks_ * lane_runs_ > 1; }

  /// Whether there is a slope for each element, of a type that the kernels of products take.
  bool is_elementwise() const {
    const bool own = pass_.gamma_type == pass_.type;
    const bool arithmetic = pass_.gamma_type == (pass_.type == float64 ? float64 : float32);
    return kept_size_ == total_ && pass_.gamma_type == pass_.d_gamma_type && (own || arithmetic);
  }

  /// As element-wise work, with the products for gamma's gradient or without.
  void pull_back(bool with_products) const {
    Nest nest;
    nest.dims = pass_.dims;
    for (int d = 0; d < pass_.dims; ++d) nest.shape[d] = pass_.shape[d];
    const auto view = [&nest](Role role, const View& array, bool used = true) {
      nest.views[role] = array;
      nest.used[role] = used;
    };
    view(out, pass_.wants_dx ? pass_.dx : pass_.input, pass_.wants_dx);
    view(input, pass_.input);
    view(upstream, pass_.upstream);
    view(slopes, pass_.gamma);
    view(products, pass_.d_gamma, with_products);
    Work work;
    work.type = pass_.type;
    work.slope_type = pass_.gamma_type;
    work.backward = true;
    run_elementwise(nest, work);
  }

  void work(std::ptrdiff_t number, Rooms& rooms) const {
    // Of few blocks the last, which may be short, counts: a thread does all of them for its part of the sums.
    const std::ptrdiff_t outer = number / (block_tasks_ * parts_), rest = number % (block_tasks_ * parts_);
    const bool by_part = block_tasks_ <= parts_;
    const std::ptrdiff_t part = by_part ? rest / block_tasks_ : rest % parts_, chunk_run = part / lane_runs_;
    Task task = blocks(outer * block_tasks_ + (by_part ? rest % block_tasks_ : rest / parts_));
    task.lanes = lanes_ / lane_runs_;
    task.lane_run = part % lane_runs_;
    task.lane = task.lane_run * task.lanes;
    for (std::ptrdiff_t c = chunk_run * run_of_chunks_; c < chunks_ && c < (chunk_run + 1) * run_of_chunks_; ++c) {
      task.first = c * chunk_;
      task.count = kept_size_ - task.first < chunk_ ? kept_size_ - task.first : chunk_;
      read_slopes(task, rooms);
      std::memset(rooms.lanes, 0, sizeof(double) * static_cast<std::size_t>(task.count * task.blocks * lanes_));
      for (std::ptrdiff_t row = task.row; row < task.last_row; ++row) {
        if (loop_ == along) sum_along(task, row, rooms);
        if (loop_ == across) sum_across(task, row, rooms);
        if (loop_ == joint) sum_joint(task, row, rooms);
      }
      store_sums(task, rooms);
    }
  }

  /// Gamma of the task's kept elements, in the arithmetic type, and repeated for each lane.
  void read_slopes(const Task& task, Rooms& rooms) const {
    const auto size = static_cast<std::ptrdiff_t>(item_size(pass_.gamma_type));
    char* narrow = reinterpret_cast<char*>(rooms.slopes);
    collect(kept_, part_gamma, task.base[part_gamma], task.first, task.count, size, narrow);
    const auto n = static_cast<std::size_t>(task.count);
    if (slope_size(pass_.gamma_type) == slope_size(pass_.type)) {
      kernels_.widen[pass_.gamma_type](rooms.gamma, narrow, n);
    } else {
      std::memcpy(rooms.gamma, narrow, n * static_cast<std::size_t>(size));
    }
    if (loop_ == along || lanes_ == 1) return;
    const auto scalar = static_cast<std::ptrdiff_t>(slope_size(pass_.type));
    const std::ptrdiff_t kept_step = loop_ == across ? scalar : lanes_ * scalar;
    const std::ptrdiff_t lane_step = loop_ == across ? task.count * scalar : scalar;
    copy_tile(slope_size(pass_.type), reinterpret_cast<char*>(rooms.slopes), kept_step, lane_step,
              reinterpret_cast<const char*>(rooms.gamma), scalar, 0, task.count, lanes_);
  }

  Access access(const char* dx, const Rooms& rooms) const { return dx == rooms.dx ? cached : access_; }

  double slope(const Rooms& rooms, std::ptrdiff_t k) const {
    return slope_size(pass_.type) == 8 ? rooms.gamma[k]
                                       : static_cast<double>(reinterpret_cast<const float*>(rooms.gamma)[k]);
  }

  void sum_along(const Task& task, std::ptrdiff_t row, Rooms& rooms) const {
    std::ptrdiff_t row_base[part_count], base[part_count];
    offsets(task, row, row_base);
    bool scattered = !reduced_.contiguous(part_input, item_) || !reduced_.contiguous(part_upstream, item_);
    scattered = scattered || (pass_.wants_dx && !reduced_.contiguous(part_dx, item_));
    const std::ptrdiff_t step = scattered && reduced_.dims == 1 ? piece : scattered ? block_length : task.length;
    for (std::ptrdiff_t k = 0; k < task.count; ++k) {
      for (int p = 0; p < part_count; ++p) base[p] = row_base[p] + kept_.offset(static_cast<Part>(p), task.first + k);
      const double gamma = slope(rooms, k);
      double* lanes = rooms.lanes + k * task.blocks * lanes_;
      if (turned_) {
        sum_turned(task, base, gamma, rooms, lanes);
        continue;
      }
      for (std::ptrdiff_t i = 0, n; i < task.length; i += n) {
        n = std::min({step, task.length - i, block_length - i % block_length});
        stretch(reduced_, base, task.from + i, n, rooms, [&](char* dx, const char* g, const char* x) {
          kernels_.sum_along[pass_.type](dx, g, x, gamma, static_cast<std::size_t>(n),
                                         lanes + i / block_length * lanes_, access(dx, rooms), rooms.line);
        });
      }
    }
  }

  void sum_across(const Task& task, std::ptrdiff_t row, Rooms& rooms) const {
    std::ptrdiff_t base[part_count];
    offsets(task, row, base);
    std::ptrdiff_t at_once = task.length;
    for (Part p : {part_dx, part_upstream, part_input})
      if ((p != part_dx || pass_.wants_dx) && !rows_direct(p))
        at_once = std::max(lanes_, piece / task.count / lanes_ * lanes_);
    for (std::ptrdiff_t i = 0; i < task.length; i += at_once)
      add_rows(task, base, i, task.length - i < at_once ? task.length - i : at_once, rooms);
  }

  /// n rows of the task. Those that lie one after the other go to the kernel by rounds: one row for each lane.
  void add_rows(const Task& task, const std::ptrdiff_t (&base)[part_count], std::ptrdiff_t first, std::ptrdiff_t n,
                Rooms& rooms) const {
    const Place x = gather_rows(task, part_input, base[part_input], first, n, rooms.input);
    const Place g = gather_rows(task, part_upstream, base[part_upstream], first, n, rooms.upstream);
    const Place dx = pass_.wants_dx ? place_rows(task, part_dx, base[part_dx], first, rooms.dx) : Place{nullptr, 0};
    const std::ptrdiff_t adjoining = task.count * item_;
    const bool follow =
        lanes_ > 1 && x.step == adjoining && g.step == adjoining && (!pass_.wants_dx || dx.step == adjoining);
    const std::ptrdiff_t in_rounds = follow && first % lanes_ == 0 ? n / lanes_ * lanes_ : 0;
    const auto add = [&](std::ptrdiff_t from, std::ptrdiff_t count, std::ptrdiff_t apart, std::ptrdiff_t rows_in_one,
                         const double* slopes, std::size_t lane, std::ptrdiff_t lanes) {
      const Rows rows{static_cast<std::size_t>(count), dx.step * apart, g.step * apart, x.step * apart, lane,
                      static_cast<std::size_t>(lanes)};
      if (count > 0)
        kernels_.sum_across[pass_.type](
            pass_.wants_dx ? dx.data + from * dx.step : nullptr, g.data + from * g.step, x.data + from * x.step, slopes,
            static_cast<std::size_t>(task.count * rows_in_one), rooms.lanes, rows, access(dx.data, rooms), rooms.line);
    };
    add(task.lane, in_rounds / lanes_, lanes_, task.lanes, rooms.slopes, 0, 1);
    const std::ptrdiff_t left = n - in_rounds - task.lane;
    add(in_rounds + task.lane, task.lanes < lanes_ ? std::min(left, task.lanes) : left, 1, 1, rooms.gamma,
        static_cast<std::size_t>((first + in_rounds) % lanes_), task.lanes);
    if (dx.data == rooms.dx) scatter_rows(task, base[part_dx], first, n, rooms.dx);
  }

  void sum_joint(const Task& task, std::ptrdiff_t row, Rooms& rooms) const {
    std::ptrdiff_t row_base[part_count], base[part_count];
    offsets(task, row, row_base);
    const bool whole =
        rows_adjoin(part_input) && rows_adjoin(part_upstream) && (!pass_.wants_dx || rows_adjoin(part_dx));
    const std::ptrdiff_t at_once = whole ? task.count : 1;
    const auto n = static_cast<std::size_t>(at_once * lanes_);
    const std::size_t scalar = slope_size(pass_.type);
    for (std::ptrdiff_t k = 0; k < task.count; k += at_once) {
      for (int p = 0; p < part_count; ++p) base[p] = row_base[p] + kept_.offset(static_cast<Part>(p), task.first + k);
      const char* slopes = reinterpret_cast<const char*>(rooms.slopes) + static_cast<std::size_t>(k * lanes_) * scalar;
      stretch(reduced_, base, 0, reduced_size_, rooms, [&](char* dx, const char* g, const char* x) {
        kernels_.sum_across[pass_.type](dx, g, x, slopes, n, rooms.lanes + k * lanes_, {1, 0, 0, 0, 0, 1},
                                        access(dx, rooms), rooms.line);
      });
    }
  }

  /// Adds the lanes of each kept element in pairs.
  void store_sums(const Task& task, Rooms& rooms) const {
    const std::ptrdiff_t lane_step = loop_ == across ? task.count : 1;
    const std::ptrdiff_t kept_step = loop_ == across ? 1 : lanes_;
    if (lanes_ == 1 && blocks_ == 1) return write_all(task, rooms.lanes);
    for (std::ptrdiff_t k = 0; k < task.count; ++k)
      for (std::ptrdiff_t block = 0; block < task.blocks; ++block) {
        double lanes[short_row];
        const double* from = rooms.lanes + (k * task.blocks + block) * kept_step;
        for (std::ptrdiff_t lane = 0; lane < task.lanes; ++lane) lanes[lane] = from[lane * lane_step];
        const double sum = pairwise(lanes, static_cast<std::size_t>(task.lanes));
        const std::ptrdiff_t at = task.outer * kept_size_ + task.first + k;
        if (has_partial_sums()) {
          partial_[static_cast<std::size_t>((at * blocks_ + task.block + block) * lane_runs_ + task.lane_run)] = sum;
        } else {
          write(task.outer, task.first + k, sum);
        }
      }
  }

  void write_all(const Task& task, const double* sums) const {
    if (pass_.d_gamma_type == float32 && kept_.contiguous(part_d_gamma, 4)) {
      auto* to = reinterpret_cast<float*>(base_[part_d_gamma] + outer_kept_.offset(part_d_gamma, task.outer) +
                                          kept_.offset(part_d_gamma, task.first));
      for (std::ptrdiff_t k = 0; k < task.count; ++k) to[k] = static_cast<float>(sums[k]);
    } else {
      for (std::ptrdiff_t k = 0; k < task.count; ++k) write(task.outer, task.first + k, sums[k]);
    }
  }

  void write(std::ptrdiff_t outer, std::ptrdiff_t k, double sum) const {
    write_rounded(pass_.d_gamma_type,
                  base_[part_d_gamma] + outer_kept_.offset(part_d_gamma, outer) + kept_.offset(part_d_gamma, k), sum);
  }

  void finish() {
    for (std::ptrdiff_t outer = 0; outer < outer_kept_.size(); ++outer)
      for (std::ptrdiff_t k = 0; k < kept_size_; ++k) {
        // Of blocks, or of the parts of the only one.
        const std::ptrdiff_t count = blocks_ * lane_runs_;
        const double* terms = partial_.data() + (outer * kept_size_ + k) * count;
        write(outer, k, pairwise(terms, static_cast<std::size_t>(count)));
      }
  }

  mutable std::vector<double> partial_;
};

}  // namespace

void run_gamma_pass(const GammaPass& pass) { GammaGradient(pass).run(); }

}  // namespace rectifier
