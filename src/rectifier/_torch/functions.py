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
from .plain import are_plain, has_memory, records, untouched

__all__ = ["GammaPullback", "InPlace", "Pullback", "Value", "apply", "gamma_pullback", "pullback", "record", "value"]


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
    if not are_plain(data, gamma):
        return cast(Tensor, torch.ops.rectifier.leaky_relu.default(data, gamma, key, *settings))
    if records(data, gamma):
        return cast(Tensor, _direct_value(True, data, gamma, key, settings))
    return kernels.value(data, gamma, key, settings)


def record(out: Tensor, data: Tensor, gamma: Tensor | None, key: Tensor | None, settings: Settings) -> Tensor:
    """The value of plain tensors, which is `out`, recorded for autograd."""
    return cast(Tensor, _direct_value(True, data, gamma, key, settings, (out,)))


def pullback(d_out: Tensor, kept: Tensor, gamma: Tensor | None, key: Tensor | None, settings: Settings) -> Tensor:
    """d_out times the derivative, likewise."""
    if not are_plain(d_out, kept, gamma):
        return cast(Tensor, torch.ops.rectifier.pullback.default(d_out, kept, gamma, key, *settings))
    if records(d_out, kept) or records(gamma):
        return cast(Tensor, _direct_pullback(True, d_out, kept, gamma, key, settings))
    return kernels.pullback(d_out, kept, gamma, key, settings)


def gamma_pullback(d_out: Tensor, data: Tensor, gamma: Tensor) -> Any:
    """prelu's two gradients, likewise."""
    if not are_plain(d_out, data, gamma):
        return torch.ops.rectifier.gamma_pullback.default(d_out, data, gamma)
    if records(d_out, data) or records(gamma):
        return _direct_gamma_pullback(True, d_out, data, gamma)
    return kernels.gamma_pullback(d_out, data, gamma)


class Value(torch.autograd.Function):
    """The activation's value, unless it is known already: `made` is it alone."""

    tensors = 3

    @staticmethod
    def forward(
        ctx: Any,
        plain: bool,
        data: Tensor,
        gamma: Tensor | None,
        key: Tensor | None,
        settings: Settings,
        made: tuple[Tensor] | None = None,
    ) -> Tensor:
        out = compute.value(plain, data, gamma, key, settings) if made is None else made[0]
        kept = data if gamma is not None else compute.kept(plain, data, out, key, settings)
        _save(ctx, plain, kept, gamma, key)
        ctx.settings = settings
        return out

    @staticmethod
    def backward(ctx: Any, d_out: Tensor) -> Any:
        kept, gamma, key = ctx.saved_tensors
        # What was plain when it was saved is plain; so the usual case has one tensor to look at.
        fast = ctx.plain and not torch.is_grad_enabled() and untouched() and has_memory(d_out)
        if ctx.needs_input_grad[2]:
            both = kernels.gamma_pullback if fast else gamma_pullback
            return None, *both(d_out, kept, gamma), None, None, None
        one = kernels.pullback if fast else pullback
        return None, one(d_out, kept, gamma, key, ctx.settings), None, None, None, None

    @staticmethod
    def jvp(ctx: Any, _plain: Any, d_data: Tensor | None, d_gamma: Tensor | None, *_: Any) -> Any:
        kept, gamma, key = ctx.saved_tensors
        along_data = None if d_data is None else pullback(d_data, kept, gamma, key, ctx.settings)
        return _sum(along_data, None if d_gamma is None else _below_zero(kept, kept * d_gamma))


class InPlace(torch.autograd.Function):
    """That the data are about to be overwritten by their value; `kept` is a copy where the gradient needs them.

    The value is the caller's to compute, since torch refuses some views only at the end of `apply`. The copy is an
    input, and not made here, so that the second derivative finds its way from it to the data.
    """

    @staticmethod
    def forward(
        ctx: Any, data: Tensor, kept: Tensor | None, gamma: Tensor | None, key: Tensor | None, settings: Settings
    ) -> Tensor:
        kept = compute.kept(True, data, data, key, settings) if kept is None else kept
        ctx.mark_dirty(data)
        _save(ctx, True, kept, gamma, key)
        ctx.settings = settings
        return data

    @staticmethod
    def backward(ctx: Any, d_out: Tensor) -> Any:
        kept, gamma, key = ctx.saved_tensors
        if ctx.needs_input_grad[2]:
            d_data, d_gamma = gamma_pullback(d_out, kept, gamma)
            return d_data, None, d_gamma, None, None
        return pullback(d_out, kept, gamma, key, ctx.settings), None, None, None, None


class Pullback(torch.autograd.Function):
    """The product of a vector with the Jacobian with respect to the data."""

    tensors = 4

    @staticmethod
    def forward(
        ctx: Any,
        plain: bool,
        d_out: Tensor,
        kept: Tensor,
        gamma: Tensor | None,
        key: Tensor | None,
        settings: Settings,
    ) -> Tensor:
        # Where nothing is curved and no gamma is given, the gradient needs no more than the branch that was taken.
        _save(ctx, plain, None if settings.is_leaky and gamma is None else d_out, kept, gamma, key)
        ctx.settings = settings
        return compute.pullback(plain, d_out, kept, gamma, key, settings)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        d_out, kept, gamma, key = ctx.saved_tensors
        _, needs_d_out, needs_kept, needs_gamma, *_ = ctx.needs_input_grad
        return (
            None,
            pullback(grad, kept, gamma, key, ctx.settings) if needs_d_out else None,
            grad * curvature(d_out, kept, ctx.settings) if needs_kept and not ctx.settings.is_leaky else None,
            _below_zero(kept, grad * d_out).sum_to_size(gamma.shape).to(gamma.dtype) if needs_gamma else None,
            None,
            None,
        )

    @staticmethod
    def jvp(ctx: Any, _plain: Any, t_d_out: Any, t_kept: Any, t_gamma: Any, *_: Any) -> Any:
        d_out, kept, gamma, key = ctx.saved_tensors
        curved = t_kept is not None and not ctx.settings.is_leaky
        return _sum(
            None if t_d_out is None else pullback(t_d_out, kept, gamma, key, ctx.settings),
            curvature(d_out, kept, ctx.settings) * t_kept if curved else None,
            None if t_gamma is None else _below_zero(kept, d_out * t_gamma),
        )


class GammaPullback(torch.autograd.Function):
    """prelu's two gradients: d_out where x > 0 and gamma * d_out elsewhere, and the sums of d_out * x elsewhere."""

    tensors = 3

    @staticmethod
    def forward(ctx: Any, plain: bool, d_out: Tensor, data: Tensor, gamma: Tensor) -> tuple[Tensor, Tensor]:
        _save(ctx, plain, d_out, data, gamma)
        d_data, d_gamma = compute.gamma_pullback(plain, d_out, data, gamma)
        return d_data, d_gamma

    @staticmethod
    def backward(ctx: Any, on_d_data: Tensor, on_d_gamma: Tensor) -> Any:
        d_out, data, gamma = ctx.saved_tensors
        along, back = _prelu_pullback(on_d_data, data, gamma), _below_zero(data, data * on_d_gamma)
        d_gamma = _below_zero(data, d_out * on_d_data).sum_to_size(gamma.shape).to(gamma.dtype)
        return None, along + back, _below_zero(data, d_out * on_d_gamma), d_gamma

    @staticmethod
    def jvp(ctx: Any, _plain: Any, t_d_out: Any, t_data: Any, t_gamma: Any) -> Any:
        d_out, data, gamma = ctx.saved_tensors
        d_data = _sum(
            None if t_d_out is None else _prelu_pullback(t_d_out, data, gamma),
            None if t_gamma is None else _below_zero(data, d_out * t_gamma),
        )
        products = _sum(None if t_d_out is None else t_d_out * data, None if t_data is None else d_out * t_data)
        d_gamma = torch.zeros_like(gamma) if products is None else _below_zero(data, products).sum_to_size(gamma.shape)
        return torch.zeros_like(data) if d_data is None else d_data, d_gamma.to(gamma.dtype)


_direct_value, _direct_pullback, _direct_gamma_pullback = (
    cast(Any, super)(torch.autograd.Function, function).apply for function in (Value, Pullback, GammaPullback)
)


def _save(ctx: Any, plain: bool, *tensors: Tensor | None) -> None:
    ctx.plain = plain
    ctx.save_for_backward(*tensors)
    if not plain:
        ctx.save_for_forward(*tensors)


def _prelu_pullback(d_out: Tensor, data: Tensor, gamma: Tensor) -> Tensor:
    return pullback(d_out, data, gamma, None, Settings("prelu", 0.0, 0.0, 0.0))


def _below_zero(data: Tensor, product: Tensor) -> Tensor:
    """The product where the second branch is taken, in the dtype of the data."""
    return torch.where(data > 0, 0, product).to(data.dtype)


def _sum(*terms: Tensor | None) -> Any:
    given = [term for term in terms if term is not None]
    return sum(given[1:], given[0]) if given else None
