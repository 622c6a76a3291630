"""The operator for users of PyTorch.

`leaky_relu` and `vjp` are those of `rectifier`: they take tensors and return tensors, differentiable by torch's means.
"""

from ..backends import torch as _backend  # noqa: F401  (registers the operators)
from ..operator import leaky_relu, rrelu_slopes, vjp

__all__ = ["leaky_relu", "rrelu_slopes", "vjp"]
