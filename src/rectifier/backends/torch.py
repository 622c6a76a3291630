"""Tensors of PyTorch: the operator and its gradient, differentiable by torch's own means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .._torch import functions
from .._torch.kernels import Settings
from ..gamma import known_axes
from ..parameters import Call
from ..random import check_rng as check_numbers
from ..random import key_from_rng

__all__ = ["check_rng", "draw_key", "forward", "vjp"]

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def check_rng(rng: Any) -> None:
    """Raise what `draw_key` raises, but leave a generator where it is."""
    if not isinstance(rng, torch.Generator):
        check_numbers(rng)


def draw_key(rng: Any) -> Tensor:
    """The key of the slopes: 64 bits in a tensor without axes. None draws it from torch's own generator."""
    if rng is None or isinstance(rng, torch.Generator):
        return torch.empty((), dtype=torch.int64).random_(-(2**63), None, generator=rng)
    key = key_from_rng(rng)
    return torch.tensor(key - (key >> 63 << 64), dtype=torch.int64)


def forward(call: Call, data: Tensor, gamma: Any, axis: Any, key: Tensor | None, out: Any) -> Tensor:
    """The value of the operator."""
    data, gamma, shape, settings = _prepared(call, data, gamma, axis)
    result = functions.value(data, gamma, key, shape, settings)
    return result if out is None else out.copy_(result)


def vjp(
    call: Call, data: Tensor, gamma: Any, axis: Any, key: Tensor | None, out: Any
) -> tuple[Tensor, Callable[..., Any]]:
    """The value, and the function that takes a gradient of the output back to the inputs."""
    data, gamma, shape, settings = _prepared(call, data, gamma, axis)
    result = functions.value(data, gamma, key, shape, settings)
    if gamma is not None:
        return result, lambda d_out, out=None: functions.gamma_pullback(d_out, data, gamma, shape)
    kept = functions.kept(data, result, key, settings)
    return result, lambda d_out, out=None: functions.pullback(d_out, kept, key, settings)


def _prepared(call: Call, data: Tensor, gamma: Any, axis: Any) -> tuple[Tensor, Tensor | None, Any, Settings]:
    """The data as floats, gamma and the shape that lays it along the data, and the rounded numbers."""
    if data.dtype not in _FLOATS:
        raise TypeError(f"`data` must be of dtype float16, bfloat16, float32 or float64, got {data.dtype}")
    call = call.rounded(data.dtype == torch.float64)
    settings = Settings(call.activation.name, call.slope, call.lower_bound, call.upper_bound)
    if not call.activation.has_gamma:
        return data, None, None, settings
    gamma = torch.as_tensor(gamma)
    return data, gamma, known_axes(tuple(data.shape), tuple(gamma.shape), axis), settings
