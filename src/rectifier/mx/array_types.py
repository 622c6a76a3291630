"""Dtypes of the operators on arrays, where they are not the same for all inputs and outputs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .base import DTYPE_NUMBERS
from .operators import Values
from .type_rules import Types, merge_types, same_type

__all__ = ["ARRAY_TYPE_RULES"]

TypeRule = Callable[[Values, Types, Types], None]


def _number(name: str) -> int:
    return DTYPE_NUMBERS[np.dtype(name)]


def _chosen(values: Values, inputs: Types, outputs: Types) -> None:
    """The result is as the data; indices are of any dtype."""
    shared = merge_types(inputs[0], outputs[0])
    inputs[0] = outputs[0] = shared


def _where(values: Values, inputs: Types, outputs: Types) -> None:
    """The condition is of any dtype."""
    branches = inputs[1:]
    same_type(values, branches, outputs)
    inputs[1:] = branches


def _indices(values: Values, inputs: Types, outputs: Types) -> None:
    outputs[0] = merge_types(outputs[0], _number(values["dtype"]))


def _always(name: str) -> TypeRule:
    def rule(values: Values, inputs: Types, outputs: Types) -> None:
        outputs[0] = merge_types(outputs[0], _number(name))

    return rule


def _norm(values: Values, inputs: Types, outputs: Types) -> None:
    if values["out_dtype"] is None:
        same_type(values, inputs, outputs)
    else:
        outputs[0] = merge_types(outputs[0], _number(values["out_dtype"]))


def _topk(values: Values, inputs: Types, outputs: Types) -> None:
    if values["ret_typ"] == "indices":
        _indices(values, inputs, outputs)
        return
    _chosen(values, inputs, outputs)
    if len(outputs) > 1:
        outputs[1] = merge_types(outputs[1], _number(values["dtype"]))


def _sort(values: Values, inputs: Types, outputs: Types) -> None:
    _chosen(values, inputs, outputs)
    outputs[1] = merge_types(outputs[1], _number("int32"))


def _amp_cast(values: Values, inputs: Types, outputs: Types) -> None:
    """Float16 and float32 are cast; what has another dtype keeps it."""
    if inputs[0] is not None:
        cast_to = _number(values["dtype"]) if inputs[0] in (_number("float16"), _number("float32")) else inputs[0]
        outputs[0] = merge_types(outputs[0], cast_to)


ARRAY_TYPE_RULES: dict[str, TypeRule] = {
    **dict.fromkeys(("take", "batch_take", "pick", "gather_nd"), _chosen),
    **dict.fromkeys(("one_hot", "argsort", "_zeros", "_ones", "_full", "_arange"), _indices),
    **dict.fromkeys(("shape_array", "size_array"), _always("int64")),
    "amp_cast": _amp_cast,
    "where": _where,
    "norm": _norm,
    "topk": _topk,
    "sort": _sort,
}
