#include "lent.hpp"

#include <atomic>
#include <mutex>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

#include "job.hpp"

namespace rectifier {
namespace {

OpenMP openmp;  // written once, before `is_lent`
std::atomic<bool> is_lent{false};
thread_local bool is_wanted = false;
std::mutex borrower;  // one at a time, as with the pool: callers in many threads need no team each

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

void run_on_lent_threads(std::size_t tasks, int threads, void (*function)(void*, std::size_t), void* context,
                         bool are_short) {
  const std::unique_lock<std::mutex> lock(borrower, std::try_to_lock);
  if (threads < 2 || tasks < 2 || !lock.owns_lock()) {
    for (std::size_t task = 0; task < tasks; ++task) function(context, task);
    return;
  }
  Job job(function, context, tasks, static_cast<std::size_t>(threads), are_short);
  // As torch's own loops, for all threads: a team of another size would cost new threads.
  openmp.parallel([](void* given) { static_cast<Job*>(given)->work(static_cast<std::size_t>(openmp.thread())); }, &job,
                  0, 0);
}

}  // namespace rectifier
