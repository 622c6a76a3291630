// New arrays for results, the large ones on recycled blocks. An array owns its block and gives it back through the
// handler that it was made with (NEP 49), so a block is free only once the last view on it is gone. For bindings.cpp.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>

#include <numpy/arrayobject.h>

#include "buffers.hpp"

namespace rectifier {

inline PyDataMem_Handler result_handler = {
    "rectifier",
    1,
    {nullptr, [](void*, std::size_t bytes) { return take_buffer(bytes, false); },
     [](void*, std::size_t count, std::size_t size) -> void* {
       return size > 0 && count > SIZE_MAX / size ? nullptr : take_buffer(count * size, true);
     },
     [](void*, void* data, std::size_t bytes) {
       return data == nullptr ? take_buffer(bytes, false) : resize_buffer(data, bytes);
     },
     [](void*, void* data, std::size_t) {
       if (data != nullptr) give_back_buffer(data);
     }}};

/// NumPy's name for the handler.
inline PyObject* result_capsule() {
  static PyObject* const made = PyCapsule_New(&result_handler, "mem_handler", nullptr);
  return made;
}

/// Whether a result of so many bytes is to be on a recycled block: a handler that the user has set for all arrays
/// stays.
inline bool recycled(double bytes) {
  if (bytes < static_cast<double>(smallest_buffer) || buffer_counts().limit == 0) return false;
  const auto current = nanobind::steal(PyDataMem_GetHandler());
  if (!current.is_valid()) throw nanobind::python_error();
  return current.ptr() == PyDataMem_DefaultHandler;
}

/// While it lives, arrays that this thread makes are on recycled blocks, if of a size for them.
class ResultMemory {
 public:
  explicit ResultMemory(double bytes) {
    if (recycled(bytes)) before_ = set(result_capsule());
  }
  ~ResultMemory() {
    if (!before_.is_valid()) return;
    try {
      set(before_.ptr());
    } catch (nanobind::python_error& error) {
      error.discard_as_unraisable("rectifier: NumPy's memory handler was not restored");
    }
  }
  ResultMemory(const ResultMemory&) = delete;
  ResultMemory& operator=(const ResultMemory&) = delete;

 private:
  static nanobind::object set(PyObject* handler) {
    auto before = nanobind::steal(PyDataMem_SetHandler(handler));
    if (!before.is_valid()) throw nanobind::python_error();
    return before;
  }

  nanobind::object before_;
};

/// Python 3.11's header declares it without the linkage that it has.
namespace c_linkage {
extern "C" int PyTraceMalloc_Track(unsigned int domain, std::uintptr_t data, std::size_t bytes);
}

/// An uninitialised array in C order on a recycled block. What NumPy does to change its handler, make the array and
/// change it back is much code, which data have driven from the caches: a call on 1e6 floats took 150 us by that way
/// and 141 us by this one.
inline nanobind::object new_recycled(PyArray_Descr* type, int dims, const npy_intp* shape, std::size_t bytes) {
  void* const data = take_buffer(bytes, false);
  if (data == nullptr) {
    PyErr_NoMemory();
    throw nanobind::python_error();
  }
  Py_INCREF(type);
  auto made =
      nanobind::steal(PyArray_NewFromDescr(&PyArray_Type, type, dims, shape, nullptr, data, NPY_ARRAY_CARRAY, nullptr));
  if (!made.is_valid()) {
    give_back_buffer(data);
    throw nanobind::python_error();
  }
  auto* const array = reinterpret_cast<PyArrayObject*>(made.ptr());
  Py_XINCREF(result_capsule());
  reinterpret_cast<PyArrayObject_fields*>(array)->mem_handler = result_capsule();
  PyArray_ENABLEFLAGS(array, NPY_ARRAY_OWNDATA);
  constexpr unsigned numpy_domain = 389047;  // NPY_TRACE_DOMAIN
  c_linkage::PyTraceMalloc_Track(numpy_domain, reinterpret_cast<std::uintptr_t>(data), bytes);
  return made;
}

/// An uninitialised array of the same shape, dtype and layout.
inline nanobind::object new_like(PyArrayObject* array) {
  const npy_intp bytes = PyArray_NBYTES(array);
  if (PyArray_IS_C_CONTIGUOUS(array) && recycled(static_cast<double>(bytes)))
    return new_recycled(PyArray_DESCR(array), PyArray_NDIM(array), PyArray_DIMS(array),
                        static_cast<std::size_t>(bytes));
  const ResultMemory memory(static_cast<double>(bytes));
  auto made = nanobind::steal(PyArray_NewLikeArray(array, NPY_KEEPORDER, nullptr, 0));
  if (!made.is_valid()) throw nanobind::python_error();
  return made;
}

/// As numpy.empty.
inline nanobind::object new_array(nanobind::handle shape, nanobind::handle dtype) {
  struct Shape : PyArray_Dims {
    Shape() : PyArray_Dims{nullptr, 0} {}
    ~Shape() { PyDimMem_FREE(ptr); }
  } dims;
  PyArray_Descr* type = nullptr;
  if (!PyArray_IntpConverter(shape.ptr(), &dims) || !PyArray_DescrConverter(dtype.ptr(), &type))
    throw nanobind::python_error();
  double bytes = static_cast<double>(PyDataType_ELSIZE(type));
  for (int d = 0; d < dims.len; ++d) bytes *= static_cast<double>(dims.ptr[d]);
  const ResultMemory memory(bytes);
  auto made = nanobind::steal(PyArray_Empty(dims.len, dims.ptr, type, 0));
  if (!made.is_valid()) throw nanobind::python_error();
  return made;
}

inline void define_result_memory(nanobind::module_& m) {
  namespace nb = nanobind;
  m.def("empty", &new_array, nb::sig("def empty(shape: object, dtype: object) -> numpy.typing.NDArray[typing.Any]"),
        nb::arg("shape"), nb::arg("dtype"), "As numpy.empty; a large array is on a recycled block.");
  m.def(
      "buffer_counts",
      [] {
        const BufferCounts counts = buffer_counts();
        return nb::make_tuple(counts.kept, counts.in_use, counts.hits, counts.misses, counts.limit);
      },
      nb::sig("def buffer_counts() -> tuple[int, int, int, int, int]"),
      "Bytes kept and in use, hits, misses, and the limit of the bytes kept.");
  m.def(
      "set_buffer_limit",
      [](std::optional<std::size_t> bytes) { bytes ? set_buffer_limit(*bytes) : set_default_buffer_limit(); },
      nb::arg("bytes").none(), "Set how many bytes to keep at most; None for the default.");
  m.def("release_buffers", &release_buffers, "Free the kept blocks; returns their bytes.");
}

}  // namespace rectifier
