"""The operators of MXNet 1.6.0 on arrays that compute, and are not offered: mathematics, reductions, made arrays."""

from __future__ import annotations

from typing import Any

from .operator_table import REDUCTION, SCALAR
from .operators import Operator, Parameter, boolean, choice, integer, integers, number, optional, register
from .shape_operators import DTYPE, DTYPES

__all__ = ["ARRAY_UNARY", "NUMBER_ROWS"]

_TRANSPOSED = (Parameter("transpose_a", boolean, False), Parameter("transpose_b", boolean, False))
_DOT = (*_TRANSPOSED, Parameter("forward_stype", optional(choice("csr", "default", "row_sparse")), None))
_ARGUMENT = (Parameter("axis", optional(integer), None), Parameter("keepdims", boolean, False))

# Functions of one number, beside those of `operator_table`.
ARRAY_UNARY = (
    "rcbrt",
    "cbrt",
    "log2",
    "log10",
    "rint",
    "round",
    "trunc",
    "fix",
    "tan",
    "sinh",
    "cosh",
    "arcsin",
    "arccos",
    "arctan",
    "arcsinh",
    "arccosh",
    "arctanh",
    "degrees",
    "radians",
    "logical_not",
    "gamma",
    "gammaln",
    "erfinv",
)
_LOGICAL = {"and": "And", "or": "Or", "xor": "Xor"}


def _made(dtype: Any, *, shape: Any = ()) -> tuple[Parameter, ...]:
    """The parameters of operators that make arrays from nothing."""
    return (
        Parameter("shape", optional(integers), shape),
        Parameter("ctx", str, ""),
        Parameter("dtype", dtype, "float32"),
    )


_NUMBERS = (
    *(Operator(name, parameters=()) for name in ARRAY_UNARY),
    *(
        Operator(name, parameters=REDUCTION, aliases=aliases)
        for name, aliases in {
            "max": ("max_axis",),
            "min": ("min_axis",),
            "prod": (),
            "nansum": (),
            "nanprod": (),
        }.items()
    ),
    Operator("argmax", parameters=_ARGUMENT),
    Operator("argmin", parameters=_ARGUMENT),
    Operator("argmax_channel", parameters=()),
    Operator(
        "norm",
        parameters=(
            Parameter("ord", integer, 2),
            Parameter("axis", optional(integers), None),
            Parameter("out_dtype", optional(DTYPE), None),
            Parameter("keepdims", boolean, False),
        ),
    ),
    Operator("clip", parameters=(Parameter("a_min", number), Parameter("a_max", number))),
    Operator("hard_sigmoid", parameters=(Parameter("alpha", number, 0.2), Parameter("beta", number, 0.5))),
    Operator("smooth_l1", parameters=(Parameter("scalar", number, 1.0),)),
    Operator("dot", ("lhs", "rhs"), parameters=_DOT),
    Operator("batch_dot", ("lhs", "rhs"), parameters=_DOT),
    Operator(
        "_linalg_gemm2",
        ("A", "B"),
        parameters=(*_TRANSPOSED, Parameter("alpha", number, 1.0), Parameter("axis", integer, -2)),
        aliases=("linalg_gemm2",),
    ),
    Operator("amp_cast", parameters=(Parameter("dtype", DTYPE),)),
    Operator("_grad_add", ("lhs", "rhs"), parameters=()),
    *(
        Operator(f"_logical_{name}", ("lhs", "rhs"), parameters=(), aliases=(f"_Logical_{word}",))
        for name, word in _LOGICAL.items()
    ),
    *(
        Operator(f"_logical_{name}_scalar", parameters=SCALAR, aliases=(f"_Logical{word}Scalar",))
        for name, word in _LOGICAL.items()
    ),
    *(Operator(f"broadcast_logical_{name}", ("lhs", "rhs"), parameters=()) for name in _LOGICAL),
)

_MADE = (
    Operator("_zeros", (), parameters=_made(choice("bool", *DTYPES))),
    Operator("_ones", (), parameters=_made(choice("bool", *DTYPES))),
    Operator("_full", (), parameters=(*_made(DTYPE, shape=None), Parameter("value", number))),
    Operator(
        "_arange",
        (),
        parameters=(
            Parameter("start", number),
            Parameter("stop", optional(number), None),
            Parameter("step", number, 1.0),
            Parameter("repeat", integer, 1),
            Parameter("infer_range", boolean, False),
            Parameter("ctx", str, ""),
            Parameter("dtype", DTYPE, "float32"),
        ),
    ),
)

# Every row of this module.
NUMBER_ROWS = (*_NUMBERS, *_MADE)
register(*NUMBER_ROWS)
