// Vectors of the CPU target that this file is compiled for: f32 and f64, their loads, stores and arithmetic.
//
// All targets offer the same names, so that a formula and a loop are written once:
//   f32, f64         vectors of V::width numbers of type V::scalar; V(scalar) repeats one number
//   V::mask          result of a comparison; select(mask, a, b) is a where it is set, b elsewhere
//   a + b, fma(...)  arithmetic. Only an explicit fma is fused; -ffp-contract=off keeps the rest apart
//   in_double(x, f)  f, from f64 to f64, of every number of an f32 x, rounded once to float
//   load<V>(p), store(p, v), load_part<V>(p, n), store_part(p, v, n), stream(p, v)
// half, bfloat and float elements belong to f32, double elements to f64. A part load touches n elements only
// (0 < n < width) and gives each the same bits as a full one. Conversions round to nearest even; NaN stays NaN.
//
// Everything lives in rectifier::RECTIFIER_TARGET, never in a namespace that two targets share: the linker would
// keep one copy of a shared inline function, maybe one that an older CPU cannot run.
#pragma once

#ifndef RECTIFIER_TARGET
#error "RECTIFIER_TARGET must be defined as baseline, v3 or v4"
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "elements.hpp"

#define RECTIFIER_LEVEL_baseline 2
#define RECTIFIER_LEVEL_v3 3
#define RECTIFIER_LEVEL_v4 4
#define RECTIFIER_JOIN_(a, b) a##b
#define RECTIFIER_JOIN(a, b) RECTIFIER_JOIN_(a, b)
#define RECTIFIER_LEVEL RECTIFIER_JOIN(RECTIFIER_LEVEL_, RECTIFIER_TARGET)

#if defined(_MSC_VER) && !defined(__clang__)
#define RECTIFIER_INLINE static __forceinline
#define RECTIFIER_INLINE_MEMBER __forceinline
#define RECTIFIER_INLINE_LAMBDA
#else
#define RECTIFIER_INLINE static inline __attribute__((always_inline))
#define RECTIFIER_INLINE_MEMBER inline __attribute__((always_inline))
#define RECTIFIER_INLINE_LAMBDA __attribute__((always_inline))
#endif

#if RECTIFIER_LEVEL == 4
#include "lanes_v4.hpp"
#elif RECTIFIER_LEVEL == 3
#include "lanes_v3.hpp"
#else
#include "lanes_baseline.hpp"
#endif
