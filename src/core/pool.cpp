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
    if (caller.owns_lock() && start(1) > 0) announce(1);
  }

  void run(Job& job, int helpers) {
    std::unique_lock<std::mutex> caller(callers_, std::try_to_lock);
    if (!caller.owns_lock()) return job.work(0);
    helpers = start(helpers);
    if (helpers == 0) return job.work(0);
    job_ = &job;
    finished_.store(0, std::memory_order_relaxed);
    openings_.store(helpers, std::memory_order_release);
    announce(helpers);
    job.work(0);
    const int taken = helpers - openings_.exchange(0, std::memory_order_acq_rel);
    const auto done = [this, taken] { return finished_.load() == taken; };
    if (spin_until(done)) return;
    std::unique_lock<std::mutex> lock(mutex_);
    waiting_ = true;
    idle_.wait(lock, done);
    waiting_ = false;
  }

 private:
  /// Starts threads until there are as many as wanted; returns how many there are, at most wanted.
  int start(int wanted) {
    while (started_ < wanted) {
      try {
        std::thread([this, number = started_ + 1] { serve(static_cast<std::size_t>(number)); }).detach();
      } catch (const std::system_error&) {
        break;  // no more threads to be had: the work is done by those that are there
      }
      ++started_;
    }
    return started_ < wanted ? started_ : wanted;
  }

  /// Tells the threads that there is something new. Those that spin see it without a lock, for which they and their
  /// caller would meet at the beginning and at the end of every call.
  void announce(int wanted) {
    generation_.fetch_add(1);
    for (int k = 0; k < started_; ++k) places_[k].make_way();
    // Either this sees a thread that is about to sleep, or that thread sees the new generation.
    if (sleeping_.load() == 0) return;
    std::lock_guard<std::mutex> lock(mutex_);
    for (int k = 0; k < wanted; ++k) wake_.notify_one();
  }

  /// Takes one of the places at the job, if any is open.
  bool join() {
    int open = openings_.load(std::memory_order_acquire);
    while (open > 0 && !openings_.compare_exchange_weak(open, open - 1, std::memory_order_acq_rel)) {
    }
    return open > 0;
  }

  /// What a thread of the pool does for ever; its caller is number 0.
  [[noreturn]] void serve(std::size_t number) {
    places_[number - 1].name_thread();
    std::uint64_t seen = 0;
    const auto called = [this, &seen] { return generation_.load() != seen; };
    for (;;) {
      spinning_.fetch_add(1, std::memory_order_relaxed);
      const bool spun = spin_until(called);
      spinning_.fetch_sub(1, std::memory_order_relaxed);
      if (!spun) {
        std::unique_lock<std::mutex> lock(mutex_);
        sleeping_.fetch_add(1);
        wake_.wait(lock, called);
        sleeping_.fetch_sub(1);
      }
      seen = generation_.load();
      if (!join()) continue;
      job_->work(number);
      finished_.fetch_add(1);
      // Either this sees that the caller waits, or the caller sees that this thread has finished.
      if (!waiting_.load()) continue;
      std::lock_guard<std::mutex> lock(mutex_);
      idle_.notify_one();
    }
  }

  std::mutex callers_;  // held by the one caller whose job the pool works on
  std::mutex mutex_;    // of those who sleep, on the two conditions
  std::condition_variable wake_;
  std::condition_variable idle_;
  // A cache line each for what the caller writes, what the threads write, and what they write once at a job's end.
  alignas(64) std::atomic<std::uint64_t> generation_{0};
  std::atomic<int> openings_{0};      // places at the job that nobody has taken
  std::atomic<bool> waiting_{false};  // whether the caller sleeps
  alignas(64) std::atomic<int> sleeping_{0};
  std::atomic<int> spinning_{0};
  alignas(64) std::atomic<int> finished_{0};  // threads that have taken a place and are done
  alignas(64) std::atomic<std::chrono::steady_clock::rep> last_stir_{0};
  Job* job_ = nullptr;  // set before places open, and read by those who have taken one
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
  if (threads > most_threads) threads = most_threads;
  if (static_cast<std::size_t>(threads) > tasks) threads = static_cast<int>(tasks);
  if (threads <= 1) {
    for (std::size_t task = 0; task < tasks; ++task) function(context, task);
    return;
  }
  Job job(function, context, tasks, static_cast<std::size_t>(threads));
  pool().run(job, threads - 1);
}

}  // namespace rectifier
