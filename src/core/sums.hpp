// prelu's backward pass: the data's gradient and the terms of gamma's gradient in one pass. Included once per CPU target.
// Products and sums are double: the product of two floats is exact there, and no fused operation is used, so that every
// target gives the same bits. Element i of a run always adds to partial sum i mod 16.
#pragma once

#include <cstddef>

#include "loops.hpp"

namespace rectifier::RECTIFIER_TARGET {

/// Elements handled between the two steps of the pass, so that the second finds the data in the nearest cache.
constexpr std::size_t sum_block = 256;

/// n elements as float or double; 16-bit types are widened into room.
template <class E, class S> RECTIFIER_INLINE const S* as_scalars(const E* x, S* room, std::size_t n) {
  if constexpr (sizeof(E) == 2) {
    widen_loop<E>(room, x, n);
    return room;
  } else {
    (void)room;
    (void)n;
    return x;
  }
}

template <class S> RECTIFIER_INLINE double term(S g, S x) {
  const double product = static_cast<double>(g) * static_cast<double>(x);
  return x > S(0) ? 0.0 : product;
}

template <class E>
void sum_along_loop(void* dx_, const void* g_, const void* x_, double slope, std::size_t n, double* lanes) {
  using S = typename Arithmetic<E>::scalar;
  const Parameters parameters{slope, 0.0, 0.0};
  S room_g[sum_block], room_x[sum_block];
  double sums[sum_lanes];
  for (std::size_t k = 0; k < sum_lanes; ++k) sums[k] = lanes[k];
  for (std::size_t i = 0; i < n; i += sum_block) {
    const std::size_t count = n - i < sum_block ? n - i : sum_block;
    const E* block_g = static_cast<const E*>(g_) + i;
    const E* block_x = static_cast<const E*>(x_) + i;
    const S* g = as_scalars(block_g, room_g, count);
    const S* x = as_scalars(block_x, room_x, count);
    std::size_t k = 0;
    for (; k + sum_lanes <= count; k += sum_lanes)
      for (std::size_t lane = 0; lane < sum_lanes; ++lane) sums[lane] += term(g[k + lane], x[k + lane]);
    for (std::size_t lane = 0; k + lane < count; ++lane) sums[lane] += term(g[k + lane], x[k + lane]);
    // After the sums: dx may be g or x itself.
    if (dx_ != nullptr)
      pullback_loop<E, Leaky>(static_cast<E*>(dx_) + i, block_g, block_x, count, parameters, cached);
  }
  for (std::size_t k = 0; k < sum_lanes; ++k) lanes[k] = sums[k];
}

template <class E>
void sum_across_loop(void* dx_, const void* g_, const void* x_, const void* slopes_, std::size_t n, double* sums) {
  using S = typename Arithmetic<E>::scalar;
  S room_g[sum_block], room_x[sum_block];
  for (std::size_t i = 0; i < n; i += sum_block) {
    const std::size_t count = n - i < sum_block ? n - i : sum_block;
    const E* block_g = static_cast<const E*>(g_) + i;
    const E* block_x = static_cast<const E*>(x_) + i;
    const S* g = as_scalars(block_g, room_g, count);
    const S* x = as_scalars(block_x, room_x, count);
    for (std::size_t k = 0; k < count; ++k) sums[i + k] += term(g[k], x[k]);
    if (dx_ != nullptr)
      scale_pullback_loop<E>(static_cast<E*>(dx_) + i, block_g, block_x, static_cast<const S*>(slopes_) + i, count,
                             cached);
  }
}

}  // namespace rectifier::RECTIFIER_TARGET
