// The Python module: checks that arrays fit together, describes them as a nest of loops, and lets go of the GIL.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <optional>
#include <string>

#define NPY_TARGET_VERSION NPY_1_22_API_VERSION
#include <numpy/arrayobject.h>

#include "../rectifier/_torch/without_gil.hpp"
#include "arrays.hpp"
#include "cpu.hpp"
#include "exported.hpp"
#include "pool.hpp"
#include "prepare.hpp"
#include "pullback.hpp"
#include "quick.hpp"
#include "result_memory.hpp"
#include "tensors.hpp"

using namespace rectifier;

namespace {

/// Runs the nest. Tensors are computed on their library's threads.
void run(Nest& nest, const Work& work, nb::handle data) {
  const LentThreads lent(is_tensor(data));
  run(nest, work);
}

void apply(int formula, nb::handle out_, nb::handle data_, nb::handle upstream_, nb::handle gamma_, double slope,
           nb::handle key, double lower, double upper, std::uint64_t first, nb::handle steps) {
  Apply call;
  call.formula = formula;
  call.out = read_array(out_, "out");
  call.data = read_array(data_, "data");
  if (!upstream_.is_none()) call.upstream = read_array(upstream_, "d_out");
  if (!gamma_.is_none()) call.gamma = read_array(gamma_, "gamma");
  call.parameters = {slope, lower, upper};
  if (!key.is_none()) call.key = nb::cast<std::uint64_t>(key);
  call.first = first;
  std::ptrdiff_t wanted_steps[max_dims];
  if (!steps.is_none()) {
    require(PyTuple_Check(steps.ptr()) && PyTuple_GET_SIZE(steps.ptr()) == call.out.dims,
            "`steps` must be a tuple with one step for each axis");
    for (int d = 0; d < call.out.dims; ++d)
      wanted_steps[d] = nb::cast<std::ptrdiff_t>(nb::handle(PyTuple_GET_ITEM(steps.ptr(), d)));
    call.steps = wanted_steps;
  }
  Nest nest;
  Work work;
  prepare(call, nest, work);
  run(nest, work, data_);
}

void pack(nb::handle bits_, nb::handle data_) {
  const Array bits = read_array(bits_, "bits"), data = read_array(data_, "data");
  const Nest nest = prepare_packing(bits, data);
  const LentThreads lent(is_tensor(data_));
  const WithoutGil released;
  pack_signs(nest, type_of(data, "data"), reinterpret_cast<std::uint8_t*>(bits.data));
}

void gamma_pullback(nb::handle d_data_, nb::handle d_gamma_, nb::handle upstream_, nb::handle data_,
                    nb::handle gamma_) {
  std::optional<Array> d_data;
  if (!d_data_.is_none()) d_data = read_array(d_data_, "out");
  const Array data = read_array(data_, "data");
  const GammaPass pass = prepare_gamma_pass(d_data, read_array(d_gamma_, "d_gamma"), read_array(upstream_, "d_out"),
                                            data, read_array(gamma_, "gamma"));
  const LentThreads lent(is_tensor(data_));
  run(pass, static_cast<std::size_t>(data.size()));
}

void draw_slopes(nb::handle out_, std::uint64_t key, double lower, double upper, std::uint64_t first) {
  const Array result = read_array(out_, "out");
  require(result.c_contiguous() && result.writeable && type_of(result, "out") == float32,
          "`out` must be a contiguous float32 array");
  const SlopeRange range = slope_range(key, lower, upper);
  const auto n = static_cast<std::size_t>(result.size());
  auto* slopes = reinterpret_cast<float*>(result.data);
  const WithoutGil released;
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
  run(quick.nest, quick.work, data);
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
  nb::set_leak_warnings(false);  // a pullback in a daemon thread, or in a cycle, may live to the very end
  m.doc() = "The compiled kernels; use `rectifier` instead.";
  define_result_memory(m);
  define_tensors(m);
  define_pullback(m);
  define_kernel_table(m);
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
