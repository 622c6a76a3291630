// Work without Python's lock, for functions that Python calls. For the core, and for nodes.cpp beside it.
#pragma once

#include <Python.h>

#include <chrono>
#include <thread>

namespace rectifier {

/// Lets go of the GIL while it lives.
///
/// When the interpreter ends, up to Python 3.13 a daemon thread that comes back for the GIL is ended by unwinding its
/// stack. A destructor does not let that pass, nor do nanobind's functions: the process would be aborted. Such a thread
/// sleeps instead until the process is gone, as Python itself lets it do from 3.14 on.
class WithoutGil {
 public:
  WithoutGil() : state_(PyEval_SaveThread()) {}
  ~WithoutGil() {
    try {
      PyEval_RestoreThread(state_);
    } catch (...) {  // not an exception: it must not end here
      for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
    }
  }
  WithoutGil(const WithoutGil&) = delete;
  WithoutGil& operator=(const WithoutGil&) = delete;

 private:
  PyThreadState* state_;
};

}  // namespace rectifier
