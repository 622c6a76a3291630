// What R calls. R's errors jump over C++ frames without running destructors. So everything that can raise one - reading
// arguments, allocating - comes before the core is entered, no object with a destructor lives meanwhile, and what the
// core throws becomes an error after its frames are gone. The core itself never calls R, on any thread.
#define R_NO_REMAP
#define STRICT_R_HEADERS
#include <R_ext/Rallocators.h>
#include <R_ext/Rdynload.h>
#include <R_ext/Visibility.h>
#include <Rinternals.h>

#include <dlfcn.h>
#ifdef __linux__
#include <sched.h>
#endif

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <thread>

#include "buffers.hpp"
#include "cpu.hpp"
#include "gamma_gradient.hpp"
#include "nest.hpp"
#include "pool.hpp"

using namespace rectifier;

namespace {

constexpr std::ptrdiff_t item = sizeof(double);

SEXP element(SEXP list, const char* name) {
  SEXP names = Rf_getAttrib(list, R_NamesSymbol);
  for (R_xlen_t k = 0; k < XLENGTH(list); ++k)
    if (std::strcmp(CHAR(STRING_ELT(names, k)), name) == 0) return VECTOR_ELT(list, k);
  return R_NilValue;
}

/// The shape that the call gives, as R's checks have found it to be.
int read_shape(SEXP call, const char* name, std::ptrdiff_t (&shape)[max_dims]) {
  SEXP sizes = element(call, name);
  const int dims = static_cast<int>(XLENGTH(sizes));
  if (dims < 1 || dims > max_dims) Rf_error("`data` must have 1 to %d dims, got %d", max_dims, dims);
  for (int d = 0; d < dims; ++d) shape[d] = static_cast<std::ptrdiff_t>(REAL_RO(sizes)[d]);
  return dims;
}

/// A dense array in R's memory. In MXNet's order of dims the last one is that which changes fastest, unless R's dims
/// are taken as they stand. Dims of 1 repeat.
View dense(const double* data, int dims, const std::ptrdiff_t* shape, bool last_fastest) {
  View view;
  view.data = const_cast<char*>(reinterpret_cast<const char*>(data));
  std::ptrdiff_t step = item;
  for (int k = 0; k < dims; ++k) {
    const int d = last_fastest ? dims - 1 - k : k;
    view.strides[d] = shape[d] == 1 ? 0 : step;
    step *= shape[d];
  }
  return view;
}

bool last_fastest(SEXP call) { return Rf_asLogical(element(call, "last.fastest")) != FALSE; }

void put(Nest& nest, Role role, const double* data, SEXP call) {
  nest.views[role] = dense(data, nest.dims, nest.shape, last_fastest(call));
  nest.used[role] = true;
}

/// The nest and the work of a call; views of `out` and `input` are the caller's to put.
void read_call(SEXP call, Nest& nest, Work& work) {
  nest.dims = read_shape(call, "shape", nest.shape);
  const double* numbers = REAL_RO(element(call, "numbers"));
  work.formula = static_cast<Formula>(Rf_asInteger(element(call, "formula")));
  if (work.formula < 0 || work.formula >= kernels().formula_count) Rf_error("`formula` is unknown");
  work.type = work.slope_type = float64;
  work.parameters = {numbers[0], numbers[1], numbers[2]};
  SEXP key = element(call, "key");
  if (key != R_NilValue) {
    work.drawn = true;
    const auto word = [key](int k) { return static_cast<std::uint64_t>(REAL_RO(key)[k]); };
    work.range = slope_range(word(0) << 32 | word(1), numbers[1], numbers[2]);
    count_elements(nest);
  }
}

void read_gamma(SEXP call, View& view, std::ptrdiff_t (&shape)[max_dims], int dims) {
  if (read_shape(call, "gamma.shape", shape) != dims) Rf_error("`gamma` does not fit the shape of the data");
  view = dense(REAL_RO(element(call, "gamma")), dims, shape, last_fastest(call));
}

/// Runs what may throw, and returns the words of what it threw. Its frames are gone when an R error is raised.
template <class Body>
const char* complaint_of(const Body& body) noexcept {
  static char words[256];
  try {
    body();
    return nullptr;
  } catch (const std::exception& error) {
    std::snprintf(words, sizeof words, "%s", error.what());
  } catch (...) {
    std::snprintf(words, sizeof words, "an unknown C++ exception");
  }
  return words;
}

template <class Body>
void enter(const Body& body) {
  const char* complaint = complaint_of(body);
  if (complaint != nullptr) Rf_error("%s", complaint);
}

/// The integers or logicals of an array as doubles, read in pieces: a sequence such as 1:n stays unexpanded.
void widen(SEXP data, double* to) {
  constexpr R_xlen_t piece = 1024;
  int room[piece];
  const R_xlen_t n = XLENGTH(data);
  for (R_xlen_t i = 0; i < n; i += piece) {
    const R_xlen_t count =
        TYPEOF(data) == LGLSXP ? LOGICAL_GET_REGION(data, i, piece, room) : INTEGER_GET_REGION(data, i, piece, room);
    for (R_xlen_t k = 0; k < count; ++k) to[i + k] = room[k] == NA_INTEGER ? NA_REAL : room[k];
  }
}

/// A vector for results; a large one in recycled memory, whose pages are all in place. R counts it, and gives it back
/// when it collects the vector.
SEXP new_doubles(R_xlen_t n) {
  if (static_cast<std::size_t>(n) < smallest_buffer / sizeof(double)) return Rf_allocVector(REALSXP, n);
  R_allocator_t recycled = {[](R_allocator_t*, std::size_t bytes) { return take_buffer(bytes, false); },
                            [](R_allocator_t*, void* data) { give_back_buffer(data); }, nullptr, nullptr};
  return Rf_allocVector3(REALSXP, n, &recycled);
}

SEXP forward(SEXP data, SEXP call) {
  Nest nest;
  Work work;
  read_call(call, nest, work);
  const double* x = TYPEOF(data) == REALSXP ? REAL_RO(data) : nullptr;
  SEXP result = PROTECT(new_doubles(XLENGTH(data)));
  double* y = REAL(result);
  if (x == nullptr) widen(data, y);
  put(nest, out, y, call);
  put(nest, input, x == nullptr ? y : x, call);
  if (element(call, "gamma") != R_NilValue) {
    std::ptrdiff_t shape[max_dims];
    read_gamma(call, nest.views[slopes], shape, nest.dims);
    nest.used[slopes] = true;
  }
  SHALLOW_DUPLICATE_ATTRIB(result, data);
  enter([&] { run_elementwise(nest, work); });
  UNPROTECT(1);
  return result;
}

SEXP signs(SEXP data, SEXP call) {
  Nest nest;
  Work work;
  read_call(call, nest, work);
  put(nest, input, REAL_RO(data), call);
  SEXP result = PROTECT(Rf_allocVector(RAWSXP, (XLENGTH(data) + 7) / 8));
  std::uint8_t* bits = RAW(result);
  enter([&] { pack_signs(nest, float64, bits); });
  UNPROTECT(1);
  return result;
}

/// `kept` is the input, or what stands for it: the output, or its signs.
SEXP pullback(SEXP d_out, SEXP kept, SEXP call) {
  Nest nest;
  Work work;
  read_call(call, nest, work);
  SEXP result = PROTECT(new_doubles(XLENGTH(d_out)));
  put(nest, out, REAL(result), call);
  put(nest, upstream, REAL_RO(d_out), call);
  work.backward = true;
  if (TYPEOF(kept) == RAWSXP) {
    work.signs = RAW_RO(kept);
    if (!work.drawn) count_elements(nest);
  } else {
    put(nest, input, REAL_RO(kept), call);
  }
  enter([&] { run_elementwise(nest, work); });
  UNPROTECT(1);
  return result;
}

SEXP gamma_pullback(SEXP d_out, SEXP data, SEXP call) {
  GammaPass pass;
  std::ptrdiff_t gamma_shape[max_dims];
  pass.dims = read_shape(call, "shape", pass.shape);
  pass.type = pass.gamma_type = pass.d_gamma_type = float64;
  const auto view = [&](const double* at) { return dense(at, pass.dims, pass.shape, last_fastest(call)); };
  read_gamma(call, pass.gamma, gamma_shape, pass.dims);
  const char* names[] = {"d.data", "d.gamma", ""};
  SEXP result = PROTECT(Rf_mkNamed(VECSXP, names));
  SEXP dx = new_doubles(XLENGTH(data));
  SET_VECTOR_ELT(result, 0, dx);
  SEXP d_gamma = new_doubles(XLENGTH(element(call, "gamma")));
  SET_VECTOR_ELT(result, 1, d_gamma);
  SHALLOW_DUPLICATE_ATTRIB(dx, data);
  pass.dx = view(REAL(dx));
  pass.input = view(REAL_RO(data));
  pass.upstream = view(REAL_RO(d_out));
  pass.d_gamma = dense(REAL(d_gamma), pass.dims, gamma_shape, last_fastest(call));
  for (int d = 0; d < pass.dims; ++d) pass.kept[d] = gamma_shape[d] == pass.shape[d];
  if (XLENGTH(data) == 0) {
    for (R_xlen_t k = 0; k < XLENGTH(d_gamma); ++k) REAL(d_gamma)[k] = 0.0;
  } else {
    enter([&] { run_gamma_pass(pass); });
  }
  UNPROTECT(1);
  return result;
}

SEXP threads(SEXP n) {
  const int before = num_threads();
  if (n != R_NilValue) set_num_threads(Rf_asInteger(n));
  return Rf_ScalarInteger(before);
}

/// The CPUs that this process may run on.
SEXP cpus() {
  int count = static_cast<int>(std::thread::hardware_concurrency());
#ifdef __linux__
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) count = CPU_COUNT(&allowed);
#endif
  return Rf_ScalarInteger(count < 1 ? 1 : count);
}

SEXP config() {
  int count = 0;
  while (available_targets()[count] != nullptr) ++count;
  const char* names[] = {"cpu.target", "cpu.targets", "num.threads", "buffers.kept", "buffers.in.use", ""};
  const BufferCounts counts = buffer_counts();
  SEXP result = PROTECT(Rf_mkNamed(VECSXP, names));
  SET_VECTOR_ELT(result, 0, Rf_mkString(kernels().name));
  SET_VECTOR_ELT(result, 1, Rf_allocVector(STRSXP, count));
  for (int k = 0; k < count; ++k) SET_STRING_ELT(VECTOR_ELT(result, 1), k, Rf_mkChar(available_targets()[k]->name));
  SET_VECTOR_ELT(result, 2, Rf_ScalarInteger(num_threads()));
  SET_VECTOR_ELT(result, 3, Rf_ScalarReal(static_cast<double>(counts.kept)));
  SET_VECTOR_ELT(result, 4, Rf_ScalarReal(static_cast<double>(counts.in_use)));
  UNPROTECT(1);
  return result;
}

SEXP use_cpu_target(SEXP name) {
  const char* wanted = CHAR(STRING_ELT(name, 0));
  for (const Kernels* const* target = available_targets(); *target != nullptr; ++target)
    if (std::strcmp((*target)->name, wanted) == 0) {
      use_target(**target);
      return R_NilValue;
    }
  Rf_error("`name` must be a target that this CPU can run, got %s", wanted);
}

SEXP buffer_limit(SEXP bytes) {
  const BufferCounts counts = buffer_counts();
  if (bytes != R_NilValue) {
    if (ISNAN(Rf_asReal(bytes))) {
      set_default_buffer_limit();
    } else {
      set_buffer_limit(static_cast<std::size_t>(Rf_asReal(bytes)));
    }
  }
  return Rf_ScalarReal(static_cast<double>(counts.limit));
}

SEXP release() { return Rf_ScalarReal(static_cast<double>(release_buffers())); }

template <class Function>
DL_FUNC routine(Function* function) {
  return reinterpret_cast<DL_FUNC>(function);
}

const R_CallMethodDef routines[] = {
    {"forward", routine(forward), 2},
    {"signs", routine(signs), 2},
    {"pullback", routine(pullback), 3},
    {"gamma_pullback", routine(gamma_pullback), 3},
    {"num_threads", routine(threads), 1},
    {"cpus", routine(cpus), 0},
    {"config", routine(config), 0},
    {"buffer_limit", routine(buffer_limit), 1},
    {"release", routine(release), 0},
    {"use_cpu_target", routine(use_cpu_target), 1},
    {nullptr, nullptr, 0},
};

/// Keeps this library in memory when R unloads it: threads of the pool sleep in it and could only wake to a crash.
void stay_loaded() {
  Dl_info here;
  if (dladdr(reinterpret_cast<const void*>(&routines), &here) != 0)
    dlopen(here.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

}  // namespace

extern "C" attribute_visible void R_init_rectifier(DllInfo* library) {
  stay_loaded();
  R_registerRoutines(library, nullptr, routines, nullptr, nullptr);
  R_useDynamicSymbols(library, FALSE);
  R_forceSymbols(library, TRUE);
}
