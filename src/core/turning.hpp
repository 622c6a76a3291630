// Turns a matrix: rows become columns, a square in registers at a time. Included once per CPU target.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "lanes.hpp"

namespace rectifier::RECTIFIER_TARGET {

/// to[c][r] = from[r][c] for `side` rows and columns; rows are so many bytes apart.
template <class U>
struct Square {
  static constexpr std::size_t side = 8;
  static void turn(char* to, std::ptrdiff_t to_row, const char* from, std::ptrdiff_t from_row) {
    for (std::ptrdiff_t c = 0; c < 8; ++c)
      for (std::ptrdiff_t r = 0; r < 8; ++r)
        std::memcpy(to + c * to_row + r * static_cast<std::ptrdiff_t>(sizeof(U)),
                    from + r * from_row + c * static_cast<std::ptrdiff_t>(sizeof(U)), sizeof(U));
  }
};

#if RECTIFIER_LEVEL >= 3
template <>
struct Square<std::uint16_t> {
  static constexpr std::size_t side = 8;
  static RECTIFIER_INLINE_MEMBER void turn(char* to, std::ptrdiff_t to_row, const char* from, std::ptrdiff_t from_row) {
    __m128i rows[8], pairs[8], fours[8];
    for (int r = 0; r < 8; ++r) rows[r] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + r * from_row));
    for (int r = 0; r < 4; ++r) {
      pairs[r] = _mm_unpacklo_epi16(rows[2 * r], rows[2 * r + 1]);
      pairs[r + 4] = _mm_unpackhi_epi16(rows[2 * r], rows[2 * r + 1]);
    }
    for (int half = 0; half < 8; half += 4)
      for (int r = 0; r < 2; ++r) {
        fours[half + r] = _mm_unpacklo_epi32(pairs[half + 2 * r], pairs[half + 2 * r + 1]);
        fours[half + r + 2] = _mm_unpackhi_epi32(pairs[half + 2 * r], pairs[half + 2 * r + 1]);
      }
    for (int c = 0; c < 8; c += 2) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to + c * to_row), _mm_unpacklo_epi64(fours[c], fours[c + 1]));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to + (c + 1) * to_row), _mm_unpackhi_epi64(fours[c], fours[c + 1]));
    }
  }
};

/// Registers of 256 bits at every level: their shuffles have two ports where those of 512 bits have one.
template <>
struct Square<std::uint32_t> {
  static constexpr std::size_t side = 8;
  static RECTIFIER_INLINE_MEMBER void turn(char* to, std::ptrdiff_t to_row, const char* from, std::ptrdiff_t from_row) {
    const auto store = [to, to_row](int c, __m256d column) {
      _mm256_storeu_pd(reinterpret_cast<double*>(to + c * to_row), column);
    };
    for (int c = 0; c < 8; c += 4) {
      __m256 rows[4];  // a row in the lower half, the one four below in the upper half
      for (int r = 0; r < 4; ++r) {
        const char* upper = from + r * from_row + c * 4;
        rows[r] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(reinterpret_cast<const float*>(upper))),
                                       _mm_loadu_ps(reinterpret_cast<const float*>(upper + 4 * from_row)), 1);
      }
      const __m256d lower01 = _mm256_castps_pd(_mm256_unpacklo_ps(rows[0], rows[1]));
      const __m256d lower23 = _mm256_castps_pd(_mm256_unpacklo_ps(rows[2], rows[3]));
      const __m256d upper01 = _mm256_castps_pd(_mm256_unpackhi_ps(rows[0], rows[1]));
      const __m256d upper23 = _mm256_castps_pd(_mm256_unpackhi_ps(rows[2], rows[3]));
      store(c, _mm256_unpacklo_pd(lower01, lower23));
      store(c + 1, _mm256_unpackhi_pd(lower01, lower23));
      store(c + 2, _mm256_unpacklo_pd(upper01, upper23));
      store(c + 3, _mm256_unpackhi_pd(upper01, upper23));
    }
  }
};

template <>
struct Square<std::uint64_t> {
  static constexpr std::size_t side = 4;
  static RECTIFIER_INLINE_MEMBER void turn(char* to, std::ptrdiff_t to_row, const char* from, std::ptrdiff_t from_row) {
    for (int c = 0; c < 4; c += 2) {
      __m256d rows[2];
      for (int r = 0; r < 2; ++r) {
        const char* upper = from + r * from_row + c * 8;
        rows[r] = _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(reinterpret_cast<const double*>(upper))),
                                       _mm_loadu_pd(reinterpret_cast<const double*>(upper + 2 * from_row)), 1);
      }
      _mm256_storeu_pd(reinterpret_cast<double*>(to + c * to_row), _mm256_unpacklo_pd(rows[0], rows[1]));
      _mm256_storeu_pd(reinterpret_cast<double*>(to + (c + 1) * to_row), _mm256_unpackhi_pd(rows[0], rows[1]));
    }
  }
};
#endif

template <class U>
void turn_loop(void* to_, std::ptrdiff_t to_row, const void* from_, std::ptrdiff_t from_row, std::size_t rows_,
               std::size_t cols_) {
  constexpr auto size = static_cast<std::ptrdiff_t>(sizeof(U)), side = static_cast<std::ptrdiff_t>(Square<U>::side);
  char* to = static_cast<char*>(to_);
  const char* from = static_cast<const char*>(from_);
  const auto rows = static_cast<std::ptrdiff_t>(rows_), cols = static_cast<std::ptrdiff_t>(cols_);
  const std::ptrdiff_t whole_rows = rows / side * side, whole_cols = cols / side * side;
  const auto square = [&](std::ptrdiff_t r, std::ptrdiff_t c) {
    Square<U>::turn(to + c * to_row + r * size, to_row, from + r * from_row + c * size, from_row);
  };
  // Rows of one page each or more, of which nobody but us knows which comes next.
  const auto ask_early = [&](std::ptrdiff_t r, std::ptrdiff_t c) {
#if defined(__GNUC__) || defined(__clang__)
    constexpr std::ptrdiff_t page = 4096, early = 16;
    if (from_row < page || r + early + side > rows) return;
    for (std::ptrdiff_t k = r + early; k < r + early + side; ++k) __builtin_prefetch(from + k * from_row + c * size);
#endif
  };
  // Along the rows of the side whose rows are farther apart: a line of it is soon read or written whole.
  if (from_row >= to_row) {
    for (std::ptrdiff_t r = 0; r < whole_rows; r += side)
      for (std::ptrdiff_t c = 0; c < whole_cols; c += side) {
        ask_early(r, c);
        square(r, c);
      }
  } else {
    for (std::ptrdiff_t c = 0; c < whole_cols; c += side)
      for (std::ptrdiff_t r = 0; r < whole_rows; r += side) square(r, c);
  }
  for (std::ptrdiff_t r = 0; r < rows; ++r)
    for (std::ptrdiff_t c = r < whole_rows ? whole_cols : 0; c < cols; ++c)
      std::memcpy(to + c * to_row + r * size, from + r * from_row + c * size, sizeof(U));
}

}  // namespace rectifier::RECTIFIER_TARGET
