// The node of PyTorch's autograd behind a plain call, for users who let `build_nodes` compile it: what `Value` in
// functions.py is in Python, with the same memory and the same bits. Whatever is not plain goes to the operators that
// operators.py registers. Compiled against the user's own torch, whose binary interface changes with each release, and
// so not a part of the core.
#include <Python.h>

#include <ATen/ATen.h>
#include <ATen/EmptyTensor.h>
#include <ATen/PythonTorchFunctionTLS.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <torch/csrc/Exceptions.h>
#include <torch/csrc/autograd/forward_grad.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/python_variable.h>
#include <torch/csrc/autograd/saved_variable.h>
#include <torch/csrc/dynamo/compiled_autograd.h>
#include <torch/csrc/utils/object_ptr.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "kernel_table.hpp"
#include "without_gil.hpp"

namespace {

using at::Tensor;
using rectifier::ApplyCall;
using rectifier::Elements;
using rectifier::KernelTable;
using torch::autograd::Node;
using torch::autograd::SavedVariable;
using torch::autograd::variable_list;

struct Row {
  PyObject* name;
  std::string text;
  int formula;
  bool has_gamma, is_random;
};

// What Python tells once, in `configure`; never freed.
const KernelTable* table = nullptr;
std::vector<Row> rows;
std::vector<PyObject*> kinds;
std::vector<std::uint64_t> plain_keys, untouched_keys;

template <class T>
bool contains(const std::vector<T>& values, T value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

/// `plain.untouched`.
bool untouched() {
  return contains(untouched_keys, c10::impl::tls_local_dispatch_key_set().included_.raw_repr()) &&
         at::impl::PythonTorchFunctionTLS::stack_len() == 0 &&
         torch::autograd::ForwardADLevel::try_get_by_idx(0) == nullptr;
}

/// `plain.has_memory`, of the CPU.
bool has_memory(const Tensor& tensor) { return tensor.is_cpu() && contains(plain_keys, tensor.key_set().raw_repr()); }
bool has_memory(PyObject* object) {
  return contains(kinds, reinterpret_cast<PyObject*>(Py_TYPE(object))) && has_memory(THPVariable_Unpack(object));
}

/// Whether its elements have memory, and are ones that the kernels may take.
bool is_there(const Tensor& tensor) {
  return tensor.is_floating_point() && tensor.unsafeGetTensorImpl()->storage_initialized();
}

/// A tensor as the kernels see it, good for as long as the tensor.
struct Seen : Elements {
  explicit Seen(const Tensor& tensor, bool written = false)
      : Elements{written ? tensor.mutable_data_ptr() : const_cast<void*>(tensor.const_data_ptr()),
                 static_cast<int>(tensor.dim()), tensor.sizes().data(), tensor.strides().data(),
                 type_of(tensor.scalar_type())} {}

  static int type_of(at::ScalarType type) {
    return type == at::kHalf ? 0 : type == at::kBFloat16 ? 1 : type == at::kFloat ? 2 : type == at::kDouble ? 3 : bytes;
  }
};

/// Gamma or its gradient with as many axes as the data: where `tensor.view(wanted)` would cost a pass through PyTorch's
/// dispatcher, and there are three of them in prelu's gradient.
struct LinedUp : Seen {
  LinedUp(const Tensor& tensor, const std::vector<std::int64_t>& wanted, bool written = false)
      : Seen(tensor, written), steps(wanted.size()) {
    int d = 0;
    const auto pass_ones = [&] {
      while (d < dims && shape[d] == 1) ++d;
    };
    for (std::size_t k = 0; k < wanted.size(); ++k) {
      if (wanted[k] == 1) continue;
      pass_ones();
      TORCH_CHECK(d < dims && shape[d] == wanted[k], "gamma has another shape than in the forward pass");
      steps[k] = strides[d++];
    }
    pass_ones();
    TORCH_CHECK(d == dims, "gamma has another shape than in the forward pass");
    dims = static_cast<int>(wanted.size());
    shape = wanted.data();
    strides = steps.data();
  }
  LinedUp(const LinedUp&) = delete;
  LinedUp& operator=(const LinedUp&) = delete;

  std::vector<std::int64_t> steps;
};

/// Gamma's shape with as many axes as the data, by the plain cases of gamma's rule.
std::vector<std::int64_t> lined_up(const Tensor& gamma, std::int64_t dims, PyObject* given_axis) {
  if (gamma.numel() != 1 && gamma.dim() == dims) return gamma.sizes().vec();
  std::vector<std::int64_t> shape(static_cast<std::size_t>(dims), 1);
  if (gamma.numel() == 1) return shape;
  const std::int64_t axis = given_axis == Py_None ? 1 : PyLong_AsLongLong(given_axis);
  shape[static_cast<std::size_t>(axis < 0 ? axis + dims : axis)] = gamma.numel();
  return shape;
}

/// Recycled blocks where they are worth it, and PyTorch's own memory elsewhere. A storage keeps its allocator, and so
/// may grow as any other.
struct ResultMemory final : c10::Allocator {
  at::DataPtr allocate(std::size_t bytes) override {
    void* const block = table->take_result(bytes);
    if (block == nullptr) return c10::GetCPUAllocator()->allocate(bytes);
    return {block, block, table->give_back_result, at::kCPU};
  }
  void copy_data(void* to, const void* from, std::size_t bytes) const override { default_copy_data(to, from, bytes); }
};

/// An uninitialised tensor of the shape, dtype and layout of another.
Tensor new_like(const Tensor& tensor) {
  static auto* const memory = new ResultMemory;  // storages may outlive main()
  if (!tensor.is_non_overlapping_and_dense()) return at::empty_like(tensor);
  return at::detail::empty_strided_generic(tensor.sizes(), tensor.strides(), memory,
                                           c10::DispatchKeySet(c10::DispatchKey::CPU), tensor.scalar_type());
}

std::vector<c10::IValue> by_dispatcher(const char* name, std::vector<c10::IValue> values) {
  c10::Dispatcher::singleton().findSchemaOrThrow(name, "").callBoxed(&values);
  return values;
}

struct RectifierBackward : Node {
  SavedVariable kept, gamma;
  std::size_t row = 0;
  double slope = 0, lower = 0, upper = 0;
  bool draws = false, keeps_output = false;
  std::uint64_t key = 0;
  std::vector<std::int64_t> gamma_shape;  // with as many axes as the data

  std::string name() const override { return "RectifierBackward"; }

  void release_variables() override {
    std::lock_guard<std::mutex> lock(mutex_);
    kept.reset_data();
    gamma.reset_data();
  }

  variable_list apply(variable_list&& grads) override {
    const Tensor d_out = std::move(grads[0]);
    variable_list results(num_outputs());
    if (!d_out.defined()) return results;
    Tensor saved, slopes;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      saved = kept.unpack(getptr());
      if (rows[row].has_gamma) slopes = gamma.unpack();
    }
    const bool wanted = task_should_compute_output(0);
    const bool fast = !at::GradMode::is_enabled() && untouched() && has_memory(d_out) && has_memory(saved) &&
                      (!slopes.defined() || has_memory(slopes)) &&
                      (saved.scalar_type() == at::kByte || saved.scalar_type() == d_out.scalar_type());
    if (slopes.defined() && task_should_compute_output(1)) {
      fast ? both(d_out, saved, slopes, wanted, results) : both_by_dispatcher(d_out, saved, slopes, results);
    } else if (wanted) {
      results[0] = fast ? one(d_out, saved, slopes) : one_by_dispatcher(d_out, saved, slopes);
    }
    return results;
  }

  void compiled_args(torch::dynamo::autograd::CompiledNodeArgs& args) const override {
    args.collect(kept, keeps_output);
    args.collect(gamma, false);
    args.collect(static_cast<std::uint64_t>(row));
    for (const double number : {slope, lower, upper}) args.collect(number);
    args.collect(draws);
    args.collect(key);
    args.collect(gamma_shape);
  }

  variable_list apply_with_saved(const variable_list& inputs,
                                 torch::dynamo::autograd::SwapSavedVariables& saved) override {
    saved.before(kept);
    saved.before(gamma);
    variable_list results = apply(variable_list(inputs));
    saved.after(kept);
    saved.after(gamma);
    return results;
  }

 private:
  Tensor one(const Tensor& d_out, const Tensor& saved, const Tensor& slopes) const {
    const Tensor result = new_like(saved.scalar_type() == at::kByte ? d_out : saved);
    const Seen out(result, true), data(saved), gradient(d_out);
    ApplyCall call{rows[row].formula, &out, &data, &gradient, nullptr, slope, lower, upper, draws ? &key : nullptr};
    if (!slopes.defined()) {
      table->apply(call);
      return result;
    }
    const LinedUp view(slopes, gamma_shape);
    call.gamma = &view;
    table->apply(call);
    return result;
  }

  void both(const Tensor& d_out, const Tensor& saved, const Tensor& slopes, bool wanted, variable_list& results) const {
    if (wanted) results[0] = new_like(saved);
    if (saved.numel() == 0) {
      results[1] = at::zeros_like(slopes);
      return;
    }
    results[1] = new_like(slopes);
    const LinedUp view(slopes, gamma_shape), d_gamma(results[1], gamma_shape, true);
    std::optional<Seen> d_data;
    if (wanted) d_data.emplace(results[0], true);
    table->gamma_pullback(wanted ? &*d_data : nullptr, d_gamma, Seen(d_out), Seen(saved), view);
  }

  Tensor one_by_dispatcher(const Tensor& d_out, const Tensor& saved, const Tensor& slopes) const {
    const c10::IValue none;
    c10::IValue aligned, drawn;
    if (slopes.defined()) aligned = slopes.reshape(gamma_shape);
    if (draws) drawn = at::full({}, static_cast<std::int64_t>(key), at::kLong);
    return by_dispatcher("rectifier::pullback",
                         {d_out, saved, aligned, drawn, rows[row].text, slope, lower, upper, std::int64_t(0), none})[0]
        .toTensor();
  }

  void both_by_dispatcher(const Tensor& d_out, const Tensor& saved, const Tensor& slopes,
                          variable_list& results) const {
    const Tensor aligned = slopes.reshape(gamma_shape);
    const auto made = by_dispatcher("rectifier::gamma_pullback", {d_out, saved, aligned});
    results[0] = made[0].toTensor();
    results[1] = made[1].toTensor().reshape_as(slopes);
  }
};

Tensor signs_of(const Tensor& data) {
  const Tensor bits = at::detail::empty_cpu({(data.numel() + 7) / 8}, at::TensorOptions(at::kByte));
  const Seen written(bits, true), read(data);
  const rectifier::WithoutGil released;
  table->pack_signs(written, read);
  return bits;
}

enum Argument { of_data, of_gamma, of_act_type, of_slope, of_lower, of_upper, of_training, of_rng, of_axis, of_out };
constexpr Py_ssize_t argument_count = of_out + 1;

/// Records a call that the core has done, and whose arguments it has found to be right.
void record(PyObject* const* arguments, const Tensor& out) {
  const auto node = c10::make_intrusive<RectifierBackward>();
  while (rows[node->row].name != arguments[of_act_type]) ++node->row;
  const Row& row = rows[node->row];
  const Tensor& data = THPVariable_Unpack(arguments[of_data]);
  const bool training = arguments[of_training] == Py_True;
  node->lower = PyFloat_AS_DOUBLE(arguments[of_lower]);
  node->upper = PyFloat_AS_DOUBLE(arguments[of_upper]);
  node->slope = row.is_random && !training ? 0.5 * (node->lower + node->upper) : PyFloat_AS_DOUBLE(arguments[of_slope]);
  node->draws = row.is_random && training;
  if (node->draws) node->key = table->last_key();
  if (row.has_gamma) {
    const Tensor& gamma = THPVariable_Unpack(arguments[of_gamma]);
    node->gamma_shape = lined_up(gamma, data.dim(), arguments[of_axis]);
    node->set_next_edges(torch::autograd::collect_next_edges(data, gamma));
    node->gamma = SavedVariable(gamma, false);
  } else {
    node->set_next_edges(torch::autograd::collect_next_edges(data));
  }
  torch::autograd::set_history(out, node);
  // `Call.keeps`
  if (row.formula != 0 || row.has_gamma) {
    node->kept = SavedVariable(data, false);
  } else if ((node->draws ? node->lower : node->slope) >= 0) {
    node->kept = SavedVariable(out, true);
    node->keeps_output = true;
  } else {
    node->kept = SavedVariable(signs_of(data), false);
  }
}

PyObject* call(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  HANDLE_TH_ERRORS
  if (count != argument_count || table == nullptr) {
    PyErr_SetString(PyExc_TypeError, "`call` takes ten arguments, after `configure`");
    return nullptr;
  }
  PyObject *const data = arguments[of_data], *const gamma = arguments[of_gamma];
  if (arguments[of_out] != Py_None || !untouched() || !has_memory(data) || (gamma != Py_None && !has_memory(gamma)))
    return Py_NewRef(Py_NotImplemented);
  const Tensor& input = THPVariable_Unpack(data);
  const Tensor* const slopes = gamma == Py_None ? nullptr : &THPVariable_Unpack(gamma);
  if (!is_there(input) || (slopes != nullptr && !is_there(*slopes))) return Py_NewRef(Py_NotImplemented);
  const Tensor out = new_like(input);
  const Seen read(input), made(out, true);
  std::optional<Seen> of_slopes;
  if (slopes != nullptr) of_slopes.emplace(*slopes);
  const int done = table->call(arguments, read, slopes == nullptr ? nullptr : &*of_slopes, made);
  if (done < 0) return nullptr;
  if (done == 0) return Py_NewRef(Py_NotImplemented);
  if (at::GradMode::is_enabled() && (input.requires_grad() || (slopes != nullptr && slopes->requires_grad())))
    record(arguments, out);
  return THPVariable_Wrap(out);
  END_HANDLE_TH_ERRORS
}

PyObject* new_like(PyObject*, PyObject* like) {
  HANDLE_TH_ERRORS
  const Tensor& tensor = THPVariable_Unpack(like);
  return THPVariable_Wrap(has_memory(tensor) ? new_like(tensor) : at::empty_like(tensor));
  END_HANDLE_TH_ERRORS
}

std::vector<std::uint64_t> numbers_of(PyObject* tuple) {
  std::vector<std::uint64_t> numbers;
  for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(tuple); ++k)
    numbers.push_back(PyLong_AsUnsignedLongLong(PyTuple_GET_ITEM(tuple, k)));
  return numbers;
}

PyObject* configure(PyObject*, PyObject* arguments) {
  HANDLE_TH_ERRORS
  PyObject *capsule, *names, *types, *plain, *still;
  if (!PyArg_ParseTuple(arguments, "OO!O!O!O!", &capsule, &PyTuple_Type, &names, &PyTuple_Type, &types, &PyTuple_Type,
                        &plain, &PyTuple_Type, &still))
    return nullptr;
  const auto* found = static_cast<const KernelTable*>(PyCapsule_GetPointer(capsule, KernelTable::capsule));
  if (found == nullptr) return nullptr;
  TORCH_CHECK(found->size == sizeof(KernelTable), "the core is another one");
  rows.clear();
  for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(names); ++k) {
    PyObject* name;
    int formula, has_gamma, is_random;
    if (!PyArg_ParseTuple(PyTuple_GET_ITEM(names, k), "Uipp", &name, &formula, &has_gamma, &is_random)) return nullptr;
    const char* text = PyUnicode_AsUTF8(name);
    if (text == nullptr) return nullptr;
    rows.push_back({Py_NewRef(name), text, formula, has_gamma != 0, is_random != 0});
  }
  kinds.clear();
  for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(types); ++k) kinds.push_back(Py_NewRef(PyTuple_GET_ITEM(types, k)));
  plain_keys = numbers_of(plain);
  untouched_keys = numbers_of(still);
  if (PyErr_Occurred()) return nullptr;
  table = found;
  Py_RETURN_NONE;
  END_HANDLE_TH_ERRORS
}

PyMethodDef methods[] = {
    {"call", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(call)), METH_FASTCALL,
     "The operator on plain tensors of the CPU, recorded for autograd, or NotImplemented."},
    {"new_like", new_like, METH_O, "As torch.empty_like; a large tensor of the CPU is on a recycled block."},
    {"configure", configure, METH_VARARGS, "Tell what is plain, the table of activations, and the core."},
    {nullptr, nullptr, 0, nullptr},
};
PyModuleDef definition = {PyModuleDef_HEAD_INIT, "nodes", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr};

}  // namespace

PyMODINIT_FUNC PyInit_nodes() {
  PyObject* const module = PyModule_Create(&definition);
#ifdef Py_GIL_DISABLED
  if (module != nullptr) PyUnstable_Module_SetGIL(module, Py_MOD_GIL_NOT_USED);
#endif
  return module;
}
