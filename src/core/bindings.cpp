// The Python module: checks that arrays fit together, describes them as a nest of loops, and lets go of the GIL.
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
#include "pullback.hpp"
#include "quick.hpp"
#include "result_memory.hpp"
#include "tensors.hpp"

using namespace rectifier;

namespace {

/// The index of each element: in C order, or by the steps that the caller gives for each axis.
void number_elements(Nest& nest, nb::handle steps) {
  count_elements(nest);
  if (steps.is_none()) return;
  require(PyTuple_Check(steps.ptr()) && PyTuple_GET_SIZE(steps.ptr()) == nest.dims,
          "`steps` must be a tuple with one step for each axis");
  for (int d = 0; d < nest.dims; ++d)
    nest.views[position].strides[d] = nb::cast<std::ptrdiff_t>(nb::handle(PyTuple_GET_ITEM(steps.ptr(), d)));
}

void apply(int formula, nb::handle out_, nb::handle data_, nb::handle upstream_, nb::handle gamma_, double slope,
           nb::handle key, double lower, double upper, std::uint64_t first, nb::handle steps) {
  require(formula >= 0 && formula < kernels().formula_count, "`formula` is unknown");
  const Array result = read_array(out_, "out"), given = read_array(data_, "data");
  // Signs stand for data whose shape and dtype are those of the output.
  const bool signs = given.kind == Array::bytes;
  const Array& data = signs ? result : given;
  Nest nest;
  Work work;
  work.formula = static_cast<Formula>(formula);
  work.type = type_of(data, "data");
  work.parameters = {slope, lower, upper};
  require(result.writeable && type_of(result, "out") == work.type, "`out` must be writeable, of data's dtype");
  shape_of(data, nest);
  nest.views[out] = same_shape(result, data, "out");
  nest.used[out] = true;
  if (signs) {
    require(given.c_contiguous() && given.size() == static_cast<npy_intp>((nest.size() + 7) / 8),
            "`data` must have one bit for each element");
    require(steps.is_none(), "`steps` must be None where `data` are bits, which are in C order");
    work.signs = reinterpret_cast<const std::uint8_t*>(given.data);
  } else {
    nest.views[input] = same_shape(data, data, "data");
    nest.used[input] = true;
  }
  if (!upstream_.is_none()) {
    const Array gradient = read_array(upstream_, "d_out");
    require(type_of(gradient, "d_out") == work.type, "`d_out` must have the data's dtype");
    nest.views[upstream] = same_shape(gradient, data, "d_out");
    nest.used[upstream] = work.backward = true;
  }
  if (!gamma_.is_none()) {
    const Array gamma = read_array(gamma_, "gamma");
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
  if (work.drawn || signs) number_elements(nest, steps);
  run(nest, work);
}

void pack(nb::handle bits_, nb::handle data_) {
  const Array bits = read_array(bits_, "bits"), data = read_array(data_, "data");
  Nest nest;
  shape_of(data, nest);
  nest.views[input] = same_shape(data, data, "data");
  const Type type = type_of(data, "data");
  require(bits.kind == Array::bytes && bits.c_contiguous() && bits.writeable &&
              bits.size() == static_cast<npy_intp>((nest.size() + 7) / 8),
          "`bits` must be writeable, with one bit for each element");
  nb::gil_scoped_release release;
  pack_signs(nest, type, reinterpret_cast<std::uint8_t*>(bits.data));
}

void gamma_pullback(nb::handle d_data_, nb::handle d_gamma_, nb::handle upstream_, nb::handle data_,
                    nb::handle gamma_) {
  const Array data = read_array(data_, "data"), gradient = read_array(upstream_, "d_out");
  const Array gamma = read_array(gamma_, "gamma"), d_gamma = read_array(d_gamma_, "d_gamma");
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
  pass.wants_dx = !d_data_.is_none();
  if (pass.wants_dx) {
    const Array d_data = read_array(d_data_, "out");
    require(d_data.writeable && type_of(d_data, "out") == pass.type, "`out` must be writeable, of data's dtype");
    pass.dx = same_shape(d_data, data, "out");
  }
  const auto n = static_cast<std::size_t>(data.size());
  require(n > 0, "`data` must not be empty");
  run(pass, n);
}

void draw_slopes(nb::handle out_, std::uint64_t key, double lower, double upper, std::uint64_t first) {
  const Array result = read_array(out_, "out");
  require(result.c_contiguous() && result.writeable && type_of(result, "out") == float32,
          "`out` must be a contiguous float32 array");
  const SlopeRange range = slope_range(key, lower, upper);
  const auto n = static_cast<std::size_t>(result.size());
  auto* slopes = reinterpret_cast<float*>(result.data);
  nb::gil_scoped_release release;
  constexpr std::size_t share = 1 << 14;
  auto body = [&](std::size_t task) {
    const std::size_t from = task * share, count = n - from < share ? n - from : share;
    kernels().draw(slopes + from, first + from, count, range);
  };
  parallel_for((n + share - 1) / share, threads_for(0.5 * static_cast<double>(n)), body);
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
  define_tensors(m);
  define_pullback(m);
  m.def(
      "register_bfloat16", [](int number) { bfloat16_number = number; }, nb::arg("number"),
      "Tell NumPy's type number of bfloat16.");
  m.def("apply", &apply, nb::arg("formula"), nb::arg("out"), nb::arg("data"), nb::arg("d_out").none() = nb::none(),
        nb::arg("gamma").none() = nb::none(), nb::arg("slope") = 0.0, nb::arg("key").none() = nb::none(),
        nb::arg("lower") = 0.0, nb::arg("upper") = 0.0, nb::arg("first") = 0, nb::arg("steps").none() = nb::none(),
        "Write a formula's value, or d_out times its derivative, to out.");
  m.def("register_activation", &register_activation, nb::arg("name"), nb::arg("formula"), nb::arg("has_gamma"),
        nb::arg("is_random"), "Tell a row of the table of activations to `call`.");
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
        return in_the_way(read_array(target, "target"), read_array(source, "source"));
      },
      nb::arg("target"), nb::arg("source"),
      "Whether writing to target, element after element, can change later elements of source.");
  m.def("pack_signs", &pack, nb::arg("bits"), nb::arg("data"), "Write one bit an element: whether it is above zero.");
  m.def("draw_slopes", &draw_slopes, nb::arg("out"), nb::arg("key"), nb::arg("lower"), nb::arg("upper"),
        nb::arg("first") = 0, "Write rrelu's slopes of the elements from first on.");
  m.def("num_threads", &num_threads, "How many threads a call may use.");
  m.def("set_num_threads", &set_num_threads, nb::arg("n"), "Set how many threads a call may use.");
  m.def("limit_own_threads", &limit_own_threads, nb::arg("n"),
        "Set how many threads a call from this thread may use, 0 for all; returns what was set before.");
  m.def("cpu_targets", &cpu_targets, "The CPU targets that this processor can run, best last.");
  m.def("cpu_target", [] { return kernels().name; }, "The CPU target in use.");
  m.def("set_cpu_target", &set_cpu_target, nb::arg("name"), "Use another CPU target.");
}
