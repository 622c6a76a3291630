"""How the shapes of an operator's inputs and outputs follow from each other."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from .operators import Values

__all__ = ["RULES", "Rule", "Shape", "Shapes", "merge", "same", "words"]

Shape = tuple[int, ...]  # -1 is an unknown size
Shapes = list[Shape | None]  # None is an unknown shape
Rule = Callable[[Values, Shapes, Shapes], None]  # fills in what it finds, in place


def merge(first: Shape | None, second: Shape | None) -> Shape | None:
    """What both say; a ValueError if they contradict each other."""
    if first is None or second is None:
        return second if first is None else first
    if len(first) != len(second) or any(a != b and -1 not in (a, b) for a, b in zip(first, second, strict=True)):
        raise ValueError(f"shapes {words(first)} and {words(second)} do not agree")
    return tuple(max(a, b) for a, b in zip(first, second, strict=True))


def words(shape: Shape) -> str:
    """A shape for people, an unknown size as a question mark."""
    return "(" + ", ".join("?" if size < 0 else str(size) for size in shape) + ("," if len(shape) == 1 else "") + ")"


def same(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    """One shape for all."""
    shared: Shape | None = None
    for shape in (*inputs, *outputs):
        shared = merge(shared, shape)
    inputs[:] = [shared] * len(inputs)
    outputs[:] = [shared] * len(outputs)


def leaky(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    """An unknown gamma has one slope for each channel."""
    data = inputs[:1]
    same(values, data, outputs)
    inputs[:1] = data
    if len(inputs) > 1 and inputs[1] is None and data[0] is not None:
        if len(data[0]) < 2:
            raise ValueError(f"gamma's shape must be given for data of shape {words(data[0])}, which has no channels")
        inputs[1] = (data[0][1],)


def broadcast(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    """NumPy's rule; an unknown size beside one that is not 1 stays unknown, as in MXNet."""
    left, right = inputs
    if left is None or right is None:
        return
    ndim = max(len(left), len(right))
    pairs = zip(_padded(left, ndim), _padded(right, ndim), strict=True)
    outputs[0] = merge(outputs[0], tuple(_broadcast_size(a, b, left, right) for a, b in pairs))


def _padded(shape: Shape, ndim: int) -> Shape:
    return (1,) * (ndim - len(shape)) + shape


def _broadcast_size(a: int, b: int, left: Shape, right: Shape) -> int:
    if a == b or b == 1:
        return a
    if a == 1:
        return b
    if -1 in (a, b):
        return -1
    raise ValueError(f"shapes {words(left)} and {words(right)} do not broadcast")


def flatten(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    data = inputs[0]
    if data is not None and data:
        rest = data[1:]
        outputs[0] = merge(outputs[0], (data[0], -1 if -1 in rest else math.prod(rest)))


def reduce(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    data = inputs[0]
    if data is None:
        return
    axes = reduced_axes(values["axis"], values["exclude"], len(data))
    if values["keepdims"]:
        shape = tuple(1 if i in axes else size for i, size in enumerate(data))
    else:
        # MXNet has no arrays without dimensions: what reduces all of them leaves one.
        shape = tuple(size for i, size in enumerate(data) if i not in axes) or (1,)
    outputs[0] = merge(outputs[0], shape)


def reduced_axes(axis: Sequence[int] | None, exclude: bool, ndim: int) -> tuple[int, ...]:
    """The axes that a reduction sums over; no axes given, or None, are all of them."""
    if not axis:
        return tuple(range(ndim))
    if not all(-ndim <= i < ndim for i in axis):
        raise ValueError(f"`axis` must lie between {-ndim} and {ndim - 1}, got {tuple(axis)}")
    chosen = {i % ndim for i in axis}
    if len(chosen) != len(axis):
        raise ValueError(f"`axis` must name different axes, got {tuple(axis)}")
    return tuple(i for i in range(ndim) if (i in chosen) != exclude)


# What is not here is of one shape if the table reads its parameters, and unknown if not.
RULES: dict[str, Rule] = {
    "LeakyReLU": leaky,
    "Flatten": flatten,
    "sum": reduce,
    "mean": reduce,
}
