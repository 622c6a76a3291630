# The words for what is wrong with an argument.

# From here on, rounding to the nearest float32 gives infinity.
FLOAT32_OVERFLOW <- 0x1.ffffffp127

refuse <- function(...) stop(..., call. = FALSE)

# A value as it looks in code, shortened.
shown <- function(value) {
  text <- deparse(value, width.cutoff = 60L, nlines = 2L)
  if (length(text) > 1L || nchar(text[1L]) > 60L) paste0(substr(text[1L], 1L, 60L), "...") else text
}

# Dims as R code writes them.
shown.dims <- function(dims) if (length(dims) == 1L) paste(dims) else paste0("c(", paste(dims, collapse = ", "), ")")

is.single <- function(value, type) type(value) && length(value) == 1L && !is.object(value) && !is.na(value)

# A plain vector, matrix or array of numbers or logicals.
check.array <- function(name, value) {
  if (is.object(value))
    refuse("`", name, "` must be a plain vector, matrix or array of numbers, got an object of class ",
           paste(shown(class(value)), collapse = ""))
  if (!(is.numeric(value) || is.logical(value)))
    refuse("`", name, "` must be a plain vector, matrix or array of numbers, got ", typeof(value))
  value
}

finite <- function(name, value) {
  if (!is.numeric(value) || is.object(value) || length(value) != 1L)
    refuse("`", name, "` must be a number, got ", shown(value))
  if (!is.finite(value)) refuse("`", name, "` must be a finite number, got ", shown(value))
  as.double(value)
}

flag <- function(name, value) {
  if (!is.single(value, is.logical)) refuse("`", name, "` must be TRUE or FALSE, got ", shown(value))
  value
}

check.bounds <- function(lower.bound, upper.bound) {
  lower <- finite("lower.bound", lower.bound)
  upper <- finite("upper.bound", upper.bound)
  if (lower > upper)
    refuse("`lower.bound` must be at most `upper.bound`, got ", shown(lower.bound), " and ", shown(upper.bound))
  c(lower, upper)
}

finite.as.float32 <- function(name, number) {
  if (abs(number) >= FLOAT32_OVERFLOW) refuse("`", name, "` must be finite as float32, got ", shown(number))
}

check.activation <- function(act.type) {
  known <- function() paste(names(ACTIVATIONS), collapse = ", ")
  if (!is.single(act.type, is.character))
    refuse("`act.type` must be a string, one of ", known(), ", got ", shown(act.type))
  found <- ACTIVATIONS[[act.type]]
  if (is.null(found)) refuse("`act.type` must be one of ", known(), ", got ", shown(act.type))
  found
}

check.gamma.wanted <- function(act.type, wanted, gamma, axis) {
  if (wanted && is.null(gamma)) refuse("`gamma` must be an array when `act.type` is ", shown(act.type), ", got NULL")
  if (!wanted && !is.null(gamma))
    refuse("`gamma` must be NULL unless `act.type` is \"prelu\", got an array for ", shown(act.type))
  if (!wanted && !is.null(axis))
    refuse("`axis` must be NULL unless `act.type` is \"prelu\", got a value for ", shown(act.type))
}

# Everything about a call but its arrays, checked, and in the words of src/routines.cpp.
check.parameters <- function(act.type, slope, lower.bound, upper.bound, training, seed, reverse.dims) {
  activation <- check.activation(act.type)
  bounds <- check.bounds(lower.bound, upper.bound)
  slope <- finite("slope", slope)
  random <- any(activation$reads == "seed")
  drawn <- flag("training", training) && random
  key <- key.of(seed)
  if (random) {
    finite.as.float32("lower.bound", bounds[1L])
    finite.as.float32("upper.bound", bounds[2L])
    slope <- 0.5 * (bounds[1L] + bounds[2L])
  }
  # MXNet's last axis changes fastest, and is R's first unless dims are taken as they stand.
  list(formula = activation$formula, reads.gamma = any(activation$reads == "gamma"), numbers = c(slope, bounds),
       last.fastest = flag("reverse.dims", reverse.dims), key = if (drawn) if (is.null(key)) drawn.key() else key)
}

check.call <- function(data, gamma, act.type, slope, lower.bound, upper.bound, training, seed, axis, reverse.dims) {
  check.array("data", data)
  call <- check.parameters(act.type, slope, lower.bound, upper.bound, training, seed, reverse.dims)
  check.gamma.wanted(act.type, call$reads.gamma, gamma, axis)
  if (!is.null(gamma)) {
    call$gamma <- as.double(check.array("gamma", gamma))
    call$gamma.shape <- as.double(aligned.gamma(dims(data), dims(gamma), axis, reverse.dims))
  }
  # Where the order in memory is MXNet's, only a gamma of several elements asks for dims: all else sees one run.
  if (length(call$gamma) <= 1L && (reverse.dims || is.null(gamma) && is.null(call$key))) {
    call$shape <- as.double(length(data))
    if (!is.null(gamma)) call$gamma.shape <- 1
  } else {
    call$shape <- shape.of(data, reverse.dims)
  }
  if (length(call$shape) > 64L) refuse("`data` must have at most 64 dims, got ", length(call$shape))
  call
}
