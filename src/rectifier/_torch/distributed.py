"""DTensors: how each operator may be sharded, and rrelu's slopes by the index in the whole tensor.

Imported only once a DTensor has come: it imports torch.distributed.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed
from torch import Tensor
from torch.distributed.tensor import DTensor, Partial, Replicate, Shard
from torch.distributed.tensor._utils import compute_local_shape_and_global_offset
from torch.distributed.tensor.experimental import register_sharding

from . import functions
from .kernels import Settings

__all__ = ["pullback", "value"]


def value(data: Any, gamma: Tensor | None, key: Tensor | None, settings: Settings) -> Tensor:
    """The activation's value, sharded as the data are."""
    if gamma is not None and not isinstance(gamma, DTensor):
        gamma = DTensor.from_local(gamma, data.device_mesh, [Replicate()] * data.device_mesh.ndim, run_check=False)
    if key is None:
        return functions.value(data, gamma, None, settings)
    data = _without_sums(data)
    part = functions.value(data.to_local(), None, _agreed(key, data), _of_part(data, settings))
    return _whole(part, data)


def pullback(d_out: Any, kept: Any, key: Tensor | None, settings: Settings) -> Tensor:
    """d_out times the derivative of an activation without gamma, sharded as what is kept is."""
    if key is None:
        return functions.pullback(d_out, kept, None, None, settings)
    kept = _without_sums(kept)
    d_out = d_out.redistribute(placements=kept.placements)
    settings = _of_part(kept, settings)
    part = functions.pullback(d_out.to_local(), kept.to_local(), None, _agreed(key, kept), settings)
    return _whole(part, kept)


def _without_sums(data: Any) -> Any:
    """The data with sums that are still to be made made."""
    return data.redistribute(placements=[Replicate() if one.is_partial() else one for one in data.placements])


def _of_part(data: Any, settings: Settings) -> Settings:
    """The settings for the part of the data that is here."""
    _, offsets = compute_local_shape_and_global_offset(data.shape, data.device_mesh, data.placements)
    steps = (*(data.shape[axis + 1 :].numel() for axis in range(data.ndim)),)
    first = sum(offset * step for offset, step in zip(offsets, steps, strict=True))
    return settings._replace(first=first, steps=steps)


def _whole(part: Tensor, like: Any) -> Tensor:
    whole: Tensor = DTensor.from_local(
        part, like.device_mesh, like.placements, run_check=False, shape=like.shape, stride=like.stride()
    )
    return whole


def _agreed(key: Tensor, data: DTensor) -> Tensor:
    """The first rank's key, for all: parts of one tensor draw from one stream even if their generators differ."""
    mesh = data.device_mesh
    sent = key.to(mesh.device_type, copy=True)
    for axis in range(mesh.ndim):
        torch.distributed.broadcast(sent, group=mesh.get_group(axis), group_src=0)
    return sent.cpu()


def _shardings(count: int, data: Any, gamma: Any, sums: bool = False) -> list[tuple[list[Any], list[Any]]]:
    """Whole, or cut along an axis: `count` tensors like the data, and a gamma that is cut where it has that axis."""
    known: list[tuple[list[Any], list[Any]]] = []
    cuts: list[Any] = [Replicate(), *map(Shard, range(data.ndim))]
    for cut in cuts:
        shared = gamma is not None and isinstance(cut, Shard) and gamma.shape[cut.dim] == 1
        of_gamma = None if gamma is None else Replicate() if shared else cut
        outputs = [cut, Partial() if shared else cut] if sums else [cut]
        known.append((outputs, [cut] * count + [of_gamma]))
    return known


def _of_value(data: Any, gamma: Any, key: Any, *settings: Any) -> Any:
    return [(made, [*taken, None, *(None for _ in settings)]) for made, taken in _shardings(1, data, gamma)]


def _of_pullback(d_out: Any, kept: Any, gamma: Any, key: Any, *settings: Any) -> Any:
    return [(made, [*taken, None, *(None for _ in settings)]) for made, taken in _shardings(2, d_out, gamma)]


def _of_gamma_pullback(d_out: Any, data: Any, gamma: Any) -> Any:
    return _shardings(2, data, gamma, sums=True)


for _operator, _rule in (
    (torch.ops.rectifier.leaky_relu.default, _of_value),
    (torch.ops.rectifier.pullback.default, _of_pullback),
    (torch.ops.rectifier.gamma_pullback.default, _of_gamma_pullback),
):
    register_sharding(_operator)(_rule)
