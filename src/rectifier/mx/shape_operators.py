"""The operators of MXNet 1.6.0 on arrays that move elements, and are not offered: shapes and indices."""

from __future__ import annotations

from .operator_table import counted
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

__all__ = ["DTYPE", "DTYPES", "SHAPE_ROWS", "optional_integers"]


def optional_integers(text: str) -> tuple[int | None, ...]:
    """A tuple in which None may stand for an integer: ``(None, 3)``."""
    return literal_tuple(text.replace("L", ""), "integers and None", (int, type(None)))


DTYPES = ("float16", "float32", "float64", "int32", "int64", "int8", "uint8")
DTYPE = choice(*DTYPES)

_MANY = (Parameter("num_args", count),)
_BLOCK = (Parameter("block_size", integer),)


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
            Parameter("dtype", DTYPE, "float32"),
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
            Parameter("dtype", DTYPE, "float32"),
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
            Parameter("dtype", DTYPE, "float32"),
        ),
    ),
)

# Every row of this module.
SHAPE_ROWS = (*_SHAPES, *_INDICES)
register(*SHAPE_ROWS)
