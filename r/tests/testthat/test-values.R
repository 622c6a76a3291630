# Values from the Python package.

arguments <- function(row, reverse.dims) {
  shape <- shape(row$data.shape)
  data <- if (nzchar(row$data)) numbers(row$data) else data.ramp(shape)
  arguments <- list(as.r(data, shape, reverse.dims), act.type = row$act.type, slope = numbers(row$slope),
                    lower.bound = numbers(row$lower.bound), upper.bound = numbers(row$upper.bound),
                    training = as.logical(row$training), seed = if (nzchar(row$seed)) row$seed,
                    axis = axis.in.r(row$axis, length(shape), reverse.dims), reverse.dims = reverse.dims)
  if (row$act.type == "prelu") {
    shape <- shape(row$gamma.shape)
    arguments$gamma <- as.r(gamma.ramp(shape), shape, reverse.dims)
  }
  arguments
}

compare <- function(row, reverse.dims, same) {
  shape <- shape(row$data.shape)
  expected <- function(cell) as.r(numbers(row[[cell]]), shape, reverse.dims)
  arguments <- arguments(row, reverse.dims)
  result <- do.call(mx.nd.LeakyReLU.vjp, arguments)
  same(result$value, expected("value"))
  same(do.call(mx.nd.LeakyReLU, arguments), expected("value"))
  gradient <- result$pullback(as.r(upstream.ramp(shape), shape, reverse.dims))
  if (row$act.type != "prelu") return(same(gradient, expected("d.data")))
  same(gradient$d.data, expected("d.data"))
  shape <- shape(row$gamma.shape)
  same(gradient$d.gamma, as.r(numbers(row$d.gamma), shape, reverse.dims))
}

test_that("the baseline gives Python's bits, whichever way dims are read", {
  with.target("baseline", {
    for (row in asplit(values("calls.tsv"), 1L)) for (reverse.dims in c(TRUE, FALSE))
      compare(as.list(row), reverse.dims, expect_same_bits)
  })
})

test_that("other CPU targets give the same bits where no exponential is, and 4 ULP elsewhere", {
  # 2 ULP on each side. Near the root of a derivative: 2^-53 absolute on each side, times d.out.
  close <- function(actual, expected) expect_within_ulps(actual, expected, 4, absolute = 2^-52 * 16)
  others <- setdiff(rectifier.config()$cpu.targets, "baseline")
  skip_if(length(others) == 0L, "this CPU runs the baseline alone")
  for (target in others) with.target(target, {
    for (row in asplit(values("calls.tsv"), 1L)) {
      same <- if (row[["act.type"]] %in% c("gelu", "gelu_tanh")) close
              else if (row[["act.type"]] %in% c("elu", "selu")) function(a, e) expect_within_ulps(a, e, 4)
              else expect_same_bits
      compare(as.list(row), TRUE, same)
    }
  })
})

test_that("gamma's sums have Python's bits on each target, thread count and order of dims", {
  sums <- values("sums.tsv")
  for (target in rectifier.config()$cpu.targets) for (threads in c(1L, 3L)) for (reverse.dims in c(TRUE, FALSE)) {
    with.target(target, with.threads(threads, for (row in asplit(sums, 1L)) {
      row <- as.list(row)
      data.shape <- shape(row$data.shape)
      gamma.shape <- shape(row$gamma.shape)
      result <- mx.nd.LeakyReLU.vjp(as.r(data.ramp(data.shape), data.shape, reverse.dims),
                                    as.r(gamma.ramp(gamma.shape), gamma.shape, reverse.dims), "prelu",
                                    axis = axis.in.r(row$axis, length(data.shape), reverse.dims),
                                    reverse.dims = reverse.dims)
      gradients <- result$pullback(as.r(upstream.ramp(data.shape), data.shape, reverse.dims))
      expect_same_bits(gradients$d.gamma, as.r(numbers(row$d.gamma), gamma.shape, reverse.dims))
    }))
  }
})

test_that("the table of activations and the defaults are Python's", {
  table <- values("activations.tsv")
  expect_identical(names(rectifier:::ACTIVATIONS), table$act.type)
  for (k in seq_along(table$act.type)) {
    row <- rectifier:::ACTIVATIONS[[k]]
    expect_identical(row$formula, as.integer(table$formula[k]))
    expect_identical(row$reads, words(table$reads[k]))
  }
  first <- values("calls.tsv")[1L, ]
  for (f in list(mx.nd.LeakyReLU, mx.nd.LeakyReLU.vjp)) {
    expect_identical(formals(f)$slope, numbers(first$slope))
    expect_identical(formals(f)$lower.bound, numbers(first$lower.bound))
    expect_identical(formals(f)$upper.bound, numbers(first$upper.bound))
  }
  expect_identical(formals(mx.nd.LeakyReLU), formals(mx.nd.LeakyReLU.vjp))
})

test_that("the helpers see a wrong value", {
  expect_failure(expect_same_bits(c(0, 1), c(-0, 1)))
  expect_failure(expect_same_bits(NA_real_, NaN))
  expect_failure(expect_same_bits(1 + 2^-52, 1))
  expect_failure(expect_within_ulps(1 + 5 * 2^-52, 1, 4))
  expect_success(expect_within_ulps(1 + 4 * 2^-52, 1, 4))
  expect_failure(expect_within_ulps(5e-324 * 6, 5e-324, 4))
  expect_failure(expect_within_ulps(0, -0, 4))
  expect_failure(expect_within_ulps(-Inf, 1e308, 4))
  expect_failure(expect_within_ulps(NaN, 1, 4))
  expect_identical(numbers("0x0.0000000000001p-1022 -0x0p+0 NaN -Inf"), c(5e-324, -0, NaN, -Inf))
})
