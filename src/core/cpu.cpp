#include "cpu.hpp"

#include <atomic>

#ifdef RECTIFIER_X86_TARGETS
#include <cpuid.h>
#include <xmmintrin.h>
#endif

namespace rectifier {
namespace {

#ifdef RECTIFIER_X86_TARGETS
struct Registers {
  unsigned a, b, c, d;
};

Registers cpuid(unsigned leaf) {
  Registers r{0, 0, 0, 0};
  __get_cpuid_count(leaf, 0, &r.a, &r.b, &r.c, &r.d);
  return r;
}

bool has(unsigned word, unsigned bits) { return (word & bits) == bits; }

/// What the operating system saves of the vector registers.
unsigned saved_state() {
  unsigned low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

// The features of the x86-64 psABI's levels 3 and 4, by their CPUID bits.
int processor_level() {
  const Registers one = cpuid(1), seven = cpuid(7), extended = cpuid(0x80000001U);
  const unsigned fma = 1U << 12, movbe = 1U << 22, osxsave = 1U << 27, avx = 1U << 28, f16c = 1U << 29;
  const unsigned bmi1 = 1U << 3, avx2 = 1U << 5, bmi2 = 1U << 8, lzcnt = 1U << 5;
  if (!has(one.c, fma | movbe | osxsave | avx | f16c)) return 2;
  if (!has(seven.b, bmi1 | avx2 | bmi2) || !has(extended.c, lzcnt)) return 2;
  const unsigned state = saved_state();
  if (!has(state, 0x6U)) return 2;
  const unsigned f = 1U << 16, dq = 1U << 17, cd = 1U << 28, bw = 1U << 30, vl = 1U << 31;
  return has(seven.b, f | dq | cd | bw | vl) && has(state, 0xe6U) ? 4 : 3;
}
#endif

struct Targets {
  const Kernels* list[4] = {&kernels_baseline, nullptr, nullptr, nullptr};
  std::atomic<const Kernels*> current{&kernels_baseline};

  Targets() {
#ifdef RECTIFIER_X86_TARGETS
    const int level = processor_level();
    if (level >= 3) list[1] = &kernels_v3;
    if (level >= 4) list[2] = &kernels_v4;
#endif
    for (const Kernels* const* target = list; *target != nullptr; ++target) current = *target;
  }
};

Targets& targets() {
  static Targets all;
  return all;
}

}  // namespace

const Kernels* const* available_targets() { return targets().list; }
const Kernels& kernels() { return *targets().current.load(std::memory_order_relaxed); }
void use_target(const Kernels& target) { targets().current.store(&target, std::memory_order_relaxed); }

void stream_fence() {
#ifdef RECTIFIER_X86_TARGETS
  _mm_sfence();
#endif
}

}  // namespace rectifier
