# The table of activations: the formula of src/core/kernels.hpp that each is, and the parameters that it reads.
ACTIVATIONS <- list(
  leaky = list(formula = 0L, reads = "slope"),
  elu = list(formula = 1L, reads = "slope"),
  selu = list(formula = 2L, reads = character()),
  gelu = list(formula = 3L, reads = character()),
  prelu = list(formula = 0L, reads = c("gamma", "axis")),
  rrelu = list(formula = 0L, reads = c("lower.bound", "upper.bound", "training", "seed")),
  gelu_tanh = list(formula = 4L, reads = character())
)

SLOPE <- 0.25
LOWER_BOUND <- 0.125
UPPER_BOUND <- 0.333999991
