# What code prints in a new session of R, with variables of the environment set.
in.new.session <- function(code, ...) {
  libraries <- paste(.libPaths(), collapse = .Platform$path.sep)
  suppressWarnings(system2(file.path(R.home("bin"), "Rscript"), c("-e", shQuote(code)), stdout = TRUE, stderr = TRUE,
                           env = c(paste0("R_LIBS=", shQuote(libraries)), ...)))
}
