test_that("the number of threads can be set and is put back", {
  before <- rectifier.num.threads()
  expect_identical(rectifier.num.threads(3), before)
  expect_identical(rectifier.num.threads(), 3L)
  expect_identical(rectifier.config()$num.threads, 3L)
  expect_invisible(rectifier.num.threads(before))
  for (n in list(0, -1, 1025, 1.5, NA_real_, "2", c(1, 2), Inf))
    expect_error(rectifier.num.threads(n), "`n` must be a whole number from 1 to 1024, got ", fixed = TRUE)
  expect_identical(rectifier.num.threads(), before)
})

test_that("results are the same bits for any number of threads", {
  x <- sin(1:300000) * 20
  gamma <- c(0.1, -0.2, 0.3)
  calls <- function() c(lapply(c("leaky", "elu", "selu", "gelu"), function(a) mx.nd.LeakyReLU(x, act.type = a)), list(
    mx.nd.LeakyReLU(x, act.type = "rrelu", training = TRUE, seed = 5),
    mx.nd.LeakyReLU.vjp(array(x, c(1000, 3, 100)), gamma, "prelu")$pullback(array(x, c(1000, 3, 100)))
  ))
  one <- with.threads(1L, calls())
  for (n in 2:5) expect_identical(with.threads(n, calls()), one)
})

test_that("forked children compute too", {
  skip_if_not_installed("parallel")
  x <- sin(1:300000)
  expected <- with.threads(2L, mx.nd.LeakyReLU(x, act.type = "gelu"))
  in.child <- function(k) mx.nd.LeakyReLU(x, act.type = "gelu")
  children <- with.threads(2L, parallel::mclapply(1:4, in.child, mc.cores = 2L))
  for (child in children) expect_identical(child, expected)
  expect_identical(with.threads(2L, mx.nd.LeakyReLU(x, act.type = "gelu")), expected)
})

test_that("the library stays in memory when it is unloaded, for its threads sleep there, and can be loaded again", {
  skip_if_not(file.exists("/proc/self/maps"))
  use <- "rectifier::rectifier.num.threads(2); y <- rectifier::mx.nd.LeakyReLU(sin(1:300000))"
  unload <- "unloadNamespace('rectifier'); library.dynam.unload('rectifier', find.package('rectifier'))"
  show <- "cat(any(grepl('rectifier.so', readLines('/proc/self/maps'))), sprintf('%.17g', sum(y)))"
  expect_identical(in.new.session(paste(use, unload, show, use, unload, sep = "; ")),
                   sprintf("TRUE %.17g", sum(mx.nd.LeakyReLU(sin(1:300000)))))
})

test_that("the environment sets threads and CPU target when the package is loaded", {
  threads <- function(...) in.new.session("cat(rectifier::rectifier.num.threads())", ...)
  expect_identical(threads("RECTIFIER_NUM_THREADS=3"), "3")
  expect_identical(threads("RECTIFIER_NUM_THREADS= ", "OMP_NUM_THREADS=4,2"), "4")
  expect_identical(threads("RECTIFIER_NUM_THREADS=5", "OMP_NUM_THREADS=4"), "5")
  target <- "cat(rectifier::rectifier.config()$cpu.target)"
  expect_identical(in.new.session(target, "RECTIFIER_ISA=baseline"), "baseline")
  wrong <- function(...) paste(in.new.session("rectifier::rectifier.config()", ...), collapse = " ")
  expect_match(wrong("RECTIFIER_NUM_THREADS=many"), fixed = TRUE,
               "`RECTIFIER_NUM_THREADS` must be an integer from 1 to 1024, got \"many\"")
  expect_match(wrong("RECTIFIER_ISA=v9"), "`RECTIFIER_ISA` must be one of baseline", fixed = TRUE)
})

test_that("a control group's quota is read", {
  limits <- tempfile()
  on.exit(unlink(limits))
  expect_gte(rectifier:::usable.cpus(limits), 1L)
  writeLines("50000 100000", limits)
  expect_identical(rectifier:::usable.cpus(limits), 1L)
  writeLines("max 100000", limits)
  expect_identical(rectifier:::usable.cpus(limits), rectifier:::usable.cpus("no such file"))
})
