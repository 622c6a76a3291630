# The tables of values, written by tools/make_r_values.py from the Python package.
values <- function(name) read.delim(test_path("values", name), colClasses = "character", na.strings = character())

words <- function(cell) strsplit(cell, " ", fixed = TRUE)[[1L]]
numbers <- function(cell) as.numeric(words(cell))

# A shape as MXNet has it; an array without dims is a number, a vector of length 1 in R.
shape <- function(cell) if (nzchar(cell)) as.integer(words(cell)) else 1L

# Numbers around zero, one division each: as in the script.
ramp <- function(shape, step, period, divisor) {
  i <- seq_len(prod(shape)) - 1
  ((i * step) %% period - period %/% 2) / divisor
}
data.ramp <- function(shape) ramp(shape, 37, 101, 7)
upstream.ramp <- function(shape) ramp(shape, 53, 97, 3)
gamma.ramp <- function(shape) ramp(shape, 5, 19, 11)

# An R array of what MXNet has in C order: with its dims reversed, the same memory; or as they stand.
as.r <- function(numbers, shape, reverse.dims = TRUE) {
  if (length(shape) == 1L) return(numbers)
  reversed <- array(numbers, rev(shape))
  if (reverse.dims) reversed else aperm(reversed)
}

# Python's axes in R's count.
axis.in.r <- function(cell, ndim, reverse.dims) {
  if (!nzchar(cell)) return(NULL)
  axes <- as.integer(words(cell)) %% ndim
  if (reverse.dims) sort(ndim - axes) else axes + 1L
}

with.target <- function(name, code) {
  before <- rectifier.config()$cpu.target
  .Call(rectifier:::C_use_cpu_target, name)
  on.exit(.Call(rectifier:::C_use_cpu_target, before))
  force(code)
}

with.threads <- function(n, code) {
  before <- rectifier.num.threads(n)
  on.exit(rectifier.num.threads(before))
  force(code)
}

# Every bit equal, signs of zeros too, and NA and NaN told apart.
expect_same_bits <- function(actual, expected) {
  same <- identical(actual, expected, num.eq = FALSE, single.NA = TRUE)
  expect(same, paste0("bits differ: got ", paste(format(head(actual, 8L), digits = 17), collapse = " "), ", expected ",
                      paste(format(head(expected, 8L), digits = 17), collapse = " ")))
  invisible(actual)
}

# The distance in units in the last place of the expected double.
ulps <- function(actual, expected) {
  exponent <- pmax(floor(log2(abs(expected))), -1022)
  exponent[expected == 0] <- -1022
  # In two steps: 2^-1074 is not reached by every platform's power.
  distance <- abs(actual - expected) * 2^(52 - pmax(exponent, -900))
  distance <- distance * 2^pmin(900, -pmin(exponent + 900, 0))
  ifelse(actual == expected, 0, distance)
}

expect_within_ulps <- function(actual, expected, bound, absolute = 0) {
  close <- ulps(actual, expected) <= bound | abs(actual - expected) <= absolute
  close <- close & (expected != 0 | 1 / actual == 1 / expected)
  wrong <- ifelse(is.nan(expected), !is.nan(actual), is.na(close) | !close)
  worst <- which(wrong)[1L]
  expect(!any(wrong), sprintf("%d of %d outside %g ULP, first at %d: got %.17g, expected %.17g", sum(wrong),
                              length(wrong), bound, worst, actual[worst], expected[worst]))
  invisible(actual)
}
