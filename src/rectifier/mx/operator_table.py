"""The operators that `rectifier.mx.sym` offers: the activations and basic arithmetic."""

from __future__ import annotations

from dataclasses import replace

from ..parameters import ACTIVATIONS, LOWER_BOUND, SLOPE, UPPER_BOUND
from .operators import (
    Names,
    Operator,
    Parameter,
    Values,
    boolean,
    choice,
    count,
    integers,
    number,
    numbered,
    optional,
    register,
)

__all__ = ["GAMMA_INITIAL", "REDUCTION", "SCALAR", "counted"]

GAMMA_INITIAL = '["Constant", {"value": 0.25}]'

SCALAR = (Parameter("scalar", number),)
REDUCTION = (
    Parameter("axis", optional(integers), None),
    Parameter("keepdims", boolean, False),
    Parameter("exclude", boolean, False),
)
_DTYPES = ("bool", "float16", "float32", "float64", "int32", "int64", "int8", "uint8")

# Name in files, and the other names. Those with a capital are Python's operators: their names count apart.
_UNARY = {
    "abs": (),
    "negative": (),
    "reciprocal": (),
    "exp": (),
    "log": (),
    "sqrt": (),
    "square": (),
    "relu": (),
    "sigmoid": (),
    "tanh": (),
    "softsign": (),
    "sign": (),
    "floor": (),
    "ceil": (),
    "expm1": (),
    "log1p": (),
    "rsqrt": (),
    "sin": (),
    "cos": (),
    "erf": (),
    "zeros_like": (),
    "ones_like": (),
    "Flatten": ("flatten",),
    "_copy": ("identity",),
    "BlockGrad": ("stop_gradient",),
}
_BINARY = {
    "elemwise_add": ("_add", "_plus", "_Plus"),
    "elemwise_sub": ("_sub", "_minus", "_Minus"),
    "elemwise_mul": ("_mul", "_Mul"),
    "elemwise_div": ("_div", "_Div"),
    "_mod": ("_Mod",),
    "_power": ("_Power",),
    "_maximum": ("_Maximum",),
    "_minimum": ("_Minimum",),
    "_hypot": ("_Hypot",),
    "_equal": ("_Equal",),
    "_not_equal": ("_Not_Equal",),
    "_greater": ("_Greater",),
    "_greater_equal": ("_Greater_Equal",),
    "_lesser": ("_Lesser",),
    "_lesser_equal": ("_Lesser_Equal",),
    "broadcast_add": ("broadcast_plus",),
    "broadcast_sub": ("broadcast_minus",),
    "broadcast_mul": (),
    "broadcast_div": (),
    "broadcast_mod": (),
    "broadcast_power": (),
    "broadcast_maximum": (),
    "broadcast_minimum": (),
    "broadcast_hypot": (),
    "broadcast_equal": (),
    "broadcast_not_equal": (),
    "broadcast_greater": (),
    "broadcast_greater_equal": (),
    "broadcast_lesser": (),
    "broadcast_lesser_equal": (),
}
_WITHSCALAR = {
    "_plus_scalar": ("_PlusScalar",),
    "_minus_scalar": ("_MinusScalar",),
    "_rminus_scalar": ("_RMinusScalar",),
    "_mul_scalar": ("_MulScalar",),
    "_div_scalar": ("_DivScalar",),
    "_rdiv_scalar": ("_RDivScalar",),
    "_mod_scalar": ("_ModScalar",),
    "_rmod_scalar": ("_RModScalar",),
    "_power_scalar": ("_PowerScalar",),
    "_rpower_scalar": ("_RPowerScalar",),
    "_maximum_scalar": ("_MaximumScalar",),
    "_minimum_scalar": ("_MinimumScalar",),
    "_hypot_scalar": ("_HypotScalar",),
    "_equal_scalar": ("_EqualScalar",),
    "_not_equal_scalar": ("_NotEqualScalar",),
    "_greater_scalar": ("_GreaterScalar",),
    "_greater_equal_scalar": ("_GreaterEqualScalar",),
    "_lesser_scalar": ("_LesserScalar",),
    "_lesser_equal_scalar": ("_LesserEqualScalar",),
}


def _leaky_inputs(values: Values) -> Names:
    return ("data", "gamma") if ACTIVATIONS[values["act_type"]].has_gamma else ("data",)


def _leaky_outputs(values: Values) -> Names:
    return ("output", "mask") if ACTIVATIONS[values["act_type"]].is_random else ("output",)


def counted(values: Values) -> Names:
    return numbered("arg", values["num_args"])


_OFFERED = (
    Operator(
        "LeakyReLU",
        inputs=_leaky_inputs,
        possible=("data", "gamma"),
        outputs=_leaky_outputs,
        parameters=(
            Parameter("act_type", choice(*(row.name for row in ACTIVATIONS.values() if row.in_mxnet)), "leaky"),
            Parameter("slope", number, SLOPE),
            Parameter("lower_bound", number, LOWER_BOUND),
            Parameter("upper_bound", number, UPPER_BOUND),
        ),
        initial={"gamma": GAMMA_INITIAL},
    ),
    Operator(
        "Activation",
        parameters=(Parameter("act_type", choice("relu", "sigmoid", "tanh", "softrelu", "softsign")),),
    ),
    Operator(
        "add_n",
        inputs=counted,
        parameters=(Parameter("num_args", count),),
        aliases=("ElementWiseSum",),
        count="num_args",
    ),
    Operator("Cast", parameters=(Parameter("dtype", choice(*_DTYPES)),), aliases=("cast",)),
    Operator("make_loss", outputs=("loss",), parameters=()),
    Operator(
        "MakeLoss",
        parameters=(
            Parameter("grad_scale", number, 1.0),
            Parameter("valid_thresh", number, 0.0),
            Parameter("normalization", choice("null", "batch", "valid"), "null"),
        ),
    ),
    Operator("sum", parameters=REDUCTION, aliases=("sum_axis",)),
    Operator("mean", parameters=REDUCTION),
    *(Operator(name, parameters=(), aliases=aliases) for name, aliases in _UNARY.items()),
    *(Operator(name, inputs=("lhs", "rhs"), parameters=(), aliases=aliases) for name, aliases in _BINARY.items()),
    *(Operator(name, parameters=SCALAR, aliases=aliases) for name, aliases in _WITHSCALAR.items()),
)
register(*(replace(row, offered=True) for row in _OFFERED))
