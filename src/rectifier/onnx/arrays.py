"""MXNet's operators that move, repeat and make elements, in ONNX's operators."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import numpy_helper

from ..mx.array_rules import axis_in, blocks, permutation, reshape_like_parts
from ..mx.number_rules import arange_range
from ..mx.reshape_codes import Size, requested_sizes
from .builder import Shape, Tensor
from .opsets import (
    FIRST,
    LAST,
    Part,
    cast,
    constant_shape,
    known_shape,
    reshape,
    reshape_to,
    shape_tensor,
    slice_axes,
    squeeze,
    unsqueeze,
)
from .translators import Call, translator

__all__: list[str] = []


def _ndim(call: Call) -> int:
    return len(known_shape(call.inputs[0]))


@translator("Concat")
def _concat(call: Call) -> Sequence[str]:
    return [call.op("Concat", *call.inputs, axis=axis_in(call.values["dim"], _ndim(call), "dim"))]


@translator("stack")
def _stack(call: Call) -> Sequence[str]:
    axis = axis_in(call.values["axis"], _ndim(call) + 1)
    return [call.op("Concat", *(unsqueeze(call.b, one, [axis]) for one in call.inputs), axis=axis)]


@translator("Flatten")
def _flatten(call: Call) -> Sequence[str]:
    return [call.op("Flatten", call.inputs[0], axis=1)]


@translator("Reshape")
def _reshape(call: Call) -> Sequence[str]:
    data = call.inputs[0]
    return [reshape_to(call.b, data, requested_sizes(call.values, known_shape(data)), data)]


@translator("reshape_like")
def _reshape_like(call: Call) -> Sequence[str]:
    left, right = call.inputs
    ndim = _ndim(call)
    old, new = reshape_like_parts(call.values, ndim, len(known_shape(right)))
    parts: list[Part] = [(left, Size((i,))) for i in range(old.start)]
    parts += [(right, Size((i,))) for i in new]
    parts += [(left, Size((i,))) for i in range(old.stop, ndim)]
    return [call.op("Reshape", left, shape_tensor(call.b, parts, infer=True))]


@translator("transpose")
def _transpose(call: Call) -> Sequence[str]:
    return [call.op("Transpose", call.inputs[0], perm=list(permutation(call.values, _ndim(call))))]


@translator("SwapAxis")
def _swap_axes(call: Call) -> Sequence[str]:
    order = list(range(_ndim(call)))
    first, second = (axis_in(call.values[name], len(order), name) for name in ("dim1", "dim2"))
    order[first], order[second] = second, first
    return [call.op("Transpose", call.inputs[0], perm=order)]


@translator("expand_dims")
def _expand_dims(call: Call) -> Sequence[str]:
    return [unsqueeze(call.b, call.inputs[0], [axis_in(call.values["axis"], _ndim(call) + 1)])]


@translator("squeeze")
def _squeeze(call: Call) -> Sequence[str]:
    shape, axis = known_shape(call.inputs[0]), call.values["axis"]
    if axis is None and -1 in shape:
        raise ValueError("`axis` must be given where sizes are free")
    axes = [i for i, size in enumerate(shape) if size == 1] if axis is None else [axis_in(i, len(shape)) for i in axis]
    if len(axes) == len(shape):  # MXNet has no arrays without dimensions
        return [reshape(call.b, call.inputs[0], [1])]
    return [squeeze(call.b, call.inputs[0], sorted(axes)) if axes else call.op("Identity", call.inputs[0])]


@translator("reverse")
def _reverse(call: Call) -> Sequence[str]:
    data, b = call.inputs[0], call.b
    axes = sorted({axis_in(axis, _ndim(call)) for axis in call.values["axis"]})
    if b.opset >= 10:
        return [slice_axes(b, data, axes, [LAST] * len(axes), [FIRST] * len(axes), [-1] * len(axes))]
    result: str | Tensor = data
    for axis in axes:
        size = known_shape(data)[axis]
        if size < 0:
            raise ValueError("an axis of free size that is reversed must have opset 10 or later")
        result = b.op("Gather", result, constant_shape(b, range(size - 1, -1, -1)), axis=axis)
    return [b.op("Identity", result) if isinstance(result, Tensor) else result]


@translator("tile")
def _tile(call: Call) -> Sequence[str]:
    data, reps, ndim = call.inputs[0], call.values["reps"], _ndim(call)
    missing = len(reps) - ndim
    grown = unsqueeze(call.b, data, range(missing)) if missing > 0 else data
    return [call.op("Tile", grown, constant_shape(call.b, (1,) * -missing + tuple(reps)))]


@translator("repeat")
def _repeat(call: Call) -> Sequence[str]:
    data, times, b = call.inputs[0], call.values["repeats"], call.b
    if call.values["axis"] is None:
        column = reshape(b, data, [-1, 1])
        return [reshape(b, b.op("Tile", column, constant_shape(b, [1, times])), [-1])]
    ndim = _ndim(call)
    axis = axis_in(call.values["axis"], ndim)
    tiled = b.op(
        "Tile",
        unsqueeze(b, data, [axis + 1]),
        constant_shape(b, [times if i == axis + 1 else 1 for i in range(ndim + 1)]),
    )
    sizes = [Size((i,), times if i == axis else 1) for i in range(ndim)]
    return [reshape_to(b, tiled, sizes, data, aligned=axis)]


@translator("space_to_depth")
def _space_to_depth(call: Call) -> Sequence[str]:
    data = call.inputs[0]
    return [call.op("SpaceToDepth", data, blocksize=blocks(call.values, known_shape(data)))]


@translator("depth_to_space")
def _depth_to_space(call: Call) -> Sequence[str]:
    data = call.inputs[0]
    return [call.op("DepthToSpace", data, blocksize=blocks(call.values, known_shape(data)))]


@translator("broadcast_to")
def _broadcast_to(call: Call) -> Sequence[str]:
    """ONNX's Expand leaves an axis alone where the shape says 1."""
    return [call.op("Expand", call.inputs[0], constant_shape(call.b, [size or 1 for size in call.values["shape"]]))]


@translator("broadcast_axis")
def _broadcast_axis(call: Call) -> Sequence[str]:
    sizes = [1] * _ndim(call)
    for axis, size in zip(call.values["axis"], call.values["size"], strict=True):
        sizes[axis_in(axis, len(sizes))] = size
    return [call.op("Expand", call.inputs[0], constant_shape(call.b, sizes))]


@translator("broadcast_like")
def _broadcast_like(call: Call) -> Sequence[str]:
    data, like = call.inputs
    ndim = _ndim(call)
    left, right = call.values["lhs_axes"], call.values["rhs_axes"]
    pairs = [(i, i) for i in range(ndim)] if left is None else list(zip(left, right, strict=True))
    parts: list[Part] = [1] * ndim
    for old, new in pairs:
        parts[axis_in(old, ndim, "lhs_axes")] = (like, Size((axis_in(new, len(known_shape(like)), "rhs_axes"),)))
    return [call.op("Expand", data, shape_tensor(call.b, parts))]


@translator("shape_array")
def _shape_array(call: Call) -> Sequence[str]:
    return [call.op("Shape", call.inputs[0])]


@translator("size_array")
def _size_array(call: Call) -> Sequence[str]:
    return [reshape(call.b, call.op("Size", call.inputs[0]), [1])]


@translator("Cast")
def _cast(call: Call) -> Sequence[str]:
    return [cast(call.b, call.inputs[0], np.dtype(call.values["dtype"]))]


@translator("amp_cast")
def _amp_cast(call: Call) -> Sequence[str]:
    """Only float16 and float32 are cast."""
    return _cast(call) if call.dtype in (np.float16, np.float32) else [call.op("Identity", call.inputs[0])]


def _filled(call: Call, shape: str, value: float, dtype: np.dtype[Any]) -> str:
    return call.op("ConstantOfShape", shape, value=numpy_helper.from_array(np.array([value], dtype)))


@translator("zeros_like")
def _zeros_like(call: Call) -> Sequence[str]:
    return [_filled(call, call.op("Shape", call.inputs[0]), 0, call.dtype)]


@translator("ones_like")
def _ones_like(call: Call) -> Sequence[str]:
    return [_filled(call, call.op("Shape", call.inputs[0]), 1, call.dtype)]


def _made(call: Call, value: float) -> Sequence[str]:
    return [_filled(call, constant_shape(call.b, _made_shape(call)), value, np.dtype(call.values["dtype"]))]


def _made_shape(call: Call) -> Shape:
    shape = call.outputs[0]
    if shape is None or -1 in shape:
        raise ValueError("all sizes of an array that is made must be known")
    return shape


@translator("_zeros")
def _zeros(call: Call) -> Sequence[str]:
    return _made(call, 0)


@translator("_ones")
def _ones(call: Call) -> Sequence[str]:
    return _made(call, 1)


@translator("_full")
def _full(call: Call) -> Sequence[str]:
    return _made(call, call.values["value"])


@translator("_arange")
def _arange(call: Call) -> Sequence[str]:
    """The numbers themselves, as float64's arithmetic makes them, rounded once."""
    (size,) = _made_shape(call)
    repeat = call.values["repeat"]
    start, _, step = arange_range(call.values)
    if call.values["infer_range"] and call.values["stop"] is None:
        start = call.values["start"]
    numbers = start + step * np.arange(math.ceil(size / repeat))
    return [call.op("Identity", call.b.constant(np.repeat(numbers, repeat)[:size], np.dtype(call.values["dtype"])))]
