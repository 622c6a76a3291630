"""Operators that are not offered, but occur in graphs: what loading, listing and naming need to know of them.

The facts are those of MXNet 1.6.0's operator registry. An operator that is not in any table is taken to have one output
and to write to no input.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from . import layer_operators as _layer_operators  # noqa: F401 - enters its rows in the table
from .network_shapes import NETWORK_PARAMETERS
from .operators import Names, Operator, Values, numbered, register

__all__ = ["FLUENT"]

# The operators of the table that MXNet also offers as methods of symbols.
FLUENT = frozenset(
    (
        "abs",
        "ceil",
        "cos",
        "exp",
        "expm1",
        "flatten",
        "floor",
        "log",
        "log1p",
        "mean",
        "ones_like",
        "reciprocal",
        "relu",
        "rsqrt",
        "sigmoid",
        "sign",
        "sin",
        "sqrt",
        "square",
        "sum",
        "tanh",
        "zeros_like",
    )
)


def _is_true(values: Values, key: str) -> bool:
    return str(values.get(key, "False")).lower() in ("true", "1")


def _shown_if(key: str, count: int = 3) -> Callable[[Values], int]:
    """How many outputs are visible: all if the parameter is true, else one."""
    return lambda values: count if _is_true(values, key) else 1


def _numbered(key: str) -> Callable[[Values], Names]:
    """As many outputs as the parameter says."""

    def names(values: Values) -> Names:
        text = str(values.get(key, "1"))
        count = int(text) if text.isdecimal() and int(text) < 2**16 else 1
        return ("output",) if count == 1 else numbered("output", count)

    return names


_ROWS = (
    Operator("SliceChannel", outputs=_numbered("num_outputs"), aliases=("split",)),
    Operator("Concat", (), aliases=("concat",)),
    Operator("Reshape", aliases=("reshape",)),
    Operator("SwapAxis", aliases=("swapaxes",)),
    Operator("slice", aliases=("crop",)),
    Operator("reverse", aliases=("flip",)),
    Operator("broadcast_axis", aliases=("broadcast_axes",)),
    Operator("max", aliases=("max_axis",)),
    Operator("min", aliases=("min_axis",)),
    Operator("_logical_and", ("lhs", "rhs"), aliases=("_Logical_And",)),
    Operator("_logical_or", ("lhs", "rhs"), aliases=("_Logical_Or",)),
    Operator("_logical_xor", ("lhs", "rhs"), aliases=("_Logical_Xor",)),
    Operator("_contrib_MultiBoxTarget", ("anchor", "label", "cls_pred"), ("loc_target", "loc_mask", "cls_target")),
    *(
        Operator(
            name,
            ("cls_prob", "bbox_pred", "im_info"),
            ("output", "score"),
            visible=_shown_if("output_score", 2),
            aliases=(name.removeprefix("_contrib_"),),
        )
        for name in ("_contrib_Proposal", "_contrib_MultiProposal")
    ),
)
register(*(replace(row, parameters=NETWORK_PARAMETERS.get(row.name)) for row in _ROWS))
