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
      work_on(ranges_of_[range].taken, begin_of(range), begin_of(range + 1));
    }
  }

 private:
  static constexpr std::size_t most = 64;
  // Taking waits until all that was written before has reached the cache: 0.1 us at each of 7 tasks of 0.6 us.
  static constexpr std::size_t most_at_once = 4;
  // A cache line each: threads that count in one would take it from each other at every task.
  struct alignas(64) Range {
    std::atomic<std::size_t> taken;
  };

  /// Where a range begins: the first ones are longer, for the caller is there first.
  std::size_t begin_of(std::size_t range) const { return (tasks_ * range + ranges_ - 1) / ranges_; }

  void work_on(std::atomic<std::size_t>& taken, std::size_t begin, std::size_t end) {
    for (;;) {
      const std::size_t seen = begin + taken.load(std::memory_order_relaxed);
      if (seen >= end) return;
      const std::size_t half = (end - seen + 1) / 2, count = half < most_at_once ? half : most_at_once;
      std::size_t task = begin + taken.fetch_add(count, std::memory_order_relaxed);
      const std::size_t stop = task + count < end ? task + count : end;
      for (; task < stop; ++task) function_(context_, task);
    }
  }

  TaskFunction function_;
  void* context_;
  std::size_t tasks_, ranges_;
  Range ranges_of_[most];
};

}  // namespace rectifier
