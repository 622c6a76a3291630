"""MXNet's codes for shapes: 0, -1, -2, -3 and -4."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..base import MXNetError

__all__ = ["new_shape"]


def new_shape(old: Sequence[int], wanted: Sequence[int], reverse: bool = False) -> tuple[int, ...]:
    """The shape that `wanted` means for an array of shape `old`.

    Parameters
    ----------
    old : sequence of int
    wanted : sequence of int
        Sizes and codes: 0 copies a size, -1 is what is left, -2 copies all that remains, -3 joins two sizes, and -4
        splits one into the two that follow, of which one may be -1.
    reverse : bool, default False
        Whether to match the two from the right.

    Raises
    ------
    MXNetError
        If the codes do not fit, or the number of elements differs.

    Examples
    --------
    >>> new_shape((2, 3, 4), (-3, 0))
    (6, 4)
    >>> new_shape((2, 3, 4), (0, -4, 3, -1, -2))
    (2, 3, 1, 4)
    """
    sizes = list(old)[::-1] if reverse else list(old)
    codes = list(wanted)[::-1] if reverse else list(wanted)
    result = _Reader(sizes, codes).read()
    if -1 in result:
        known = math.prod(size for size in result if size != -1)
        rest = math.prod(old) // known if known else 0
        result[result.index(-1)] = rest
    if math.prod(result) != math.prod(old):
        raise MXNetError(f"cannot reshape array of shape {[*old]} to {[*wanted]}: the number of elements differs")
    return tuple(result[::-1] if reverse else result)


class _Reader:
    """Walks along the sizes as the codes say."""

    def __init__(self, sizes: list[int], codes: list[int]) -> None:
        self._sizes, self._codes = sizes, codes
        self._place = 0
        self._result: list[int] = []

    def read(self) -> list[int]:
        codes = iter(self._codes)
        for code in codes:
            if code > 0:
                self._result.append(code)
                self._place += 1
            elif code == 0:
                self._result.append(self._next())
            elif code == -1:
                self._unknown()
                self._place += 1
            elif code == -2:
                self._result.extend(self._sizes[self._place :])
                self._place = len(self._sizes)
            elif code == -3:
                self._result.append(self._next() * self._next())
            elif code == -4:
                self._split(next(codes, 0), next(codes, 0))
            else:
                raise MXNetError(f"shape dim size must be >= -4, while received {code}")
        return self._result

    def _next(self) -> int:
        if self._place >= len(self._sizes):
            raise MXNetError(f"a shape code must have a size to read, got {self._codes} for shape {self._sizes}")
        self._place += 1
        return self._sizes[self._place - 1]

    def _unknown(self) -> None:
        if -1 in self._result:
            raise MXNetError("One and only one dim can be inferred")
        self._result.append(-1)

    def _split(self, first: int, second: int) -> None:
        size = self._next()
        if first == -1 and second == -1:
            raise MXNetError("Split dims cannot both be -1.")
        first = size // second if first == -1 and second > 0 else first
        second = size // first if second == -1 and first > 0 else second
        if first * second != size:
            raise MXNetError(f"Split dims {first}, {second} do not divide original dim {size}")
        self._result += [first, second]
