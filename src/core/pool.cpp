#include "pool.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <system_error>
#include <thread>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#define RECTIFIER_HAS_FORK
#endif
#ifdef __linux__
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace rectifier {
namespace {

// Long enough to bridge the gap between two calls of one loop, short enough not to be seen in a CPU meter.
constexpr std::chrono::microseconds spin_time(20);
// Nanoseconds of work that a thread must take over to be worth it: one that spins already, and one that sleeps.
constexpr double worth_sharing = 2000, worth_waking = 15000;
// Calls as close as this, from start to start, come from a loop: a thread is woken for the next one.
constexpr std::chrono::microseconds loop_time(60);

inline void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__) && defined(__GNUC__)
  asm volatile("yield");
#endif
}

/// Which CPU a thread of the pool stays off: the one that its caller runs on.
struct Place {
  std::atomic<int> thread{0};
  int avoided = -1;

#ifdef __linux__
  void name_thread() { thread.store(static_cast<int>(syscall(SYS_gettid)), std::memory_order_release); }

  /// Linux 6.18 wakes the thread on the CPU of its waker, though another one idles, and leaves it waiting there for
  /// milliseconds: elu on 1e6 floats took 460 us with two threads instead of 255 us (Zen 4, two virtual CPUs,
  /// 2026-11-23).
  void make_way() {
    const int here = sched_getcpu(), id = thread.load(std::memory_order_acquire);
    if (here < 0 || here == avoided || id == 0) return;
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) < 2) return;
    CPU_CLR(static_cast<unsigned>(here), &allowed);
    if (sched_setaffinity(id, sizeof allowed, &allowed) == 0) avoided = here;
  }
#else
  void name_thread() {}
  void make_way() {}
#endif
};

template <class Condition>
bool spin_until(const Condition& condition) {
  const auto end = std::chrono::steady_clock::now() + spin_time;
  do {
    for (int k = 0; k < 32; ++k) {
      if (condition()) return true;
      pause();
    }
  } while (std::chrono::steady_clock::now() < end);
  return condition();
}

constexpr int most_threads = 1024;

struct Job {
  TaskFunction function;
  void* context;
  std::size_t tasks;
  std::atomic<std::size_t> next{0};

  void work() {
    for (std::size_t task; (task = next.fetch_add(1, std::memory_order_relaxed)) < tasks;) function(context, task);
  }
};

class Pool {
 public:
  /// Threads that spin: they take work at once.
  int awake() const { return spinning_.load(std::memory_order_relaxed); }

  /// Wakes a thread for the work that is likely to come, if the last call of this kind is but a moment ago.
  void stir() {
    const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
    const auto last = last_stir_.exchange(now, std::memory_order_relaxed);
    if (std::chrono::steady_clock::duration(now - last) > loop_time) return;
    std::unique_lock<std::mutex> caller(callers_, std::try_to_lock);
    if (!caller.owns_lock() || start(1) == 0) return;
    generation_.fetch_add(1, std::memory_order_release);
    places_[0].make_way();
    wake_.notify_one();
  }

  void run(Job& job, int helpers) {
    std::unique_lock<std::mutex> caller(callers_, std::try_to_lock);
    if (!caller.owns_lock()) return job.work();
    helpers = start(helpers);
    if (helpers == 0) return job.work();
    {
      std::lock_guard<std::mutex> lock(mutex_);
      job_ = &job;
      openings_ = helpers;
      generation_.fetch_add(1, std::memory_order_release);
    }
    for (int k = 0; k < started_; ++k) places_[k].make_way();
    for (int k = 0; k < helpers; ++k) wake_.notify_one();
    job.work();
    std::unique_lock<std::mutex> lock(mutex_);
    openings_ = 0;
    job_ = nullptr;
    if (working_.load(std::memory_order_relaxed) == 0) return;
    lock.unlock();
    if (spin_until([this] { return working_.load(std::memory_order_acquire) == 0; })) return;
    lock.lock();
    idle_.wait(lock, [this] { return working_.load(std::memory_order_acquire) == 0; });
  }

 private:
  /// Starts threads until there are as many as wanted; returns how many there are, at most wanted.
  int start(int wanted) {
    while (started_ < wanted) {
      try {
        std::thread([this, place = &places_[started_]] { serve(*place); }).detach();
      } catch (const std::system_error&) {
        break;  // no more threads to be had: the work is done by those that are there
      }
      ++started_;
    }
    return started_ < wanted ? started_ : wanted;
  }

  [[noreturn]] void serve(Place& place) {
    place.name_thread();
    std::uint64_t seen = 0;
    const auto called = [this, &seen] { return generation_.load(std::memory_order_acquire) != seen; };
    for (;;) {
      spinning_.fetch_add(1, std::memory_order_relaxed);
      spin_until(called);
      spinning_.fetch_sub(1, std::memory_order_relaxed);
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, called);
      seen = generation_.load(std::memory_order_relaxed);
      if (openings_ == 0) continue;
      --openings_;
      working_.fetch_add(1, std::memory_order_relaxed);
      Job* job = job_;
      lock.unlock();
      job->work();
      lock.lock();
      if (working_.fetch_sub(1, std::memory_order_release) == 1) idle_.notify_one();
    }
  }

  std::mutex callers_;  // held by the one caller whose job the pool works on
  std::mutex mutex_;    // guards job_, openings_ and the two conditions
  std::condition_variable wake_;
  std::condition_variable idle_;
  std::atomic<std::uint64_t> generation_{0};
  std::atomic<int> working_{0};
  std::atomic<int> spinning_{0};
  std::atomic<std::chrono::steady_clock::rep> last_stir_{0};
  Job* job_ = nullptr;
  int openings_ = 0;
  Place places_[most_threads];
  int started_ = 0;
};

std::atomic<int> thread_limit{1};
thread_local int own_limit = 0;

// Never destroyed: its threads may outlive main(). A forked child has none of them, so it drops the pool unseen.
std::atomic<Pool*> current_pool{nullptr};

Pool& pool() {
  Pool* found = current_pool.load(std::memory_order_acquire);
  if (found != nullptr) return *found;
#ifdef RECTIFIER_HAS_FORK
  static const int registered =
      pthread_atfork(nullptr, nullptr, [] { current_pool.store(nullptr, std::memory_order_release); });
  (void)registered;
#endif
  Pool* made = new Pool;
  if (current_pool.compare_exchange_strong(found, made)) return *made;
  delete made;
  return *found;
}

}  // namespace

int num_threads() {
  const int most = thread_limit.load(std::memory_order_relaxed);
  return own_limit != 0 && own_limit < most ? own_limit : most;
}
void set_num_threads(int n) { thread_limit.store(n, std::memory_order_relaxed); }

int limit_own_threads(int n) {
  const int before = own_limit;
  own_limit = n;
  return before;
}

int threads_for(double nanoseconds) {
  const int most = num_threads() < most_threads ? num_threads() : most_threads;
  if (most == 1 || nanoseconds < 2 * worth_sharing) return 1;
  if (threads_are_lent())
    return nanoseconds < most * worth_sharing ? static_cast<int>(nanoseconds / worth_sharing) : most;
  const double waking = nanoseconds / worth_waking;
  if (waking >= most) return most;
  const double sharing = nanoseconds / worth_sharing;
  const int ready = 1 + pool().awake();
  const int shared = sharing < ready ? static_cast<int>(sharing) : ready < most ? ready : most;
  if (shared == 1 && waking < 2) pool().stir();
  return waking > shared ? static_cast<int>(waking) : shared;
}

void run_tasks(std::size_t tasks, int threads, TaskFunction function, void* context) {
  Job job{function, context, tasks};
  if (threads > most_threads) threads = most_threads;
  if (static_cast<std::size_t>(threads) > tasks) threads = static_cast<int>(tasks);
  if (threads <= 1) return job.work();
  pool().run(job, threads - 1);
}

}  // namespace rectifier
