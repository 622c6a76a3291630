"""MXNet's operators that take parts of arrays, or elements by index, in ONNX's operators.

MXNet's indices are numbers of any dtype, by default float32; ONNX's are integers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..mx.array_rules import axis_in, split_sizes
from ..mx.reshape_codes import Size
from .builder import Tensor
from .opsets import (
    FIRST,
    LAST,
    Part,
    cast,
    clip,
    constant_shape,
    gather_sizes,
    known_shape,
    reduce,
    reshape,
    shape_tensor,
    slice_axes,
    split,
    squeeze,
    transpose,
    unsqueeze,
)
from .translators import Call, translator, truth

__all__: list[str] = []


@translator("slice")
def _slice(call: Call) -> Sequence[str]:
    data, b, values = call.inputs[0], call.b, call.values
    count = len(values["begin"])
    steps = [1 if step is None else step for step in values["step"] or (1,) * count]
    begins = [
        (0 if step > 0 else LAST) if begin is None else begin
        for begin, step in zip(values["begin"], steps, strict=True)
    ]
    ends = [
        (LAST if step > 0 else FIRST) if end is None else end for end, step in zip(values["end"], steps, strict=True)
    ]
    if b.opset >= 10 or set(steps) <= {1}:
        return [slice_axes(b, data, range(count), begins, ends, steps)]
    return [_picked_one_by_one(call, begins, ends, steps)]


def _picked_one_by_one(call: Call, begins: list[int], ends: list[int], steps: list[int]) -> str:
    """A slice in steps, as the indices that it takes."""
    result = call.inputs[0].name
    for axis, (begin, end, step) in enumerate(zip(begins, ends, steps, strict=True)):
        size = known_shape(call.inputs[0])[axis]
        if size < 0:
            raise ValueError("a slice in steps of an axis of free size must have opset 10 or later")
        taken = range(*slice(begin, None if end in (FIRST, LAST) else end, step).indices(size))
        result = call.op("Gather", result, constant_shape(call.b, taken), axis=axis)
    return result


@translator("slice_axis")
def _slice_axis(call: Call) -> Sequence[str]:
    data, values = call.inputs[0], call.values
    axis = axis_in(values["axis"], len(known_shape(data)))
    end = LAST if values["end"] is None else values["end"]
    return [slice_axes(call.b, data, [axis], [values["begin"]], [end])]


@translator("slice_like")
def _slice_like(call: Call) -> Sequence[str]:
    data, like = call.inputs
    shape, wanted = known_shape(data), known_shape(like)
    given = call.values["axes"] or range(len(shape))
    pairs = [(axis_in(axis, len(shape), "axes"), axis_in(axis, len(wanted), "axes")) for axis in given]
    axes, others = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    sizes = [wanted[axis] for axis in others]
    if -1 not in sizes:
        return [slice_axes(call.b, data, axes, [0] * len(axes), sizes)]
    parts: list[Part] = [(like, Size((axis,))) for axis in others]
    return [slice_axes(call.b, data, axes, [0] * len(axes), shape_tensor(call.b, parts))]


@translator("SliceChannel")
def _slice_channel(call: Call) -> Sequence[str]:
    axis = axis_in(call.values["axis"], len(known_shape(call.inputs[0])))
    return _parts(call, axis, call.values["num_outputs"], ())


@translator("_split_v2")
def _split_v2(call: Call) -> Sequence[str]:
    data, b = call.inputs[0], call.b
    shape = known_shape(data)
    axis = axis_in(call.values["axis"], len(shape))
    sizes = split_sizes(call.values, shape[axis])
    if call.values["sections"] or (-1 not in sizes and sum(sizes) == shape[axis]):
        return _parts(call, axis, len(sizes), () if -1 in sizes else sizes)
    begins = call.values["indices"]
    ends = (*begins[1:], LAST)
    parts = [slice_axes(b, data, [axis], [begin], [end]) for begin, end in zip(begins, ends, strict=True)]
    return _squeezed(call, parts, axis)


def _parts(call: Call, axis: int, count: int, sizes: Sequence[int]) -> Sequence[str]:
    data = call.inputs[0]
    parts = [call.op("Identity", data)] if count == 1 else split(call.b, data, axis, count, sizes)
    return _squeezed(call, parts, axis)


def _squeezed(call: Call, parts: list[str], axis: int) -> Sequence[str]:
    return [squeeze(call.b, part, [axis]) for part in parts] if call.values["squeeze_axis"] else parts


@translator("where")
def _where(call: Call) -> Sequence[str]:
    """A condition of one dimension chooses along the first axis."""
    condition, x, y = call.inputs
    chosen = truth(call, condition)
    ndim, conditions = len(known_shape(x)), len(known_shape(condition))
    if conditions < ndim:
        chosen = reshape(call.b, chosen, (-1, *(1 for _ in range(ndim - 1))))
    return [call.op("Where", chosen, x, y)]


def _bounded(call: Call, indices: Tensor, axis: int, mode: str) -> str:
    """Indices as integers: cut off at the ends of the data's axis, or wrapped around them."""
    b, data = call.b, call.inputs[0]
    whole = cast(b, indices, np.int64)
    if mode == "raise":
        return whole
    size = known_shape(data)[axis]
    length = (
        b.constant(size, np.int64) if size >= 0 else b.op("Gather", b.op("Shape", data), b.constant(axis, np.int64))
    )
    if mode == "clip":
        last = b.constant(size - 1, np.int64) if size >= 0 else b.op("Sub", length, b.constant(1, np.int64))
        return clip(b, whole, b.constant(0, np.int64), last, np.dtype(np.int64))
    if b.opset >= 10:
        return b.op("Mod", whole, length)
    rest = b.op("Sub", whole, b.op("Mul", b.op("Div", whole, length), length))
    return b.op("Where", b.op("Less", rest, b.constant(0, np.int64)), b.op("Add", rest, length), rest)


@translator("take")
def _take(call: Call) -> Sequence[str]:
    data, indices = call.inputs
    axis = axis_in(call.values["axis"], len(known_shape(data)))
    return [call.op("Gather", data, _bounded(call, indices, axis, call.values["mode"]), axis=axis)]


@translator("pick")
def _pick(call: Call) -> Sequence[str]:
    values, shape, indices = call.values, known_shape(call.inputs[0]), call.inputs[1]
    if values["axis"] is None:
        raise ValueError("`axis` must be given")
    axis = axis_in(values["axis"], len(shape))
    kept = len(known_shape(indices)) == len(shape) > 1
    found = _pick_along(call, _bounded(call, indices, axis, values["mode"]), axis, kept)
    if values["keepdims"] or len(shape) == 1:
        return [found]
    return [squeeze(call.b, found, [axis])]


def _pick_along(call: Call, indices: str, axis: int, kept: bool) -> str:
    """One element for each place beside the axis, which stays with size 1."""
    b, data = call.b, call.inputs[0]
    ndim = len(known_shape(data))
    if b.opset >= 11:
        places = indices if kept or ndim == 1 else unsqueeze(b, indices, [axis])
        return b.op("GatherElements", data, places, axis=axis)
    single = squeeze(b, indices, [axis]) if kept or ndim == 1 else indices
    depth = gather_sizes(b, data, [axis])
    hot = b.op("OneHot", single, depth, b.constant([0, 1], np.float32), axis=axis)
    chosen = b.op("Where", b.op("Cast", hot, to=9), data, call.constant(0.0))
    return reduce(b, "ReduceSum", chosen, [axis], keepdims=True)


@translator("batch_take")
def _batch_take(call: Call) -> Sequence[str]:
    found = _pick_along(call, _bounded(call, call.inputs[1], 1, "clip"), 1, False)
    return [squeeze(call.b, found, [1])]


@translator("gather_nd")
def _gather_nd(call: Call) -> Sequence[str]:
    """MXNet's first axis of the indices counts the data's axes; that of ONNX is the last."""
    b, (data, indices) = call.b, call.inputs
    shape, ndim = known_shape(data), len(known_shape(indices))
    places = transpose(b, cast(b, indices, np.int64), (*range(1, ndim), 0))
    if b.opset >= 11:
        return [b.op("GatherND", data, places)]
    depth = known_shape(indices)[0]
    if -1 in shape[1:depth] or depth < 0:
        raise ValueError("all sizes that the indices count must be known below opset 11")
    strides = [int(np.prod(shape[i + 1 : depth])) for i in range(depth)]
    flat = reduce(b, "ReduceSum", b.op("Mul", places, b.constant(strides, np.int64)), [ndim - 1], keepdims=False)
    rest: list[Part] = [(data, Size((i,))) for i in range(depth, len(shape))]
    return [b.op("Gather", b.op("Reshape", data, shape_tensor(b, [-1, *rest])), flat, axis=0)]


@translator("one_hot")
def _one_hot(call: Call) -> Sequence[str]:
    """ONNX counts negative indices from the end; MXNet has no place for them."""
    b, values = call.b, call.values
    depth, dtype = b.constant([values["depth"]], np.int64), np.dtype(values["dtype"])
    whole = cast(b, call.inputs[0], np.int64)
    places = b.op("Where", b.op("Less", whole, b.constant(0, np.int64)), depth, whole)
    hot = b.op("OneHot", places, depth, b.constant([0, 1], np.float32), axis=-1)
    if (values["off_value"], values["on_value"]) == (0.0, 1.0):
        return [cast(b, hot, dtype)]
    pair = (b.constant(values[name], dtype) for name in ("on_value", "off_value"))
    return [b.op("Where", b.op("Cast", hot, to=9), *pair)]
