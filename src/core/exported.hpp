// The table of functions for code that is compiled elsewhere, such as autograd nodes of PyTorch. For bindings.cpp.
#pragma once

#include <nanobind/nanobind.h>

#include "../rectifier/_torch/kernel_table.hpp"
#include "buffers.hpp"
#include "lent.hpp"
#include "prepare.hpp"
#include "pullback.hpp"
#include "quick.hpp"

namespace rectifier {

static_assert(Elements::bytes == Array::bytes, "both count kinds alike");

inline Array array_of(const Elements& elements) {
  Array array;
  array.data = static_cast<char*>(elements.data);
  array.dims = elements.dims;
  array.shape = reinterpret_cast<const npy_intp*>(elements.shape);
  array.strides = reinterpret_cast<const npy_intp*>(elements.strides);
  array.kind = elements.type;
  array.unit = array.item = array.is_float() ? static_cast<npy_intp>(item_size(static_cast<Type>(array.kind))) : 1;
  return array;
}

inline std::optional<Array> array_of(const Elements* elements) {
  return elements == nullptr ? std::nullopt : std::optional<Array>(array_of(*elements));
}

inline int call_on_elements(PyObject* const* arguments, const Elements& data, const Elements* gamma,
                            const Elements& out) {
  try {
    QuickCall quick;
    const std::optional<Array> slopes = array_of(gamma);
    if (!quick.read_parameters(arguments[2], arguments[3], arguments[4], arguments[5], arguments[6], arguments[7],
                               arguments[8]) ||
        !quick.read_tensors(array_of(data), slopes ? &*slopes : nullptr, array_of(out)))
      return 0;
    const LentThreads lent(true);
    run(quick.nest, quick.work);
    return 1;
  } catch (nb::python_error& error) {
    error.restore();
    return -1;
  }
}

inline const KernelTable kernel_table = {
    sizeof(KernelTable),
    [](const ApplyCall& call) {
      Apply apply;
      apply.formula = call.formula;
      apply.out = array_of(*call.out);
      apply.data = array_of(*call.data);
      apply.upstream = array_of(call.d_out);
      apply.gamma = array_of(call.gamma);
      apply.parameters = {call.slope, call.lower, call.upper};
      if (call.key != nullptr) apply.key = *call.key;
      Nest nest;
      Work work;
      prepare(apply, nest, work);
      const LentThreads lent(true);
      run_elementwise(nest, work);
    },
    [](const Elements* d_data, const Elements& d_gamma, const Elements& d_out, const Elements& data,
       const Elements& gamma) {
      const LentThreads lent(true);
      run_gamma_pass(
          prepare_gamma_pass(array_of(d_data), array_of(d_gamma), array_of(d_out), array_of(data), array_of(gamma)));
    },
    [](const Elements& bits, const Elements& data) {
      const Nest nest = prepare_packing(array_of(bits), array_of(data));
      const LentThreads lent(true);
      pack_signs(nest, static_cast<Type>(data.type), static_cast<std::uint8_t*>(bits.data));
    },
    [](std::size_t bytes) -> void* {
      return bytes >= smallest_buffer && buffer_counts().limit > 0 ? take_buffer(bytes, false) : nullptr;
    },
    [](void* block) { give_back_buffer(block); },
    call_on_elements,
    [] { return last_key; },
};

inline void define_kernel_table(nanobind::module_& m) {
  namespace nb = nanobind;
  m.def(
      "kernel_table", [] { return nb::capsule(static_cast<const void*>(&kernel_table), KernelTable::capsule); },
      nb::sig("def kernel_table() -> typing.Any"),
      "The core's verbs as a table of functions, in a capsule: see _torch/kernel_table.hpp.");
}

}  // namespace rectifier
