"""Shapes, products and reductions of MXNet's in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch import Tensor

from .compute import axes_of
from .reshape_codes import LEFT_OVER, requested_sizes
from .torch_arithmetic import torch_dtype
from .torch_table import Values, function, layer

__all__: list[str] = []

# --- shapes


@function("Flatten")
def _flatten(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    return tensors[0].reshape(tensors[0].shape[0], -1)


@function("Concat")
def _concat(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    return torch.cat(tensors, values["dim"])


@function("stack")
def _stack(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    return torch.stack(tensors, values["axis"])


@function("Reshape")
def _reshape(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    x = tensors[0]
    sizes = requested_sizes(values, x.shape)
    return x.reshape(
        [
            -1 if size == LEFT_OVER else size.number * prod(x.shape[axis] for axis in size.axes) // size.divisor
            for size in sizes
        ]
    )


@function("reshape_like")
def _reshape_like(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    x, like = tensors
    left = slice(values["lhs_begin"], values["lhs_end"]).indices(x.ndim)
    right = slice(values["rhs_begin"], values["rhs_end"])
    return x.reshape(*x.shape[: left[0]], *like.shape[right], *x.shape[left[1] :])


@function("transpose")
def _transpose(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    return tensors[0].permute(values["axes"] or tuple(range(tensors[0].ndim))[::-1])


@function("expand_dims")
def _expand_dims(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    return tensors[0].unsqueeze(values["axis"])


@function("squeeze")
def _squeeze(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    x = tensors[0]
    return _with_axes(x.squeeze() if values["axis"] is None else x.squeeze(values["axis"]))


@function("SwapAxis")
def _swap_axes(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    return tensors[0].transpose(values["dim1"], values["dim2"])


@function("reverse")
def _reverse(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    return tensors[0].flip(values["axis"])


@function("tile")
def _tile(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    return tensors[0].tile(values["reps"])


@function("repeat")
def _repeat(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    x = tensors[0] if values["axis"] is not None else tensors[0].flatten()
    axis = (values["axis"] or 0) % x.ndim
    sizes = [-1] * (x.ndim + 1)
    sizes[axis + 1] = values["repeats"]
    return x.unsqueeze(axis + 1).expand(sizes).flatten(axis, axis + 1)


@function("depth_to_space")
def _depth_to_space(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    x, b = tensors[0], values["block_size"]
    n, c, h, w = x.shape
    parts = x.reshape(n, b, b, c // b**2, h, w).permute(0, 3, 4, 1, 5, 2)
    return parts.reshape(n, c // b**2, h * b, w * b)


@function("space_to_depth")
def _space_to_depth(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    x, b = tensors[0], values["block_size"]
    n, c, h, w = x.shape
    parts = x.reshape(n, c, h // b, b, w // b, b).permute(0, 3, 5, 1, 2, 4)
    return parts.reshape(n, c * b**2, h // b, w // b)


@function("broadcast_to")
def _broadcast_to(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    return tensors[0].expand([size or -1 for size in values["shape"]])


@function("broadcast_axis")
def _broadcast_axis(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    sizes = [-1] * tensors[0].ndim
    for axis, size in zip(values["axis"], values["size"], strict=True):
        sizes[axis] = size
    return tensors[0].expand(sizes)


@function("broadcast_like")
def _broadcast_like(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    x, like = tensors
    if values["lhs_axes"] is None:
        return x.expand(like.shape)
    sizes: list[int] = [-1] * x.ndim
    for left, right in zip(values["lhs_axes"], values["rhs_axes"], strict=True):
        sizes[left] = like.shape[right]
    return x.expand(sizes)


@function("shape_array")
def _shape_array(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    return torch.tensor(tensors[0].shape, dtype=torch.int64, device=tensors[0].device)


@function("size_array")
def _size_array(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    return torch.tensor([tensors[0].numel()], dtype=torch.int64, device=tensors[0].device)


# --- arrays from nothing


def _made(tensors: list[Tensor], values: Values) -> dict[str, Any]:
    return {"dtype": torch_dtype(values["dtype"]), "device": tensors[0].device}


@function("_zeros")
def _zeros(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    return torch.zeros(values["shape"], **_made(tensors, values))


@function("_ones")
def _ones(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    return torch.ones(values["shape"], **_made(tensors, values))


@function("_full")
def _full(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    return torch.full(values["shape"], values["value"], **_made(tensors, values))


@layer("_arange")
def _arange_layer(values: Values, tensors: Any) -> None:
    if values["infer_range"] and values["stop"] is None:
        raise ValueError("`infer_range` must be False, since a module does not know the shapes that its size follows")


@function("_arange")
def _arange(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    start, stop = (0.0, values["start"]) if values["stop"] is None else (values["start"], values["stop"])
    numbers = torch.arange(start, stop, values["step"], **_made(tensors, values))
    return numbers.repeat_interleave(values["repeat"])


# --- products


@function("dot")
def _dot(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    """The last axis of the one with the first of the other, or as the flags say."""
    a, b = tensors
    left, right = 0 if values["transpose_a"] else -1, -1 if values["transpose_b"] else 0
    return _with_axes(torch.tensordot(a, b, ([left], [right])))


@function("batch_dot")
def _batch_dot(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    a, b = tensors
    return torch.matmul(a.mT if values["transpose_a"] else a, b.mT if values["transpose_b"] else b)


@function("_linalg_gemm2")
def _gemm2(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    axis = values["axis"]
    a, b = (x.movedim(axis, -2) for x in tensors)
    product: Tensor = values["alpha"] * _batch_dot([a, b], values, training)
    return product.movedim(-2, axis)


# --- reductions


def _with_axes(x: Tensor) -> Tensor:
    """MXNet has no arrays without axes."""
    return x if x.ndim else x.reshape(1)


def _reduction(compute: Callable[[Tensor, list[int], bool], Tensor]) -> Callable[..., Tensor]:
    def reduce(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
        x, axes = tensors[0], axes_of(tensors[0], values)
        return _with_axes(compute(x, axes, values["keepdims"])) if axes else compute(x.unsqueeze(0), [0], False)

    return reduce


def _product(x: Tensor, axes: list[int], keepdims: bool) -> Tensor:
    for axis in sorted(axes, reverse=True):
        x = x.prod(axis, keepdim=keepdims)
    return x


function("sum")(_reduction(lambda x, axes, keep: x.sum(axes, keep, dtype=x.dtype)))
function("mean")(_reduction(lambda x, axes, keep: x.mean(axes, keep)))
function("max")(_reduction(lambda x, axes, keep: x.amax(axes, keep)))
function("min")(_reduction(lambda x, axes, keep: x.amin(axes, keep)))
function("nansum")(_reduction(lambda x, axes, keep: x.nansum(axes, keep)))
function("prod")(_reduction(_product))
function("nanprod")(_reduction(lambda x, axes, keep: _product(torch.where(x.isnan(), 1.0, x), axes, keep)))


@function("norm")
def _norm(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    x = tensors[0]
    axes = axes_of(x, {**values, "exclude": False})
    result = torch.linalg.vector_norm(x, values["ord"], axes, values["keepdims"])
    return _with_axes(result if values["out_dtype"] is None else result.to(torch_dtype(values["out_dtype"])))


def _place_of(compute: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def place(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
        x = tensors[0]
        if values["axis"] is None:
            found = compute(x.flatten(), 0)
            result = found.reshape([1] * x.ndim) if values["keepdims"] else found
        else:
            result = compute(x, values["axis"], keepdim=values["keepdims"])
        return _with_axes(result).to(torch.float32)

    return place


function("argmax")(_place_of(torch.argmax))
function("argmin")(_place_of(torch.argmin))


@function("argmax_channel")
def _argmax_channel(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    return tensors[0].argmax(1).to(tensors[0].dtype)
