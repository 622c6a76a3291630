// NumPy arrays as views for the core, by NumPy's own C interface: a call on 16 elements has no time for another.
// For bindings.cpp.
#pragma once

#include <nanobind/nanobind.h>

#include <string>

#include <numpy/arrayobject.h>

#include "nest.hpp"

namespace rectifier {

namespace nb = nanobind;

inline int bfloat16_number = -1;

inline PyArrayObject* as_array(nb::handle object, const char* name) {
  if (!PyArray_Check(object.ptr())) throw nb::type_error((std::string("`") + name + "` must be an array").c_str());
  return reinterpret_cast<PyArrayObject*>(object.ptr());
}

inline Type type_of(PyArrayObject* array, const char* name) {
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
inline View view_of(PyArrayObject* array, int dims, const npy_intp* shape, const char* name) {
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

inline View same_shape(PyArrayObject* array, PyArrayObject* like, const char* name) {
  if (!PyArray_SAMESHAPE(array, like))
    throw nb::value_error((std::string("`") + name + "` must have the shape of the data").c_str());
  return view_of(array, PyArray_NDIM(like), PyArray_DIMS(like), name);
}

inline void require(bool condition, const char* message) {
  if (!condition) throw nb::value_error(message);
}

/// The bytes from the first to the last that an array's elements touch.
inline void extent(PyArrayObject* array, const char*& from, const char*& to) {
  from = to = PyArray_BYTES(array);
  if (PyArray_SIZE(array) == 0) return;
  for (int d = 0; d < PyArray_NDIM(array); ++d) {
    const std::ptrdiff_t reach = PyArray_STRIDE(array, d) * (PyArray_DIM(array, d) - 1);
    (reach < 0 ? from : to) += reach;
  }
  to += PyArray_ITEMSIZE(array);
}

/// Whether writing to one array, element after element, can change elements of the other that are read later.
inline bool in_the_way(PyArrayObject* target, PyArrayObject* source) {
  const char *from, *to, *other_from, *other_to;
  extent(target, from, to);
  extent(source, other_from, other_to);
  if (to <= other_from || other_to <= from) return false;
  if (PyArray_DATA(target) != PyArray_DATA(source) || !PyArray_SAMESHAPE(target, source) ||
      PyArray_ITEMSIZE(target) != PyArray_ITEMSIZE(source))
    return true;
  for (int d = 0; d < PyArray_NDIM(target); ++d)
    if (PyArray_STRIDE(target, d) != PyArray_STRIDE(source, d) && PyArray_DIM(target, d) > 1) return true;
  return false;
}

}  // namespace rectifier
