// The 16-bit element types as they lie in memory. No functions here: code is compiled per CPU target, in lanes.hpp.
#pragma once

#include <cstdint>

namespace rectifier {

/// IEEE 754 binary16.
struct half {
  std::uint16_t bits;
};

/// The upper half of an IEEE 754 binary32.
struct bfloat {
  std::uint16_t bits;
};

}  // namespace rectifier
