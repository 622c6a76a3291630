"""An activation that overwrites its input, with the gradient right for every slope."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .._torch import functions, kernels
from .._torch.kernels import Settings
from ..backends.torch import draw_key
from ..operator import leaky_relu
from ..parameters import Call, check_call
from .aten import dense

__all__ = ["overwrite"]

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


class _Overwrite(torch.autograd.Function):
    """The value in the place of the input. What the gradient keeps is taken before."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, key: Tensor | None, call: Call) -> Tensor:
        settings = Settings(call.activation.name, call.slope, call.lower_bound, call.upper_bound)
        recorded = ctx.needs_input_grad[0]
        kept = functions.kept(x, x, key, settings) if recorded else None
        if recorded and call.keeps == "input":
            kept = x.clone()
        kernels.value(x, x, None, key, settings)
        ctx.mark_dirty(x)
        if recorded:
            ctx.save_for_backward(kept, key)
            ctx.settings = settings
        return x

    @staticmethod
    def backward(ctx: Any, d_out: Tensor) -> Any:
        return functions.pullback(d_out, *ctx.saved_tensors, ctx.settings), None, None


def overwrite(x: Tensor, act_type: str, **parameters: Any) -> Tensor:
    """Put the activation's value in the place of `x`, and return `x`.

    leaky and rrelu keep nothing beside the result for the gradient where no slope is negative, and one bit an element
    where one is. elu and selu keep a copy of the input: formed from the result, their gradients lose digits.
    """
    values = {"slope": 0.25, "lower_bound": 0.125, "upper_bound": 0.333999991, "training": False} | parameters
    call = check_call(act_type, **values, has_gamma=False, has_axis=False)
    if not _plain(x):
        return x.copy_(leaky_relu(x.clone(), act_type=act_type, **parameters))
    key = draw_key(None) if call.draws else None
    result: Tensor = _Overwrite.apply(x, key, call.rounded(x.dtype is torch.float64))
    return result


def _plain(x: Tensor) -> bool:
    """Whether x is memory and nothing else, that may be overwritten; torch has its own words where it may not."""
    return (
        not torch.compiler.is_compiling()
        and type(x) is Tensor
        and x.device.type in ("cpu", "cuda")
        and x.dtype in _FLOATS
        and dense(x)
        and not (x.is_leaf and x.requires_grad)
        and not torch._C._functorch.is_functorch_wrapped_tensor(x)
        and torch._C._len_torch_dispatch_stack() == 0
    )
