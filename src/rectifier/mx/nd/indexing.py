"""What ``a[key]`` means: MXNet's rules in terms of tensors.

Numbers, slices, None and ... are basic; a basic key whose elements lie together in memory gives a view, any other a
copy. Lists and arrays are advanced and give a copy. There are no arrays without axes: a single element has shape (1,).
"""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

__all__ = ["Key", "read", "target"]


class Key(NamedTuple):
    """A key as tensors take it: the index, the axes of the result to turn round, and whether all of it is basic."""

    at: tuple[Any, ...]
    reverse: tuple[int, ...]
    basic: bool


def read(data: Tensor, key: Any) -> Tensor:
    """The elements that a key names: a view where they lie together, else a copy."""
    parsed = _parse(data, key)
    found = _reversed(data[parsed.at], parsed)
    found = found.reshape(1) if found.ndim == 0 else found
    return (
        found
        if parsed.basic and not parsed.reverse and found.is_contiguous()
        else found.clone(memory_format=torch.contiguous_format)
    )


def target(data: Tensor, key: Any, value: Tensor) -> tuple[tuple[Any, ...], Tensor]:
    """The index to write to, and the value in the order that it is written in."""
    parsed = _parse(data, key)
    shape = data[parsed.at].shape
    while value.ndim > len(shape) and value.shape[0] == 1:
        value = value[0]
    try:
        value = value.expand(shape)
    except RuntimeError:
        raise ValueError(
            f"the value must broadcast to the shape of its place, {tuple(shape)}, got shape {tuple(value.shape)}"
        ) from None
    return parsed.at, _reversed(value, parsed)


def _reversed(data: Tensor, key: Key) -> Tensor:
    return data.flip(key.reverse) if key.reverse else data


def _parse(data: Tensor, key: Any) -> Key:
    parts = _with_all_axes(list(key) if isinstance(key, tuple) else [key], data.ndim)
    index: list[Any] = []
    reverse: list[int] = []
    basic = True
    axis = place = 0  # of the data; of the result
    for part in parts:
        if part is None:
            index.append(None)
            place += 1
            continue
        size = data.shape[axis]
        if isinstance(part, slice):
            forward, backward = _slice(part, size)
            index.append(forward)
            if backward:
                reverse.append(place)
            place += 1
        elif _is_array(part):
            index.append(_indices(part, size, axis, data.device))
            basic = False
        else:
            index.append(_number(part, size, axis))
        axis += 1
    if reverse and not basic:
        raise IndexError("a key must not have both arrays and slices with a negative step")
    return Key(tuple(index), tuple(reverse), basic)


def _with_all_axes(parts: list[Any], ndim: int) -> list[Any]:
    """The key with a slice for each axis that it does not name."""
    named = sum(part is not None and part is not Ellipsis for part in parts)
    if named > ndim:
        raise IndexError(f"too many indices ({named}) for array with {ndim} dimensions")
    places = [i for i, part in enumerate(parts) if part is Ellipsis]
    if len(places) > 1:
        raise IndexError("a key must have at most one ...")
    place = places[0] if places else len(parts)
    return [*parts[:place], *[slice(None)] * (ndim - named), *parts[place + 1 :]]


def _slice(part: slice, size: int) -> tuple[slice, bool]:
    """The slice with a positive step that names the same elements, and whether they come in reverse."""
    forward = (part.step or 1) > 0
    for name, end in (("start", part.start), ("stop", part.stop)):
        if end is not None and not -size <= operator.index(end) <= size - (name == "start" and forward and size > 0):
            raise IndexError(f"Slicing {name} {end} exceeds limit of {size}")
    start, stop, step = part.indices(size)
    if step > 0:
        return slice(start, max(stop, start), step), False
    count = len(range(start, stop, step))
    return slice(start + (count - 1) * step, start + 1, -step) if count else slice(0, 0), True


def _is_array(part: Any) -> bool:
    return isinstance(part, (list, tuple, np.ndarray, Tensor)) or hasattr(part, "_data")


def _indices(part: Any, size: int, axis: int, device: torch.device) -> Tensor:
    numbers = part if isinstance(part, Tensor) else torch.as_tensor(part._data if hasattr(part, "_data") else part)
    numbers = numbers.to(device=device, dtype=torch.int64)  # a mask of floats is no mask in MXNet: 1.0 is index 1
    wrong = numbers[(numbers < -size) | (numbers >= size)]
    if wrong.numel():
        raise IndexError(f"index {int(wrong[0])} is out of bounds for axis {axis} with size {size}")
    return numbers


def _number(part: Any, size: int, axis: int) -> int:
    try:
        number = operator.index(part)
    except TypeError:
        raise ValueError(f"NDArray does not support slicing with key {part} of type {type(part)}.") from None
    if not -size <= number < size:
        raise IndexError(f"index {number} is out of bounds for axis {axis} with size {size}")
    return number
