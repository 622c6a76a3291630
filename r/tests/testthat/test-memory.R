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

# In a session of its own, whose collections are quick, and with arguments checked beforehand: what is tried is the
# compiled code.
test_that("nothing is left unprotected from the garbage collector", {
  code <- quote({
    all <- asNamespace("rectifier")
    x <- matrix(c(-1, 2, -3, 4), 2L, dimnames = list(c("a", "b"), NULL))
    checked <- function(act.type, gamma = NULL, slope = -1)
      all$check.call(x, gamma, act.type, slope, 0.1, 0.3, TRUE, 7, NULL, TRUE)
    leaky <- checked("leaky")
    rrelu <- checked("rrelu")
    prelu <- checked("prelu", c(1, 2))
    integers <- matrix(1:4, 2L)
    compute <- function() list(
      .Call(all$C_forward, x, leaky), .Call(all$C_forward, integers, rrelu), .Call(all$C_forward, x, prelu),
      .Call(all$C_pullback, x, .Call(all$C_signs, x, leaky), leaky), .Call(all$C_pullback, x, x, rrelu),
      .Call(all$C_gamma_pullback, x, x, prelu), .Call(all$C_config)
    )
    expected <- compute()
    gctorture(TRUE)
    actual <- compute()
    gctorture(FALSE)
    cat(identical(actual, expected))
  })
  # Without the byte compiler, which would be tortured too.
  expect_identical(in.new.session(paste(deparse(code), collapse = "\n"), "R_ENABLE_JIT=0"), "TRUE")
})
