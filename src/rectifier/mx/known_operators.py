"""Operators that are not offered, but occur in graphs: what loading, listing and naming need to know of them.

The facts are those of MXNet 1.6.0's operator registry. An operator that is not in any table is taken to have one output
and to write to no input.
"""

from __future__ import annotations

from collections.abc import Callable

from . import image_operators as _image_operators  # noqa: F401 - enters its rows in the table
from . import layer_operators as _layer_operators  # noqa: F401 - enters its rows in the table
from . import number_operators as _number_operators  # noqa: F401 - enters its rows in the table
from . import shape_operators as _shape_operators  # noqa: F401 - enters its rows in the table
from .operators import Operator, Values, register

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


_ROWS = (
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
register(*_ROWS)
