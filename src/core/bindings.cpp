// The Python module: checks that arrays fit together, describes them as a nest of loops, and lets go of the GIL.
// It reads NumPy arrays by NumPy's own C interface: a call on 16 elements has no time for another.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <cmath>
#include <string>

#define NPY_TARGET_VERSION NPY_1_22_API_VERSION
#include <numpy/arrayobject.h>

#include "cpu.hpp"
#include "gamma_gradient.hpp"
#include "nest.hpp"
#include "pool.hpp"

namespace nb = nanobind;
using namespace rectifier;

namespace {

int bfloat16_number = -1;

// Below this many elements, giving up the GIL costs more than the work.
constexpr std::size_t release_gil_from = 8192;

PyArrayObject* as_array(nb::handle object, const char* name) {
  if (!PyArray_Check(object.ptr())) throw nb::type_error((std::string("`") + name + "` must be an array").c_str());
  return reinterpret_cast<PyArrayObject*>(object.ptr());
}

Type type_of(PyArrayObject* array, const char* name) {
  const int number = PyArray_TYPE(array);
  if (PyArray_ISBEHAVED_RO(array)) {
    if (number == NPY_FLOAT) return float32;
    if (number == NPY_DOUBLE) return float64;
    if (number == NPY_HALF) return float16;
    if (number == bfloat16_number) return bfloat16;
  }
  throw nb::type_error((std::string("`") + name + "` must be an aligned native float array").c_str());
}

/// An array as a view of `shape`, its axes of length 1 repeated.
View view_of(PyArrayObject* array, int dims, const npy_intp* shape, const char* name) {
  View view;
  bool fits = PyArray_NDIM(array) == dims;
  view.data = static_cast<char*>(PyArray_DATA(array));
  for (int d = 0; fits && d < dims; ++d) {
    const npy_intp length = PyArray_DIM(array, d);
    view.strides[d] = length == 1 ? 0 : PyArray_STRIDE(array, d);
    fits = length == shape[d] || length == 1;
  }
  if (!fits) throw nb::value_error((std::string("`") + name + "` does not fit the shape of the data").c_str());
  return view;
}

View same_shape(PyArrayObject* array, PyArrayObject* like, const char* name) {
  if (!PyArray_SAMESHAPE(array, like))
    throw nb::value_error((std::string("`") + name + "` must have the shape of the data").c_str());
  return view_of(array, PyArray_NDIM(like), PyArray_DIMS(like), name);
}

void require(bool condition, const char* message) {
  if (!condition) throw nb::value_error(message);
}

SlopeRange slope_range(std::uint64_t key, double lower, double upper) {
  SlopeRange range;
  range.key = key;
  range.lower = static_cast<float>(lower);
  range.upper = static_cast<float>(upper);
  range.last = range.lower < range.upper ? std::nextafter(range.upper, range.lower) : range.lower;
  return range;
}

void apply(int formula, nb::handle out_, nb::handle data_, nb::handle upstream_, nb::handle gamma_, double slope,
           nb::handle key, double lower, double upper, std::uint64_t first) {
  require(formula >= 0 && formula < formula_count, "`formula` is unknown");
  PyArrayObject* data = as_array(data_, "data");
  PyArrayObject* result = as_array(out_, "out");
  Nest nest;
  Work work;
  work.formula = static_cast<Formula>(formula);
  work.type = type_of(data, "data");
  work.parameters = {slope, lower, upper};
  require(PyArray_ISWRITEABLE(result) && type_of(result, "out") == work.type, "`out` must be writeable, of data's dtype");
  nest.dims = PyArray_NDIM(data);
  for (int d = 0; d < nest.dims; ++d) nest.shape[d] = PyArray_DIM(data, d);
  nest.views[out] = same_shape(result, data, "out");
  nest.views[input] = same_shape(data, data, "data");
  nest.used[out] = nest.used[input] = true;
  if (!upstream_.is_none()) {
    PyArrayObject* gradient = as_array(upstream_, "d_out");
    require(type_of(gradient, "d_out") == work.type, "`d_out` must have the data's dtype");
    nest.views[upstream] = same_shape(gradient, data, "d_out");
    nest.used[upstream] = work.backward = true;
  }
  if (!gamma_.is_none()) {
    PyArrayObject* gamma = as_array(gamma_, "gamma");
    work.slope_type = type_of(gamma, "gamma");
    nest.views[slopes] = view_of(gamma, nest.dims, nest.shape, "gamma");
    nest.used[slopes] = true;
  }
  if (!key.is_none()) {
    work.drawn = nest.used[position] = true;
    work.range = slope_range(nb::cast<std::uint64_t>(key), lower, upper);
    work.first = first;
    std::ptrdiff_t step = 1;
    for (int d = nest.dims - 1; d >= 0; step *= nest.shape[d--]) nest.views[position].strides[d] = step;
  }
  if (nest.size() < release_gil_from) return run_elementwise(nest, work);
  nb::gil_scoped_release release;
  run_elementwise(nest, work);
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

nb::list cpu_targets() {
  nb::list names;
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
  m.def("register_bfloat16", [](int number) { bfloat16_number = number; }, nb::arg("number"),
        "Tell NumPy's type number of bfloat16.");
  m.def("apply", &apply, nb::arg("formula"), nb::arg("out"), nb::arg("data"), nb::arg("d_out").none() = nb::none(),
        nb::arg("gamma").none() = nb::none(), nb::arg("slope") = 0.0, nb::arg("key").none() = nb::none(),
        nb::arg("lower") = 0.0, nb::arg("upper") = 0.0, nb::arg("first") = 0,
        "Write a formula's value, or d_out times its derivative, to out.");
  m.def("gamma_pullback", &gamma_pullback, nb::arg("d_data").none(), nb::arg("d_gamma"), nb::arg("d_out"),
        nb::arg("data"), nb::arg("gamma"), "Write prelu's two gradients.");
  m.def("draw_slopes", &draw_slopes, nb::arg("out"), nb::arg("key"), nb::arg("lower"), nb::arg("upper"),
        nb::arg("first") = 0, "Write rrelu's slopes of the elements from first on.");
  m.def("num_threads", &num_threads, "How many threads a call may use.");
  m.def("set_num_threads", &set_num_threads, nb::arg("n"), "Set how many threads a call may use.");
  m.def("cpu_targets", &cpu_targets, "The CPU targets that this processor can run, best last.");
  m.def("cpu_target", [] { return kernels().name; }, "The CPU target in use.");
  m.def("set_cpu_target", &set_cpu_target, nb::arg("name"), "Use another CPU target.");
}
