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


_CURVATURES: dict[str, Callable[[Tensor, Tensor, Settings], Tensor]] = {
    "elu": _exponential,
    "selu": _exponential,
    "gelu": _gelu,
}
