// `vjp` on the quick path: the value, and a pullback that takes plain arrays without a line of Python. For
// bindings.cpp.
#pragma once

#include <nanobind/nanobind.h>

#include <utility>

#include "../rectifier/_torch/without_gil.hpp"
#include "gamma_gradient.hpp"
#include "quick.hpp"
#include "result_memory.hpp"

namespace rectifier {

/// Does work on n elements, without the GIL where there is enough to do.
template <class Body>
void release_and(std::size_t n, const Body& body) {
  constexpr std::size_t release_gil_from = 8192;  // below, giving up the GIL costs more than the work
  if (n < release_gil_from) return body();
  const WithoutGil released;
  body();
}

inline void run(Nest& nest, const Work& work) {
  release_and(nest.size(), [&] { run_elementwise(nest, work); });
}

inline void run(const GammaPass& pass, std::size_t n) {
  release_and(n, [&] { run_gamma_pass(pass); });
}

/// From the gradient of the output to those of the inputs.
class Pullback {
 public:
  /// Python's function for arguments that are not plain: from what is kept, gamma and the parameters to a pullback.
  static inline PyObject* general = nullptr;

  Pullback(const QuickParameters& parameters, nb::handle kept, nb::handle gamma, nb::tuple given)
      : parameters_(parameters), kept_(nb::borrow(kept)), gamma_(nb::borrow(gamma)), given_(std::move(given)) {
    parameters_.work.backward = true;
  }

  nb::object call(nb::handle d_out, nb::handle out) const {
    QuickCall quick(parameters_);
    Array data, gradient;
    if (read(kept_, data) && read(d_out, gradient) && like(gradient, data)) {
      quick.work.type = type_of(data, "data");
      shape_of(data, quick.nest);
      nb::object results =
          quick.has_gamma ? two_gradients(quick, data, gradient, out) : one_gradient(quick, data, gradient, out);
      if (results.is_valid()) return results;
    }
    return nb::handle(general)(kept_, gamma_, *given_)(d_out, out);
  }

 private:
  static bool read(nb::handle object, Array& array) {
    return PyArray_CheckExact(object.ptr()) && QuickCall::plain(object, array);
  }
  static bool like(const Array& array, const Array& other) {
    return array.kind == other.kind && have_same_shape(array, other);
  }

  /// The array to write to, a new one where there is none; invalid unless it is plain.
  static nb::object target(nb::handle given, nb::handle model, const Array& like_array, Array& array) {
    nb::object found = given.is_none() ? new_like(model, like_array) : nb::borrow(given);
    return read(found, array) && array.writeable && !array.repeats() && like(array, like_array) ? found : nb::object();
  }

  nb::object one_gradient(QuickCall& quick, const Array& data, const Array& gradient, nb::handle out_) const {
    Array dx;
    nb::object result = target(out_, kept_, data, dx);
    if (!result.is_valid() || in_the_way(dx, data) || in_the_way(dx, gradient)) return {};
    Nest& nest = quick.nest;
    nest.views[out] = same_shape(dx, data, "out");
    nest.views[input] = same_shape(data, data, "data");
    nest.views[upstream] = same_shape(gradient, data, "d_out");
    nest.used[out] = nest.used[input] = nest.used[upstream] = true;
    if (quick.work.drawn) count_elements(nest);
    run(nest, quick.work);
    return result;
  }

  nb::object two_gradients(QuickCall& quick, const Array& data, const Array& gradient, nb::handle out_) const {
    nb::handle outs[2] = {nb::none(), nb::none()};
    if (!out_.is_none()) {
      if (!PyTuple_CheckExact(out_.ptr()) || PyTuple_GET_SIZE(out_.ptr()) != 2) return {};
      for (int k = 0; k < 2; ++k) outs[k] = PyTuple_GET_ITEM(out_.ptr(), k);
    }
    Array gamma, dx, d_gamma;
    const auto n = static_cast<std::size_t>(data.size());
    if (n == 0 || !read(gamma_, gamma) || !quick.read_gamma(gamma_, gamma)) return {};
    const nb::object first = target(outs[0], kept_, data, dx);
    if (!first.is_valid()) return {};
    const nb::object second = target(outs[1], gamma_, gamma, d_gamma);
    if (!second.is_valid() || overlap(dx, d_gamma)) return {};
    const Array* const sources[] = {&data, &gradient, &gamma};
    for (const Array* from : sources)
      if (in_the_way(dx, *from) || in_the_way(d_gamma, *from)) return {};
    GammaPass pass;
    pass.dims = data.dims;
    for (int d = 0; d < pass.dims; ++d) pass.shape[d] = data.shape[d];
    pass.type = quick.work.type;
    pass.gamma_type = pass.d_gamma_type = quick.work.slope_type;
    if (!quick.line_up(gamma, pass.gamma, pass.kept) || !quick.line_up(d_gamma, pass.d_gamma, pass.kept)) return {};
    pass.input = same_shape(data, data, "data");
    pass.upstream = same_shape(gradient, data, "d_out");
    pass.dx = same_shape(dx, data, "out");
    run(pass, n);
    return nb::make_tuple(first, second);
  }

  QuickParameters parameters_;
  nb::object kept_, gamma_;
  nb::tuple given_;
};

/// The operator's value and its pullback, or NotImplemented.
inline nb::object quick_vjp(nb::handle data_, nb::handle gamma, nb::handle act_type, nb::handle slope, nb::handle lower,
                            nb::handle upper, nb::handle training, nb::handle rng, nb::handle axis, nb::handle out_) {
  const nb::object declined = nb::borrow(Py_NotImplemented);
  QuickCall quick;
  if (!quick.read_parameters(act_type, slope, lower, upper, training, rng, axis) || !PyArray_CheckExact(data_.ptr()))
    return declined;
  const bool is_leaky = quick.work.formula == leaky && !quick.has_gamma;
  if (is_leaky && !((quick.work.drawn ? quick.work.parameters.lower : quick.work.parameters.slope) >= 0))
    return declined;  // the sign of the output does not tell the branch
  if (!quick.read_arrays(data_, gamma, out_)) return declined;
  if (!out_.is_none()) {
    const Array data = read_array(data_, "data"), given = read_array(out_, "out");
    // The gradient has the layout of the output, and what is kept must stay as it is.
    for (int d = 0; d < data.dims; ++d)
      if (data.shape[d] > 1 && data.stride(d) != given.stride(d)) return declined;
    if (!is_leaky && overlap(data, given)) return declined;
    if (quick.has_gamma && overlap(read_array(gamma, "gamma"), given)) return declined;
  }
  run(quick.nest, quick.work);
  const nb::handle kept = is_leaky ? nb::handle(quick.result) : data_;
  return nb::make_tuple(
      quick.result, Pullback(quick, kept, gamma, nb::make_tuple(act_type, slope, lower, upper, training, rng, axis)));
}

inline void define_pullback(nb::module_& m) {
  nb::class_<Pullback>(m, "Pullback", "From the gradient of an output to those of the inputs.")
      .def("__call__", &Pullback::call, nb::sig("def __call__(self, d_out: object, out: object = None) -> typing.Any"),
           nb::arg("d_out").none(), nb::arg("out").none() = nb::none(), "The gradient, or prelu's two.");
  m.def(
      "register_pullback", [](nb::handle general) { Pullback::general = general.inc_ref().ptr(); }, nb::arg("general"),
      "Tell the function that makes a pullback for whatever is not plain.");
  m.def("vjp", &quick_vjp,
        nb::sig("def vjp(data: object, gamma: object, act_type: object, slope: object, lower: object, upper: object, "
                "training: object, rng: object, axis: object, out: object) -> typing.Any"),
        nb::arg("data").none(), nb::arg("gamma").none(), nb::arg("act_type").none(), nb::arg("slope").none(),
        nb::arg("lower").none(), nb::arg("upper").none(), nb::arg("training").none(), nb::arg("rng").none(),
        nb::arg("axis").none(), nb::arg("out").none(),
        "The value and its pullback on plain arguments, or NotImplemented.");
}

}  // namespace rectifier
