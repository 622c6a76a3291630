#include "lent.hpp"

#include <atomic>
#include <mutex>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

#include "pool.hpp"

namespace rectifier {
namespace {

OpenMP openmp;  // written once, before `is_lent`
std::atomic<bool> is_lent{false};
thread_local bool is_wanted = false;
std::mutex borrower;  // one at a time, as with the pool: callers in many threads need no team each

/// Tasks in as many ranges as threads: each thread begins with its own, whose memory its cache may hold from the call
/// before, and helps with the others then.
struct Shares {
  static constexpr std::size_t most = 64;

  std::size_t tasks, ranges;
  void (*function)(void*, std::size_t);
  void* context;
  std::atomic<std::size_t> taken[most] = {};

  void work() {
    const auto me = static_cast<std::size_t>(openmp.thread());
    if (me >= ranges) return;
    for (std::size_t k = 0; k < ranges; ++k) {
      const std::size_t range = (me + k) % ranges;
      const std::size_t begin = tasks * range / ranges, end = tasks * (range + 1) / ranges;
      for (std::size_t task; (task = begin + taken[range].fetch_add(1, std::memory_order_relaxed)) < end;)
        function(context, task);
    }
  }
};

}  // namespace

void lend_threads(const OpenMP& runtime) {
  if (is_lent.load(std::memory_order_acquire)) return;
#if defined(__unix__) || defined(__APPLE__)
  static const int registered =
      pthread_atfork(nullptr, nullptr, [] { is_lent.store(false, std::memory_order_release); });
  (void)registered;
#endif
  openmp = runtime;
  is_lent.store(true, std::memory_order_release);
}

LentThreads::LentThreads(bool wanted) {
  is_wanted = wanted && is_lent.load(std::memory_order_acquire) && num_threads() == openmp.most_threads();
}
LentThreads::~LentThreads() { is_wanted = false; }

bool threads_are_lent() { return is_wanted; }

void run_on_lent_threads(std::size_t tasks, int threads, void (*function)(void*, std::size_t), void* context) {
  const std::unique_lock<std::mutex> lock(borrower, std::try_to_lock);
  if (threads < 2 || tasks < 2 || !lock.owns_lock()) {
    for (std::size_t task = 0; task < tasks; ++task) function(context, task);
    return;
  }
  const auto wanted = static_cast<std::size_t>(threads);
  Shares shares{tasks, wanted < Shares::most ? wanted : Shares::most, function, context};
  // As torch's own loops, for all threads: a team of another size would cost new threads.
  openmp.parallel([](void* given) { static_cast<Shares*>(given)->work(); }, &shares, 0, 0);
}

}  // namespace rectifier
