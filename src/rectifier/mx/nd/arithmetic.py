"""Python's operators on arrays."""

from __future__ import annotations

import numbers
from typing import Any

from .invoke import run

__all__ = ["Arithmetic", "binary"]


def binary(left: Any, right: Any, both: str, scalar: str, reverse: str | None = None, out: Any = None) -> Any:
    """The result for two arrays, or for an array and a number.

    `both` is the operator for two arrays, `scalar` that for an array and a number, `reverse` that for a number and an
    array where it differs.
    """
    if isinstance(left, Arithmetic):
        if isinstance(right, Arithmetic):
            return run(both, [left, right], {}, out)  # type: ignore[list-item]
        if isinstance(right, numbers.Real):
            return run(scalar, [left], {"scalar": float(right)}, out)  # type: ignore[list-item]
        raise TypeError(f"type {type(right)} not supported")
    if isinstance(left, numbers.Real) and isinstance(right, Arithmetic):
        return run(reverse or scalar, [right], {"scalar": float(left)}, out)  # type: ignore[list-item]
    raise TypeError(f"type {type(left)} not supported")


class Arithmetic:
    """The operators ``+ - * / % **`` and comparisons: what `NDArray` inherits."""

    __slots__ = ()
    __array_priority__ = 1000.0  # NumPy's scalars and arrays leave the operation to us

    def __add__(self, other: Any) -> Any:
        return binary(self, other, "broadcast_add", "_plus_scalar")

    def __radd__(self, other: Any) -> Any:
        return binary(other, self, "broadcast_add", "_plus_scalar")

    def __iadd__(self, other: Any) -> Any:
        return binary(self, other, "broadcast_add", "_plus_scalar", out=self)

    def __sub__(self, other: Any) -> Any:
        return binary(self, other, "broadcast_sub", "_minus_scalar")

    def __rsub__(self, other: Any) -> Any:
        return binary(other, self, "broadcast_sub", "_minus_scalar", "_rminus_scalar")

    def __isub__(self, other: Any) -> Any:
        return binary(self, other, "broadcast_sub", "_minus_scalar", out=self)

    def __mul__(self, other: Any) -> Any:
        return binary(self, other, "broadcast_mul", "_mul_scalar")

    def __rmul__(self, other: Any) -> Any:
        return binary(other, self, "broadcast_mul", "_mul_scalar")

    def __imul__(self, other: Any) -> Any:
        return binary(self, other, "broadcast_mul", "_mul_scalar", out=self)

    def __truediv__(self, other: Any) -> Any:
        return binary(self, other, "broadcast_div", "_div_scalar")

    def __rtruediv__(self, other: Any) -> Any:
        return binary(other, self, "broadcast_div", "_div_scalar", "_rdiv_scalar")

    def __itruediv__(self, other: Any) -> Any:
        return binary(self, other, "broadcast_div", "_div_scalar", out=self)

    def __mod__(self, other: Any) -> Any:
        return binary(self, other, "broadcast_mod", "_mod_scalar")

    def __rmod__(self, other: Any) -> Any:
        return binary(other, self, "broadcast_mod", "_mod_scalar", "_rmod_scalar")

    def __imod__(self, other: Any) -> Any:
        return binary(self, other, "broadcast_mod", "_mod_scalar", out=self)

    def __pow__(self, other: Any) -> Any:
        return binary(self, other, "broadcast_power", "_power_scalar")

    def __rpow__(self, other: Any) -> Any:
        return binary(other, self, "broadcast_power", "_power_scalar", "_rpower_scalar")

    def __neg__(self) -> Any:
        return run("negative", [self], {})  # type: ignore[list-item]

    def __abs__(self) -> Any:
        return run("abs", [self], {})  # type: ignore[list-item]

    def __eq__(self, other: object) -> Any:
        return binary(self, other, "broadcast_equal", "_equal_scalar")

    def __ne__(self, other: object) -> Any:
        return binary(self, other, "broadcast_not_equal", "_not_equal_scalar")

    def __gt__(self, other: Any) -> Any:
        return binary(self, other, "broadcast_greater", "_greater_scalar")

    def __ge__(self, other: Any) -> Any:
        return binary(self, other, "broadcast_greater_equal", "_greater_equal_scalar")

    def __lt__(self, other: Any) -> Any:
        return binary(self, other, "broadcast_lesser", "_lesser_scalar")

    def __le__(self, other: Any) -> Any:
        return binary(self, other, "broadcast_lesser_equal", "_lesser_equal_scalar")

    def __hash__(self) -> int:
        return id(self)
