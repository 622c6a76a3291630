"""The operators of MXNet 1.6.0 on arrays that are not offered: shapes, indices, reductions and mathematics."""

from __future__ import annotations

from typing import Any

from .operator_table import REDUCTION, SCALAR, counted
from .operators import (
    Names,
    Operator,
    Parameter,
    Values,
    boolean,
    choice,
    count,
    integer,
    integers,
    literal_tuple,
    number,
    numbered,
    optional,
    register,
)

__all__ = ["ARRAY_ROWS", "ARRAY_UNARY", "optional_integers"]


def optional_integers(text: str) -> tuple[int | None, ...]:
    """A tuple in which None may stand for an integer: ``(None, 3)``."""
    return literal_tuple(text.replace("L", ""), "integers and None", (int, type(None)))


_DTYPES = ("float16", "float32", "float64", "int32", "int64", "int8", "uint8")
_dtype = choice(*_DTYPES)
_dtype_or_bool = choice("bool", *_DTYPES)

_MANY = (Parameter("num_args", count),)
_TRANSPOSED = (Parameter("transpose_a", boolean, False), Parameter("transpose_b", boolean, False))
_DOT = (*_TRANSPOSED, Parameter("forward_stype", optional(choice("csr", "default", "row_sparse")), None))
_ARGUMENT = (Parameter("axis", optional(integer), None), Parameter("keepdims", boolean, False))
_BLOCK = (Parameter("block_size", integer),)


def _made(dtype: Any, *, shape: Any = ()) -> tuple[Parameter, ...]:
    """The parameters of operators that make arrays from nothing."""
    return (
        Parameter("shape", optional(integers), shape),
        Parameter("ctx", str, ""),
        Parameter("dtype", dtype, "float32"),
    )


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


def _parts(values: Values) -> Names:
    return _outputs(values["num_outputs"])


def _pieces(values: Values) -> Names:
    return _outputs(values["sections"] or len(values["indices"]))


def _outputs(number: int) -> Names:
    return ("output",) if number < 2 else numbered("output", number)


def _count_or_zero(text: str) -> int:
    return 0 if text == "0" else count(text)


def _topk_outputs(values: Values) -> Names:
    return ("output",) if values["ret_typ"] in ("indices", "mask") else ("output0", "output1")


_SHAPES = (
    Operator(
        "Concat", counted, parameters=(*_MANY, Parameter("dim", integer, 1)), aliases=("concat",), count="num_args"
    ),
    Operator("stack", counted, parameters=(Parameter("axis", integer, 0), *_MANY), count="num_args"),
    Operator(
        "Reshape",
        parameters=(
            Parameter("shape", integers, ()),
            Parameter("reverse", boolean, False),
            Parameter("target_shape", integers, ()),
            Parameter("keep_highest", boolean, False),
        ),
        aliases=("reshape",),
    ),
    Operator(
        "reshape_like",
        ("lhs", "rhs"),
        parameters=tuple(
            Parameter(f"{side}_{end}", optional(integer), None) for side in ("lhs", "rhs") for end in ("begin", "end")
        ),
    ),
    Operator("transpose", parameters=(Parameter("axes", integers, ()),)),
    Operator("expand_dims", parameters=(Parameter("axis", integer),)),
    Operator("squeeze", parameters=(Parameter("axis", optional(integers), None),)),
    Operator(
        "SwapAxis",
        parameters=(Parameter("dim1", integer, 0), Parameter("dim2", integer, 0)),
        aliases=("swapaxes",),
    ),
    Operator("reverse", parameters=(Parameter("axis", integers),), aliases=("flip",)),
    Operator("tile", parameters=(Parameter("reps", integers),)),
    Operator("repeat", parameters=(Parameter("repeats", integer), Parameter("axis", optional(integer), None))),
    Operator("space_to_depth", parameters=_BLOCK),
    Operator("depth_to_space", parameters=_BLOCK),
    Operator("broadcast_to", parameters=(Parameter("shape", integers, ()),)),
    Operator(
        "broadcast_like",
        ("lhs", "rhs"),
        parameters=(Parameter("lhs_axes", optional(integers), None), Parameter("rhs_axes", optional(integers), None)),
    ),
    Operator(
        "broadcast_axis",
        parameters=(Parameter("axis", integers, ()), Parameter("size", integers, ())),
        aliases=("broadcast_axes",),
    ),
    Operator("shape_array", parameters=()),
    Operator("size_array", parameters=()),
)

_INDICES = (
    Operator(
        "slice",
        parameters=(
            Parameter("begin", optional_integers),
            Parameter("end", optional_integers),
            Parameter("step", optional_integers, ()),
        ),
        aliases=("crop",),
    ),
    Operator(
        "slice_axis",
        parameters=(Parameter("axis", integer), Parameter("begin", integer), Parameter("end", optional(integer))),
    ),
    Operator("slice_like", ("data", "shape_like"), parameters=(Parameter("axes", integers, ()),)),
    Operator(
        "SliceChannel",
        outputs=_parts,
        parameters=(
            Parameter("num_outputs", count),
            Parameter("axis", integer, 1),
            Parameter("squeeze_axis", boolean, False),
        ),
        aliases=("split",),
    ),
    Operator(
        "_split_v2",
        outputs=_pieces,
        parameters=(
            Parameter("indices", integers),
            Parameter("axis", integer, 1),
            Parameter("squeeze_axis", boolean, False),
            Parameter("sections", _count_or_zero, 0),
        ),
    ),
    Operator("where", ("condition", "x", "y"), parameters=()),
    Operator(
        "take",
        ("a", "indices"),
        parameters=(Parameter("axis", integer, 0), Parameter("mode", choice("clip", "raise", "wrap"), "clip")),
    ),
    Operator("batch_take", ("a", "indices"), parameters=()),
    Operator(
        "pick",
        ("data", "index"),
        parameters=(
            Parameter("axis", optional(integer), -1),
            Parameter("keepdims", boolean, False),
            Parameter("mode", choice("clip", "wrap"), "clip"),
        ),
        aliases=("choose_element_0index",),
    ),
    Operator("gather_nd", ("data", "indices"), parameters=()),
    Operator(
        "one_hot",
        ("indices",),
        parameters=(
            Parameter("depth", integer),
            Parameter("on_value", number, 1.0),
            Parameter("off_value", number, 0.0),
            Parameter("dtype", _dtype, "float32"),
        ),
    ),
    Operator(
        "topk",
        outputs=_topk_outputs,
        visible=lambda values: 2 if values["ret_typ"] == "both" else 1,
        parameters=(
            Parameter("axis", optional(integer), -1),
            Parameter("k", integer, 1),
            Parameter("ret_typ", choice("both", "indices", "mask", "value"), "indices"),
            Parameter("is_ascend", boolean, False),
            Parameter("dtype", _dtype, "float32"),
        ),
    ),
    Operator(
        "sort",
        outputs=("output0", "output1"),
        visible=1,
        parameters=(Parameter("axis", optional(integer), -1), Parameter("is_ascend", boolean, True)),
    ),
    Operator(
        "argsort",
        parameters=(
            Parameter("axis", optional(integer), -1),
            Parameter("is_ascend", boolean, True),
            Parameter("dtype", _dtype, "float32"),
        ),
    ),
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
            Parameter("out_dtype", optional(_dtype), None),
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
    Operator("amp_cast", parameters=(Parameter("dtype", _dtype),)),
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
    Operator("_zeros", (), parameters=_made(_dtype_or_bool)),
    Operator("_ones", (), parameters=_made(_dtype_or_bool)),
    Operator("_full", (), parameters=(*_made(_dtype, shape=None), Parameter("value", number))),
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
            Parameter("dtype", _dtype, "float32"),
        ),
    ),
)

# Every row of this module.
ARRAY_ROWS = (*_SHAPES, *_INDICES, *_NUMBERS, *_MADE)
register(*ARRAY_ROWS)
