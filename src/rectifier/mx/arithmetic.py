"""Python's operators on symbols."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import Any

__all__ = ["Arithmetic", "binary"]

Create = Callable[..., Any]


def binary(call: Create, left: Any, right: Any, both: str, scalar: str, reverse: str | None = None) -> Any:
    """The symbol for two symbols, or for a symbol and a number; NotImplemented for anything else.

    `both` is the operator for two symbols, `scalar` that for a symbol and a number, `reverse` that for a number and a
    symbol where it differs. `call` makes a symbol of an operator's name, its inputs and its parameters.
    """
    if isinstance(left, Arithmetic) and isinstance(right, Arithmetic):
        return call(both, left, right)
    if isinstance(left, Arithmetic) and isinstance(right, numbers.Number):
        return call(scalar, left, scalar=right)
    if isinstance(left, numbers.Number) and isinstance(right, Arithmetic):
        return call(reverse or scalar, right, scalar=left)
    return NotImplemented


class Arithmetic:
    """The operators ``+ - * / % **`` and comparisons, each a node: what `Symbol` inherits.

    Shapes of two symbols have to be equal; operators whose name begins with ``broadcast_`` stretch them.
    """

    __array_priority__ = 1000.0  # NumPy's scalars leave the operation to us

    def _call(self, operator: str, *inputs: Any, **values: Any) -> Any:
        raise NotImplementedError

    def __add__(self, other: Any) -> Any:
        return binary(self._call, self, other, "_Plus", "_PlusScalar")

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return binary(self._call, self, other, "_Minus", "_MinusScalar")

    def __rsub__(self, other: Any) -> Any:
        return binary(self._call, other, self, "_Minus", "_MinusScalar", "_RMinusScalar")

    def __mul__(self, other: Any) -> Any:
        return binary(self._call, self, other, "_Mul", "_MulScalar")

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        return binary(self._call, self, other, "_Div", "_DivScalar")

    def __rtruediv__(self, other: Any) -> Any:
        return binary(self._call, other, self, "_Div", "_DivScalar", "_RDivScalar")

    def __mod__(self, other: Any) -> Any:
        return binary(self._call, self, other, "_Mod", "_ModScalar")

    def __rmod__(self, other: Any) -> Any:
        return binary(self._call, other, self, "_Mod", "_ModScalar", "_RModScalar")

    def __pow__(self, other: Any) -> Any:
        return binary(self._call, self, other, "_Power", "_PowerScalar")

    def __rpow__(self, other: Any) -> Any:
        return binary(self._call, other, self, "_Power", "_PowerScalar", "_rpower_scalar")

    def __neg__(self) -> Any:
        return self._call("_MulScalar", self, scalar=-1.0)

    def __abs__(self) -> Any:
        return self._call("abs", self)

    def __eq__(self, other: object) -> Any:
        return self._compared(other, "_equal")

    def __ne__(self, other: object) -> Any:
        return self._compared(other, "_not_equal")

    def __gt__(self, other: Any) -> Any:
        return binary(self._call, self, other, "_greater", "_greater_scalar")

    def __ge__(self, other: Any) -> Any:
        return binary(self._call, self, other, "_greater_equal", "_greater_equal_scalar")

    def __lt__(self, other: Any) -> Any:
        return binary(self._call, self, other, "_lesser", "_lesser_scalar")

    def __le__(self, other: Any) -> Any:
        return binary(self._call, self, other, "_lesser_equal", "_lesser_equal_scalar")

    def _compared(self, other: object, operator: str) -> Any:
        """Python would answer by identity where we do not."""
        result = binary(self._call, self, other, operator, f"{operator}_scalar")
        if result is NotImplemented:
            raise TypeError(f"a symbol must be compared with a symbol or a number, got {type(other).__name__}")
        return result

    __hash__ = None  # type: ignore[assignment]  # == makes a graph and tells nothing

    def __bool__(self) -> bool:
        raise TypeError("a symbol has no truth value: `and`, `or`, `if` and `in` cannot be used on it")
