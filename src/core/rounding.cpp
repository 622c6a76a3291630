#include "rounding.hpp"

#include <cmath>
#include <cstdint>
#include <cstring>

namespace rectifier {
namespace {

/// The nearest number with `precision` bits whose last bit is worth at least 2^least.
double round_to_bits(double value, int precision, int least) {
  if (value == 0.0 || !std::isfinite(value)) return value;
  const int exponent = std::ilogb(value) - (precision - 1);
  const int last = exponent > least ? exponent : least;
  return std::ldexp(std::nearbyint(std::ldexp(value, -last)), last);
}

}  // namespace

double pairwise(const double* terms, std::size_t n) {
  if (n <= 2) return n == 0 ? 0.0 : n == 1 ? terms[0] : terms[0] + terms[1];
  const std::size_t half = n / 2;
  return pairwise(terms, half) + pairwise(terms + half, n - half);
}

void write_rounded(Type type, char* to, double value) {
  if (type == float64) {
    std::memcpy(to, &value, 8);
    return;
  }
  float single = static_cast<float>(value);
  if (type == float32) {
    std::memcpy(to, &single, 4);
    return;
  }
  single = static_cast<float>(type == float16 ? round_to_bits(value, 11, -24) : round_to_bits(value, 8, -133));
  std::uint32_t bits;
  std::memcpy(&bits, &single, 4);
  std::uint32_t narrow = bits >> 16;  // exact for bfloat16, NaN and infinity included
  if (type == float16) {
    const std::uint32_t sign = bits >> 16 & 0x8000U, magnitude = bits & 0x7fffffffU;
    if (magnitude > 0x7f800000U) {
      narrow = 0x7e00U;
    } else if (magnitude >= 0x47800000U) {
      narrow = 0x7c00U;
    } else if (magnitude >= 0x38800000U) {
      narrow = (magnitude >> 13) - (112U << 10);
    } else {
      narrow = static_cast<std::uint32_t>(std::fabs(std::ldexp(single, 24)));
    }
    narrow |= sign;
  } else if ((bits & 0x7fffffffU) > 0x7f800000U) {
    narrow |= 0x40U;
  }
  const auto stored = static_cast<std::uint16_t>(narrow);
  std::memcpy(to, &stored, 2);
}

}  // namespace rectifier
