// Streaming for runs that begin and end within a line: what is left of one is held until the next is there, so that
// whole lines pass by the caches and none is written twice. Included once per CPU target.
#pragma once

#include <cstddef>
#include <cstring>

#include "loops.hpp"

namespace rectifier::RECTIFIER_TARGET {

inline void stream_line(void* to, const void* from) {
  if constexpr (f32::width > 1) {
    stream_lines<f32>(
        static_cast<float*>(to), line / sizeof(float), [](f32 x) { return x; }, static_cast<const float*>(from));
  } else {
    std::memcpy(to, from, line);
  }
}

/// Writes what is held, by a usual store where it is less than a line.
inline void put_line(SharedLine& held) {
  if (held.next == nullptr) return;
  const std::size_t end = past_line(held.next - 1) + 1;
  char* first = held.next - end;
  if (held.begin == 0 && end == line) {
    stream_line(first, held.bytes);
  } else {
    std::memcpy(first + held.begin, held.bytes + held.begin, end - held.begin);
  }
  held.next = nullptr;
}

/// Holds n elements for dx, no further than up to the end of its line, behind those that end at dx. write(to) makes
/// them.
template <class E, class Write>
inline void hold(SharedLine& held, E* dx, std::size_t n, const Write& write) {
  const std::size_t past = past_line(dx);
  if (held.next == nullptr) held.begin = past;
  write(reinterpret_cast<E*>(held.bytes + past));
  held.next = reinterpret_cast<char*>(dx + n);
  if (past_line(held.next) == 0) put_line(held);
}

/// Whether a register of elements may lie in one line.
template <class E>
inline bool can_stream(const E* dx) {
  return dx != nullptr && past_line(dx) % sizeof(E) == 0;
}

/// Elements that are summed, and then pulled back while they are in the nearest cache: a whole number of steps.
constexpr std::size_t summed_at_once = 1024;

/// Calls sum(i, count) for one piece after another and, behind it, pull(to, i, count, access) for whole lines. dx lies
/// at a whole number of elements from the line's beginning.
template <class E, class Sum, class Pull>
inline void sum_and_stream(E* dx, std::size_t n, SharedLine& held, const Sum& sum, const Pull& pull) {
  constexpr std::size_t in_line = line / sizeof(E);
  const auto hold_some = [&](std::size_t i, std::size_t count) {
    if (count > 0) hold(held, dx + i, count, [&](E* to) { pull(to, i, count, cached); });
  };
  if (held.next != reinterpret_cast<char*>(dx)) put_line(held);
  const std::size_t before = (in_line - past_line(dx) / sizeof(E)) % in_line;
  std::size_t pulled = 0;
  for (std::size_t i = 0; i < n; i += summed_at_once) {
    const std::size_t end = n - i < summed_at_once ? n : i + summed_at_once;
    sum(i, end - i);
    if (i == 0) hold_some(0, pulled = before < n ? before : n);
    const std::size_t whole = (end - pulled) / in_line * in_line;
    pull(dx + pulled, pulled, whole, streamed);
    pulled += whole;
  }
  hold_some(pulled, n - pulled);
}

}  // namespace rectifier::RECTIFIER_TARGET
