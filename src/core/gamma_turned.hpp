// Gamma's sums along rows that lie across the memory and are short enough that some are turned at a time.
#pragma once

#include <algorithm>

#include "cpu.hpp"
#include "gamma_pieces.hpp"

namespace rectifier {

constexpr std::ptrdiff_t turned = 2048;           // elements turned at a time, or more for whole lines of memory
constexpr std::ptrdiff_t pulled_bytes = 1 << 17;  // of each array, that are turned and then pulled back

class GammaTurned : protected GammaPieces {
 protected:
  explicit GammaTurned(const GammaPass& pass) : GammaPieces(pass), kernels_(kernels()) {}

  /// Sums along what was turned, and then the data's gradient where it lies, by pieces that stay in the second cache
  /// in between. The longer the pieces of memory's rows are, the better the processor guesses which line comes next.
  void sum_turned(const Task& task, const std::ptrdiff_t (&base)[part_count], double gamma, Rooms& rooms,
                  double* lanes) const {
    const std::ptrdiff_t end = task.from + task.length, at_once = turned_at_once();
    const std::ptrdiff_t in_piece = std::max(pulled_bytes / item_ / at_once, std::ptrdiff_t{1}) * at_once;
    for (std::ptrdiff_t i = task.from, n; i < end; i += n) {
      n = up_to_row(i, end, in_piece);
      add_turned(task, base, i, i + n, gamma, rooms, lanes);
      if (pass_.wants_dx) pull_turned(base, i, n, gamma);
    }
  }

  const Kernels& kernels_;

 private:
  std::ptrdiff_t turned_at_once() const {
    const std::ptrdiff_t cols = reduced_.shape[reduced_.dims - 1];
    const std::ptrdiff_t rows = std::max(turned / cols / step_rows, std::ptrdiff_t{1}) * step_rows;
    return std::min(rows * cols, turned_bytes / item_);
  }

  /// How many elements from i on are done at once: up to the end of a row where the lanes allow it.
  std::ptrdiff_t up_to_row(std::ptrdiff_t i, std::ptrdiff_t end, std::ptrdiff_t at_once) const {
    const std::ptrdiff_t cols = reduced_.shape[reduced_.dims - 1];
    if (at_once >= end - i) return end - i;
    return cols % lanes_ == 0 && cols < at_once ? at_once - (i + at_once) % cols : at_once;
  }

  void add_turned(const Task& task, const std::ptrdiff_t (&base)[part_count], std::ptrdiff_t i, std::ptrdiff_t end,
                  double gamma, Rooms& rooms, double* lanes) const {
    for (std::ptrdiff_t n, at_once = turned_at_once(); i < end; i += n) {
      n = up_to_row(i, end, at_once);
      collect(reduced_, part_input, base[part_input], i, n, item_, rooms.input);
      collect(reduced_, part_upstream, base[part_upstream], i, n, item_, rooms.upstream);
      for (std::ptrdiff_t done = 0, count; done < n; done += count) {
        const std::ptrdiff_t past = i + done - task.from;
        count = std::min(n - done, block_length - past % block_length);
        kernels_.sum_along[pass_.type](nullptr, rooms.upstream + done * item_, rooms.input + done * item_, gamma,
                                       static_cast<std::size_t>(count), lanes + past / block_length * lanes_, cached,
                                       rooms.line);
      }
    }
  }

  void pull_turned(const std::ptrdiff_t (&base)[part_count], std::ptrdiff_t i, std::ptrdiff_t n, double gamma) const {
    const auto stride = [this](Part p) { return reduced_.strides[p][reduced_.dims - 1]; };
    reduced_.tiles(
        part_dx, i, n,
        [&](std::ptrdiff_t, std::ptrdiff_t rows, std::ptrdiff_t, std::ptrdiff_t cols, std::ptrdiff_t,
            std::ptrdiff_t done) {
          const auto at = [&](Part p) { return base_[p] + base[p] + reduced_.offset(p, i + done); };
          char *dx = at(part_dx), *g = at(part_upstream), *x = at(part_input);
          const auto length = static_cast<std::size_t>(rows);
          if (rows < step_rows) {  // of too few lines to be guessed
            kernels_.pull_rows[pass_.type](
                dx, g, x, gamma, length,
                {static_cast<std::size_t>(cols), stride(part_dx), stride(part_upstream), stride(part_input), 0, 1});
            return;
          }
          for (std::ptrdiff_t col = 0; col < cols; ++col)
            kernels_.formulas[leaky].pullback[pass_.type](dx + col * stride(part_dx), g + col * stride(part_upstream),
                                                          x + col * stride(part_input), length, {gamma, 0, 0}, access_);
        });
  }
};

}  // namespace rectifier
