"""Small parts that translators share: what changed between opsets, and what needs a known shape."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .builder import Tensor, element_type
from .translators import Call

__all__ = [
    "add_number",
    "along_axis",
    "as_dtype",
    "integers",
    "known_rank",
    "known_sizes",
    "padded",
    "reduced",
    "reshaped",
    "shaped_like",
    "sliced",
    "swapped",
]

Name = str | Tensor


def known_rank(tensor: Tensor) -> int:
    if tensor.shape is None:
        raise ValueError("the number of the data's dimensions must be known")
    return len(tensor.shape)


def known_sizes(tensor: Tensor, what: str = "data") -> tuple[int, int]:
    """Height and width of an image."""
    if known_rank(tensor) != 4:
        raise ValueError(f"the {what} must have 4 dimensions, got {known_rank(tensor)}")
    assert tensor.shape is not None
    height, width = tensor.shape[2:]
    if -1 in (height, width):
        raise ValueError(f"height and width of the {what} must be known: give their sizes in `shapes`")
    return height, width


def integers(call: Call, values: Sequence[int]) -> str:
    return call.b.constant(list(values), np.int64)


def add_number(call: Call, data: Name, value: float) -> str:
    return call.op("Add", data, call.constant(value))


def as_dtype(call: Call, data: Name, dtype: np.dtype) -> str:  # type: ignore[type-arg]
    return call.op("Cast", data, to=element_type(np.dtype(dtype)))


def reshaped(call: Call, data: Name, shape: Sequence[int]) -> str:
    """In ONNX's terms: a size of 0 is kept, and -1 is what is left."""
    return call.op("Reshape", data, integers(call, shape))


def shaped_like(call: Call, data: Name, like: Name) -> str:
    return call.op("Reshape", data, call.op("Shape", like))


def along_axis(call: Call, numbers: Name, axis: int, rank: int) -> Name:
    """A tensor of one dimension, shaped so that it stands on this axis of data of `rank` dimensions."""
    return numbers if axis == rank - 1 else reshaped(call, numbers, (-1, *(1 for _ in range(rank - 1 - axis))))


def swapped(call: Call, data: Name, first: int, second: int, rank: int) -> str:
    """With two axes in each other's place."""
    axes = list(range(rank))
    axes[first], axes[second] = axes[second], axes[first]
    return call.op("Transpose", data, perm=axes)


def reduced(call: Call, op_type: str, data: Name, axes: Sequence[int], *, keep: bool = True) -> str:
    """A reduction; the axes became an input in opset 13 for ReduceSum, and 18 for the others."""
    if call.b.opset >= (13 if op_type == "ReduceSum" else 18):
        return call.op(op_type, data, integers(call, axes), keepdims=int(keep))
    return call.op(op_type, data, axes=list(axes), keepdims=int(keep))


def sliced(call: Call, data: Name, starts: Sequence[int], ends: Sequence[int], axes: Sequence[int]) -> str:
    """A part of the data; the numbers became inputs in opset 10."""
    if call.b.opset >= 10:
        return call.op("Slice", data, *(integers(call, each) for each in (starts, ends, axes)))
    return call.op("Slice", data, starts=list(starts), ends=list(ends), axes=list(axes))


def padded(
    call: Call, data: Name, before: Sequence[int], after: Sequence[int], mode: str = "constant", value: float = 0.0
) -> str:
    """Data with a border, of sizes for each axis; the sizes became an input in opset 11."""
    sizes = [*before, *after]
    if call.b.opset < 11:
        return call.op("Pad", data, mode=mode, pads=sizes, value=value)
    border = [call.constant(value)] if mode == "constant" else []
    return call.op("Pad", data, integers(call, sizes), *border, mode=mode)
