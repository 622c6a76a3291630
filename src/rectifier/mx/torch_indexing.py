"""MXNet's ways to choose elements, in PyTorch: slices, indices, conditions and order."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .torch_arithmetic import torch_dtype
from .torch_table import Values, function

__all__ = ["within"]


def _sliced(x: Tensor, axis: int, begin: int | None, end: int | None, step: int) -> Tensor:
    if step > 0:
        return x[(slice(None),) * axis + (slice(begin, end, step),)]
    if (begin, end) == (None, None):
        return _sliced(x.flip(axis), axis, None, None, -step)
    places = range(*slice(begin, end, step).indices(x.shape[axis]))
    return x.index_select(axis, torch.tensor(list(places), dtype=torch.int64, device=x.device))


@function("slice")
def _slice(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    x = tensors[0]
    begin, end, step = ((*values[key], *[None] * x.ndim)[: x.ndim] for key in ("begin", "end", "step"))
    for axis in range(x.ndim):
        x = _sliced(x, axis, begin[axis], end[axis], step[axis] or 1)
    return x


@function("slice_axis")
def _slice_axis(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    return _sliced(tensors[0], values["axis"] % tensors[0].ndim, values["begin"], values["end"], 1)


@function("slice_like")
def _slice_like(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    x, like = tensors
    for axis in values["axes"] or range(x.ndim):
        x = x.narrow(axis, 0, like.shape[axis])
    return x


def _parts(parts: tuple[Tensor, ...], values: Values) -> Tensor | tuple[Tensor, ...]:
    if values["squeeze_axis"]:
        parts = tuple(part.squeeze(values["axis"]) for part in parts)
    return parts if len(parts) > 1 else parts[0]


@function("SliceChannel")
def _slice_channel(tensors: list[Tensor], values: Values, training: bool) -> Tensor | tuple[Tensor, ...]:
    x, axis = tensors[0], values["axis"]
    return _parts(x.split(x.shape[axis] // values["num_outputs"], axis), values)


@function("_split_v2")
def _split(tensors: list[Tensor], values: Values, training: bool) -> Tensor | tuple[Tensor, ...]:
    x, axis = tensors[0], values["axis"]
    if values["sections"]:
        return _parts(x.split(x.shape[axis] // values["sections"], axis), values)
    begins = values["indices"]  # each part ends where the next begins
    return _parts(
        tuple(_sliced(x, axis % x.ndim, begin, end, 1) for begin, end in zip(begins, (*begins[1:], None), strict=True)),
        values,
    )


@function("where")
def _where(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    condition, x, y = tensors
    if condition.ndim < x.ndim:  # one truth for each of the first axis
        condition = condition.reshape(-1, *[1] * (x.ndim - 1))
    return torch.where(condition != 0, x, y)


def within(index: Tensor, size: int, mode: str) -> Tensor:
    """Whole numbers within an axis."""
    index = index.to(torch.int64)
    return index.remainder(size) if mode == "wrap" else index.clamp(0, size - 1)


@function("take")
def _take(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    x, index = tensors
    axis = values["axis"] % x.ndim
    places = within(index, x.shape[axis], values["mode"])
    taken = x.index_select(axis, places.flatten())
    return taken.reshape(*x.shape[:axis], *places.shape, *x.shape[axis + 1 :])


@function("batch_take")
def _batch_take(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    x, index = tensors
    return x.gather(1, within(index, x.shape[1], "clip").reshape(-1, 1)).reshape(index.shape)


@function("pick")
def _pick(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    x, index = tensors
    axis = values["axis"]
    if axis is None:
        x, axis = x.flatten(), 0
    places = within(index, x.shape[axis], values["mode"])
    if places.ndim < x.ndim:
        places = places.unsqueeze(axis)
    picked = x.gather(axis, places)
    return picked if values["keepdims"] or x.ndim == 1 else picked.squeeze(axis)


@function("gather_nd")
def _gather_nd(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    x, index = tensors
    return x[tuple(index.to(torch.int64).unbind(0))]


@function("one_hot")
def _one_hot(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    places = torch.arange(values["depth"], device=tensors[0].device)
    hot = tensors[0].to(torch.int64).unsqueeze(-1) == places
    return torch.where(hot, values["on_value"], values["off_value"]).to(torch_dtype(values["dtype"]))


@function("Embedding")
def _embedding(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    index, weight = tensors
    return F.embedding(within(index, weight.shape[0], "clip"), weight)


# --- order


def _ordered(x: Tensor, axis: int | None, ascend: bool) -> tuple[Tensor, Tensor, int]:
    """Sorted, where each came from, and along which axis."""
    if axis is None:
        x, axis = x.flatten(), 0
    return (*torch.sort(x, dim=axis, descending=not ascend, stable=True), axis)


@function("sort")
def _sort(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    return _ordered(tensors[0], values["axis"], values["is_ascend"])[0]


@function("argsort")
def _argsort(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    return _ordered(tensors[0], values["axis"], values["is_ascend"])[1].to(torch_dtype(values["dtype"]))


@function("topk")
def _topk(tensors: list[Tensor], values: Values, training: bool) -> Tensor | tuple[Tensor, ...]:
    x, kind = tensors[0], values["ret_typ"]
    found, places, axis = _ordered(x, values["axis"], values["is_ascend"])
    count = values["k"] if values["k"] >= 1 else found.shape[axis]
    found, places = found.narrow(axis, 0, count), places.narrow(axis, 0, count)
    if kind == "mask":
        flat = x.flatten() if values["axis"] is None else x
        return torch.zeros_like(flat).scatter(axis, places, 1.0).reshape(x.shape)
    places = places.to(torch_dtype(values["dtype"]))
    return {"value": found, "indices": places, "both": (found, places)}[kind]
