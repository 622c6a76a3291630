test_that("slopes have Python's bits", {
  for (row in asplit(values("slopes.tsv"), 1L)) {
    lower <- numbers(row[["lower.bound"]])
    upper <- numbers(row[["upper.bound"]])
    expect_same_bits(rrelu.slopes(9, row[["seed"]], lower, upper), numbers(row[["slopes"]]))
  }
})

test_that("a slope depends on the seed and the place alone", {
  x <- -abs(sin(1:24))
  drawn <- function(x, ...) mx.nd.LeakyReLU(x, act.type = "rrelu", training = TRUE, seed = 7, ...)
  slopes <- rrelu.slopes(24, 7)
  expect_identical(drawn(x), slopes * x)
  expect_identical(c(drawn(array(x, c(4, 3, 2)))), slopes * x)
  expect_identical(rrelu.slopes(c(4, 3, 2), 7), array(slopes, c(4, 3, 2)))
  # Dims as they stand: the last one changes fastest in MXNet's order.
  expect_identical(rrelu.slopes(c(2, 3, 4), 7, reverse.dims = FALSE), aperm(array(slopes, c(4, 3, 2))))
  expect_identical(drawn(array(x, c(2, 3, 4)), reverse.dims = FALSE),
                   array(x, c(2, 3, 4)) * aperm(array(slopes, c(4, 3, 2))))
})

test_that("the gradient draws the same slopes again, negative ones too", {
  x <- c(-1, 2, -3, 4, -5)
  for (bounds in list(c(0.1, 0.9), c(-0.9, 0.9))) {
    result <- mx.nd.LeakyReLU.vjp(x, act.type = "rrelu", lower.bound = bounds[1L], upper.bound = bounds[2L],
                                  training = TRUE, seed = 99)
    slopes <- rrelu.slopes(5, 99, bounds[1L], bounds[2L])
    expect_identical(result$value, ifelse(x > 0, x, slopes * x))
    expect_identical(result$pullback(1:5), ifelse(x > 0, 1:5, slopes * 1:5))
    expect_true(all(slopes >= bounds[1L] & slopes < bounds[2L]))
  }
})

test_that("without a seed, set.seed() decides, and nothing is drawn where nothing is random", {
  set.seed(1)
  first <- rrelu.slopes(4)
  second <- rrelu.slopes(4)
  set.seed(1)
  expect_identical(rrelu.slopes(4), first)
  expect_false(identical(first, second))
  state <- .Random.seed
  mx.nd.LeakyReLU(-1, act.type = "rrelu")
  mx.nd.LeakyReLU(-1, act.type = "leaky", training = TRUE)
  rrelu.slopes(4, seed = 3)
  expect_identical(.Random.seed, state)
})

test_that("slopes fill their range", {
  counts <- tabulate(1 + floor(64 * rrelu.slopes(1e5, 11, 0, 1)), 64L)
  expect_identical(sum(counts), 100000L)
  expect_gt(stats::chisq.test(counts)$p.value, 1e-3)
})

test_that("seeds are whole numbers of 64 bits", {
  expect_identical(rectifier:::key.of(2^32 + 5), c(1, 5))
  expect_identical(rectifier:::key.of("18446744073709551615"), c(2^32 - 1, 2^32 - 1))
  expect_identical(rectifier:::key.of("4294967301"), rectifier:::key.of(4294967301))
  refused <- function(seed, shown) {
    expected <- "`seed` must be a whole number from 0 to 2^53, a string of digits below 2^64, or NULL, got "
    expect_error(rrelu.slopes(3, seed), paste0(expected, shown), fixed = TRUE)
  }
  refused(-1, "-1")
  refused(1.5, "1.5")
  refused(2^60, "1152921504606846976")
  refused("18446744073709551616", "\"18446744073709551616\"")
  refused("0x7", "\"0x7\"")
  refused(TRUE, "TRUE")
  refused(c(1, 2), "c(1, 2)")
  refused(NA_real_, "NA_real_")
  refused(Inf, "Inf")
})

test_that("`dim` of the slopes is checked", {
  expect_identical(rrelu.slopes(0, 1), numeric())
  for (dim in list(-1, 1.5, NA_real_, "2", numeric()))
    expect_error(rrelu.slopes(dim, 1), "`dim` must be whole numbers, 0 or more, got ", fixed = TRUE)
})
