// The Python module: checks that arrays fit together, describes them as a nest of loops, and lets go of the GIL.
// It reads NumPy arrays by NumPy's own C interface: a call on 16 elements has no time for another.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <string>

#define NPY_TARGET_VERSION NPY_1_22_API_VERSION
#include <numpy/arrayobject.h>

#include "arrays.hpp"
#include "cpu.hpp"
#include "gamma_gradient.hpp"
#include "nest.hpp"
#include "pool.hpp"
#include "quick.hpp"
#include "result_memory.hpp"

using namespace rectifier;

namespace {

// Below this many elements, giving up the GIL costs more than the work.
constexpr std::size_t release_gil_from = 8192;

/// Runs the nest, without the GIL where there is enough to do.
void run(Nest& nest, const Work& work) {
  if (nest.size() < release_gil_from) return run_elementwise(nest, work);
  nb::gil_scoped_release release;
  run_elementwise(nest, work);
}

void apply(int formula, nb::handle out_, nb::handle data_, nb::handle upstream_, nb::handle gamma_, double slope,
           nb::handle key, double lower, double upper, std::uint64_t first) {
  require(formula >= 0 && formula < kernels().formula_count, "`formula` is unknown");
  PyArrayObject* result = as_array(out_, "out");
  // Signs stand for data whose shape and dtype are those of the output.
  const bool signs = PyArray_Check(data_.ptr()) && PyArray_TYPE(as_array(data_, "data")) == NPY_UINT8;
  PyArrayObject* data = signs ? result : as_array(data_, "data");
  Nest nest;
  Work work;
  work.formula = static_cast<Formula>(formula);
  work.type = type_of(data, "data");
  work.parameters = {slope, lower, upper};
  require(PyArray_ISWRITEABLE(result) && type_of(result, "out") == work.type,
          "`out` must be writeable, of data's dtype");
  nest.dims = PyArray_NDIM(data);
  for (int d = 0; d < nest.dims; ++d) nest.shape[d] = PyArray_DIM(data, d);
  nest.views[out] = same_shape(result, data, "out");
  nest.used[out] = true;
  if (signs) {
    PyArrayObject* packed = as_array(data_, "data");
    require(PyArray_IS_C_CONTIGUOUS(packed) && PyArray_SIZE(packed) == static_cast<npy_intp>((nest.size() + 7) / 8),
            "`data` must have one bit for each element");
    work.signs = static_cast<const std::uint8_t*>(PyArray_DATA(packed));
  } else {
    nest.views[input] = same_shape(data, data, "data");
    nest.used[input] = true;
  }
  if (!upstream_.is_none()) {
    PyArrayObject* gradient = as_array(upstream_, "d_out");
    require(type_of(gradient, "d_out") == work.type, "`d_out` must have the data's dtype");
    nest.views[upstream] = same_shape(gradient, data, "d_out");
    nest.used[upstream] = work.backward = true;
  }
  if (!gamma_.is_none()) {
    PyArrayObject* gamma = as_array(gamma_, "gamma");
    work.slope_type = type_of(gamma, "gamma");
    require(slope_size(work.slope_type) == slope_size(work.type),
            "`gamma` must be of the arithmetic type or widen to it");
    nest.views[slopes] = view_of(gamma, nest.dims, nest.shape, "gamma");
    nest.used[slopes] = true;
  }
  if (!key.is_none()) {
    work.drawn = true;
    work.range = slope_range(nb::cast<std::uint64_t>(key), lower, upper);
    work.first = first;
  }
  if (work.drawn || signs) count_elements(nest);
  run(nest, work);
}

void pack(nb::handle bits_, nb::handle data_) {
  PyArrayObject* bits = as_array(bits_, "bits");
  PyArrayObject* data = as_array(data_, "data");
  Nest nest;
  nest.dims = PyArray_NDIM(data);
  for (int d = 0; d < nest.dims; ++d) nest.shape[d] = PyArray_DIM(data, d);
  nest.views[input] = same_shape(data, data, "data");
  const Type type = type_of(data, "data");
  require(PyArray_TYPE(bits) == NPY_UINT8 && PyArray_IS_C_CONTIGUOUS(bits) && PyArray_ISWRITEABLE(bits) &&
              PyArray_SIZE(bits) == static_cast<npy_intp>((nest.size() + 7) / 8),
          "`bits` must be writeable, with one bit for each element");
  nb::gil_scoped_release release;
  pack_signs(nest, type, static_cast<std::uint8_t*>(PyArray_DATA(bits)));
}

void gamma_pullback(nb::handle d_data_, nb::handle d_gamma_, nb::handle upstream_, nb::handle data_,
                    nb::handle gamma_) {
  PyArrayObject* data = as_array(data_, "data");
  PyArrayObject* gradient = as_array(upstream_, "d_out");
  PyArrayObject* gamma = as_array(gamma_, "gamma");
  PyArrayObject* d_gamma = as_array(d_gamma_, "d_gamma");
  GammaPass pass;
  pass.dims = PyArray_NDIM(data);
  pass.type = type_of(data, "data");
  pass.gamma_type = type_of(gamma, "gamma");
  pass.d_gamma_type = type_of(d_gamma, "d_gamma");
  require(type_of(gradient, "d_out") == pass.type, "`d_out` must have the data's dtype");
  require(slope_size(pass.gamma_type) == slope_size(pass.type),
          "`gamma` must be of the arithmetic type or widen to it");
  require(PyArray_ISWRITEABLE(d_gamma) && PyArray_SAMESHAPE(d_gamma, gamma),
          "`d_gamma` must be writeable, of gamma's shape");
  pass.input = same_shape(data, data, "data");
  pass.upstream = same_shape(gradient, data, "d_out");
  std::size_t n = 1;
  for (int d = 0; d < pass.dims; ++d) {
    pass.shape[d] = PyArray_DIM(data, d);
    n *= static_cast<std::size_t>(pass.shape[d]);
  }
  pass.gamma = view_of(gamma, pass.dims, pass.shape, "gamma");
  pass.d_gamma = view_of(d_gamma, pass.dims, pass.shape, "d_gamma");
  for (int d = 0; d < pass.dims; ++d) pass.kept[d] = PyArray_DIM(gamma, d) == pass.shape[d];
  pass.wants_dx = !d_data_.is_none();
  if (pass.wants_dx) {
    PyArrayObject* d_data = as_array(d_data_, "out");
    require(PyArray_ISWRITEABLE(d_data) && type_of(d_data, "out") == pass.type,
            "`out` must be writeable, of data's dtype");
    pass.dx = same_shape(d_data, data, "out");
  }
  require(n > 0, "`data` must not be empty");
  if (n < release_gil_from) return run_gamma_pass(pass);
  nb::gil_scoped_release release;
  run_gamma_pass(pass);
}

void draw_slopes(nb::handle out_, std::uint64_t key, double lower, double upper, std::uint64_t first) {
  PyArrayObject* result = as_array(out_, "out");
  require(PyArray_IS_C_CONTIGUOUS(result) && PyArray_ISWRITEABLE(result) && type_of(result, "out") == float32,
          "`out` must be a contiguous float32 array");
  const SlopeRange range = slope_range(key, lower, upper);
  const auto n = static_cast<std::size_t>(PyArray_SIZE(result));
  auto* slopes = static_cast<float*>(PyArray_DATA(result));
  nb::gil_scoped_release release;
  constexpr std::size_t share = 1 << 14;
  auto body = [&](std::size_t task) {
    const std::size_t from = task * share, count = n - from < share ? n - from : share;
    kernels().draw_float(slopes + from, first + from, count, range);
  };
  parallel_for((n + share - 1) / share, threads_for(n, 0.5), body);
}

nb::object call(nb::handle data, nb::handle gamma, nb::handle act_type, nb::handle slope, nb::handle lower,
                nb::handle upper, nb::handle training, nb::handle rng, nb::handle axis, nb::handle result) {
  QuickCall quick;
  if (!quick.read_parameters(act_type, slope, lower, upper, training, rng, axis) ||
      !quick.read_arrays(data, gamma, result))
    return nb::borrow(Py_NotImplemented);
  run(quick.nest, quick.work);
  return std::move(quick.result);
}

nb::typed<nb::list, nb::str> cpu_targets() {
  nb::typed<nb::list, nb::str> names;
  for (const Kernels* const* target = available_targets(); *target != nullptr; ++target)
    names.append(nb::str((*target)->name));
  return names;
}

void set_cpu_target(const std::string& name) {
  for (const Kernels* const* target = available_targets(); *target != nullptr; ++target)
    if (name == (*target)->name) return use_target(**target);
  throw nb::value_error(("`name` must be a target that this CPU can run, got " + name).c_str());
}

int import_numpy() {
  import_array1(-1);
  return 0;
}

}  // namespace

NB_MODULE(_core, m) {
  if (import_numpy() < 0) throw nb::python_error();
  m.doc() = "The compiled kernels; use `rectifier` instead.";
  define_result_memory(m);
  m.def(
      "register_bfloat16", [](int number) { bfloat16_number = number; }, nb::arg("number"),
      "Tell NumPy's type number of bfloat16.");
  m.def("apply", &apply, nb::arg("formula"), nb::arg("out"), nb::arg("data"), nb::arg("d_out").none() = nb::none(),
        nb::arg("gamma").none() = nb::none(), nb::arg("slope") = 0.0, nb::arg("key").none() = nb::none(),
        nb::arg("lower") = 0.0, nb::arg("upper") = 0.0, nb::arg("first") = 0,
        "Write a formula's value, or d_out times its derivative, to out.");
  m.def("register_activation", &register_activation, nb::arg("name"), nb::arg("formula"), nb::arg("has_gamma"),
        nb::arg("is_random"), "Tell a row of the table of activations to `call`.");
  m.def("register_bounds", &register_bounds, nb::arg("lower"), nb::arg("upper"),
        "Tell the default bounds of rrelu to `call`.");
  m.def("call", &call,
        nb::sig("def call(data: object, gamma: object, act_type: object, slope: object, lower: object, "
                "upper: object, training: object, rng: object, axis: object, out: object) -> typing.Any"),
        nb::arg("data").none(), nb::arg("gamma").none(), nb::arg("act_type").none(), nb::arg("slope").none(),
        nb::arg("lower").none(), nb::arg("upper").none(), nb::arg("training").none(), nb::arg("rng").none(),
        nb::arg("axis").none(), nb::arg("out").none(), "The operator on plain arguments, or NotImplemented.");
  m.def("gamma_pullback", &gamma_pullback, nb::arg("d_data").none(), nb::arg("d_gamma"), nb::arg("d_out"),
        nb::arg("data"), nb::arg("gamma"), "Write prelu's two gradients.");
  m.def(
      "in_the_way",
      [](nb::handle target, nb::handle source) {
        return in_the_way(as_array(target, "target"), as_array(source, "source"));
      },
      nb::arg("target"), nb::arg("source"),
      "Whether writing to target, element after element, can change later elements of source.");
  m.def("pack_signs", &pack, nb::arg("bits"), nb::arg("data"), "Write one bit an element: whether it is above zero.");
  m.def("draw_slopes", &draw_slopes, nb::arg("out"), nb::arg("key"), nb::arg("lower"), nb::arg("upper"),
        nb::arg("first") = 0, "Write rrelu's slopes of the elements from first on.");
  m.def("num_threads", &num_threads, "How many threads a call may use.");
  m.def("set_num_threads", &set_num_threads, nb::arg("n"), "Set how many threads a call may use.");
  m.def("cpu_targets", &cpu_targets, "The CPU targets that this processor can run, best last.");
  m.def("cpu_target", [] { return kernels().name; }, "The CPU target in use.");
  m.def("set_cpu_target", &set_cpu_target, nb::arg("name"), "Use another CPU target.");
}
