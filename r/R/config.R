MOST_THREADS <- 1024L

rectifier.num.threads <- function(n = NULL) {
  before <- .Call(C_num_threads, NULL)
  if (is.null(n)) return(before)
  if (!is.single(n, is.numeric) || n %% 1 != 0 || n < 1 || n > MOST_THREADS)
    refuse("`n` must be a whole number from 1 to ", MOST_THREADS, ", got ", shown(n))
  .Call(C_num_threads, as.integer(n))
  invisible(before)
}

rectifier.config <- function() {
  c(list(version = as.character(packageVersion("rectifier"))), .Call(C_config))
}

# The CPUs that this process may use, cut to its control group's quota.
usable.cpus <- function(limits = "/sys/fs/cgroup/cpu.max") {
  cpus <- .Call(C_cpus)
  quota <- if (file.exists(limits)) suppressWarnings(as.double(scan(limits, "", n = 2L, quiet = TRUE)))
  if (length(quota) == 2L && !anyNA(quota)) cpus <- min(cpus, ceiling(quota[1L] / quota[2L]))
  as.integer(max(1, min(cpus, MOST_THREADS)))
}

is.thread.count <- function(text) grepl("^[0-9]{1,4}$", text) && as.integer(text) %in% seq_len(MOST_THREADS)

threads.from.environment <- function() {
  own <- trimws(Sys.getenv("RECTIFIER_NUM_THREADS"))
  if (is.thread.count(own)) return(as.integer(own))
  if (nzchar(own))
    refuse("`RECTIFIER_NUM_THREADS` must be an integer from 1 to ", MOST_THREADS, ", got ", shown(own))
  # OpenMP allows a list, one number for each level of nesting.
  openmp <- trimws(sub(",.*", "", Sys.getenv("OMP_NUM_THREADS")))
  if (is.thread.count(openmp)) as.integer(openmp) else usable.cpus()
}

target.from.environment <- function() {
  wanted <- trimws(Sys.getenv("RECTIFIER_ISA"))
  if (!nzchar(wanted)) return()
  available <- .Call(C_config)$cpu.targets
  if (!wanted %in% available)
    refuse("`RECTIFIER_ISA` must be one of ", paste(available, collapse = ", "), " on this CPU, got ", shown(wanted))
  .Call(C_use_cpu_target, wanted)
}

# No .onUnload that unloads the library: the threads that sleep in it cannot be ended. See src/routines.cpp.
.onLoad <- function(libname, pkgname) {
  target.from.environment()
  .Call(C_num_threads, threads.from.environment())
}
