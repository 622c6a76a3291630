#include "pool.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <system_error>
#include <thread>

#include "job.hpp"

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

/// The CPU that this thread runs on, or -1.
inline int current_cpu() {
#ifdef __linux__
  return sched_getcpu();
#else
  return -1;
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
  void make_way(int here) {
    const int id = thread.load(std::memory_order_acquire);
    if (here < 0 || here == avoided || id == 0) return;
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) < 2) return;
    CPU_CLR(static_cast<unsigned>(here), &allowed);
    if (sched_setaffinity(id, sizeof allowed, &allowed) == 0) avoided = here;
  }
#else
  void name_thread() {}
  void make_way(int) {}
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

/// What a caller and one thread of the pool tell each other. All of it is one word, for each cache line that goes from
/// one core to another takes 0.1 us: the job that is offered, or one of these.
class alignas(64) Helper {
 public:
  bool spins() const { return state_.load(std::memory_order_relaxed) == ready; }

  /// Offers a job to a thread that has none.
  void offer(Job& job, int here) { call(state_.exchange(number_of(job), std::memory_order_acq_rel), here); }

  /// Wakes a thread that sleeps, so that it spins.
  void stir(int here) {
    State was = asleep;
    if (state_.compare_exchange_strong(was, ready, std::memory_order_acq_rel)) call(was, here);
  }

  /// Takes the offer back, if the thread has not begun.
  void withdraw(Job& job) {
    State was = number_of(job);
    if (state_.load(std::memory_order_relaxed) == was)
      state_.compare_exchange_strong(was, ready, std::memory_order_acq_rel);
  }

  /// Waits until the thread has done what it has begun.
  void wait() {
    const auto done = [this] { return state_.load(std::memory_order_acquire) == ready || sleeps(); };
    if (spin_until(done)) return;
    State was = working;
    if (!state_.compare_exchange_strong(was, awaited, std::memory_order_acq_rel)) return;
    std::unique_lock<std::mutex> lock(mutex_);
    idle_.wait(lock, done);
  }

  /// What a thread of the pool does for ever; its caller is number 0.
  [[noreturn]] void serve(std::size_t number) {
    place_.name_thread();
    const auto called = [this] { return state_.load(std::memory_order_relaxed) > awaited; };
    for (;;) {
      if (!spin_until(called)) sleep();
      State found = state_.load(std::memory_order_relaxed);
      if (found <= awaited || !state_.compare_exchange_strong(found, working, std::memory_order_acq_rel)) continue;
      reinterpret_cast<Job*>(found)->work(number);
      if (state_.exchange(ready, std::memory_order_acq_rel) != awaited) continue;
      std::lock_guard<std::mutex> lock(mutex_);
      idle_.notify_one();
    }
  }

 private:
  using State = std::uintptr_t;
  // No job has such an address.
  static constexpr State ready = 0, asleep = 1, working = 2, awaited = 3;
  static State number_of(Job& job) { return reinterpret_cast<State>(&job); }

  bool sleeps() const { return state_.load(std::memory_order_acquire) == asleep; }

  void sleep() {
    State was = ready;
    if (!state_.compare_exchange_strong(was, asleep, std::memory_order_acq_rel)) return;
    std::unique_lock<std::mutex> lock(mutex_);
    wake_.wait(lock, [this] { return !sleeps(); });
  }

  void call(State was, int here) {
    place_.make_way(here);
    if (was != asleep) return;
    std::lock_guard<std::mutex> lock(mutex_);
    wake_.notify_one();
  }

  std::atomic<State> state_{ready};
  alignas(64) Place place_;
  std::mutex mutex_;  // of the one who sleeps, on either condition
  std::condition_variable wake_;
  std::condition_variable idle_;
};

constexpr int most_threads = 1024;

class Pool {
 public:
  /// Threads that spin, at most so many: they take work at once.
  int awake(int most) const {
    const int started = started_.load(std::memory_order_acquire);
    int found = 0;
    for (int k = 0; k < started && found < most; ++k) found += helpers_[k]->spins() ? 1 : 0;
    return found;
  }

  /// Wakes a thread for the work that is likely to come, if the last call of this kind is but a moment ago.
  void stir() {
    const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
    const auto last = last_stir_.exchange(now, std::memory_order_relaxed);
    if (std::chrono::steady_clock::duration(now - last) > loop_time) return;
    std::unique_lock<std::mutex> caller(callers_, std::try_to_lock);
    if (caller.owns_lock() && start(1) > 0) helpers_[0]->stir(current_cpu());
  }

  void run(Job& job, int helpers) {
    std::unique_lock<std::mutex> caller(callers_, std::try_to_lock);
    if (!caller.owns_lock()) return job.work(0);
    helpers = start(helpers);
    const int here = current_cpu();
    for (int k = 0; k < helpers; ++k) helpers_[k]->offer(job, here);
    job.work(0);
    for (int k = 0; k < helpers; ++k) helpers_[k]->withdraw(job);
    for (int k = 0; k < helpers; ++k) helpers_[k]->wait();
  }

 private:
  /// Starts threads until there are as many as wanted; returns how many there are, at most wanted.
  int start(int wanted) {
    int started = started_.load(std::memory_order_relaxed);
    for (; started < wanted; started_.store(++started, std::memory_order_release)) {
      if (helpers_[started] == nullptr) helpers_[started] = new Helper;
      try {
        std::thread([helper = helpers_[started], started] {
          helper->serve(static_cast<std::size_t>(started) + 1);
        }).detach();
      } catch (const std::system_error&) {
        break;  // no more threads to be had: the work is done by those that are there
      }
    }
    return started < wanted ? started : wanted;
  }

  std::mutex callers_;  // held by the one caller whose job the pool works on
  std::atomic<int> started_{0};
  Helper* helpers_[most_threads] = {};  // never destroyed, as the pool
  alignas(64) std::atomic<std::chrono::steady_clock::rep> last_stir_{0};
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
  const int ready = 1 + pool().awake(most - 1);
  const int shared = sharing < ready ? static_cast<int>(sharing) : ready < most ? ready : most;
  if (shared == 1 && waking < 2) pool().stir();
  return waking > shared ? static_cast<int>(waking) : shared;
}

void run_tasks(std::size_t tasks, int threads, TaskFunction function, void* context, bool are_short) {
  if (threads > most_threads) threads = most_threads;
  if (static_cast<std::size_t>(threads) > tasks) threads = static_cast<int>(tasks);
  if (threads <= 1) {
    for (std::size_t task = 0; task < tasks; ++task) function(context, task);
    return;
  }
  Job job(function, context, tasks, static_cast<std::size_t>(threads), are_short);
  pool().run(job, threads - 1);
}

}  // namespace rectifier
