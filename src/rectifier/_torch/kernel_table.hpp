// What the core offers to code that is compiled elsewhere: functions on memory, which neither know nor need Python; but
// for `call`, whose numbers are Python's.
// `_core.kernel_table` is a capsule of this name with a table in it. Its users are compiled from this very header.
#pragma once

#include <Python.h>

#include <cstddef>
#include <cstdint>

namespace rectifier {

/// Elements in memory: strides count elements, and `type` is a Type of the kernels, or `bytes`.
struct Elements {
  static constexpr int bytes = -2;

  void* data;
  int dims;
  const std::int64_t *shape, *strides;
  int type;
};

/// The arguments of `_core.apply`; a null pointer is None.
struct ApplyCall {
  int formula;
  const Elements *out, *data, *d_out, *gamma;
  double slope, lower, upper;
  const std::uint64_t* key;
};

struct KernelTable {
  static constexpr const char* capsule = "rectifier._core.kernel_table";

  std::size_t size;  // of this table
  void (*apply)(const ApplyCall&);
  void (*gamma_pullback)(const Elements* d_data, const Elements& d_gamma, const Elements& d_out, const Elements& data,
                         const Elements& gamma);
  void (*pack_signs)(const Elements& bits, const Elements& data);
  /// A recycled block for a result, or null for one that is better made by other means.
  void* (*take_result)(std::size_t bytes);
  void (*give_back_result)(void* block);
  /// `_core.call` with its ten arguments, on tensors that the caller has read, and made: 1, or 0 for NotImplemented, or
  /// -1 with an exception set.
  int (*call)(PyObject* const* arguments, const Elements& data, const Elements* gamma, const Elements& out);
  /// The key with which `call` drew last on this thread.
  std::uint64_t (*last_key)();
};

}  // namespace rectifier
