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
/// others. When the pool is busy with another caller's work, the caller does everything itself.
void run_tasks(std::size_t tasks, int threads, TaskFunction function, void* context);

template <class Body>
void parallel_for(std::size_t tasks, int threads, Body& body) {
  const auto run = threads_are_lent() ? run_on_lent_threads : run_tasks;
  run(tasks, threads, [](void* context, std::size_t task) { (*static_cast<Body*>(context))(task); }, &body);
}

}  // namespace rectifier
