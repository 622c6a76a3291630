test_that("gamma lines up as in Python, for every pair of small shapes", {
  table <- values("gamma.tsv")
  for (reverse.dims in c(TRUE, FALSE)) {
    turned <- if (reverse.dims) rev else identity
    aligned <- function(data, gamma) tryCatch({
      paste(rectifier:::aligned.gamma(turned(shape(data)), turned(shape(gamma)), NULL, reverse.dims), collapse = " ")
    }, error = function(error) "refused")
    expect_identical(unname(mapply(aligned, table$data.shape, table$gamma.shape)), table$aligned)
  }
})

test_that("a gamma of length C lines up with the next to last dim, as in a batch of images", {
  images <- array(-1, c(4, 5, 3, 2))
  y <- mx.nd.LeakyReLU(images, c(1, 2, 3), "prelu")
  expect_identical(y, images * rep(rep(c(1, 2, 3), each = 20), 2))
  # The same images as Python's libraries have their dims.
  y <- mx.nd.LeakyReLU(array(-1, c(2, 3, 4, 5)), c(1, 2, 3), "prelu", reverse.dims = FALSE)
  expect_identical(y, array(-1, c(2, 3, 4, 5)) * rep(rep(c(1, 2, 3), each = 2), 20))
})

test_that("`axis` counts R's dims, whichever way they are read", {
  x <- array(-1, c(3, 3, 3))
  for (reverse.dims in c(TRUE, FALSE)) for (axis in 1:3) {
    y <- mx.nd.LeakyReLU(x, c(1, 2, 3), "prelu", axis = axis, reverse.dims = reverse.dims)
    expect_identical(y, x * slice.index(x, axis))
  }
  y <- mx.nd.LeakyReLU(x, matrix(1:9, 3L), "prelu", axis = c(1, 3))
  expect_identical(y, x * (slice.index(x, 1L) + 3 * (slice.index(x, 3L) - 1)))
})

test_that("a wrong `axis` or gamma is refused in words", {
  x <- array(-1, c(4, 3, 2))
  refused <- function(words, gamma, axis) {
    expect_error(mx.nd.LeakyReLU(x, gamma, "prelu", axis = axis), words, fixed = TRUE)
  }
  refused("`axis` must be whole numbers, got \"a\"", 1:3, "a")
  refused("`axis` must be whole numbers, got 1.5", 1:3, 1.5)
  refused("`axis` must be whole numbers, got numeric(0)", 1:3, numeric())
  refused("`axis` must be whole numbers, got NA_real_", 1:3, NA_real_)
  refused("`axis` must lie between 1 and 3 for data with 3 dims, got 0", 1:3, 0)
  refused("`axis` must lie between 1 and 3 for data with 3 dims, got -1", 1:3, -1)
  refused("`axis` must name different dims in increasing order, got c(2, 1)", matrix(1, 3L, 4L), c(2, 1))
  refused("`gamma` must have one dim for each that `axis` names, got gamma of dim 3 with axis = c(1, 2)", 1:3, 1:2)
  refused(paste("`gamma` must have size 1 or 4 along dim 1 of `data`, got gamma of dim 3 for data of dim c(4, 3, 2)",
                "with axis = 1"), 1:3, 1)
  refused(paste("`gamma` must align with MXNet's axis 1 and axis 0 of `data`, or broadcast against `data`,",
                "got gamma of dim 5 for data of dim c(4, 3, 2); `axis` names other dims"), 1:5, NULL)
  refused("got gamma of dim 0 for data of dim c(4, 3, 2); `axis` names other dims", numeric(), NULL)
  refused("`gamma` must be a plain vector, matrix or array of numbers, got character", "a", NULL)
})

test_that("gamma's gradient has gamma's attributes", {
  gamma <- c(red = 0.1, green = 0.2, blue = 0.3)
  x <- array(c(-1, 2, -3), c(2, 3, 2))
  gradients <- mx.nd.LeakyReLU.vjp(x, gamma, "prelu")$pullback(x)
  expect_named(gradients, c("d.data", "d.gamma"))
  expect_equal(gradients$d.gamma, setNames(apply(ifelse(x > 0, 0, x * x), 2L, sum), names(gamma)))
  expect_identical(gradients$d.data, ifelse(x > 0, x, rep(rep(unname(gamma), each = 2L), 2L) * x))
})

test_that("integers and logicals are gammas too, and more than 64 dims are refused", {
  expect_identical(mx.nd.LeakyReLU(c(-1, -2), c(2L, 3L), "prelu"), c(-2, -6))
  expect_identical(mx.nd.LeakyReLU(c(-1, -2), TRUE, "prelu"), c(-1, -2))
  many <- array(c(-1, 1, -1, 1), c(2, rep(1, 64), 2))
  expect_identical(c(mx.nd.LeakyReLU(many)), c(-0.25, 1, -0.25, 1))
  expect_identical(c(mx.nd.LeakyReLU(many, 0.5, "prelu")), c(-0.5, 1, -0.5, 1))
  expect_error(mx.nd.LeakyReLU(many, 1:2, "prelu", axis = 1), "`data` must have at most 64 dims, got 66", fixed = TRUE)
})
