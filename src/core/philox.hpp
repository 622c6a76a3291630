// rrelu's slopes: Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC
// 2011). The slope of element i comes from word i mod 4 of the block with counter i div 4. Included once per CPU
// target.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

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
RECTIFIER_INLINE u64 operator+(u64 a, u64 b) { return {_mm512_add_epi64(a.v, b.v)}; }
RECTIFIER_INLINE u64 xor3(u64 a, u64 b, u64 c) { return {_mm512_ternarylogic_epi64(a.v, b.v, c.v, 0x96)}; }
RECTIFIER_INLINE u64 multiply_low(u64 a, u64 b) { return {_mm512_mul_epu32(a.v, b.v)}; }
RECTIFIER_INLINE u64 upper_half(u64 a) { return {_mm512_srli_epi64(a.v, 32)}; }
RECTIFIER_INLINE u64 join_halves(u64 low, u64 high) {
  return {_mm512_mask_blend_epi32(0xAAAA, low.v, _mm512_slli_epi64(high.v, 32))};
}
/// Counters in the order that makes interleave() give them back one after the other.
RECTIFIER_INLINE u64 first_counters() { return {_mm512_set_epi64(7, 3, 6, 2, 5, 1, 4, 0)}; }
RECTIFIER_INLINE void interleave(u64 a, u64 b, f32& first, f32& second) {
  first = _mm512_cvtepi32_ps(_mm512_srli_epi32(_mm512_unpacklo_epi64(a.v, b.v), 8));
  second = _mm512_cvtepi32_ps(_mm512_srli_epi32(_mm512_unpackhi_epi64(a.v, b.v), 8));
}
#elif RECTIFIER_LEVEL == 3
struct u64 {
  static constexpr int width = 4;
  __m256i v;
};
RECTIFIER_INLINE u64 repeat(std::uint64_t a) { return {_mm256_set1_epi64x(static_cast<long long>(a))}; }
RECTIFIER_INLINE u64 operator+(u64 a, u64 b) { return {_mm256_add_epi64(a.v, b.v)}; }
RECTIFIER_INLINE u64 xor3(u64 a, u64 b, u64 c) { return {_mm256_xor_si256(_mm256_xor_si256(a.v, b.v), c.v)}; }
RECTIFIER_INLINE u64 multiply_low(u64 a, u64 b) { return {_mm256_mul_epu32(a.v, b.v)}; }
RECTIFIER_INLINE u64 upper_half(u64 a) { return {_mm256_srli_epi64(a.v, 32)}; }
RECTIFIER_INLINE u64 join_halves(u64 low, u64 high) {
  return {_mm256_blend_epi32(low.v, _mm256_slli_epi64(high.v, 32), 0xAA)};
}
RECTIFIER_INLINE u64 first_counters() { return {_mm256_set_epi64x(3, 1, 2, 0)}; }
RECTIFIER_INLINE void interleave(u64 a, u64 b, f32& first, f32& second) {
  first = _mm256_cvtepi32_ps(_mm256_srli_epi32(_mm256_unpacklo_epi64(a.v, b.v), 8));
  second = _mm256_cvtepi32_ps(_mm256_srli_epi32(_mm256_unpackhi_epi64(a.v, b.v), 8));
}
#endif

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

/// Calls put(k, slope) for count elements of one block, k = 0 for the first; skip is that element's word.
template <class S>
RECTIFIER_INLINE void draw_block(S* slopes, std::uint64_t counter, std::size_t skip, std::size_t count,
                                 std::uint64_t key, const SlopeMap& map) {
  std::uint32_t words[4];
  philox_block(counter, key, words);
  for (std::size_t k = 0; k < count; ++k) {
    float lanes[f32::width];
    store(static_cast<float*>(lanes), map(f32(static_cast<float>(words[skip + k] >> 8))));
    slopes[k] = lanes[0];
  }
}

#if RECTIFIER_LEVEL >= 3
RECTIFIER_INLINE void put(float* slopes, f32 v) { store(slopes, v); }
RECTIFIER_INLINE void put(double* slopes, f32 v) {
  float lanes[f32::width];
  store(static_cast<float*>(lanes), v);
  for (int k = 0; k < f32::width; ++k) slopes[k] = static_cast<double>(lanes[k]);
}

/// Whole registers of counters; returns the number of elements drawn.
template <class S>
RECTIFIER_INLINE std::size_t draw_registers(S* slopes, std::uint64_t counter, std::size_t n, std::uint64_t key,
                                            const SlopeMap& map) {
  u64 keys[philox_rounds][2];
  std::uint32_t k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
  for (auto& pair : keys) {
    pair[0] = repeat(k0);
    pair[1] = repeat(k1);
    k0 += philox_weyl[0];
    k1 += philox_weyl[1];
  }
  const u64 m0 = repeat(philox_multiplier[0]), m1 = repeat(philox_multiplier[1]);
  // Registers of counters whose rounds run side by side. With AVX2 three are 1.46 times as fast as one, two 1.2 times
  // and four 1.2 times (Zen 3, 2026-11); with AVX-512 one is what has been measured.
  constexpr int chains = RECTIFIER_LEVEL == 3 ? 3 : 1;
  constexpr std::size_t drawn = 4 * u64::width;
  std::size_t i = 0;
  const auto draw_chains = [&](auto count) {
    constexpr int chain_count = decltype(count)::value;
    u64 c0[chain_count], c1[chain_count], c2[chain_count], c3[chain_count];
    for (int c = 0; c < chain_count; ++c, counter += u64::width) {
      const u64 whole = repeat(counter) + first_counters();
      c0[c] = whole;
      c1[c] = upper_half(whole);
      c2[c] = c3[c] = repeat(0);
    }
    for (const auto& pair : keys)
      for (int c = 0; c < chain_count; ++c) {
        const u64 p0 = multiply_low(c0[c], m0), p1 = multiply_low(c2[c], m1);
        c0[c] = xor3(upper_half(p1), c1[c], pair[0]);
        c2[c] = xor3(upper_half(p0), c3[c], pair[1]);
        c1[c] = p1;
        c3[c] = p0;
      }
    for (int c = 0; c < chain_count; ++c, i += drawn) {
      f32 first, second;
      interleave(join_halves(c0[c], c1[c]), join_halves(c2[c], c3[c]), first, second);
      put(slopes + i, map(first));
      put(slopes + i + f32::width, map(second));
    }
  };
  while (i + chains * drawn <= n) draw_chains(std::integral_constant<int, chains>());
  while (i + drawn <= n) draw_chains(std::integral_constant<int, 1>());
  return i;
}
#else
template <class S>
RECTIFIER_INLINE std::size_t draw_registers(S*, std::uint64_t, std::size_t, std::uint64_t, const SlopeMap&) {
  return 0;
}
#endif

/// The slopes of elements first, first + 1, ..., first + n - 1.
template <class S>
void draw(S* slopes, std::uint64_t first, std::size_t n, const SlopeRange& range) {
  const SlopeMap map(range);
  std::size_t i = 0;
  const std::size_t skip = first % 4;
  if (skip != 0) {
    i = n < 4 - skip ? n : 4 - skip;
    draw_block(slopes, first / 4, skip, i, range.key, map);
  }
  i += draw_registers(slopes + i, (first + i) / 4, n - i, range.key, map);
  while (i < n) {
    const std::size_t count = n - i < 4 ? n - i : 4;
    draw_block(slopes + i, (first + i) / 4, 0, count, range.key, map);
    i += count;
  }
}

}  // namespace rectifier::RECTIFIER_TARGET
