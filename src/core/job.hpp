// One call's tasks, shared out to threads.
#pragma once

#include <atomic>
#include <cstddef>

#include "pool.hpp"

namespace rectifier {

/// Tasks in as many ranges as threads. Each thread begins with a range of its own, the same in every call, so that it
/// finds in its own cache what it wrote there in the call before; then it helps with the others.
class Job {
 public:
  Job(TaskFunction function, void* context, std::size_t tasks, std::size_t threads)
      : function_(function), context_(context), tasks_(tasks), ranges_(threads < most ? threads : most) {
    for (std::size_t range = 0; range < ranges_; ++range) ranges_of_[range].taken.store(0, std::memory_order_relaxed);
  }

  void work(std::size_t thread) {
    for (std::size_t k = 0; k < ranges_; ++k) {
      const std::size_t range = (thread + k) % ranges_;
      const std::size_t begin = tasks_ * range / ranges_, end = tasks_ * (range + 1) / ranges_;
      for (std::size_t task; (task = begin + ranges_of_[range].taken.fetch_add(1, std::memory_order_relaxed)) < end;)
        function_(context_, task);
    }
  }

 private:
  static constexpr std::size_t most = 64;
  // A cache line each: threads that count in one would take it from each other at every task.
  struct alignas(64) Range {
    std::atomic<std::size_t> taken;
  };

  TaskFunction function_;
  void* context_;
  std::size_t tasks_, ranges_;
  Range ranges_of_[most];
};

}  // namespace rectifier
