// Arrays as views for the core: NumPy's by NumPy's own C interface, tensors by the one of their library, since a call
// on 16 elements has no time for more. For bindings.cpp.
#pragma once

#include <nanobind/nanobind.h>

#include <cstddef>
#include <string>

#include <numpy/arrayobject.h>

#include "dlpack.hpp"
#include "nest.hpp"

namespace rectifier {

namespace nb = nanobind;

inline int bfloat16_number = -1;

/// The library of tensors that Python has told, if any.
struct TensorLibrary {
  PyTypeObject* type = nullptr;
  const dlpack::ExchangeApi* api = nullptr;
  PyObject* empty_like = nullptr;
  PyObject* draw_key = nullptr;
  bool recycles = false;  // whether `empty_like` itself takes recycled blocks
};
inline TensorLibrary tensor_library;

inline bool is_tensor(nb::handle object) {
  return tensor_library.type != nullptr && PyObject_TypeCheck(object.ptr(), tensor_library.type) != 0;
}

/// An array as the core sees it; good for as long as the object that it was read from.
struct Array {
  enum : int { other = -1, bytes = -2 };

  char* data = nullptr;
  int dims = 0;
  const npy_intp* shape = nullptr;
  const npy_intp* strides = nullptr;  // each `unit` bytes
  npy_intp unit = 1;
  npy_intp item = 1;
  int kind = other;  // a Type, or one of the two above
  bool writeable = true;

  npy_intp stride(int d) const { return strides[d] * unit; }
  npy_intp size() const {
    npy_intp n = 1;
    for (int d = 0; d < dims; ++d) n *= shape[d];
    return n;
  }
  bool is_float() const { return kind >= 0; }
  /// Whether elements share a place in memory, as in a broadcast array.
  bool repeats() const {
    for (int d = 0; d < dims; ++d)
      if (strides[d] == 0 && shape[d] > 1) return true;
    return false;
  }
  bool c_contiguous() const {
    npy_intp step = item;
    for (int d = dims - 1; d >= 0; step *= shape[d--])
      if (shape[d] != 1 && stride(d) != step) return size() == 0;
    return true;
  }
};

inline Array array_of_numpy(PyArrayObject* array) {
  Array read;
  read.data = PyArray_BYTES(array);
  read.dims = PyArray_NDIM(array);
  read.shape = PyArray_DIMS(array);
  read.strides = PyArray_STRIDES(array);
  read.item = PyArray_ITEMSIZE(array);
  read.writeable = PyArray_ISWRITEABLE(array);
  const int number = PyArray_TYPE(array);
  if (number == NPY_UINT8) {
    read.kind = Array::bytes;
  } else if (PyArray_ISBEHAVED_RO(array)) {
    read.kind = number == NPY_FLOAT         ? int(float32)
                : number == NPY_DOUBLE      ? int(float64)
                : number == NPY_HALF        ? int(float16)
                : number == bfloat16_number ? int(bfloat16)
                                            : int(Array::other);
  }
  return read;
}

inline Array array_of_tensor(nb::handle object, const char* name) {
  static_assert(sizeof(npy_intp) == sizeof(std::int64_t), "tensors have 64-bit shapes");
  dlpack::Tensor tensor;
  if (tensor_library.api->tensor_from_object(object.ptr(), &tensor) != 0) throw nb::python_error();
  if (tensor.device_type != dlpack::cpu)
    throw nb::type_error((std::string("`") + name + "` must be in the memory of the CPU").c_str());
  Array read;
  read.data = static_cast<char*>(tensor.data);
  read.dims = tensor.dims;
  read.shape = reinterpret_cast<const npy_intp*>(tensor.shape);
  read.strides = reinterpret_cast<const npy_intp*>(tensor.strides);
  // A stand-in for a tensor, as tracing makes them, has none.
  if (read.data == nullptr && read.size() > 0)
    throw nb::type_error((std::string("`") + name + "` must have memory").c_str());
  read.data += tensor.byte_offset;
  read.unit = read.item = tensor.bits / 8;
  if (tensor.dims > max_dims || tensor.lanes != 1) return read;
  if (tensor.code == dlpack::unsigned_code && tensor.bits == 8) read.kind = Array::bytes;
  if (tensor.code == dlpack::bfloat_code && tensor.bits == 16) read.kind = bfloat16;
  if (tensor.code == dlpack::float_code && tensor.bits >= 16)
    read.kind = tensor.bits == 64 ? float64 : tensor.bits == 32 ? float32 : float16;
  return read;
}

inline Array read_array(nb::handle object, const char* name) {
  if (PyArray_Check(object.ptr())) return array_of_numpy(reinterpret_cast<PyArrayObject*>(object.ptr()));
  if (!is_tensor(object)) throw nb::type_error((std::string("`") + name + "` must be an array").c_str());
  return array_of_tensor(object, name);
}

inline Type type_of(const Array& array, const char* name) {
  if (array.is_float()) return static_cast<Type>(array.kind);
  throw nb::type_error((std::string("`") + name + "` must be an aligned native float array").c_str());
}

/// An array as a view of `shape`, its axes of length 1 repeated.
inline View view_of(const Array& array, int dims, const npy_intp* shape, const char* name) {
  View view;
  bool fits = array.dims == dims;
  view.data = array.data;
  for (int d = 0; fits && d < dims; ++d) {
    const npy_intp length = array.shape[d];
    view.strides[d] = length == 1 ? 0 : array.stride(d);
    fits = length == shape[d] || length == 1;
  }
  if (!fits) throw nb::value_error((std::string("`") + name + "` does not fit the shape of the data").c_str());
  return view;
}

inline void shape_of(const Array& array, Nest& nest) {
  nest.dims = array.dims;
  for (int d = 0; d < array.dims; ++d) nest.shape[d] = array.shape[d];
}

inline bool have_same_shape(const Array& a, const Array& b) {
  bool same = a.dims == b.dims;
  for (int d = 0; same && d < a.dims; ++d) same = a.shape[d] == b.shape[d];
  return same;
}

inline View same_shape(const Array& array, const Array& like, const char* name) {
  if (!have_same_shape(array, like))
    throw nb::value_error((std::string("`") + name + "` must have the shape of the data").c_str());
  return view_of(array, like.dims, like.shape, name);
}

inline void require(bool condition, const char* message) {
  if (!condition) throw nb::value_error(message);
}

/// The bytes from the first to the last that an array's elements touch.
inline void extent(const Array& array, const char*& from, const char*& to) {
  from = to = array.data;
  if (array.size() == 0) return;
  for (int d = 0; d < array.dims; ++d) {
    const std::ptrdiff_t reach = array.stride(d) * (array.shape[d] - 1);
    (reach < 0 ? from : to) += reach;
  }
  to += array.item;
}

/// Whether two arrays may share memory, by their extents.
inline bool overlap(const Array& a, const Array& b) {
  const char *from, *to, *other_from, *other_to;
  extent(a, from, to);
  extent(b, other_from, other_to);
  return other_from < to && from < other_to;
}

/// Whether writing to one array, element after element, can change elements of the other that are read later.
inline bool in_the_way(const Array& target, const Array& source) {
  if (!overlap(target, source)) return false;
  if (target.data != source.data || !have_same_shape(target, source) || target.item != source.item) return true;
  for (int d = 0; d < target.dims; ++d)
    if (target.stride(d) != source.stride(d) && target.shape[d] > 1) return true;
  return false;
}

}  // namespace rectifier
