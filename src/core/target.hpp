// The table of kernels of one CPU target: included by target_*.cpp, which name the target.
#pragma once

#include "kernels.hpp"
#include "loops.hpp"
#include "philox.hpp"
#include "sums.hpp"

#define RECTIFIER_EACH_TYPE(loop) {loop<half>, loop<bfloat>, loop<float>, loop<double>}
#define RECTIFIER_EACH_TYPE_OF(loop, formula) \
  {loop<half, formula>, loop<bfloat, formula>, loop<float, formula>, loop<double, formula>}
#define RECTIFIER_EACH_FORMULA(loop)                                                                           \
  {RECTIFIER_EACH_TYPE_OF(loop, Leaky), RECTIFIER_EACH_TYPE_OF(loop, Elu), RECTIFIER_EACH_TYPE_OF(loop, Selu), \
   RECTIFIER_EACH_TYPE_OF(loop, Gelu)}
#define RECTIFIER_STRING_(name) #name
#define RECTIFIER_STRING(name) RECTIFIER_STRING_(name)

namespace rectifier {

namespace RECTIFIER_TARGET {
// constexpr: a table built by code would run that code on every CPU at load time.
static constexpr Kernels table = {RECTIFIER_STRING(RECTIFIER_TARGET),
                                  RECTIFIER_EACH_FORMULA(value_loop),
                                  RECTIFIER_EACH_FORMULA(pullback_loop),
                                  RECTIFIER_EACH_TYPE(scale_loop),
                                  RECTIFIER_EACH_TYPE(scale_pullback_loop),
                                  RECTIFIER_EACH_TYPE(sum_along_loop),
                                  RECTIFIER_EACH_TYPE(sum_across_loop),
                                  RECTIFIER_EACH_TYPE(widen_loop),
                                  draw<float>,
                                  draw<double>};
}  // namespace RECTIFIER_TARGET

extern const Kernels RECTIFIER_JOIN(kernels_, RECTIFIER_TARGET);
const Kernels RECTIFIER_JOIN(kernels_, RECTIFIER_TARGET) = RECTIFIER_TARGET::table;

}  // namespace rectifier
