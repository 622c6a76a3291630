// The table of kernels of one CPU target: included by target_*.cpp, which name the target.
#pragma once

#include <type_traits>
#include <utility>

#include "drawn.hpp"
#include "kernels.hpp"
#include "loops.hpp"
#include "sums.hpp"
#include "turning.hpp"

#define RECTIFIER_EACH_TYPE(loop) {loop<half>, loop<bfloat>, loop<float>, loop<double>}
#define RECTIFIER_EACH_TYPE_OF(loop, formula) \
  {loop<half, formula>, loop<bfloat, formula>, loop<float, formula>, loop<double, formula>}
#define RECTIFIER_STRING_(name) #name
#define RECTIFIER_STRING(name) RECTIFIER_STRING_(name)

namespace rectifier {

namespace RECTIFIER_TARGET {
template <int number, class = void>
struct Exists : std::false_type {};
template <int number>
struct Exists<number, std::void_t<decltype(sizeof(Numbered<number>))>> : std::true_type {};

/// How many formulas there are, numbered without a gap.
template <int first = 0>
constexpr int count_formulas() {
  if constexpr (Exists<first>::value) {
    return count_formulas<first + 1>();
  } else {
    return first;
  }
}

// The costs of the formulas are those with AVX-512. With AVX2 elu takes 0.7 ns and gelu 1.4 ns an element, and without
// either 2 and 4 ns (Zen 3, 2026-11).
static constexpr double slower = RECTIFIER_LEVEL == 4 ? 1.0 : RECTIFIER_LEVEL == 3 ? 2.0 : 6.0;

// constexpr here and below: a table built by code would run that code on every CPU at load time.
template <class Numbers>
struct FormulaTable;
template <int... number>
struct FormulaTable<std::integer_sequence<int, number...>> {
  static constexpr FormulaKernels rows[] = {
      {slower * Numbered<number>::nanoseconds, RECTIFIER_EACH_TYPE_OF(value_loop, Numbered<number>::template functor),
       RECTIFIER_EACH_TYPE_OF(pullback_loop, Numbered<number>::template functor)}...};
};

static constexpr int formula_count = count_formulas();
static constexpr Kernels table = {RECTIFIER_STRING(RECTIFIER_TARGET),
                                  FormulaTable<std::make_integer_sequence<int, formula_count>>::rows,
                                  formula_count,
                                  RECTIFIER_EACH_TYPE(scale_loop),
                                  RECTIFIER_EACH_TYPE(own_scale_loop),
#if RECTIFIER_LEVEL >= 3
                                  RECTIFIER_EACH_TYPE(scale_rows_loop),
#else
                                  {},
#endif
                                  RECTIFIER_EACH_TYPE(scale_pullback_loop),
                                  RECTIFIER_EACH_TYPE(sum_along_loop),
                                  RECTIFIER_EACH_TYPE(pull_rows_loop),
                                  RECTIFIER_EACH_TYPE(sum_across_loop),
                                  put_line,
                                  RECTIFIER_EACH_TYPE(products_loop),
                                  RECTIFIER_EACH_TYPE(own_products_loop),
                                  RECTIFIER_EACH_TYPE(widen_loop),
                                  RECTIFIER_EACH_TYPE(drawn_scale_loop),
                                  RECTIFIER_EACH_TYPE(drawn_pullback_loop),
                                  draw,
                                  RECTIFIER_EACH_TYPE(across_scale_loop),
                                  RECTIFIER_EACH_TYPE(across_pullback_loop),
                                  draw_across<float>,
                                  draw_across<double>,
                                  {turn_loop<std::uint16_t>, turn_loop<std::uint32_t>, turn_loop<std::uint64_t>}};
}  // namespace RECTIFIER_TARGET

extern const Kernels RECTIFIER_JOIN(kernels_, RECTIFIER_TARGET);
const Kernels RECTIFIER_JOIN(kernels_, RECTIFIER_TARGET) = RECTIFIER_TARGET::table;

}  // namespace rectifier
