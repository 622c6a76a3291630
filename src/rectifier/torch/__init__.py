"""The operator for users of PyTorch.

`leaky_relu` and `vjp` are those of `rectifier`: they take tensors and return tensors, differentiable by torch's means.
The classes are those of `torch.nn`, on the kernels of rectifier. `convert` puts them into an existing model, and
`accelerate` speeds up a model that has to stay as it is. `build_nodes` compiles what autograd records of a call, and
`for_onnx` makes a program of `torch.export` ready for `torch.onnx.export`.
"""

import torch as _torch

from .._torch.nodes import build_nodes
from .._torch.onnx_nodes import for_onnx
from ..backends import torch as _backend  # noqa: F401  (registers the operators)
from ..dispatch import backend_of
from ..operator import leaky_relu, rrelu_slopes, vjp
from .acceleration import accelerate, is_accelerated
from .conversion import Conversion, convert, revert
from .modules import ELU, GELU, SELU, LeakyReLU, PReLU, RReLU

backend_of(_torch.empty(0))  # so that the first call takes the quick path too

__all__ = [
    "ELU",
    "GELU",
    "SELU",
    "Conversion",
    "LeakyReLU",
    "PReLU",
    "RReLU",
    "accelerate",
    "build_nodes",
    "convert",
    "for_onnx",
    "is_accelerated",
    "leaky_relu",
    "revert",
    "rrelu_slopes",
    "vjp",
]
