"""The derivatives of the operators, as torch's autograd and torch.func take them.

The product with a pullback is the derivative of the value, and both directions of the second derivative come from the
functions here again, so that derivatives of any order exist.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor
from torch._functorch.utils import enable_single_level_autograd_function

from . import compute, kernels
from .curvature import curvature
from .kernels import Settings
from .plain import is_plain, records

__all__ = ["GammaPullback", "InPlace", "Pullback", "Value", "apply", "gamma_pullback", "pullback", "value"]


def apply(function: Any, *arguments: Any) -> Any:
    """`function.apply` without what that does for torch.func, which costs 40 us and which the dispatcher does for us.

    A transform that is at work calls an operator's autograd kernel once for each of its levels.
    """
    direct = super(torch.autograd.Function, function).apply
    if not torch._C._are_functorch_transforms_active():
        return direct(*arguments)
    with enable_single_level_autograd_function():
        return direct(*arguments)


def value(data: Tensor, gamma: Tensor | None, key: Tensor | None, settings: Settings) -> Tensor:
    """The activation's value, of any tensors, recorded for autograd where that is wanted."""
    if is_plain(data) and (gamma is None or is_plain(gamma)):
        if not records(data, gamma):
            return kernels.value(data, gamma, key, settings)
    else:
        return cast(Tensor, torch.ops.rectifier.leaky_relu.default(data, gamma, key, *settings))
    return cast(Tensor, apply(Value, data, gamma, key, settings))


def pullback(d_out: Tensor, kept: Tensor, gamma: Tensor | None, key: Tensor | None, settings: Settings) -> Tensor:
    """d_out times the derivative, likewise."""
    if is_plain(d_out) and is_plain(kept) and (gamma is None or is_plain(gamma)):
        if not records(d_out, kept) and not records(gamma):
            return kernels.pullback(d_out, kept, gamma, key, settings)
    else:
        return cast(Tensor, torch.ops.rectifier.pullback.default(d_out, kept, gamma, key, *settings))
    return cast(Tensor, apply(Pullback, d_out, kept, gamma, key, settings))


def gamma_pullback(d_out: Tensor, data: Tensor, gamma: Tensor) -> Any:
    """prelu's two gradients, likewise."""
    if is_plain(d_out) and is_plain(data) and is_plain(gamma):
        if not records(d_out, data) and not records(gamma):
            return kernels.gamma_pullback(d_out, data, gamma)
    else:
        return torch.ops.rectifier.gamma_pullback.default(d_out, data, gamma)
    return apply(GammaPullback, d_out, data, gamma)


class Value(torch.autograd.Function):
    """The activation's value."""

    @staticmethod
    def forward(data: Tensor, gamma: Tensor | None, key: Tensor | None, settings: Settings) -> Tensor:
        return compute.value(data, gamma, key, settings)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        data, gamma, key, settings = inputs
        ctx.settings = settings
        kept = data if gamma is not None else compute.kept(data, output, key, settings)
        ctx.save_for_backward(kept, gamma, key)
        ctx.save_for_forward(kept, gamma, key)

    @staticmethod
    def backward(ctx: Any, d_out: Tensor) -> Any:
        kept, gamma, key = ctx.saved_tensors
        if not ctx.needs_input_grad[1]:
            return pullback(d_out, kept, gamma, key, ctx.settings), None, None, None
        return *gamma_pullback(d_out, kept, gamma), None, None

    @staticmethod
    def jvp(ctx: Any, d_data: Tensor | None, d_gamma: Tensor | None, *_: Any) -> Any:
        kept, gamma, key = ctx.saved_tensors
        along_data = None if d_data is None else pullback(d_data, kept, gamma, key, ctx.settings)
        return _sum(along_data, None if d_gamma is None else _below_zero(kept, kept * d_gamma))


class InPlace(torch.autograd.Function):
    """The activation's value, in the memory of the data."""

    @staticmethod
    def forward(ctx: Any, data: Tensor, gamma: Tensor | None, key: Tensor | None, settings: Settings) -> Tensor:
        ctx.settings = settings
        kept = data if gamma is not None else compute.kept(data, data, key, settings)
        if kept is data and (gamma is not None or settings.keeps(key is not None) == "input"):
            kept = data.clone()
        kernels.value(data, gamma, key, settings, out=data)
        ctx.mark_dirty(data)
        ctx.save_for_backward(kept, gamma, key)
        return data

    backward = staticmethod(Value.backward)


class Pullback(torch.autograd.Function):
    """The product of a vector with the Jacobian with respect to the data."""

    @staticmethod
    def forward(d_out: Tensor, kept: Tensor, gamma: Tensor | None, key: Tensor | None, settings: Settings) -> Tensor:
        return compute.pullback(d_out, kept, gamma, key, settings)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        d_out, kept, gamma, key, ctx.settings = inputs
        # Where nothing is curved and gamma is given, the gradient needs no more than the branch that was taken.
        saved = (None if ctx.settings.is_leaky and gamma is None else d_out, kept, gamma, key)
        ctx.save_for_backward(*saved)
        ctx.save_for_forward(*saved)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        d_out, kept, gamma, key = ctx.saved_tensors
        needs_d_out, needs_kept, needs_gamma = ctx.needs_input_grad[:3]
        return (
            pullback(grad, kept, gamma, key, ctx.settings) if needs_d_out else None,
            grad * curvature(d_out, kept, ctx.settings) if needs_kept and not ctx.settings.is_leaky else None,
            _below_zero(kept, grad * d_out).sum_to_size(gamma.shape).to(gamma.dtype) if needs_gamma else None,
            None,
            None,
        )

    @staticmethod
    def jvp(ctx: Any, t_d_out: Any, t_kept: Any, t_gamma: Any, *_: Any) -> Any:
        d_out, kept, gamma, key = ctx.saved_tensors
        curved = t_kept is not None and not ctx.settings.is_leaky
        return _sum(
            None if t_d_out is None else pullback(t_d_out, kept, gamma, key, ctx.settings),
            curvature(d_out, kept, ctx.settings) * t_kept if curved else None,
            None if t_gamma is None else _below_zero(kept, d_out * t_gamma),
        )


class GammaPullback(torch.autograd.Function):
    """prelu's two gradients: d_out where x > 0 and gamma * d_out elsewhere, and the sums of d_out * x elsewhere."""

    @staticmethod
    def forward(d_out: Tensor, data: Tensor, gamma: Tensor) -> tuple[Tensor, Tensor]:
        return compute.gamma_pullback(d_out, data, gamma)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, on_d_data: Tensor, on_d_gamma: Tensor) -> Any:
        d_out, data, gamma = ctx.saved_tensors
        along, back = _prelu_pullback(on_d_data, data, gamma), _below_zero(data, data * on_d_gamma)
        d_gamma = _below_zero(data, d_out * on_d_data).sum_to_size(gamma.shape).to(gamma.dtype)
        return along + back, _below_zero(data, d_out * on_d_gamma), d_gamma

    @staticmethod
    def jvp(ctx: Any, t_d_out: Any, t_data: Any, t_gamma: Any) -> Any:
        d_out, data, gamma = ctx.saved_tensors
        d_data = _sum(
            None if t_d_out is None else _prelu_pullback(t_d_out, data, gamma),
            None if t_gamma is None else _below_zero(data, d_out * t_gamma),
        )
        products = _sum(None if t_d_out is None else t_d_out * data, None if t_data is None else d_out * t_data)
        d_gamma = torch.zeros_like(gamma) if products is None else _below_zero(data, products).sum_to_size(gamma.shape)
        return torch.zeros_like(data) if d_data is None else d_data, d_gamma.to(gamma.dtype)


def _prelu_pullback(d_out: Tensor, data: Tensor, gamma: Tensor) -> Tensor:
    return pullback(d_out, data, gamma, None, Settings("prelu", 0.0, 0.0, 0.0))


def _below_zero(data: Tensor, product: Tensor) -> Tensor:
    """The product where the second branch is taken, in the dtype of the data."""
    return torch.where(data > 0, 0, product).to(data.dtype)


def _sum(*terms: Tensor | None) -> Any:
    given = [term for term in terms if term is not None]
    return sum(given[1:], given[0]) if given else None
