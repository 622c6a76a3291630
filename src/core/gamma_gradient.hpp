// prelu's backward pass on arrays of any layout.
#pragma once

#include "nest.hpp"

namespace rectifier {

/// The arrays of the pass, all with the strides of the data's shape; gamma and d_gamma repeat along what gamma covers
/// with strides of 0. `dx` may be absent. d_gamma has the layout of gamma's shape in C order.
struct GammaPass {
  int dims = 0;
  std::ptrdiff_t shape[max_dims] = {};
  bool kept[max_dims] = {};  // whether gamma has a size of its own along the axis
  View dx, upstream, input, gamma, d_gamma;
  Type type = float32;
  Type gamma_type = float32;    // of gamma, as read
  Type d_gamma_type = float32;  // of d_gamma, as written
  bool wants_dx = true;
};

/// Computes dx = x > 0 ? g : gamma * g and d_gamma = the sum of g * x over the x that gamma covers and that are not
/// above 0. The order of the sum depends on the shapes alone.
void run_gamma_pass(const GammaPass& pass);

}  // namespace rectifier
