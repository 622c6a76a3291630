// Lanes of any other CPU: one number each, in portable C++ that compilers vectorise by themselves. Every choice is
// written as a ?: between computed values, so that loops stay free of branches. Included by lanes.hpp only.
#pragma once

namespace rectifier::RECTIFIER_TARGET {

/// One float.
struct f32 {
  using scalar = float;
  using mask = bool;
  static constexpr int width = 1;
  float v;
  f32() = default;
  RECTIFIER_INLINE_MEMBER f32(float s) : v(s) {}
};

/// One double.
struct f64 {
  using scalar = double;
  using mask = bool;
  static constexpr int width = 1;
  double v;
  f64() = default;
  RECTIFIER_INLINE_MEMBER f64(double s) : v(s) {}
};

RECTIFIER_INLINE f32 operator+(f32 a, f32 b) { return a.v + b.v; }
RECTIFIER_INLINE f32 operator-(f32 a, f32 b) { return a.v - b.v; }
RECTIFIER_INLINE f32 operator*(f32 a, f32 b) { return a.v * b.v; }
RECTIFIER_INLINE f32 operator/(f32 a, f32 b) { return a.v / b.v; }
RECTIFIER_INLINE f64 operator+(f64 a, f64 b) { return a.v + b.v; }
RECTIFIER_INLINE f64 operator-(f64 a, f64 b) { return a.v - b.v; }
RECTIFIER_INLINE f64 operator*(f64 a, f64 b) { return a.v * b.v; }
RECTIFIER_INLINE f64 operator/(f64 a, f64 b) { return a.v / b.v; }

/// fma where the target has it, else a product and a sum: for formulas that are right with either.
RECTIFIER_INLINE f32 muladd(f32 a, f32 b, f32 c) { return a * b + c; }
RECTIFIER_INLINE f64 muladd(f64 a, f64 b, f64 c) { return a * b + c; }
RECTIFIER_INLINE f32 nmuladd(f32 a, f32 b, f32 c) { return c - a * b; }
RECTIFIER_INLINE f64 nmuladd(f64 a, f64 b, f64 c) { return c - a * b; }

/// min is a < b ? a : b and max is a > b ? a : b: a NaN in either gives b.
RECTIFIER_INLINE f32 min(f32 a, f32 b) { return a.v < b.v ? a.v : b.v; }
RECTIFIER_INLINE f32 max(f32 a, f32 b) { return a.v > b.v ? a.v : b.v; }
RECTIFIER_INLINE f64 min(f64 a, f64 b) { return a.v < b.v ? a.v : b.v; }
RECTIFIER_INLINE f64 max(f64 a, f64 b) { return a.v > b.v ? a.v : b.v; }

RECTIFIER_INLINE bool operator<(f32 a, f32 b) { return a.v < b.v; }
RECTIFIER_INLINE bool operator>(f32 a, f32 b) { return a.v > b.v; }
RECTIFIER_INLINE bool operator<(f64 a, f64 b) { return a.v < b.v; }
RECTIFIER_INLINE bool operator>(f64 a, f64 b) { return a.v > b.v; }

/// x < 0; false for NaN. Where it matters to no formula, a target may count -0 or NaN among the negative.
RECTIFIER_INLINE bool negative(f32 x) { return x.v < 0.0F; }
RECTIFIER_INLINE bool negative(f64 x) { return x.v < 0.0; }

/// x > 0; false for NaN.
RECTIFIER_INLINE bool positive(f32 x) { return x.v > 0.0F; }
RECTIFIER_INLINE bool positive(f64 x) { return x.v > 0.0; }

RECTIFIER_INLINE f32 select(bool m, f32 a, f32 b) { return m ? a.v : b.v; }
RECTIFIER_INLINE f64 select(bool m, f64 a, f64 b) { return m ? a.v : b.v; }

RECTIFIER_INLINE std::uint32_t bits(float x) {
  std::uint32_t u;
  std::memcpy(&u, &x, sizeof u);
  return u;
}
RECTIFIER_INLINE float from_bits(std::uint32_t u) {
  float x;
  std::memcpy(&x, &u, sizeof x);
  return x;
}
RECTIFIER_INLINE std::uint64_t bits(double x) {
  std::uint64_t u;
  std::memcpy(&u, &x, sizeof u);
  return u;
}
RECTIFIER_INLINE double from_bits(std::uint64_t u) {
  double x;
  std::memcpy(&x, &u, sizeof x);
  return x;
}

RECTIFIER_INLINE std::uint32_t bits(f32 x) { return bits(x.v); }
RECTIFIER_INLINE std::uint64_t bits(f64 x) { return bits(x.v); }
template <int n>
RECTIFIER_INLINE std::uint32_t shift_left(std::uint32_t a) {
  return a << n;
}
template <int n>
RECTIFIER_INLINE std::uint32_t shift_right(std::uint32_t a) {
  return a >> n;
}
template <int n>
RECTIFIER_INLINE std::uint64_t shift_left(std::uint64_t a) {
  return a << n;
}
template <int n>
RECTIFIER_INLINE std::uint64_t shift_right(std::uint64_t a) {
  return a >> n;
}

/// |x|
RECTIFIER_INLINE f32 magnitude(f32 x) { return from_bits(bits(x) & 0x7fffffffU); }
RECTIFIER_INLINE f64 magnitude(f64 x) { return from_bits(bits(x) & 0x7fffffffffffffffU); }

/// min(|x|, limit), and limit for NaN; limit > 0.
RECTIFIER_INLINE f32 capped_magnitude(f32 x, float limit) { return min(magnitude(x), f32(limit)); }
RECTIFIER_INLINE f64 capped_magnitude(f64 x, double limit) { return min(magnitude(x), f64(limit)); }

template <class F>
RECTIFIER_INLINE f32 in_double(f32 x, F f) {
  return static_cast<float>(f(f64(static_cast<double>(x.v))).v);
}

/// table[i mod size].
RECTIFIER_INLINE f64 lookup(const double (&table)[16], std::uint64_t i) { return table[i & 15]; }

/// a * b + c, rounded once. The product is exact in double; the sum is rounded to odd, so that the second rounding,
/// to float, cannot hide the first (Boldo and Melquiond, IEEE Trans. Comput. 57, 2008).
RECTIFIER_INLINE f32 fma(f32 a, f32 b, f32 c) {
  const double p = static_cast<double>(a.v) * b.v;
  const double d = c.v;
  const double s = p + d;
  const double t = s - p;
  const double error = (p - (s - t)) + (d - t);
  const std::uint64_t u = bits(s);
  const std::uint64_t inexact = (error < 0.0) | (error > 0.0);
  const std::uint64_t away = (error > 0.0) == (s > 0.0);
  return static_cast<float>(from_bits(u + (inexact & ~u & 1U) * (away + away - 1U)));
}

/// half to float: shift the exponent field into place and scale by 2^112, which also makes subnormals right.
RECTIFIER_INLINE f32 widen(half h) {
  const std::uint32_t u = h.bits;
  const float scaled = from_bits((u & 0x7fffU) << 13) * 0x1p112F;
  const std::uint32_t special = (u & 0x7c00U) == 0x7c00U ? 0x7f800000U : 0U;
  return from_bits(bits(scaled) | special | (u & 0x8000U) << 16);
}
RECTIFIER_INLINE f32 widen(bfloat b) { return from_bits(static_cast<std::uint32_t>(b.bits) << 16); }

/// float to half: one integer rounding for normal results; the sum with 1/2 rounds subnormal ones.
RECTIFIER_INLINE half narrow(f32 x, half) {
  const std::uint32_t u = bits(x.v) & 0x7fffffffU;
  const std::uint32_t normal = (u + 0xc8000fffU + (u >> 13 & 1U)) >> 13;
  const std::uint32_t subnormal = bits(from_bits(u) + 0.5F) - 0x3f000000U;
  const std::uint32_t finite = u < 0x38800000U ? subnormal : normal;
  const std::uint32_t large = u > 0x7f800000U ? 0x7e00U : 0x7c00U;
  const std::uint32_t r = u >= 0x47800000U ? large : finite;
  return {static_cast<std::uint16_t>(r | (bits(x.v) >> 16 & 0x8000U))};
}
RECTIFIER_INLINE bfloat narrow(f32 x, bfloat) {
  const std::uint32_t u = bits(x.v);
  const std::uint32_t rounded = (u + 0x7fffU + (u >> 16 & 1U)) >> 16;
  const std::uint32_t quiet = u >> 16 | 0x40U;
  return {static_cast<std::uint16_t>((u & 0x7fffffffU) > 0x7f800000U ? quiet : rounded)};
}

template <class V, class E>
RECTIFIER_INLINE V load(const E* p) {
  if constexpr (sizeof(E) == 2) {
    return widen(*p);
  } else {
    return *p;
  }
}

template <class V, class E>
RECTIFIER_INLINE void store(E* p, V x) {
  if constexpr (sizeof(E) == 2) {
    *p = narrow(x, E{});
  } else {
    *p = x.v;
  }
}

// A width of one has no parts and nothing to gain from streaming.
template <class V, class E>
RECTIFIER_INLINE V load_part(const E* p, std::size_t) {
  return load<V>(p);
}
template <class V, class E>
RECTIFIER_INLINE void store_part(E* p, V x, std::size_t) {
  store(p, x);
}
template <class V, class E>
RECTIFIER_INLINE void stream(E* p, V x) {
  store(p, x);
}

}  // namespace rectifier::RECTIFIER_TARGET
