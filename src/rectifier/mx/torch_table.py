"""The table of MXNet's operators in PyTorch: for each, a function of tensors, or a way to make a module of it.

A new operator is one more function under `function`, in the module that holds its kind; an operator with parameters of
its own, or one that torch has a module for, also gets a function under `layer`.
The source of each is the operator's page in the documentation of MXNet 1.6.0 (mxnet.symbol).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from torch import Tensor, nn

__all__ = ["FUNCTIONS", "LAYERS", "OWNERS", "Values", "fill", "function", "layer"]

Values = Mapping[str, Any]
# (inputs, the operator's parameters, whether in training) -> the output or outputs
Function = Callable[[list[Tensor], Values, bool], "Tensor | tuple[Tensor, ...]"]
# (the operator's parameters, the model's parameters that follow the data) -> a module; None where a function has to do
Layer = Callable[[Values, "Sequence[Tensor]"], "nn.Module | None"]

FUNCTIONS: dict[str, Function] = {}
LAYERS: dict[str, Layer] = {}

# Operators without a class of their own whose module holds the model's parameters that they read, by the inputs' names.
OWNERS = frozenset({"InstanceNorm", "GroupNorm", "LayerNorm", "UpSampling"})

_Entry = TypeVar("_Entry", bound=Callable[..., Any])


def function(*names: str) -> Callable[[_Entry], _Entry]:
    """Enter what computes an operator."""

    def enter(compute: _Entry) -> _Entry:
        FUNCTIONS.update(dict.fromkeys(names, compute))
        return compute

    return enter


def layer(*names: str) -> Callable[[_Entry], _Entry]:
    """Enter what makes a module for an operator."""

    def enter(make: _Entry) -> _Entry:
        LAYERS.update(dict.fromkeys(names, make))
        return make

    return enter


def fill(module: nn.Module, **tensors: Tensor | None) -> nn.Module:
    """Give a module the model's parameters, and as buffers those that are not trained."""
    for name, tensor in tensors.items():
        if hasattr(module, name):
            delattr(module, name)
        if tensor is None or isinstance(tensor, nn.Parameter):
            module.register_parameter(name, tensor)
        else:
            module.register_buffer(name, tensor)
    return module
