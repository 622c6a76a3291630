refused <- function(words, ...) {
  expect_error(mx.nd.LeakyReLU(...), words, fixed = TRUE)
  expect_error(mx.nd.LeakyReLU.vjp(...), words, fixed = TRUE)
}

test_that("data must be plain numbers", {
  plain <- "`data` must be a plain vector, matrix or array of numbers, got "
  refused(paste0(plain, "an object of class \"data.frame\""), data.frame(a = 1))
  refused(paste0(plain, "an object of class \"factor\""), factor("a"))
  refused(paste0(plain, "an object of class \"Date\""), as.Date("2026-11-24"))
  refused(paste0(plain, "an object of class \"table\""), table(1))
  refused(paste0(plain, "an object of class c(\"a\", \"b\")"), structure(1, class = c("a", "b")))
  refused(paste0(plain, "complex"), 1i)
  refused(paste0(plain, "character"), "1")
  refused(paste0(plain, "list"), list(1))
  refused(paste0(plain, "NULL"), NULL)
  refused(paste0(plain, "raw"), raw(1))
})

test_that("`act.type` is one of the table", {
  refused("`act.type` must be one of leaky, elu, selu, gelu, prelu, rrelu, gelu_tanh, got \"relu\"", 1, act.type = "relu")
  refused("got \"\"", 1, act.type = "")
  refused("got \"l\"", 1, act.type = "l")
  refused("`act.type` must be a string, one of leaky, elu, selu, gelu, prelu, rrelu, gelu_tanh, got 1", 1, act.type = 1)
  refused("`act.type` must be a string, one of leaky, elu, selu, gelu, prelu, rrelu, gelu_tanh, got NULL", 1, act.type = NULL)
  refused("got c(\"elu\", \"selu\")", 1, act.type = c("elu", "selu"))
  refused("got NA", 1, act.type = NA_character_)
})

test_that("numbers are finite, flags are flags", {
  for (act.type in c("leaky", "gelu")) {
    refused("`slope` must be a finite number, got Inf", 1, act.type = act.type, slope = Inf)
    refused("`slope` must be a finite number, got NA_real_", 1, act.type = act.type, slope = NA_real_)
    refused("`slope` must be a number, got \"a\"", 1, act.type = act.type, slope = "a")
    refused("`slope` must be a number, got TRUE", 1, act.type = act.type, slope = TRUE)
    refused("`slope` must be a number, got c(1, 2)", 1, act.type = act.type, slope = c(1, 2))
    refused("`slope` must be a number, got NULL", 1, act.type = act.type, slope = NULL)
    refused("`lower.bound` must be a finite number, got NaN", 1, act.type = act.type, lower.bound = NaN)
    refused("`lower.bound` must be at most `upper.bound`, got 1 and 0.5", 1, act.type = act.type, lower.bound = 1,
            upper.bound = 0.5)
    refused("`training` must be TRUE or FALSE, got NA", 1, act.type = act.type, training = NA)
    refused("`training` must be TRUE or FALSE, got 1", 1, act.type = act.type, training = 1)
    refused("`reverse.dims` must be TRUE or FALSE, got \"no\"", 1, act.type = act.type, reverse.dims = "no")
  }
  refused("`upper.bound` must be finite as float32, got 1e+39", 1, act.type = "rrelu", upper.bound = 1e39)
  refused("`lower.bound` must be finite as float32, got -1e+39", 1, act.type = "rrelu", lower.bound = -1e39)
  expect_identical(mx.nd.LeakyReLU(-1, upper.bound = 1e39), -0.25)
  expect_identical(mx.nd.LeakyReLU(-1, slope = 1e300), -1e300)
  expect_identical(mx.nd.LeakyReLU(-1, slope = 2L), -2)
  # A long vector by mistake does not make a long message.
  message <- tryCatch(mx.nd.LeakyReLU(1, slope = runif(1000)), error = conditionMessage)
  expect_lt(nchar(message), 120L)
})

test_that("gamma and axis go with prelu", {
  refused("`gamma` must be an array when `act.type` is \"prelu\", got NULL", 1, act.type = "prelu")
  refused("`gamma` must be NULL unless `act.type` is \"prelu\", got an array for \"elu\"", 1, 1, "elu")
  refused("`axis` must be NULL unless `act.type` is \"prelu\", got a value for \"elu\"", 1, act.type = "elu", axis = 1)
})

test_that("an upstream gradient must fit", {
  pullbacks <- list(mx.nd.LeakyReLU.vjp(matrix(1:6, 2L))$pullback,
                    mx.nd.LeakyReLU.vjp(matrix(1:6, 2L), 1, "prelu")$pullback)
  for (pullback in pullbacks) {
    expect_error(pullback(1:6), "`d.out` must have dim c(2, 3), got 6", fixed = TRUE)
    expect_error(pullback(matrix(1, 3L, 2L)), "`d.out` must have dim c(2, 3), got c(3, 2)", fixed = TRUE)
    expect_error(pullback("a"), "`d.out` must be a plain vector, matrix or array of numbers, got character",
                 fixed = TRUE)
  }
})

test_that("errors do not spoil later calls", {
  for (k in 1:50) try(mx.nd.LeakyReLU(1, slope = Inf), silent = TRUE)
  expect_identical(mx.nd.LeakyReLU(-1), -0.25)
})
