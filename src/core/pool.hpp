// The threads that share one call's work. They sleep between calls and are started anew in a forked child.
#pragma once

#include <cstddef>

#include "lent.hpp"

namespace rectifier {

/// How many threads a call may use, the caller's own included; at least 1.
int num_threads();
void set_num_threads(int n);

/// Sets how many of them a call from this thread may use, 0 for all; returns what was set before.
int limit_own_threads(int n);

using TaskFunction = void (*)(void* context, std::size_t task);

/// How many threads, at most num_threads(), are worth using for so many nanoseconds of work on one of them.
int threads_for(double nanoseconds);

/// Calls function(context, task) once for every task in [0, tasks), on the caller's thread and at most threads - 1
/// others. When the pool is busy with another caller's work, the caller does everything itself. Of tasks that are
/// short, of a few microseconds, each thread does its own last one.
void run_tasks(std::size_t tasks, int threads, TaskFunction function, void* context, bool are_short);

template <class Body>
void parallel_for(std::size_t tasks, int threads, Body& body, bool are_short = false) {
  const auto run = threads_are_lent() ? run_on_lent_threads : run_tasks;
  run(tasks, threads, [](void* context, std::size_t task) { (*static_cast<Body*>(context))(task); }, &body, are_short);
}

// Enough that threads end together: with 4 shares of each, which a late thread left to the other, the call on 1e6
// floats took 187 us instead of 145 us.
constexpr std::size_t shares_of_a_thread = 32;

/// Calls body(begin, end) for stretches of [0, count), some for each thread, so that neighbours stay together. Short
/// are those of one each, if each is.
template <class Body>
void parallel_stretches(std::size_t count, int threads, const Body& body, bool are_short = false) {
  const std::size_t shares = threads == 1 ? 1 : static_cast<std::size_t>(threads) * shares_of_a_thread;
  const std::size_t parts = shares < count ? shares : count;
  auto stretch = [&body, count, parts](std::size_t part) { body(count * part / parts, count * (part + 1) / parts); };
  parallel_for(parts, threads, stretch, are_short && parts == count);
}

}  // namespace rectifier
