"""The operator in a model that `torch.onnx.export` turns into ONNX: the standard node of each activation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.nn import functional

from .kernels import Settings

__all__ = ["for_onnx", "node"]


def _prelu(data: Tensor, gamma: Tensor) -> Tensor:
    if torch._C._get_tracing_state() is not None:  # the older exporter, which has no symbolic nodes
        return torch.where(data > 0, data, gamma * data)
    # torch 2.13's own node of prelu takes any slope for one of axis 1.
    slope = gamma.to(data.dtype)
    return torch.onnx.ops.symbolic("PRelu", (data, slope), dtype=data.dtype, shape=data.shape, version=16)


# torch writes LeakyRelu, Elu, Selu and Gelu for its own functions, and before opset 20 a formula for gelu.
_NODES: Mapping[str, Callable[[Tensor, float], Tensor]] = {
    "leaky": functional.leaky_relu,
    "rrelu": functional.leaky_relu,  # in evaluation; `Call.rounded` has put its slope where leaky's stands
    "elu": functional.elu,
    "selu": lambda data, _: functional.selu(data),
    "gelu": lambda data, _: functional.gelu(data),
    "gelu_tanh": lambda data, _: functional.gelu(data, approximate="tanh"),
}


def node(data: Tensor, gamma: Tensor | None, key: Tensor | None, settings: Settings) -> Tensor:
    """The activation in operators that the exporter knows."""
    if key is not None:
        raise ValueError("`training` must be False in an export to ONNX, which has no operator for random slopes")
    if gamma is not None:
        return _prelu(data, gamma)
    return _NODES[settings.act_type](data, settings.slope)


def for_onnx(program: ExportedProgram) -> ExportedProgram:
    """The program with operators that `torch.onnx.export` knows in place of ours.

    A program of `torch.export.export` has our operators inside, for which torch's exporter has no nodes. In one that
    was exported in training, rrelu's random slopes are a `ValueError`.
    """
    if not isinstance(program, ExportedProgram):
        raise TypeError(f"`program` must be a torch.export.ExportedProgram, got {type(program).__name__}")
    return program.run_decompositions({torch.ops.rectifier.leaky_relu.default: _decomposed})


def _decomposed(data: Tensor, gamma: Tensor | None, key: Tensor | None, *settings: Any) -> Tensor:
    return node(data, gamma, key, Settings(*settings))
