"""The kernels on plain strided tensors: the C++ core for those of the CPU, Triton's for those of CUDA.

No derivative is recorded here, and nothing intercepts: whoever calls has seen to it. Gamma has as many axes as the data.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from .. import _core
from ..backends.numpy import BFLOAT16
from ..parameters import ACTIVATIONS

__all__ = ["Settings", "gamma_pullback", "pack_signs", "pullback", "value"]


class Settings(NamedTuple):
    """The numbers of a call, in the order in which every operator takes them."""

    act_type: str
    slope: float
    lower_bound: float
    upper_bound: float
    first: int = 0  # the index of the first element in the whole of which the data is a part; rrelu draws by it


def value(out: Tensor, data: Tensor, gamma: Tensor | None, key: Tensor | None, settings: Settings) -> Tensor:
    """Write the activation's value to out."""
    return _apply(out, data, None, gamma, key, settings)


def pullback(out: Tensor, d_out: Tensor, kept: Tensor, key: Tensor | None, settings: Settings) -> Tensor:
    """Write d_out times the derivative to out. What is kept of the input is described by `Call.keeps`."""
    return _apply(out, kept, d_out, None, key, settings)


def gamma_pullback(d_data: Tensor | None, d_gamma: Tensor, d_out: Tensor, data: Tensor, gamma: Tensor) -> None:
    """Write prelu's two gradients."""
    if data.numel() == 0:
        d_gamma.zero_()
        return
    arrays = (None if d_data is None else _array(d_data), *map(_array, (d_gamma, d_out, data, gamma)))
    _core.gamma_pullback(*arrays)


def pack_signs(bits: Tensor, data: Tensor) -> Tensor:
    """Write one bit an element: whether it is above zero."""
    _core.pack_signs(_array(bits), _array(data))
    return bits


def _apply(
    out: Tensor, data: Tensor, d_out: Tensor | None, gamma: Tensor | None, key: Tensor | None, settings: Settings
) -> Tensor:
    _core.apply(
        ACTIVATIONS[settings.act_type].formula, _array(out), _array(data),
        None if d_out is None else _array(d_out), None if gamma is None else _array(gamma),
        settings.slope, None if key is None else int(key) % 2**64, settings.lower_bound, settings.upper_bound,
        settings.first,
    )  # fmt: skip
    return out


def _array(tensor: Tensor) -> Any:
    tensor = tensor.detach()
    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(BFLOAT16)
    return tensor.numpy()
