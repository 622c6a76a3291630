"""The step below autograd: straight to the kernels for plain tensors, and by way of the dispatcher for all others."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..parameters import ACTIVATIONS, Call
from . import kernels
from .kernels import Settings
from .plain import transforming

__all__ = ["gamma_pullback", "kept", "pullback", "value", "what_is_kept"]


def value(plain: bool, data: Tensor, gamma: Tensor | None, key: Tensor | None, settings: Settings) -> Tensor:
    if plain:
        return kernels.value(data, gamma, key, settings)
    with torch._C._AutoDispatchBelowAutograd():
        out: Tensor = torch.ops.rectifier.leaky_relu.default(data, gamma, key, *settings)
    return out


def pullback(
    plain: bool, d_out: Tensor, kept: Tensor, gamma: Tensor | None, key: Tensor | None, settings: Settings
) -> Tensor:
    if plain:
        return kernels.pullback(d_out, kept, gamma, key, settings)
    with torch._C._AutoDispatchBelowAutograd():
        d_data: Tensor = torch.ops.rectifier.pullback.default(d_out, kept, gamma, key, *settings)
    return d_data


def gamma_pullback(plain: bool, d_out: Tensor, data: Tensor, gamma: Tensor) -> Any:
    if plain:
        return kernels.gamma_pullback(d_out, data, gamma)
    with torch._C._AutoDispatchBelowAutograd():
        return torch.ops.rectifier.gamma_pullback.default(d_out, data, gamma)


def kept(plain: bool, data: Tensor, out: Tensor, key: Tensor | None, settings: Settings) -> Tensor:
    """What the gradient of an activation without gamma keeps of data and output."""
    act_type, slope, lower, _, _, steps = settings
    keeps = what_is_kept(act_type, slope, lower, key is not None)
    if keeps == "output":
        return out
    if keeps == "input" or steps is not None or (key is not None and key.dim()):
        return data
    if plain:
        return kernels.pack_signs(data)
    if transforming() or "DTensor" in type(data).__name__:
        return data  # bits are of the whole, in C order: they can be neither batched nor sharded
    bits: Tensor = torch.ops.rectifier.pack_signs.default(data)
    return bits


def what_is_kept(act_type: str, slope: float, lower: float, draws: bool) -> str:
    """`Call.keeps`."""
    return Call(ACTIVATIONS[act_type], slope, lower, lower, draws).keeps
