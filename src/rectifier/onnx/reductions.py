"""MXNet's sums, largest and smallest elements, norms and orders along axes, in ONNX's operators."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..mx.array_rules import axis_in, product
from ..mx.shape_rules import reduced_axes
from .builder import Tensor
from .opsets import cast, constant_shape, gather_sizes, known_shape, reduce, reshape
from .translators import Call, Translator, translator

__all__: list[str] = []


def _reduced(call: Call, op_type: str, data: str | Tensor, axes: Sequence[int]) -> str:
    keep = call.values["keepdims"]
    if not axes:
        return call.op("Identity", data)
    result = reduce(call.b, op_type, data, axes, keepdims=keep)
    if len(axes) == len(known_shape(call.inputs[0])) and not keep:  # MXNet has no arrays without dimensions
        return reshape(call.b, result, [1])
    return result


def _axes(call: Call) -> tuple[int, ...]:
    ndim = len(known_shape(call.inputs[0]))
    return reduced_axes(call.values["axis"], call.values.get("exclude", False), ndim)


def _reduction(op_type: str) -> Translator:
    return lambda call: [_reduced(call, op_type, call.inputs[0], _axes(call))]


for _name, _op_type in {
    "sum": "ReduceSum",
    "mean": "ReduceMean",
    "max": "ReduceMax",
    "min": "ReduceMin",
    "prod": "ReduceProd",
}.items():
    translator(_name)(_reduction(_op_type))


def _without_nan(op_type: str, neutral: float) -> Translator:
    """A reduction that takes NaN for the number that does not change it."""

    def reduction(call: Call) -> Sequence[str]:
        data = call.inputs[0]
        numbers = call.op("Where", call.op("IsNaN", data), call.constant(neutral), data)
        return [_reduced(call, op_type, numbers, _axes(call))]

    return reduction


translator("nansum")(_without_nan("ReduceSum", 0.0))
translator("nanprod")(_without_nan("ReduceProd", 1.0))


@translator("norm")
def _norm(call: Call) -> Sequence[str]:
    """The sum of sizes, or the root of the sum of squares."""
    if call.values["ord"] not in (1, 2):
        raise ValueError(f"`ord` must be 1 or 2, got {call.values['ord']}")
    data: str | Tensor = call.inputs[0]
    wanted = call.values["out_dtype"]
    if wanted is not None:
        data = cast(call.b, data, np.dtype(wanted))
    return [_reduced(call, f"ReduceL{call.values['ord']}", data, _axes(call))]


def _argument(op_type: str) -> Translator:
    """The index is in the data's dtype, as in MXNet."""

    def place(call: Call) -> Sequence[str]:
        data, axis, keep = call.inputs[0], call.values["axis"], call.values["keepdims"]
        ndim = len(known_shape(data))
        if axis is None:
            found = call.op(op_type, reshape(call.b, data, [-1]), axis=0, keepdims=1)
            shaped = reshape(call.b, found, [1] * ndim) if keep and ndim > 1 else found
            return [cast(call.b, shaped, call.dtype)]
        found = call.op(op_type, data, axis=axis_in(axis, ndim), keepdims=int(keep or ndim == 1))
        return [cast(call.b, found, call.dtype)]

    return place


translator("argmax")(_argument("ArgMax"))
translator("argmin")(_argument("ArgMin"))


@translator("argmax_channel")
def _argmax_channel(call: Call) -> Sequence[str]:
    return [cast(call.b, call.op("ArgMax", call.inputs[0], axis=1, keepdims=0), call.dtype)]


def _ordered(call: Call, count: int, ascending: bool) -> tuple[list[str], int, int]:
    """The first `count` elements along an axis in order, all where it is 0, and their places; the axis and its size."""
    b, (data, axis, size) = call.b, _sorted_axis(call)
    if b.opset >= 11:
        number = _count(call, data, axis, count or size)
        return b.ops("TopK", 2, data, number, axis=axis, largest=int(not ascending)), axis, size
    # There is only the order of the largest.
    wanted = b.op("Neg", data) if ascending else data
    if b.opset == 10:
        values, places = b.ops("TopK", 2, wanted, _count(call, data, axis, count or size), axis=axis)
    elif count or size >= 0:
        values, places = b.ops("TopK", 2, wanted, axis=axis, k=count or size)
    else:
        raise ValueError("an axis of free size that is sorted must have opset 10 or later")
    return [b.op("Neg", values) if ascending else values, places], axis, size


def _sorted_axis(call: Call) -> tuple[str | Tensor, int, int]:
    """The data, the axis along which they are sorted, and its size; without an axis, all in one row."""
    data, axis = call.inputs[0], call.values["axis"]
    shape = known_shape(data)
    if axis is None:
        return reshape(call.b, data, [-1]), 0, product(shape)
    axis = axis_in(axis, len(shape))
    return data, axis, shape[axis]


def _count(call: Call, data: str | Tensor, axis: int, count: int) -> str:
    """A number of elements as a tensor; found at run time where it is unknown."""
    return constant_shape(call.b, [count]) if count >= 0 else gather_sizes(call.b, data, [axis])


@translator("topk")
def _topk(call: Call) -> Sequence[str]:
    kind, dtype = call.values["ret_typ"], np.dtype(call.values["dtype"])
    (values, places), axis, size = _ordered(call, max(call.values["k"], 0), call.values["is_ascend"])
    if kind == "indices":
        return [cast(call.b, places, dtype)]
    if kind == "mask":
        return [_mask(call, places, axis, size)]
    return [values, cast(call.b, places, dtype)]


def _mask(call: Call, places: str, axis: int, size: int) -> str:
    """1 where an element is one of those at `places`, and 0 elsewhere."""
    if size < 0 or call.values["axis"] is None:
        raise ValueError("`axis` must be one of known size where `ret_typ` is mask")
    b = call.b
    rows = b.op("OneHot", places, constant_shape(b, [size]), b.constant([0, 1], np.float32), axis=axis + 1)
    return cast(b, reduce(b, "ReduceSum", rows, [axis], keepdims=False), call.dtype)


@translator("sort")
def _sort(call: Call) -> Sequence[str]:
    (values, places), _, _ = _ordered(call, 0, call.values["is_ascend"])
    return [values, cast(call.b, places, np.int32)]


@translator("argsort")
def _argsort(call: Call) -> Sequence[str]:
    (_, places), _, _ = _ordered(call, 0, call.values["is_ascend"])
    return [cast(call.b, places, np.dtype(call.values["dtype"]))]
