// The core's verbs on arrays: checks that they fit together, and describes the work. For bindings.cpp.
#pragma once

#include <optional>

#include "arrays.hpp"
#include "cpu.hpp"
#include "gamma_gradient.hpp"
#include "nest.hpp"

namespace rectifier {

/// A formula's value, or `upstream` times its derivative.
struct Apply {
  int formula = 0;
  Array out, data;
  std::optional<Array> upstream, gamma;
  Parameters parameters{};
  std::optional<std::uint64_t> key;
  std::uint64_t first = 0;
  const std::ptrdiff_t* steps = nullptr;  // of the index along each axis, where it is not that of C order
};

inline void prepare(const Apply& call, Nest& nest, Work& work) {
  require(call.formula >= 0 && call.formula < kernels().formula_count, "`formula` is unknown");
  // Signs stand for data whose shape and dtype are those of the output.
  const bool signs = call.data.kind == Array::bytes;
  const Array& data = signs ? call.out : call.data;
  work.formula = static_cast<Formula>(call.formula);
  work.type = type_of(data, "data");
  work.parameters = call.parameters;
  require(call.out.writeable && type_of(call.out, "out") == work.type, "`out` must be writeable, of data's dtype");
  shape_of(data, nest);
  nest.views[out] = same_shape(call.out, data, "out");
  nest.used[out] = true;
  if (signs) {
    require(call.data.c_contiguous() && call.data.size() == static_cast<npy_intp>((nest.size() + 7) / 8),
            "`data` must have one bit for each element");
    require(call.steps == nullptr, "`steps` must be None where `data` are bits, which are in C order");
    work.signs = reinterpret_cast<const std::uint8_t*>(call.data.data);
  } else {
    nest.views[input] = same_shape(data, data, "data");
    nest.used[input] = true;
  }
  if (call.upstream) {
    require(type_of(*call.upstream, "d_out") == work.type, "`d_out` must have the data's dtype");
    nest.views[upstream] = same_shape(*call.upstream, data, "d_out");
    nest.used[upstream] = work.backward = true;
  }
  if (call.gamma) {
    work.slope_type = type_of(*call.gamma, "gamma");
    require(slope_size(work.slope_type) == slope_size(work.type),
            "`gamma` must be of the arithmetic type or widen to it");
    nest.views[slopes] = view_of(*call.gamma, nest.dims, nest.shape, "gamma");
    nest.used[slopes] = true;
  }
  if (call.key) {
    work.drawn = true;
    work.range = slope_range(*call.key, call.parameters.lower, call.parameters.upper);
    work.first = call.first;
  }
  if (!work.drawn && !signs) return;
  count_elements(nest);
  for (int d = 0; call.steps != nullptr && d < nest.dims; ++d) nest.views[position].strides[d] = call.steps[d];
}

inline GammaPass prepare_gamma_pass(const std::optional<Array>& d_data, const Array& d_gamma, const Array& gradient,
                                    const Array& data, const Array& gamma) {
  GammaPass pass;
  pass.dims = data.dims;
  pass.type = type_of(data, "data");
  pass.gamma_type = type_of(gamma, "gamma");
  pass.d_gamma_type = type_of(d_gamma, "d_gamma");
  require(type_of(gradient, "d_out") == pass.type, "`d_out` must have the data's dtype");
  require(slope_size(pass.gamma_type) == slope_size(pass.type),
          "`gamma` must be of the arithmetic type or widen to it");
  require(d_gamma.writeable && have_same_shape(d_gamma, gamma), "`d_gamma` must be writeable, of gamma's shape");
  pass.input = same_shape(data, data, "data");
  pass.upstream = same_shape(gradient, data, "d_out");
  for (int d = 0; d < pass.dims; ++d) pass.shape[d] = data.shape[d];
  pass.gamma = view_of(gamma, pass.dims, pass.shape, "gamma");
  pass.d_gamma = view_of(d_gamma, pass.dims, pass.shape, "d_gamma");
  for (int d = 0; d < pass.dims; ++d) pass.kept[d] = gamma.shape[d] == pass.shape[d];
  pass.wants_dx = d_data.has_value();
  if (pass.wants_dx) {
    require(d_data->writeable && type_of(*d_data, "out") == pass.type, "`out` must be writeable, of data's dtype");
    pass.dx = same_shape(*d_data, data, "out");
  }
  require(data.size() > 0, "`data` must not be empty");
  return pass;
}

inline Nest prepare_packing(const Array& bits, const Array& data) {
  Nest nest;
  shape_of(data, nest);
  type_of(data, "data");
  nest.views[input] = same_shape(data, data, "data");
  require(bits.kind == Array::bytes && bits.c_contiguous() && bits.writeable &&
              bits.size() == static_cast<npy_intp>((nest.size() + 7) / 8),
          "`bits` must be writeable, with one bit for each element");
  return nest;
}

}  // namespace rectifier
