// f32 formulas in double, for CPU targets that may lack fma: plain scalar code that compilers vectorise.
// Included by formulas.hpp only.
#pragma once

#include <cmath>

#include "formulas_common.hpp"
#include "tables.hpp"

namespace rectifier::RECTIFIER_TARGET {

/// y with its sign bit set where x has it set.
template <class V>
RECTIFIER_INLINE V or_sign(V y, V x) {
  return from_bits(bits(y) | (bits(x) & bits(V(typename V::scalar(-0.0)))));
}

/// y with its sign changed where flip is -0.
template <class V>
RECTIFIER_INLINE V flip_sign(V y, V flip) {
  return from_bits(bits(y) ^ bits(flip));
}

/// exp(x) = 2^k * (1 + change).
struct Exponential {
  f64 power;
  f64 change;
};

RECTIFIER_INLINE Exponential exponential_short(f64 x) {
  const f64 magic = power_magic<f64>();
  const f64 shifted = x * f64(SplitDouble::log2e) + magic;
  const f64 k = shifted - magic;
  const f64 r = (x - k * f64(SplitDouble::ln2_high)) - k * f64(SplitDouble::ln2_low);
  return {power_of_two(shifted), r + r * (r * horner(Expm1Short::poly, r))};
}

/// expm1(x) for x <= 0.
RECTIFIER_INLINE f64 expm1_short(f64 x) {
  const Exponential e = exponential_short(max(f64(-25), x));
  return e.power * e.change + (e.power - f64(1));
}

/// exp(x) for x <= 0. The floor makes room for every slope: 2^128 * exp(-200) is still zero.
RECTIFIER_INLINE f64 exp_short(f64 x) {
  const Exponential e = exponential_short(max(f64(-200), x));
  return e.power * e.change + e.power;
}

RECTIFIER_INLINE f64 to_double(f32 x) { return static_cast<double>(x.v); }
RECTIFIER_INLINE f32 to_float(f64 x) { return static_cast<float>(x.v); }

/// As the template, in double: <= 0.51 ULP on every input.
template <>
struct Elu<f32> {
  explicit Elu(const Parameters& p) : slope(static_cast<float>(p.slope)) {}
  RECTIFIER_INLINE_MEMBER f32 value(f32 x) const {
    const f32 y = to_float(f64(std::fabs(slope)) * expm1_short(to_double(x)));
    return select(positive(x), x, flip_sign(or_sign(y, x), f32(std::signbit(slope) ? -0.0F : 0.0F)));
  }
  RECTIFIER_INLINE_MEMBER f32 derivative(f32 x) const {
    return select(positive(x), f32(1), to_float(f64(slope) * exp_short(to_double(x))));
  }
  float slope;
};

/// As the template, in double: <= 0.51 ULP on every input.
template <>
struct Selu<f32> {
  explicit Selu(const Parameters&) {}
  RECTIFIER_INLINE_MEMBER f32 value(f32 x) const {
    const f64 wide = to_double(x);
    const f64 below = f64(SplitDouble::selu_slope_high) * expm1_short(wide);
    return to_float(select(x < f32(0), below, f64(SplitDouble::selu_scale_high) * wide));
  }
  RECTIFIER_INLINE_MEMBER f32 derivative(f32 x) const {
    const f64 below = f64(SplitDouble::selu_slope_high) * exp_short(to_double(x));
    return to_float(select(positive(x), f64(SplitDouble::selu_scale_high), below));
  }
};

/// exp(-t * t / 2), t a float: its square is exact in double.
RECTIFIER_INLINE f64 gaussian_short(f64 t) {
  constexpr double two_ln2 = 2 * (SplitDouble::ln2_high + SplitDouble::ln2_low);
  const f64 magic = power_magic<f64>();
  const f64 s = t * t;
  const f64 shifted = s * f64(-1 / two_ln2) + magic;
  const f64 e = horner(HalfExponential::poly, s + (shifted - magic) * f64(two_ln2));
  return e * power_of_two(shifted);
}

/// As the template, in double: <= 0.51 ULP on every input.
template <>
struct Gelu<f32> {
  explicit Gelu(const Parameters&) {}
  RECTIFIER_INLINE_MEMBER f32 value(f32 x) const {
    const f64 wide = to_double(x);
    const f64 t = capped_magnitude(wide, TailShort::limit);
    const f64 v = t / (t + f64(4));
    const f64 y = v * horner(TailShort::poly, v - f64(0.375)) * gaussian_short(t);
    return to_float(max(f64(-0.0), wide) - y);
  }
  RECTIFIER_INLINE_MEMBER f32 derivative(f32 x) const {
    constexpr double root = SplitDouble::gelu_root_high;
    const f64 wide = to_double(x);
    const f64 t = min(f64(SlopeShort::limit), magnitude(wide));
    const f64 v = t / (t + f64(4));
    const f64 y = (f64(root) - t) * horner(SlopeShort::poly, v - f64(0.375)) * gaussian_short(t);
    return to_float(select(positive(wide), f64(1) - y, y));
  }
};

}  // namespace rectifier::RECTIFIER_TARGET
