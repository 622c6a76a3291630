"""Second derivatives, written with functions that are differentiable themselves."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from .kernels import Settings

__all__ = ["curvature"]


def curvature(d_out: Tensor, data: Tensor, settings: Settings) -> Tensor:
    """d_out times the second derivative."""
    return _CURVATURES[settings.act_type](d_out, data, settings)


def _exponential(d_out: Tensor, data: Tensor, settings: Settings) -> Tensor:
    """Of elu and selu: that of an exponential is its derivative."""
    from .functions import pullback

    return torch.where(data > 0, 0, pullback(d_out, data, None, None, settings))


def _gelu(d_out: Tensor, data: Tensor, settings: Settings) -> Tensor:
    """(2 - x^2) * phi(x), which is zero in every dtype from |x| = 40 on; beyond, x^2 might overflow."""
    x = data if data.dtype == torch.float64 else data.float()
    squared = x.clamp(-40, 40).square()
    density = torch.exp(-0.5 * squared) / math.sqrt(2 * math.pi)
    return (d_out * ((2 - squared) * density)).to(data.dtype)


def _gelu_tanh(d_out: Tensor, data: Tensor, settings: Settings) -> Tensor:
    """Of x s(v), s the logistic function, which is 0 or 1 in every dtype from |x| = 40 on."""
    x = (data if data.dtype == torch.float64 else data.float()).clamp(-40, 40)
    root, cube = math.sqrt(8 / math.pi), 0.044715
    v = root * x * (1 + cube * x.square())
    v1, v2 = root * (1 + 3 * cube * x.square()), root * 6 * cube * x
    steepness = torch.sigmoid(v) * torch.sigmoid(-v)
    return (d_out * (steepness * (2 * v1 + x * (v2 - v1.square() * torch.tanh(v / 2))))).to(data.dtype)


_CURVATURES: dict[str, Callable[[Tensor, Tensor, Settings], Tensor]] = {
    "elu": _exponential,
    "selu": _exponential,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
}
