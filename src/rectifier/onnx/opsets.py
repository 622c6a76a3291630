"""ONNX's operators whose inputs and attributes differ between opsets, each as one function; and shapes at run time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..mx.reshape_codes import LEFT_OVER, Size, size_in
from .builder import Builder, Shape, Tensor, element_type

__all__ = [
    "FIRST",
    "LAST",
    "Part",
    "cast",
    "clip",
    "constant_shape",
    "gather_sizes",
    "known_shape",
    "reduce",
    "reshape",
    "reshape_to",
    "shape_tensor",
    "slice_axes",
    "split",
    "squeeze",
    "transpose",
    "unsqueeze",
]

Value = str | Tensor
Part = int | tuple[Tensor, Size]  # a size that is known, or is read from the shape of a tensor
# The axes of reductions became an input in opset 18; those of ReduceSum did in 13.
_AXES_INPUT = {"ReduceSum": 13}
# Ends of a slice that goes all the way.
LAST, FIRST = 2**63 - 1, -(2**63) + 1


def known_shape(tensor: Tensor) -> Shape:
    """The tensor's shape, in which sizes may be unknown, but their number must not be."""
    if tensor.shape is None:
        raise ValueError(f"the number of dimensions of {tensor.name!r} must be known")
    return tensor.shape


def constant_shape(b: Builder, sizes: Sequence[int]) -> str:
    return b.constant(tuple(sizes), np.int64)


def cast(b: Builder, data: Value, dtype: np.dtype[Any] | type) -> str:
    return b.op("Cast", data, to=element_type(np.dtype(dtype)))


def reshape(b: Builder, data: Value, sizes: Sequence[int]) -> str:
    return b.op("Reshape", data, constant_shape(b, sizes))


def transpose(b: Builder, data: Value, order: Sequence[int]) -> Value:
    return data if list(order) == sorted(order) else b.op("Transpose", data, perm=list(order))


def _with_axes(b: Builder, op_type: str, data: Value, axes: Sequence[int], since: int, **attributes: int) -> str:
    if b.opset >= since:
        return b.op(op_type, data, constant_shape(b, axes), **attributes)
    return b.op(op_type, data, axes=list(axes), **attributes)


def squeeze(b: Builder, data: Value, axes: Sequence[int]) -> str:
    return _with_axes(b, "Squeeze", data, axes, 13)


def unsqueeze(b: Builder, data: Value, axes: Sequence[int]) -> str:
    return _with_axes(b, "Unsqueeze", data, axes, 13)


def reduce(b: Builder, op_type: str, data: Value, axes: Sequence[int], *, keepdims: bool) -> str:
    return _with_axes(b, op_type, data, axes, _AXES_INPUT.get(op_type, 18), keepdims=int(keepdims))


def slice_axes(
    b: Builder,
    data: Value,
    axes: Sequence[int],
    begins: Sequence[int],
    ends: Sequence[int] | str,
    steps: Sequence[int] | None = None,
) -> str:
    """A part of the data; `ends` may be a tensor from opset 10 on, and `steps` be given."""
    if b.opset < 10:
        if isinstance(ends, str) or (steps and set(steps) != {1}):
            raise ValueError("a slice in steps, or to an end that is found at run time, must have opset 10 or later")
        return b.op("Slice", data, axes=list(axes), starts=list(begins), ends=list(ends))
    end = ends if isinstance(ends, str) else constant_shape(b, ends)
    last = [constant_shape(b, steps)] if steps and set(steps) != {1} else []
    return b.op("Slice", data, constant_shape(b, begins), end, constant_shape(b, axes), *last)


def clip(b: Builder, data: Value, low: float | str, high: float | str, dtype: np.dtype[Any]) -> str:
    """The data between two numbers, or tensors without dimensions. Before opset 12, Clip is for float32 alone."""
    if b.opset < 11 and dtype == np.float32 and not isinstance(low, str) and not isinstance(high, str):
        return b.op("Clip", data, min=low, max=high)
    lower, upper = (one if isinstance(one, str) else b.constant(one, dtype) for one in (low, high))
    if b.opset >= (11 if dtype == np.float32 else 12):
        return b.op("Clip", data, lower, upper)
    raised = b.op("Where", b.op("Less", data, lower), lower, data)
    return b.op("Where", b.op("Greater", raised, upper), upper, raised)


def split(b: Builder, data: Value, axis: int, count: int, sizes: Sequence[int] = ()) -> list[str]:
    """The parts of an axis: of these sizes, or equal ones."""
    if sizes and len(set(sizes)) > 1:
        if b.opset >= 13:
            return b.ops("Split", count, data, constant_shape(b, sizes), axis=axis)
        return b.ops("Split", count, data, axis=axis, split=list(sizes))
    number = {"num_outputs": count} if b.opset >= 18 else {}
    return b.ops("Split", count, data, axis=axis, **number)


def gather_sizes(b: Builder, data: Value, axes: Sequence[int]) -> str:
    """The sizes of these axes, found at run time, as a tensor of one dimension."""
    return b.op("Gather", b.op("Shape", data), constant_shape(b, axes))


def shape_tensor(b: Builder, parts: Sequence[Part], *, infer: bool = False) -> str:
    """A shape as a tensor: a constant where all sizes are known, or put together at run time.

    With `infer`, one unknown size is left to Reshape to infer.
    """
    sizes = [part if isinstance(part, int) else _known_or_part(*part) for part in parts]
    unknown = [i for i, size in enumerate(sizes) if not isinstance(size, int)]
    if infer and unknown and -1 not in sizes:
        sizes[unknown[0]] = -1
    if all(isinstance(size, int) for size in sizes):
        return constant_shape(b, [size for size in sizes if isinstance(size, int)])
    return b.op(
        "Concat",
        *(constant_shape(b, [size]) if isinstance(size, int) else _at_run_time(b, *size) for size in sizes),
        axis=0,
    )


def _known_or_part(tensor: Tensor, size: Size) -> Part:
    if size == LEFT_OVER:
        return -1
    known = size_in(known_shape(tensor), size)
    return known if known >= 0 else (tensor, size)


def _at_run_time(b: Builder, tensor: Tensor, size: Size) -> str:
    """The size as a tensor of shape (1,)."""
    result = gather_sizes(b, tensor, size.axes[:1])
    for axis in size.axes[1:]:
        result = b.op("Mul", result, gather_sizes(b, tensor, (axis,)))
    if size.number != 1:
        result = b.op("Mul", result, constant_shape(b, [size.number]))
    if size.divisor != 1:
        result = b.op("Div", result, constant_shape(b, [size.divisor]))
    return result


def reshape_to(b: Builder, data: Value, sizes: Sequence[Size], source: Tensor, *, aligned: int | None = None) -> str:
    """The data with these sizes, which are read from the shape of `source`.

    The first `aligned` axes of the data have the sizes of the source's; None where the data is the source. Those that
    stay in place are Reshape's code 0, where more than one size is unknown.
    """
    shape = known_shape(source)
    unknown = [i for i, size in enumerate(sizes) if size_in(shape, size) < 0]
    parts: list[Part] = [(source, size) for size in sizes]
    for i in unknown if len(unknown) > 1 else ():
        if sizes[i] == Size((i,)) and (aligned is None or i < aligned):
            parts[i] = 0
    return b.op("Reshape", data, shape_tensor(b, parts, infer=True))
