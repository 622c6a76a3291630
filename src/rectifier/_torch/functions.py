"""The derivatives of the operators, as torch's autograd takes them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..parameters import ACTIVATIONS, Call
from . import kernels
from .kernels import Settings

__all__ = ["gamma_pullback", "kept", "pullback", "value"]


class LeakyRelu(torch.autograd.Function):
    """The value of an activation without gamma."""

    @staticmethod
    def forward(ctx: Any, data: Tensor, key: Tensor | None, settings: Settings) -> Tensor:
        out = kernels.value(torch.empty_like(data), data, None, key, settings)
        ctx.save_for_backward(kept(data, out, key, settings), key)
        ctx.settings = settings
        return out

    @staticmethod
    def backward(ctx: Any, d_out: Tensor) -> Any:
        return pullback(d_out, *ctx.saved_tensors, ctx.settings), None, None


class PRelu(torch.autograd.Function):
    """The value of prelu, of a gamma that is laid along the data as `shape`."""

    @staticmethod
    def forward(ctx: Any, data: Tensor, gamma: Tensor, shape: tuple[int, ...], settings: Settings) -> Tensor:
        ctx.save_for_backward(data, gamma)
        ctx.shape, ctx.settings = shape, settings
        return kernels.value(torch.empty_like(data), data, gamma.reshape(shape), None, settings)

    @staticmethod
    def backward(ctx: Any, d_out: Tensor) -> Any:
        return *gamma_pullback(d_out, *ctx.saved_tensors, ctx.shape), None, None


class Pullback(torch.autograd.Function):
    """The product of a vector with the Jacobian."""

    @staticmethod
    def forward(ctx: Any, d_out: Tensor, kept: Tensor, key: Tensor | None, settings: Settings) -> Tensor:
        ctx.save_for_backward(kept, key)
        ctx.settings = settings
        like = d_out if kept.dtype == torch.uint8 else kept
        return kernels.pullback(torch.empty_like(like), d_out, kept, key, settings)


def value(data: Tensor, gamma: Tensor | None, key: Tensor | None, shape: Any, settings: Settings) -> Tensor:
    """The value of the operator, recorded for autograd where a gradient is needed."""
    if gamma is None:
        out: Tensor = LeakyRelu.apply(data, key, settings)
    else:
        out = PRelu.apply(data, gamma, shape, settings)
    return out


def pullback(d_out: Tensor, kept: Tensor, key: Tensor | None, settings: Settings) -> Tensor:
    """The gradient with respect to the data."""
    d_data: Tensor = Pullback.apply(d_out, kept, key, settings)
    return d_data


def gamma_pullback(d_out: Tensor, data: Tensor, gamma: Tensor, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """prelu's two gradients."""
    d_data, d_gamma = torch.empty_like(data), torch.empty_like(gamma)
    kernels.gamma_pullback(d_data, d_gamma.view(shape), d_out, data, gamma.reshape(shape))
    return d_data, d_gamma


def kept(data: Tensor, out: Tensor, key: Tensor | None, settings: Settings) -> Tensor:
    """What the gradient keeps: see `Call.keeps`."""
    act_type, slope, lower, upper, _ = settings
    keeps = Call(ACTIVATIONS[act_type], slope, lower, upper, key is not None).keeps
    if keeps == "signs":
        return kernels.pack_signs(torch.empty((data.numel() + 7) // 8, dtype=torch.uint8), data)
    return out if keeps == "output" else data
