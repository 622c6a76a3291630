mx.nd.LeakyReLU <- function(data, gamma = NULL, act.type = "leaky", slope = 0.25, lower.bound = 0.125,
                            upper.bound = 0.333999991, training = FALSE, seed = NULL, axis = NULL,
                            reverse.dims = TRUE) {
  call <- check.call(data, gamma, act.type, slope, lower.bound, upper.bound, training, seed, axis, reverse.dims)
  .Call(C_forward, data, call)
}

mx.nd.LeakyReLU.vjp <- function(data, gamma = NULL, act.type = "leaky", slope = 0.25, lower.bound = 0.125,
                                upper.bound = 0.333999991, training = FALSE, seed = NULL, axis = NULL,
                                reverse.dims = TRUE) {
  call <- check.call(data, gamma, act.type, slope, lower.bound, upper.bound, training, seed, axis, reverse.dims)
  if (!is.double(data)) storage.mode(data) <- "double"
  value <- .Call(C_forward, data, call)
  pullback <- if (is.null(call$gamma)) {
    pullback.of(call, kept.for.gradient(call, data, value), attributes(data), dims(data))
  } else {
    gamma.pullback.of(call, data, attributes(gamma))
  }
  list(value = value, pullback = pullback)
}

rrelu.slopes <- function(dim, seed = NULL, lower.bound = 0.125, upper.bound = 0.333999991, reverse.dims = TRUE) {
  if (!is.numeric(dim) || is.object(dim) || length(dim) == 0L || !all(is.finite(dim)) || any(dim < 0 | dim %% 1 != 0))
    refuse("`dim` must be whole numbers, 0 or more, got ", shown(dim))
  minus.one <- rep(-1, prod(dim))
  if (length(dim) > 1L) dim(minus.one) <- dim
  -mx.nd.LeakyReLU(minus.one, NULL, "rrelu", lower.bound = lower.bound, upper.bound = upper.bound, training = TRUE,
                   seed = seed, reverse.dims = reverse.dims)
}

# What the gradient reads in place of the input. The output's sign tells the branch where no slope is negative, and so
# the input can be freed; where one is, a bit for each element does.
kept.for.gradient <- function(call, data, value) {
  if (call$formula != ACTIVATIONS$leaky$formula) return(data)
  lowest <- if (is.null(call$key)) call$numbers[1L] else call$numbers[2L]
  if (lowest >= 0) value else .Call(C_signs, data, call)
}

# The functions that make the pullbacks stand at the top, so that these hold nothing but what they need.
pullback.of <- function(call, kept, attributes.of.data, dims.of.data) {
  force(call); force(kept); force(attributes.of.data); force(dims.of.data)
  function(d.out) {
    d.data <- .Call(C_pullback, upstream(d.out, dims.of.data), kept, call)
    attributes(d.data) <- attributes.of.data
    d.data
  }
}

gamma.pullback.of <- function(call, data, attributes.of.gamma) {
  force(call); force(data); force(attributes.of.gamma)
  function(d.out) {
    gradients <- .Call(C_gamma_pullback, upstream(d.out, dims(data)), data, call)
    attributes(gradients$d.gamma) <- attributes.of.gamma
    gradients
  }
}

upstream <- function(d.out, dims.of.data) {
  check.array("d.out", d.out)
  if (!identical(as.double(dims(d.out)), as.double(dims.of.data)))
    refuse("`d.out` must have dim ", shown.dims(dims.of.data), ", got ", shown.dims(dims(d.out)))
  if (!is.double(d.out)) storage.mode(d.out) <- "double"
  d.out
}
