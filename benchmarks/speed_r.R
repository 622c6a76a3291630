# The R package beside plain R formulas: a table in Markdown. Run as `Rscript benchmarks/speed_r.R` on an idle machine.
library(rectifier)

n <- 1e7
x <- sin(seq_len(n)) * 4
g <- cos(seq_len(n))
images <- array(x, c(50, 50, 40, 100))
d.out <- array(g, dim(images))
gamma <- seq_len(40) / 100

# Each row: what, the plain R formula, the package.
work <- list(
  leaky = list(function() ifelse(x > 0, x, 0.25 * x), function() mx.nd.LeakyReLU(x)),
  "leaky, by pmax" = list(function() pmax(x, 0.25 * x), function() mx.nd.LeakyReLU(x)),
  elu = list(function() ifelse(x > 0, x, 0.25 * expm1(x)), function() mx.nd.LeakyReLU(x, act.type = "elu")),
  gelu = list(function() x * pnorm(x), function() mx.nd.LeakyReLU(x, act.type = "gelu")),
  "gelu, gradient" = list(
    function() g * (pnorm(x) + x * dnorm(x)),
    local({
      pullback <- mx.nd.LeakyReLU.vjp(x, act.type = "gelu")$pullback
      function() pullback(g)
    })
  ),
  "rrelu, training" = list(
    function() ifelse(x > 0, x, runif(n, 0.125, 0.333999991) * x),
    function() mx.nd.LeakyReLU(x, act.type = "rrelu", training = TRUE, seed = 1)
  ),
  "prelu, 40 channels" = list(
    function() ifelse(images > 0, images, images * rep(gamma, each = 2500)),
    function() mx.nd.LeakyReLU(images, gamma, "prelu")
  ),
  "prelu, both gradients" = list(
    function() {
      down <- images <= 0
      list(ifelse(down, d.out * rep(gamma, each = 2500), d.out),
           colSums(rowSums(aperm(down * d.out * images, c(1, 2, 4, 3)), dims = 3), dims = 2))
    },
    local({
      pullback <- mx.nd.LeakyReLU.vjp(images, gamma, "prelu")$pullback
      function() pullback(d.out)
    })
  )
)

milliseconds <- function(f) {
  gc()
  1000 * system.time(f())[["elapsed"]]
}

# Repeats alternate, so that both sides see the same machine.
repeats <- as.integer(c(commandArgs(TRUE), 5)[1L])
cat("| 1e7 doubles | plain R | rectifier | faster |\n|---|---|---|---|\n")
for (name in names(work)) {
  times <- replicate(repeats, vapply(work[[name]], milliseconds, 0))
  median <- apply(times, 1L, stats::median)
  cat(sprintf("| %s | %.0f ms | %.0f ms | %.0f × |\n", name, median[1L], median[2L], median[1L] / median[2L]))
}
copy <- stats::median(replicate(repeats, milliseconds(function() x + 0)))
cat(sprintf("\n`x + 0` takes %.0f ms. %s threads, CPU target %s, %s.\n", copy, rectifier.num.threads(),
            rectifier.config()$cpu.target, R.version.string))
