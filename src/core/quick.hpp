// The quick path: a call whose arguments are all of the plainest kinds, read without a line of Python. Whatever is not
// plain goes to the general path, which looks again and finds the words for what is wrong. For bindings.cpp.
#pragma once

#include <nanobind/nanobind.h>

#include <numpy/arrayobject.h>
#include <cmath>

#include "arrays.hpp"
#include "nest.hpp"
#include "result_memory.hpp"

namespace rectifier {

/// What the quick path knows of the table of activations and of the defaults, told once by Python.
struct QuickTable {
  struct Row {
    PyObject* name;
    Formula formula;
    bool has_gamma, is_random;
  };
  static constexpr std::size_t most_rows = 16;
  Row rows[most_rows] = {};
  std::size_t count = 0;
  PyObject* lower = nullptr;  // the very objects: by identity
  PyObject* upper = nullptr;
};
inline QuickTable quick_table;

inline void register_activation(nb::handle name, int formula, bool has_gamma, bool is_random) {
  require(formula >= 0 && formula < formula_count && quick_table.count < QuickTable::most_rows,
          "`formula` must be one that the kernels have");
  quick_table.rows[quick_table.count++] = {name.inc_ref().ptr(), static_cast<Formula>(formula), has_gamma, is_random};
}

inline void register_bounds(nb::handle lower, nb::handle upper) {
  quick_table.lower = lower.inc_ref().ptr();
  quick_table.upper = upper.inc_ref().ptr();
}

struct QuickCall {
  Nest nest;
  Work work;
  nb::object result;
  bool has_gamma = false;

  bool read_parameters(nb::handle act_type, nb::handle slope, nb::handle lower, nb::handle upper, nb::handle training,
                       nb::handle rng, nb::handle axis) {
    std::size_t k = 0;
    while (k < quick_table.count && act_type.ptr() != quick_table.rows[k].name) ++k;
    if (k == quick_table.count || !axis.is_none() || !PyFloat_CheckExact(slope.ptr()) ||
        lower.ptr() != quick_table.lower || upper.ptr() != quick_table.upper ||
        (training.ptr() != Py_False && training.ptr() != Py_True))
      return false;
    const QuickTable::Row& row = quick_table.rows[k];
    // All parameters are checked, those that the activation does not read too.
    if (!(std::fabs(PyFloat_AS_DOUBLE(slope.ptr())) <= 3.4028234663852886e38)) return false;
    const double low = PyFloat_AS_DOUBLE(lower.ptr()), high = PyFloat_AS_DOUBLE(upper.ptr());
    work.formula = row.formula;
    work.parameters = {PyFloat_AS_DOUBLE(slope.ptr()), low, high};
    has_gamma = row.has_gamma;
    if (row.is_random && training.ptr() == Py_True) {
      if (!PyLong_CheckExact(rng.ptr())) return false;
      const unsigned long long key = PyLong_AsUnsignedLongLong(rng.ptr());
      if (PyErr_Occurred()) {
        PyErr_Clear();
        return false;
      }
      work.drawn = true;
      work.range = slope_range(key, low, high);
    } else {
      if (!rng.is_none()) return false;
      if (row.is_random) work.parameters.slope = 0.5 * (low + high);
    }
    return true;
  }

  bool read_arrays(nb::handle data_, nb::handle gamma_, nb::handle out_) {
    if (!plain(data_.ptr()) || has_gamma == gamma_.is_none()) return false;
    auto* data = reinterpret_cast<PyArrayObject*>(data_.ptr());
    work.type = type_of(data, "data");
    nest.dims = PyArray_NDIM(data);
    for (int d = 0; d < nest.dims; ++d) nest.shape[d] = PyArray_DIM(data, d);
    if (has_gamma && !read_gamma(gamma_)) return false;
    if (out_.is_none()) {
      result = new_like(data);
    } else {
      if (!plain(out_.ptr())) return false;
      auto* given = reinterpret_cast<PyArrayObject*>(out_.ptr());
      if (!PyArray_SAMESHAPE(given, data) || PyArray_TYPE(given) != PyArray_TYPE(data) || !PyArray_ISWRITEABLE(given) ||
          in_the_way(given, data) || (has_gamma && in_the_way(given, reinterpret_cast<PyArrayObject*>(gamma_.ptr()))))
        return false;
      result = nb::borrow(out_);
    }
    nest.views[input] = same_shape(data, data, "data");
    nest.views[out] = same_shape(reinterpret_cast<PyArrayObject*>(result.ptr()), data, "out");
    nest.used[input] = nest.used[out] = true;
    if (work.drawn) count_elements(nest);
    return true;
  }

 private:
  static bool plain(PyObject* object) {
    if (!PyArray_CheckExact(object)) return false;
    auto* array = reinterpret_cast<PyArrayObject*>(object);
    const int number = PyArray_TYPE(array);
    const bool known = number == NPY_FLOAT || number == NPY_DOUBLE || number == NPY_HALF || number == bfloat16_number;
    return known && PyArray_ISBEHAVED_RO(array) && PyArray_NDIM(array) > 0;
  }

  /// One slope, or one for each index of axis 1, in the arithmetic type.
  bool read_gamma(nb::handle gamma_) {
    if (!plain(gamma_.ptr())) return false;
    auto* gamma = reinterpret_cast<PyArrayObject*>(gamma_.ptr());
    work.slope_type = type_of(gamma, "gamma");
    if (work.slope_type != (work.type == float64 ? float64 : float32)) return false;
    const bool shared = PyArray_SIZE(gamma) == 1;
    if (!shared && (PyArray_NDIM(gamma) != 1 || nest.dims < 2 || PyArray_DIM(gamma, 0) != nest.shape[1])) return false;
    nest.views[slopes].data = PyArray_BYTES(gamma);
    if (!shared) nest.views[slopes].strides[1] = PyArray_STRIDE(gamma, 0);
    nest.used[slopes] = true;
    return true;
  }
};

}  // namespace rectifier
