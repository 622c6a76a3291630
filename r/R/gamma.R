# Which elements of `data` each element of prelu's `gamma` covers: MXNet's rule, broadcasting, or named dims.

# The dims of an array; a vector has one.
dims <- function(array) if (is.null(dim(array))) length(array) else dim(array)

# The shape that MXNet sees: R counts the dim that changes fastest first, MXNet last.
shape.of <- function(array, reverse.dims) as.double(if (reverse.dims) rev(dims(array)) else dims(array))

fits <- function(gamma, data) gamma == 1 | gamma == data

both.dims <- function(data.dims, gamma.dims)
  paste0("got gamma of dim ", shown.dims(gamma.dims), " for data of dim ", shown.dims(data.dims))

# The shape, in MXNet's order, that lines gamma up with the data: one size for each of data's dims.
aligned.gamma <- function(data.dims, gamma.dims, axis, reverse.dims) {
  turned <- if (reverse.dims) rev else identity
  if (!is.null(axis)) return(turned(by.axis(data.dims, gamma.dims, axis)))
  if (all(gamma.dims == 1)) return(rep(1, length(data.dims)))
  shape <- turned(data.dims)
  found <- by.mxnet(shape, turned(gamma.dims))
  if (is.null(found)) found <- by.broadcasting(shape, turned(gamma.dims))
  if (is.null(found))
    refuse("`gamma` must align with MXNet's axis 1 and axis 0 of `data`, or broadcast against `data`, ",
           both.dims(data.dims, gamma.dims), "; `axis` names other dims")
  found
}

by.mxnet <- function(data.shape, gamma.shape) {
  result <- rep(1, length(data.shape))
  for (i in intersect(c(2L, 1L), seq_along(data.shape))) {
    last <- length(gamma.shape)
    if (last > 0L && fits(gamma.shape[last], data.shape[i])) {
      result[i] <- gamma.shape[last]
      gamma.shape <- gamma.shape[-last]
    }
  }
  if (length(gamma.shape) == 0L) result
}

by.broadcasting <- function(data.shape, gamma.shape) {
  missing <- length(data.shape) - length(gamma.shape)
  if (missing < 0L) return(NULL)
  result <- c(rep(1, missing), gamma.shape)
  if (all(fits(result, data.shape))) result
}

by.axis <- function(data.dims, gamma.dims, axis) {
  check.axis(axis, length(data.dims))
  result <- rep(1, length(data.dims))
  if (all(gamma.dims == 1)) return(result)
  if (length(gamma.dims) != length(axis))
    refuse("`gamma` must have one dim for each that `axis` names, got gamma of dim ", shown.dims(gamma.dims),
           " with axis = ", shown.dims(axis))
  wrong <- which(!fits(gamma.dims, data.dims[axis]))[1L]
  if (!is.na(wrong))
    refuse("`gamma` must have size 1 or ", data.dims[axis[wrong]], " along dim ", axis[wrong],
           " of `data`, ", both.dims(data.dims, gamma.dims), " with axis = ", shown.dims(axis))
  result[axis] <- gamma.dims
  result
}

check.axis <- function(axis, count) {
  if (!is.numeric(axis) || is.object(axis) || length(axis) == 0L || !all(is.finite(axis)) || any(axis %% 1 != 0))
    refuse("`axis` must be whole numbers, got ", shown(axis))
  if (any(axis < 1 | axis > count))
    refuse("`axis` must lie between 1 and ", count, " for data with ", count, " dims, got ", shown.dims(axis))
  if (is.unsorted(axis, strictly = TRUE))
    refuse("`axis` must name different dims in increasing order, got ", shown.dims(axis))
}
