"""What the codes of Reshape ask for: 0, -1, -2, -3 and -4, as MXNet 1.6.0 reads them.

The source is the operator's page in the documentation of MXNet 1.6.0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from .operators import Values

__all__ = ["LEFT_OVER", "Size", "requested_sizes", "size_in"]


class Size(NamedTuple):
    """A size of the result: `number` times the sizes of some of the data's axes, divided by `divisor`."""

    axes: tuple[int, ...] = ()
    number: int = 1
    divisor: int = 1


# The size that is found by counting elements.
LEFT_OVER = Size(number=-1)


def size_in(shape: Sequence[int], size: Size) -> int:
    """The size for data of this shape, or -1 where it is unknown or left over."""
    read = [shape[axis] for axis in size.axes]
    if size == LEFT_OVER or -1 in read:
        return -1
    return size.number * math.prod(read) // size.divisor


def requested_sizes(values: Values, shape: Sequence[int]) -> list[Size]:
    """The sizes that Reshape's parameters ask for, of data of this shape.

    Raises
    ------
    ValueError
        If a code is unknown, or reads sizes that are not there.
    """
    if values["shape"]:
        return _Reader(values["shape"], shape, values["reverse"]).sizes()
    sizes = [LEFT_OVER if size in (0, -1) else Size(number=size) for size in values["target_shape"]]
    if values["keep_highest"] and sizes:
        sizes[0] = Size((0,))
    if not sizes:
        raise ValueError("`shape` must be given")
    return _one_left_over(sizes)


def _one_left_over(sizes: list[Size]) -> list[Size]:
    if sizes.count(LEFT_OVER) > 1:
        raise ValueError("`shape` must leave one size at most to be inferred")
    return sizes


class _Reader:
    """Reads codes from the left, or with `reverse` from the right, and the data's axes along with them."""

    def __init__(self, codes: Sequence[int], shape: Sequence[int], reverse: bool) -> None:
        self._codes = list(codes)
        self._axes = list(range(len(shape)))
        self._shape = shape
        self._reverse = reverse
        if reverse:
            self._codes.reverse()
            self._axes.reverse()
        self._at = 0

    def sizes(self) -> list[Size]:
        found: list[Size] = []
        codes = iter(self._codes)
        for code in codes:
            if code == -4:
                found += self._split(next(codes, 0), next(codes, 0))
            else:
                found += self._read(code)
        if self._reverse:
            found.reverse()
        return _one_left_over(found)

    def _read(self, code: int) -> list[Size]:
        if code == 0:
            return [Size((self._axis(),))]
        if code == -2:
            rest, self._at = self._axes[self._at :], len(self._axes)
            return [Size((axis,)) for axis in rest]
        if code == -3:
            return [Size((self._axis(), self._axis()))]
        if code < -4:
            raise ValueError(f"`shape` must have sizes and the codes 0 to -4, got {code}")
        self._at += 1
        return [LEFT_OVER if code == -1 else Size(number=code)]

    def _axis(self) -> int:
        """The next of the data's axes."""
        if self._at >= len(self._axes):
            raise ValueError(f"`shape` must not read more than the {len(self._axes)} sizes of the data")
        self._at += 1
        return self._axes[self._at - 1]

    def _split(self, first: int, second: int) -> list[Size]:
        axis = self._axis()
        size = self._shape[axis]
        if (first, second) == (-1, -1) or 0 in (first, second) or min(first, second) < -1:
            raise ValueError(f"`shape` must give at least one of two sizes after -4, got {first} and {second}")
        parts = [
            Size((axis,), 1, other) if one == -1 else Size(number=one)
            for one, other in ((first, second), (second, first))
        ]
        given = first * second if -1 not in (first, second) else max(first, second)
        if size >= 0 and (size % given or (-1 not in (first, second) and given != size)):
            raise ValueError(f"`shape` must split a size of {size} evenly, got {first} and {second}")
        return parts
