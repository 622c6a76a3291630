// rrelu's slopes for columns that lie across the index, a register or some at a time. Included once per CPU target.
#pragma once

#include <cstddef>
#include <cstdint>

#include "philox.hpp"

#if RECTIFIER_LEVEL >= 3
namespace rectifier::RECTIFIER_TARGET {

/// Columns of a tile, some registers of them side by side: a counter for each column, so that a register of words lies
/// in a row.
template <int registers>
class Columns {
 public:
  static constexpr std::size_t width = std::size_t{registers} * f32::width;

  Columns(std::uint64_t first, std::uint64_t step) {
    alignas(64) std::uint64_t counters[f32::width];
    for (std::size_t lane = 0; lane < f32::width; ++lane) {
      const std::uint64_t index = first + lane * step;
      // pick() takes two counters of one register and two of the other in turn.
      counters[lane / 2 % 2 * u64::width + lane / 4 * 2 + lane % 2] = index / 4;
      odd_[lane] = static_cast<float>(index % 2);
      second_half_[lane] = static_cast<float>(index / 2 % 2);
    }
    for (int c = 0; c < 2; ++c)
      products_[c] = multiply_low(load_counters(counters + c * u64::width), repeat(philox_multiplier[0]));
    for (int c = 2; c < chains; ++c) products_[c] = products_[c - 2] + products_of(step * (f32::width / 4));
  }

  /// Four rows, beginning with a counter's first word in each column.
  RECTIFIER_INLINE_MEMBER void next(const Rounds& rounds, const SlopeMap& map, f32 (*rows)[registers]) {
    u64 low[chains], high[chains];
    rounds(products_, low, high);
    for (u64& p : products_) p = p + products_of(1);
    for (int k = 0, c = 0; k < registers; ++k, c += 2) {
      rows[0][k] = map(pick<0xDD>(low[c], low[c + 1]));
      rows[1][k] = map(pick<0x88>(low[c], low[c + 1]));
      rows[2][k] = map(pick<0xDD>(high[c], high[c + 1]));
      rows[3][k] = map(pick<0x88>(high[c], high[c + 1]));
    }
  }

  /// The next columns: as many steps on, a whole number of counters, so that each column keeps its place in its own.
  RECTIFIER_INLINE_MEMBER void advance(std::uint64_t step) {
    for (u64& p : products_) p = p + products_of(step * (width / 4));
  }

  /// The four rows that begin with the index's own word in each column, out of eight.
  RECTIFIER_INLINE_MEMBER void align(const f32 (&rows)[8][registers], f32 (&aligned)[4][registers]) const {
    const auto odd = positive(load<f32>(static_cast<const float*>(odd_)));
    const auto second_half = positive(load<f32>(static_cast<const float*>(second_half_)));
    for (int c = 0; c < registers; ++c) {
      f32 moved[5];
      for (int k = 0; k < 5; ++k) moved[k] = select(second_half, rows[k + 2][c], rows[k][c]);
      for (int k = 0; k < 4; ++k) aligned[k][c] = select(odd, moved[k + 1], moved[k]);
    }
  }

 private:
  static constexpr int chains = 2 * registers;
  static u64 products_of(std::uint64_t counters) { return repeat(counters * philox_multiplier[0]); }

  u64 products_[chains];
  float odd_[f32::width], second_half_[f32::width];
};

}  // namespace rectifier::RECTIFIER_TARGET
#endif
