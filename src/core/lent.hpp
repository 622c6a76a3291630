// Threads of another library that computes in the same process. Those of OpenMP spin for milliseconds after its work:
// beside them, the threads of our own pool have to wait for a CPU.
#pragma once

#include <cstddef>

namespace rectifier {

/// The functions of an OpenMP runtime with GNU's interface.
struct OpenMP {
  void (*parallel)(void (*function)(void*), void* context, unsigned threads, unsigned flags);  // GOMP_parallel
  int (*thread)();                                                                             // omp_get_thread_num
  int (*threads)();                                                                            // omp_get_num_threads
  int (*most_threads)();                                                                       // omp_get_max_threads
};

/// From now on, work under `LentThreads` is for this runtime's threads; not in a forked child, which has none.
void lend_threads(const OpenMP& runtime);

/// While it lives, the work of this thread is for the lent threads, if there are any and they are as many as ours.
class LentThreads {
 public:
  explicit LentThreads(bool wanted);
  ~LentThreads();
  LentThreads(const LentThreads&) = delete;
  LentThreads& operator=(const LentThreads&) = delete;
};

/// Whether this thread's work is for lent threads.
bool threads_are_lent();

/// `run_tasks` on lent threads, each with a range of tasks that is the same in every call.
void run_on_lent_threads(std::size_t tasks, int threads, void (*function)(void*, std::size_t), void* context,
                         bool are_short);

}  // namespace rectifier
