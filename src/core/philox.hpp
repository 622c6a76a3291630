// rrelu's slopes: Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC
// 2011). The slope of element i comes from word i mod 4 of the block with counter i div 4. Included once per CPU
// target.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels.hpp"
#include "lanes.hpp"

namespace rectifier::RECTIFIER_TARGET {

constexpr std::uint32_t philox_multiplier[2] = {0xD2511F53U, 0xCD9E8D57U};
constexpr std::uint32_t philox_weyl[2] = {0x9E3779B9U, 0xBB67AE85U};
constexpr int philox_rounds = 10;

/// Whole numbers of 64 bits, of which multiply_low reads the lower half: x86 has no other wide multiply for lanes.
#if RECTIFIER_LEVEL == 4
struct u64 {
  static constexpr int width = 8;
  __m512i v;
};
RECTIFIER_INLINE u64 repeat(std::uint64_t a) { return {_mm512_set1_epi64(static_cast<long long>(a))}; }
RECTIFIER_INLINE u64 load_counters(const std::uint64_t* p) { return {_mm512_loadu_si512(p)}; }
RECTIFIER_INLINE u64 operator+(u64 a, u64 b) { return {_mm512_add_epi64(a.v, b.v)}; }
RECTIFIER_INLINE u64 operator^(u64 a, u64 b) { return {_mm512_xor_si512(a.v, b.v)}; }
RECTIFIER_INLINE u64 xor3(u64 a, u64 b, u64 c) { return {_mm512_ternarylogic_epi64(a.v, b.v, c.v, 0x96)}; }
RECTIFIER_INLINE u64 multiply_low(u64 a, u64 b) { return {_mm512_mul_epu32(a.v, b.v)}; }
RECTIFIER_INLINE u64 upper_half(u64 a) { return {_mm512_srli_epi64(a.v, 32)}; }
/// The same, with anything above it, by a shuffle: not all of these are to wait for the port of the shifts.
RECTIFIER_INLINE u64 repeat_upper_half(u64 a) { return {_mm512_shuffle_epi32(a.v, static_cast<_MM_PERM_ENUM>(0xF5))}; }
RECTIFIER_INLINE u64 raise(u64 a) { return {_mm512_slli_epi64(a.v, 32)}; }
/// Counters in the order that makes interleave() give them back one after the other.
RECTIFIER_INLINE u64 first_counters() { return {_mm512_set_epi64(7, 3, 6, 2, 5, 1, 4, 0)}; }
RECTIFIER_INLINE void interleave(u64 a, u64 b, f32& first, f32& second) {
  const __m512i order = _mm512_broadcast_i32x4(_mm_setr_epi8(5, 6, 7, -1, 1, 2, 3, -1, 13, 14, 15, -1, 9, 10, 11, -1));
  first = _mm512_cvtepi32_ps(_mm512_shuffle_epi8(_mm512_unpacklo_epi64(a.v, b.v), order));
  second = _mm512_cvtepi32_ps(_mm512_shuffle_epi8(_mm512_unpackhi_epi64(a.v, b.v), order));
}
template <int choice>
RECTIFIER_INLINE f32 pick(u64 a, u64 b) {
  const __m512 words = _mm512_shuffle_ps(_mm512_castsi512_ps(a.v), _mm512_castsi512_ps(b.v), choice);
  return _mm512_cvtepi32_ps(_mm512_srli_epi32(_mm512_castps_si512(words), 8));
}
RECTIFIER_INLINE void widen_slopes(f32 slopes, f64 (&parts)[2]) {
  parts[0] = _mm512_cvtps_pd(_mm512_castps512_ps256(slopes.v));
  parts[1] = _mm512_cvtps_pd(_mm512_extractf32x8_ps(slopes.v, 1));
}
#elif RECTIFIER_LEVEL == 3
struct u64 {
  static constexpr int width = 4;
  __m256i v;
};
RECTIFIER_INLINE u64 repeat(std::uint64_t a) { return {_mm256_set1_epi64x(static_cast<long long>(a))}; }
RECTIFIER_INLINE u64 load_counters(const std::uint64_t* p) {
  return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))};
}
RECTIFIER_INLINE u64 operator+(u64 a, u64 b) { return {_mm256_add_epi64(a.v, b.v)}; }
RECTIFIER_INLINE u64 operator^(u64 a, u64 b) { return {_mm256_xor_si256(a.v, b.v)}; }
RECTIFIER_INLINE u64 xor3(u64 a, u64 b, u64 c) { return {_mm256_xor_si256(_mm256_xor_si256(a.v, b.v), c.v)}; }
RECTIFIER_INLINE u64 multiply_low(u64 a, u64 b) { return {_mm256_mul_epu32(a.v, b.v)}; }
RECTIFIER_INLINE u64 upper_half(u64 a) { return {_mm256_srli_epi64(a.v, 32)}; }
RECTIFIER_INLINE u64 repeat_upper_half(u64 a) { return {_mm256_shuffle_epi32(a.v, 0xF5)}; }
RECTIFIER_INLINE u64 raise(u64 a) { return {_mm256_slli_epi64(a.v, 32)}; }
RECTIFIER_INLINE u64 first_counters() { return {_mm256_set_epi64x(3, 1, 2, 0)}; }
RECTIFIER_INLINE void interleave(u64 a, u64 b, f32& first, f32& second) {
  const __m256i order =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(5, 6, 7, -1, 1, 2, 3, -1, 13, 14, 15, -1, 9, 10, 11, -1));
  first = _mm256_cvtepi32_ps(_mm256_shuffle_epi8(_mm256_unpacklo_epi64(a.v, b.v), order));
  second = _mm256_cvtepi32_ps(_mm256_shuffle_epi8(_mm256_unpackhi_epi64(a.v, b.v), order));
}
template <int choice>
RECTIFIER_INLINE f32 pick(u64 a, u64 b) {
  const __m256 words = _mm256_shuffle_ps(_mm256_castsi256_ps(a.v), _mm256_castsi256_ps(b.v), choice);
  return _mm256_cvtepi32_ps(_mm256_srli_epi32(_mm256_castps_si256(words), 8));
}
RECTIFIER_INLINE void widen_slopes(f32 slopes, f64 (&parts)[2]) {
  parts[0] = _mm256_cvtps_pd(_mm256_castps256_ps128(slopes.v));
  parts[1] = _mm256_cvtps_pd(_mm256_extractf128_ps(slopes.v, 1));
}
#else
RECTIFIER_INLINE void widen_slopes(f32 slopes, f64 (&parts)[1]) { parts[0] = static_cast<double>(slopes.v); }
#endif
RECTIFIER_INLINE void widen_slopes(f32 slopes, f32 (&parts)[1]) { parts[0] = slopes; }

/// The map from 24 random bits to [lower, upper): one fused multiply-add, kept below upper.
struct SlopeMap {
  explicit SlopeMap(const SlopeRange& range)
      : step(static_cast<float>((static_cast<double>(range.upper) - static_cast<double>(range.lower)) * 0x1p-24)),
        lower(range.lower),
        last(range.last) {}
  RECTIFIER_INLINE_MEMBER f32 operator()(f32 random) const {
    return min(fma(random, f32(step), f32(lower)), f32(last));
  }
  float step;
  float lower;
  float last;
};

/// One block of four words, in scalar integers.
RECTIFIER_INLINE void philox_block(std::uint64_t counter, std::uint64_t key, std::uint32_t (&words)[4]) {
  std::uint32_t c0 = static_cast<std::uint32_t>(counter), c1 = static_cast<std::uint32_t>(counter >> 32);
  std::uint32_t c2 = 0, c3 = 0;
  std::uint32_t k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < philox_rounds; ++round) {
    const std::uint64_t p0 = static_cast<std::uint64_t>(c0) * philox_multiplier[0];
    const std::uint64_t p1 = static_cast<std::uint64_t>(c2) * philox_multiplier[1];
    c0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c1 = static_cast<std::uint32_t>(p1);
    c3 = static_cast<std::uint32_t>(p0);
    k0 += philox_weyl[0];
    k1 += philox_weyl[1];
  }
  words[0] = c0;
  words[1] = c1;
  words[2] = c2;
  words[3] = c3;
}

#if RECTIFIER_LEVEL >= 3
/// The rounds for registers of counters that share their upper half. The third and fourth word of a counter are zero,
/// so half of the first two rounds is the same for all: it is worked out once.
class Rounds {
 public:
  Rounds(std::uint64_t key, std::uint64_t counter) {
    std::uint32_t k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
    const std::uint64_t shared = (static_cast<std::uint32_t>(counter >> 32) ^ k0) * std::uint64_t{philox_multiplier[0]};
    first_ = repeat(k1);
    second_[0] = repeat(k0 += philox_weyl[0]);
    second_[1] = repeat((k1 += philox_weyl[1]) ^ static_cast<std::uint32_t>(shared >> 32));
    for (auto& pair : later_) {
      pair[0] = repeat(k0 += philox_weyl[0]);
      pair[1] = repeat(k1 += philox_weyl[1]);
    }
    later_[0][1] = later_[0][1] ^ repeat(static_cast<std::uint32_t>(shared));
    u64(&last)[2] = later_[philox_rounds - 3];
    for (u64& half : last) half = raise(half);
  }

  /// From the products of the counters' lower halves with the first multiplier: words 1 and 0 of each block in `low`,
  /// 3 and 2 in `high`.
  template <int chains>
  RECTIFIER_INLINE_MEMBER void operator()(const u64 (&products)[chains], u64 (&low)[chains],
                                          u64 (&high)[chains]) const {
    const u64 m0 = repeat(philox_multiplier[0]), m1 = repeat(philox_multiplier[1]);
    u64 c0[chains], c1[chains], c2[chains], c3[chains];
    for (int c = 0; c < chains; ++c) {
      c1[c] = multiply_low(upper_half(products[c]) ^ first_, m1);
      c0[c] = repeat_upper_half(c1[c]) ^ second_[0];
      c2[c] = products[c] ^ second_[1];
      c3[c] = repeat(0);
    }
    for (int round = 0; round < philox_rounds - 3; ++round)
      for (int c = 0; c < chains; ++c) {
        const u64 p0 = multiply_low(c0[c], m0), p1 = multiply_low(c2[c], m1);
        c0[c] = xor3(upper_half(p1), c1[c], later_[round][0]);
        c2[c] = xor3(repeat_upper_half(p0), c3[c], later_[round][1]);
        c1[c] = p1;
        c3[c] = p0;
      }
    for (int c = 0; c < chains; ++c) {
      low[c] = xor3(multiply_low(c2[c], m1), raise(c1[c]), later_[philox_rounds - 3][0]);
      high[c] = xor3(multiply_low(c0[c], m0), raise(c3[c]), later_[philox_rounds - 3][1]);
    }
  }

 private:
  u64 first_, second_[2], later_[philox_rounds - 2][2];
};

/// Draws the slopes of one index after the other, from a multiple of four on, as long as the upper half of the counter
/// stays what it is.
class Drawing {
 public:
  // Registers of counters whose rounds run side by side. With AVX2 three are 1.46 times as fast as one, two 1.2 times
  // and four 1.2 times (Zen 3, 2026-11); with AVX-512 one takes 0.393 ns a slope, two and three 0.344 ns and four 0.313
  // ns (Sapphire Rapids, 2026-12).
  static constexpr int chains = RECTIFIER_LEVEL == 3 ? 3 : 4;
  static constexpr int registers = 2 * chains;
  static constexpr int fewest_registers = 2;
  Drawing(std::uint64_t counter, const SlopeRange& range)
      : rounds_(range.key, counter),
        map_(range),
        products_(repeat((counter & 0xFFFFFFFFU) * philox_multiplier[0]) +
                  multiply_low(first_counters(), repeat(philox_multiplier[0]))) {}

  template <int count>
  RECTIFIER_INLINE_MEMBER void next(f32 (&slopes)[count]) {
    u64 products[count / 2], low[count / 2], high[count / 2];
    for (u64& p : products) {
      p = products_;
      products_ = products_ + repeat(std::uint64_t{u64::width} * philox_multiplier[0]);
    }
    rounds_(products, low, high);
    for (int c = 0; c < count / 2; ++c) {
      interleave(low[c], high[c], slopes[2 * c], slopes[2 * c + 1]);
      for (int k = 2 * c; k < 2 * c + 2; ++k) slopes[k] = map_(slopes[k]);
    }
  }

 private:
  Rounds rounds_;
  SlopeMap map_;
  u64 products_;
};
#else
class Drawing {
 public:
  static constexpr int registers = 4;
  static constexpr int fewest_registers = registers;
  Drawing(std::uint64_t counter, const SlopeRange& range) : counter_(counter), key_(range.key), map_(range) {}

  template <int count>
  RECTIFIER_INLINE_MEMBER void next(f32 (&slopes)[count]) {
    std::uint32_t words[4];
    philox_block(counter_++, key_, words);
    for (int k = 0; k < 4; ++k) slopes[k] = map_(f32(static_cast<float>(words[k] >> 8)));
  }

 private:
  std::uint64_t counter_, key_;
  SlopeMap map_;
};
#endif

}  // namespace rectifier::RECTIFIER_TARGET
