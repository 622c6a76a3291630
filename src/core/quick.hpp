// The quick path: a call whose arguments are all of the plainest kinds, read without a line of Python. Whatever is not
// plain goes to the general path, which looks again and finds the words for what is wrong. For bindings.cpp.
#pragma once

#include <nanobind/nanobind.h>

#include <numpy/arrayobject.h>
#include <cmath>

#include "arrays.hpp"
#include "cpu.hpp"
#include "nest.hpp"
#include "tensors.hpp"

namespace rectifier {

/// What the quick path knows of the table of activations, told once by Python.
struct QuickTable {
  struct Row {
    PyObject* name;
    Formula formula;
    bool has_gamma, is_random;
  };
  static constexpr std::size_t most_rows = 16;
  Row rows[most_rows] = {};
  std::size_t count = 0;
};
inline QuickTable quick_table;

/// The key with which this thread's last quick call drew.
inline thread_local std::uint64_t last_key = 0;

inline void register_activation(nb::handle name, int formula, bool has_gamma, bool is_random) {
  require(formula >= 0 && formula < kernels().formula_count && quick_table.count < QuickTable::most_rows,
          "`formula` must be one that the kernels have");
  quick_table.rows[quick_table.count++] = {name.inc_ref().ptr(), static_cast<Formula>(formula), has_gamma, is_random};
}

/// All of a call's arguments but the arrays.
struct QuickParameters {
  Work work;
  bool has_gamma = false, has_axis = false, wants_key = false;
  std::ptrdiff_t gamma_axis = 1;

  bool read_parameters(nb::handle act_type, nb::handle slope, nb::handle lower, nb::handle upper, nb::handle training,
                       nb::handle rng, nb::handle axis) {
    std::size_t k = 0;
    while (k < quick_table.count && act_type.ptr() != quick_table.rows[k].name) ++k;
    if (k == quick_table.count || (training.ptr() != Py_False && training.ptr() != Py_True)) return false;
    const QuickTable::Row& row = quick_table.rows[k];
    // All parameters are checked, those that the activation does not read too.
    Parameters& numbers = work.parameters;
    if (!read_number(slope, numbers.slope) || !read_number(lower, numbers.lower) ||
        !read_number(upper, numbers.upper) || numbers.lower > numbers.upper)
      return false;
    work.formula = row.formula;
    has_gamma = row.has_gamma;
    has_axis = !axis.is_none();
    if (has_axis) {
      if (!has_gamma || !PyLong_CheckExact(axis.ptr())) return false;
      gamma_axis = PyLong_AsSsize_t(axis.ptr());
      if (PyErr_Occurred()) {
        PyErr_Clear();
        return false;
      }
    }
    if (row.is_random && training.ptr() == Py_True) {
      wants_key = rng.is_none();
      return wants_key || read_key(rng);
    }
    if (row.is_random) numbers.slope = 0.5 * (numbers.lower + numbers.upper);
    return rng.is_none();
  }

  bool read_key(nb::handle rng) {
    if (!PyLong_CheckExact(rng.ptr())) return false;
    const unsigned long long key = PyLong_AsUnsignedLongLong(rng.ptr());
    if (PyErr_Occurred()) {
      PyErr_Clear();
      return false;
    }
    last_key = key;
    work.drawn = true;
    work.range = slope_range(key, work.parameters.lower, work.parameters.upper);
    return true;
  }

 private:
  /// A float that is finite in each arithmetic type.
  static bool read_number(nb::handle object, double& number) {
    if (!PyFloat_CheckExact(object.ptr())) return false;
    number = PyFloat_AS_DOUBLE(object.ptr());
    return std::fabs(number) <= 3.4028234663852886e38;
  }
};

/// The arrays of a call beside its parameters.
struct QuickCall : QuickParameters {
  Nest nest;
  nb::object result;

  QuickCall() = default;
  explicit QuickCall(const QuickParameters& parameters) : QuickParameters(parameters) {}

  bool read_arrays(nb::handle data_, nb::handle gamma_, nb::handle out_) {
    Array data, given, gamma;
    if (wants_key && !is_tensor(data_)) return false;  // before anything is made
    if (!plain(data_, data) || has_gamma == gamma_.is_none() ||
        (has_gamma && (is_tensor(gamma_) != is_tensor(data_) || !plain(gamma_, gamma))))
      return false;
    if (!fit(data, gamma)) return false;
    if (out_.is_none()) {
      result = new_like(data_, data);
      given = read_array(result, "out");
    } else {
      if (!plain(out_, given) || is_tensor(out_) != is_tensor(data_) || !have_same_shape(given, data) ||
          given.kind != data.kind || !given.writeable || given.repeats() || in_the_way(given, data) ||
          (has_gamma && in_the_way(given, gamma)))
        return false;
      result = nb::borrow(out_);
    }
    return place(data, given);
  }

  /// The arrays of tensors that their library has read, and made like another.
  bool read_tensors(const Array& data, const Array* gamma, const Array& given) {
    return data.is_float() && has_gamma == (gamma != nullptr) && fit(data, has_gamma ? *gamma : Array()) &&
           place(data, given);
  }

  /// Whether the gamma that there may be is for such data.
  bool fit(const Array& data, const Array& gamma) {
    work.type = type_of(data, "data");
    shape_of(data, nest);
    return !has_gamma || (take_gamma(gamma) && line_up(gamma, nest.views[slopes], nullptr));
  }

  bool place(const Array& data, const Array& given) {
    nest.views[input] = same_shape(data, data, "data");
    nest.views[out] = same_shape(given, data, "out");
    nest.used[input] = nest.used[out] = true;
    // Once all else is known to be right: a generator that has moved on does not go back.
    if (wants_key && !read_key(nb::handle(tensor_library.draw_key)())) return false;
    if (work.drawn) count_elements(nest);
    return true;
  }

  /// An array of NumPy's own type with axes, or a tensor, of floats. Whoever hands a tensor over knows that it is
  /// plain.
  static bool plain(nb::handle object, Array& read) {
    if (PyArray_CheckExact(object.ptr())) {
      read = array_of_numpy(reinterpret_cast<PyArrayObject*>(object.ptr()));
      return read.is_float() && read.dims > 0;
    }
    if (!is_tensor(object)) return false;
    read = array_of_tensor(object, "data");
    return read.is_float();
  }

  /// Gamma as a plain array in the arithmetic type, or one that widens to it.
  bool read_gamma(nb::handle gamma_, Array& gamma) { return plain(gamma_, gamma) && take_gamma(gamma); }
  bool take_gamma(const Array& gamma) {
    if (!gamma.is_float()) return false;
    work.slope_type = static_cast<Type>(gamma.kind);
    nest.used[slopes] = true;
    return slope_size(work.slope_type) == slope_size(work.type);
  }

  /// Lines gamma, or its gradient, up with the data: one slope, one for each index of an axis, or one for each element
  /// are the plain cases of gamma's rule. `covered` is, of each axis, whether gamma has the data's size there.
  bool line_up(const Array& gamma, View& view, bool* covered) const {
    view.data = gamma.data;
    const std::ptrdiff_t axis = gamma_axis < 0 ? gamma_axis + nest.dims : gamma_axis;
    if (has_axis && (axis < 0 || axis >= nest.dims)) return false;
    const auto cover = [&](std::ptrdiff_t d) {
      if (covered != nullptr) covered[d] = true;
    };
    for (int d = 0; d < nest.dims; ++d)
      if (nest.shape[d] == 1) cover(d);
    if (gamma.size() == 1) return true;
    if (gamma.dims == 1 && axis < nest.dims && gamma.shape[0] == nest.shape[axis]) {
      view.strides[axis] = gamma.stride(0);
      cover(axis);
      return true;
    }
    if (has_axis || gamma.dims != nest.dims) return false;
    for (int d = 0; d < nest.dims; ++d) {
      if (gamma.shape[d] != nest.shape[d]) return false;
      view.strides[d] = gamma.shape[d] == 1 ? 0 : gamma.stride(d);
      cover(d);
    }
    return true;
  }
};

}  // namespace rectifier
