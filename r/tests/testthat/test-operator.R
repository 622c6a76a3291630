# Against R's own functions, and what arrays of R carry besides numbers.

every <- c("leaky", "elu", "selu", "gelu", "rrelu", "gelu_tanh")
logistic <- function(x) plogis(sqrt(8 / pi) * (x + 0.044715 * x^3))
grid <- c(-745, -40, -5.5, -1, -0.3, -1e-9, 0, 1e-9, 0.3, 1, 5.5, 40, 745)
formulas <- list(
  leaky = function(x) ifelse(x > 0, x, 0.25 * x),
  elu = function(x) ifelse(x > 0, x, 0.25 * expm1(x)),
  selu = function(x) 1.0507009873554804934 * ifelse(x > 0, x, 1.6732632423543772848 * expm1(x)),
  gelu = function(x) x * pnorm(x),
  rrelu = function(x) ifelse(x > 0, x, (0.125 + 0.333999991) / 2 * x),
  gelu_tanh = function(x) x * logistic(x)
)
derivatives <- list(
  leaky = function(x) ifelse(x > 0, 1, 0.25),
  elu = function(x) ifelse(x > 0, 1, 0.25 * exp(x)),
  selu = function(x) 1.0507009873554804934 * ifelse(x > 0, 1, 1.6732632423543772848 * exp(x)),
  gelu = function(x) pnorm(x) + x * dnorm(x),
  rrelu = function(x) ifelse(x > 0, 1, (0.125 + 0.333999991) / 2),
  gelu_tanh = function(x) logistic(x) + x * logistic(x) * logistic(-x) * sqrt(8 / pi) * (1 + 0.134145 * x^2)
)

test_that("values and derivatives are those of R's own functions", {
  for (act.type in every) {
    result <- mx.nd.LeakyReLU.vjp(grid, act.type = act.type)
    expect_equal(result$value, formulas[[act.type]](grid), tolerance = 1e-14)
    expect_equal(result$pullback(rep(2, length(grid))), 2 * derivatives[[act.type]](grid), tolerance = 1e-14)
  }
})

test_that("zeros keep their sign; NaN stays NaN, NA stays NA, and infinities are right", {
  x <- c(0, -0, Inf, -Inf, NaN, NA)
  limits <- c(leaky = -Inf, elu = -0.25, selu = -1.7580993408473768, gelu = -0, rrelu = -Inf, gelu_tanh = -0)
  for (target in rectifier.config()$cpu.targets) with.target(target, for (act.type in every) {
    expect_same_bits(mx.nd.LeakyReLU(x, act.type = act.type), c(0, -0, Inf, limits[[act.type]], NaN, NA))
  })
})

test_that("integers and logicals become doubles, in sequences and with NA", {
  expect_identical(mx.nd.LeakyReLU(c(-4L, 0L, 3L, NA)), c(-1, 0, 3, NA))
  expect_identical(mx.nd.LeakyReLU(-3000:3000), mx.nd.LeakyReLU(as.double(-3000:3000)))
  expect_identical(mx.nd.LeakyReLU(c(a = TRUE, b = NA)), c(a = 1, b = NA))
  expect_identical(mx.nd.LeakyReLU.vjp(c(-4L, 3L))$pullback(c(1L, 2L)), c(0.25, 2))
})

test_that("dims, dimnames, names and other attributes are kept, in the gradient too", {
  named <- structure(matrix(c(-1, 2, -3, 4), 2L, dimnames = list(c("a", "b"), NULL)), unit = "mV")
  vectors <- list(named, c(x = -1, y = 2), array(-1, c(1, 1, 1)), structure(named, dimnames = NULL))
  for (x in vectors) for (act.type in every) for (slope in c(0.25, -0.25)) {
    result <- mx.nd.LeakyReLU.vjp(x, act.type = act.type, slope = slope)
    expect_identical(attributes(mx.nd.LeakyReLU(x, act.type = act.type, slope = slope)), attributes(x))
    expect_identical(attributes(result$value), attributes(x))
    expect_identical(attributes(result$pullback(unname(x))), attributes(x))
  }
  storage.mode(named) <- "integer"
  expect_identical(attributes(mx.nd.LeakyReLU(named)), attributes(named))
})

test_that("empty arrays give empty arrays, and a gradient of zeros for gamma", {
  for (x in list(numeric(), integer(), matrix(0, 0L, 3L))) {
    for (act.type in every) expect_identical(dim(mx.nd.LeakyReLU(x, act.type = act.type)), dim(x))
    expect_length(mx.nd.LeakyReLU(x), 0L)
    expect_identical(mx.nd.LeakyReLU.vjp(x, 0.5, "prelu")$pullback(x)$d.gamma, 0)
    expect_length(mx.nd.LeakyReLU.vjp(x, slope = -1)$pullback(x), 0L)
  }
})

test_that("arguments are left as they are", {
  x <- c(-1, 2)
  before <- x + 0
  result <- mx.nd.LeakyReLU.vjp(x, slope = -1)
  gradient <- result$pullback(x)
  result$pullback(x)
  expect_identical(x, before)
  expect_identical(gradient, c(1, 2))
  x[1] <- 5
  expect_identical(result$pullback(before), c(1, 2))
})

test_that("a pullback holds what it needs and no more", {
  x <- as.double(-5000:5000)
  # A serialised function shows all that it holds on to.
  held <- function(...) length(serialize(mx.nd.LeakyReLU.vjp(x, ...)$pullback, NULL)) / length(x)
  expect_lt(held(), 8.6)
  expect_lt(held(act.type = "rrelu", training = TRUE, seed = 1), 8.6)
  expect_lt(held(slope = -0.1), 0.7)
  expect_lt(held(act.type = "gelu"), 8.6)
  expect_lt(held(gamma = 0.1, act.type = "prelu"), 8.6)
})

test_that("slopes of any sign take the branch from the data", {
  x <- c(-2, -0, 0, 3)
  for (slope in c(-2, -0.5, 0, 1, 3)) {
    result <- mx.nd.LeakyReLU.vjp(x, slope = slope)
    expect_same_bits(result$value, ifelse(x > 0, x, slope * x))
    expect_same_bits(result$pullback(c(1, 1, 1, 1)), c(slope, slope, slope, 1))
  }
})
