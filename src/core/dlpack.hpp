// The part of DLPack 1.3 (https://dmlc.github.io/dlpack) that is needed to read and make another library's tensors.
#pragma once

#include <cstdint>

namespace rectifier::dlpack {

constexpr std::uint32_t major_version = 1, minor_version = 3;
constexpr std::int32_t cpu = 1;
enum Code : std::uint8_t { unsigned_code = 1, float_code = 2, bfloat_code = 4 };

struct Version {
  std::uint32_t major, minor;
};

struct Tensor {
  void* data;
  std::int32_t device_type, device_id;
  std::int32_t dims;
  std::uint8_t code, bits;
  std::uint16_t lanes;
  std::int64_t *shape, *strides;  // strides count elements
  std::uint64_t byte_offset;
};

struct Managed {
  Version version;
  void* context;
  void (*deleter)(Managed*);
  std::uint64_t flags;
  Tensor tensor;
};

/// What a library's type of tensors offers as `__dlpack_c_exchange_api__`. A function that fails sets Python's error.
struct ExchangeApi {
  Version version;
  void* previous;
  int (*allocate)(Tensor*, Managed**, void*, void (*)(void*, const char*, const char*));
  int (*managed_from_object)(void* object, Managed**);
  int (*object_from_managed)(Managed*, void** object);
  int (*tensor_from_object)(void* object, Tensor*);
  int (*current_stream)(std::int32_t device_type, std::int32_t device_id, void** stream);
};

}  // namespace rectifier::dlpack
