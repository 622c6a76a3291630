// Tensors of the library that Python has told: read by its C interface, and made on recycled memory where they are
// large. For bindings.cpp.
#pragma once

#include <nanobind/nanobind.h>

#include <cstdlib>
#include <memory>

#include "arrays.hpp"
#include "buffers.hpp"
#include "lent.hpp"
#include "result_memory.hpp"

namespace rectifier {

/// A tensor's shape, strides and memory, until its library lets go of it.
struct OwnedTensor {
  dlpack::Managed managed;
  std::int64_t shape[max_dims], strides[max_dims];

  ~OwnedTensor() {
    if (managed.tensor.data != nullptr) give_back_buffer(managed.tensor.data);
  }
};

/// Whether an array's elements fill one piece of memory, in the order of its strides, which `order` receives.
inline bool fills_one_piece(const Array& array, int* order) {
  for (int d = 0; d < array.dims; ++d) {
    int k = d;
    for (; k > 0 && array.strides[order[k - 1]] < array.strides[d]; --k) order[k] = order[k - 1];
    order[k] = d;
  }
  npy_intp step = 1;
  for (int k = array.dims - 1; k >= 0; --k) {
    const int d = order[k];
    if (array.shape[d] != 1 && array.strides[d] != step) return false;
    step *= array.shape[d];
  }
  return true;
}

/// An uninitialised tensor of the shape, dtype and layout of another.
inline nb::object new_tensor_like(nb::handle object, const Array& array) {
  int order[max_dims];
  const auto size = static_cast<std::size_t>(array.size() * array.item);
  const bool recycled = !tensor_library.recycles && array.is_float() && size >= smallest_buffer &&
                        buffer_counts().limit > 0 && fills_one_piece(array, order);
  auto owned = recycled ? std::make_unique<OwnedTensor>() : nullptr;
  void* const memory = recycled ? take_buffer(size, false) : nullptr;
  if (memory == nullptr) return nb::handle(tensor_library.empty_like)(object);
  for (int d = 0; d < array.dims; ++d) {
    owned->shape[d] = array.shape[d];
    owned->strides[d] = array.strides[d];
  }
  const auto code = array.kind == bfloat16 ? dlpack::bfloat_code : dlpack::float_code;
  owned->managed.tensor = {
      memory,       dlpack::cpu,    0, array.dims, code, static_cast<std::uint8_t>(array.item * 8), 1,
      owned->shape, owned->strides, 0};
  owned->managed.version = {dlpack::major_version, dlpack::minor_version};
  owned->managed.context = owned.get();
  owned->managed.deleter = [](dlpack::Managed* managed) { delete static_cast<OwnedTensor*>(managed->context); };
  void* made = nullptr;
  if (tensor_library.api->object_from_managed(&owned->managed, &made) != 0) throw nb::python_error();
  owned.release();
  return nb::steal(static_cast<PyObject*>(made));
}

/// An uninitialised array of the same kind, shape, dtype and layout.
inline nb::object new_like(nb::handle object, const Array& array) {
  return PyArray_Check(object.ptr()) ? new_like(reinterpret_cast<PyArrayObject*>(object.ptr()))
                                     : new_tensor_like(object, array);
}

inline void register_tensors(nb::handle type, nb::handle empty_like, nb::handle draw_key, bool recycles) {
  const nb::object capsule = type.attr("__dlpack_c_exchange_api__");
  const auto* api = static_cast<const dlpack::ExchangeApi*>(PyCapsule_GetPointer(capsule.ptr(), "dlpack_exchange_api"));
  if (api == nullptr) throw nb::python_error();
  require(api->version.major == dlpack::major_version && api->tensor_from_object != nullptr,
          "`type` must speak version 1 of DLPack's exchange");
  tensor_library = {reinterpret_cast<PyTypeObject*>(type.inc_ref().ptr()), api, empty_like.inc_ref().ptr(),
                    draw_key.inc_ref().ptr(), recycles};
}

/// Takes the addresses of the functions in `OpenMP`, in that order.
inline void lend(std::uintptr_t parallel, std::uintptr_t thread, std::uintptr_t threads, std::uintptr_t most_threads) {
  const auto number = [](std::uintptr_t address) { return reinterpret_cast<int (*)()>(address); };
  lend_threads(
      {reinterpret_cast<decltype(OpenMP::parallel)>(parallel), number(thread), number(threads), number(most_threads)});
}

inline void define_tensors(nb::module_& m) {
  m.def(
      "register_tensors", &register_tensors, nb::arg("type"), nb::arg("empty_like"), nb::arg("draw_key"),
      nb::arg("recycles"),
      "Tell a library's type of tensors, its function that makes one like another, one that draws a key, and whether\n"
      "the first takes recycled blocks.");
  m.def("lend_threads", &lend, nb::arg("parallel"), nb::arg("thread"), nb::arg("threads"), nb::arg("most_threads"),
        "Tell the addresses of GOMP_parallel and omp_get_thread_num, _num_threads and _max_threads, for work on "
        "tensors.");
  m.def(
      "new_like", [](nb::handle array) { return new_like(array, read_array(array, "array")); },
      nb::sig("def new_like(array: object) -> typing.Any"), nb::arg("array"),
      "An uninitialised array or tensor like another; a large one is on a recycled block.");
}

}  // namespace rectifier
