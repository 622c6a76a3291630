big <- function(value) rep(value, 200000)
settle <- function() {
  gc()
  rectifier.release.buffers()
}

test_that("a large result lives in a buffer, which is kept when it is collected", {
  settle()
  y <- mx.nd.LeakyReLU(big(-4))
  in.use <- rectifier.config()$buffers.in.use
  expect_gte(in.use, 1600000)
  rm(y)
  gc()
  expect_lt(rectifier.config()$buffers.in.use, in.use)
  kept <- rectifier.config()$buffers.kept
  expect_gte(kept, 1600000)
  expect_identical(rectifier.release.buffers(), kept)
  expect_identical(rectifier.config()$buffers.kept, 0)
})

test_that("a result keeps its numbers while others come and go", {
  first <- mx.nd.LeakyReLU(big(-4))
  for (k in 1:20) {
    other <- mx.nd.LeakyReLU(big(-k))
    if (k %% 5 == 0) gc()
  }
  expect_identical(first, big(-1))
  expect_identical(other, big(-5))
  first[2] <- 7
  expect_identical(other, big(-5))
  expect_identical(unserialize(serialize(first, NULL)), first)
})

test_that("the limit is kept", {
  settle()
  before <- rectifier.buffer.limit()
  expect_gte(before, 256 * 2^20)
  expect_identical(rectifier.buffer.limit(0), before)
  invisible(mx.nd.LeakyReLU(big(-1)))
  gc()
  expect_identical(rectifier.config()$buffers.kept, 0)
  rectifier.buffer.limit(NA)
  expect_identical(rectifier.buffer.limit(), 256 * 2^20)
  for (bytes in list(-1, "1", c(1, 2), NaN, TRUE))
    expect_error(rectifier.buffer.limit(bytes), "`bytes` must be a number, 0 or more, or NA, got ", fixed = TRUE)
})

test_that("a call allocates its result and nothing else of that size", {
  skip_if_not(capabilities("profmem"))
  x <- big(-4)
  g <- array(x, c(1000, 200))
  pullback <- mx.nd.LeakyReLU.vjp(g)$pullback
  log <- tempfile()
  on.exit(unlink(log))
  Rprofmem(log, threshold = 100000)
  mx.nd.LeakyReLU(x)
  mx.nd.LeakyReLU(g, 1:200 / 100, "prelu", reverse.dims = FALSE)
  pullback(g)
  mx.nd.LeakyReLU.vjp(g, 0.5, "prelu")$pullback(g)
  Rprofmem(NULL)
  bytes <- as.numeric(sub(" :.*", "", grep("^[0-9]+ :", readLines(log), value = TRUE)))
  expect_length(bytes, 5L)
  expect_true(all(bytes < 1601000))
})

test_that("nothing is left unprotected from the garbage collector", {
  x <- matrix(c(-1, 2, -3, 4), 2L, dimnames = list(c("a", "b"), NULL))
  all.calls <- function() {
    each <- function(act.type) mx.nd.LeakyReLU.vjp(x, act.type = act.type, slope = -1)
    calls <- lapply(c("leaky", "elu", "selu", "gelu", "rrelu"), each)
    calls <- c(calls, list(mx.nd.LeakyReLU.vjp(x, c(p = 1, q = 2), "prelu"), mx.nd.LeakyReLU.vjp(-2:1)))
    lapply(calls, function(call) list(call$value, call$pullback(call$value)))
  }
  expected <- all.calls()
  gctorture(TRUE)
  actual <- all.calls()
  rectifier.config()
  gctorture(FALSE)
  expect_identical(actual, expected)
})
