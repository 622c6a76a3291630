"""Small parts that the translators of layers share, beside those of `opsets`: most need a known shape."""

from __future__ import annotations

from collections.abc import Sequence

from .builder import Tensor
from .opsets import constant_shape, reshape
from .translators import Call

__all__ = [
    "add_number",
    "along_axis",
    "known_rank",
    "known_sizes",
    "padded",
    "shaped_like",
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


def add_number(call: Call, data: Name, value: float) -> str:
    return call.op("Add", data, call.constant(value))


def shaped_like(call: Call, data: Name, like: Name) -> str:
    return call.op("Reshape", data, call.op("Shape", like))


def along_axis(call: Call, numbers: Name, axis: int, rank: int) -> Name:
    """A tensor of one dimension, shaped so that it stands on this axis of data of `rank` dimensions."""
    return numbers if axis == rank - 1 else reshape(call.b, numbers, (-1, *(1 for _ in range(rank - 1 - axis))))


def swapped(call: Call, data: Name, first: int, second: int, rank: int) -> str:
    """With two axes in each other's place."""
    axes = list(range(rank))
    axes[first], axes[second] = axes[second], axes[first]
    return call.op("Transpose", data, perm=axes)


def padded(
    call: Call, data: Name, before: Sequence[int], after: Sequence[int], mode: str = "constant", value: float = 0.0
) -> str:
    """Data with a border, of sizes for each axis; the sizes became an input in opset 11."""
    sizes = [*before, *after]
    if call.b.opset < 11:
        return call.op("Pad", data, mode=mode, pads=sizes, value=value)
    border = [call.constant(value)] if mode == "constant" else []
    return call.op("Pad", data, constant_shape(call.b, sizes), *border, mode=mode)
