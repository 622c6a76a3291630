"""How the dtypes of an operator's inputs and outputs follow from each other, as MXNet's numbers."""

from __future__ import annotations

from collections.abc import Callable

from .base import DTYPE_NUMBERS, DTYPES
from .operators import Values

__all__ = ["TYPE_RULES", "merge_types", "same_type"]

Types = list[int | None]


def merge_types(first: int | None, second: int | None) -> int | None:
    """What both say; a ValueError if they contradict each other."""
    if first is not None and second is not None and first != second:
        raise ValueError(f"dtypes {DTYPES[first]} and {DTYPES[second]} do not agree")
    return second if first is None else first


def same_type(values: Values, inputs: Types, outputs: Types) -> None:
    """One dtype for all."""
    shared: int | None = None
    for number in (*inputs, *outputs):
        shared = merge_types(shared, number)
    inputs[:] = [shared] * len(inputs)
    outputs[:] = [shared] * len(outputs)


def cast(values: Values, inputs: Types, outputs: Types) -> None:
    wanted = next(number for dtype, number in DTYPE_NUMBERS.items() if dtype.name == values["dtype"])
    outputs[0] = merge_types(outputs[0], wanted)


TYPE_RULES: dict[str, Callable[[Values, Types, Types], None]] = {"Cast": cast}
