"""What torch.vmap does with the operators: a batch is one more axis, at the front."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .kernels import Settings

__all__ = ["gamma_pullback", "pullback", "value"]

Axis = int | None


def value(
    info: Any, axes: Any, data: Tensor, gamma: Tensor | None, key: Tensor | None, *settings: Any
) -> tuple[Tensor, int]:
    from .functions import value as unbatched

    size = info.batch_size
    data, key = _first(data, axes[0], size), _keys(key, axes[2], size)
    return unbatched(data, _along(gamma, axes[1]), key, Settings(*settings)), 0


def pullback(
    info: Any, axes: Any, d_out: Tensor, kept: Tensor, gamma: Tensor | None, key: Tensor | None, *settings: Any
) -> tuple[Tensor, int]:
    from .functions import pullback as unbatched

    size = info.batch_size
    if kept.dtype == torch.uint8:
        shape = d_out.shape if axes[0] is None else d_out.movedim(axes[0], 0).shape[1:]
        kept = _unpacked(_first(kept, axes[1], size), (size, *shape), d_out.dtype)
        axes = (axes[0], 0, *axes[2:])
    d_out, kept, key = _first(d_out, axes[0], size), _first(kept, axes[1], size), _keys(key, axes[3], size)
    return unbatched(d_out, kept, _along(gamma, axes[2]), key, Settings(*settings)), 0


def gamma_pullback(info: Any, axes: Any, d_out: Tensor, data: Tensor, gamma: Tensor) -> tuple[Any, Any]:
    from .functions import gamma_pullback as unbatched

    batched = (_first(tensor, axis, info.batch_size) for tensor, axis in zip((d_out, data, gamma), axes, strict=True))
    return unbatched(*batched), (0, 0)


def _first(tensor: Tensor, axis: Axis, size: int) -> Tensor:
    """The tensor with the batch as its first axis, repeated where it has none."""
    return tensor.expand(size, *tensor.shape) if axis is None else tensor.movedim(axis, 0)


def _along(gamma: Tensor | None, axis: Axis) -> Tensor | None:
    """Gamma with an axis for the batch, of length 1 where all of the batch share it."""
    if gamma is None:
        return None
    return gamma.unsqueeze(0) if axis is None else gamma.movedim(axis, 0)


def _keys(key: Tensor | None, axis: Axis, size: int) -> Tensor | None:
    """A key for each of the batch, the same one where randomness is the same."""
    return None if key is None else _first(key, axis, size)


def _unpacked(bits: Tensor, shape: Any, dtype: torch.dtype) -> Tensor:
    """Numbers with the signs that the bits tell, of a batch of bits."""
    count = shape[1:].numel() if isinstance(shape, torch.Size) else torch.Size(shape[1:]).numel()
    each = bits.unsqueeze(-1) >> torch.arange(8, dtype=torch.uint8, device=bits.device) & 1
    return each.flatten(1)[:, :count].reshape(shape).to(dtype)
