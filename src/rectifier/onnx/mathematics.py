"""MXNet's functions of one number and its truth values, in ONNX's operators."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from .builder import Tensor
from .opsets import clip
from .translators import Call, Translator, equal, from_truth, one, translator, truth

__all__: list[str] = []

# Operators that ONNX has under another name.
_NAMES = {
    "sign": "Sign",
    "floor": "Floor",
    "ceil": "Ceil",
    "sin": "Sin",
    "cos": "Cos",
    "tan": "Tan",
    "sinh": "Sinh",
    "cosh": "Cosh",
    "arcsin": "Asin",
    "arccos": "Acos",
    "arctan": "Atan",
    "arcsinh": "Asinh",
    "arccosh": "Acosh",
    "arctanh": "Atanh",
    "erf": "Erf",
}
for _name, _op_type in _NAMES.items():
    translator(_name)(one(_op_type))

# Functions that are a number times another one.
_FACTORS = {
    "degrees": (None, 180 / math.pi),
    "radians": (None, math.pi / 180),
    "log2": ("Log", 1 / math.log(2)),
    "log10": ("Log", 1 / math.log(10)),
}


def _scaled(op_type: str | None, factor: float) -> Translator:
    def scaled(call: Call) -> Sequence[str]:
        data = call.op(op_type, call.inputs[0]) if op_type else call.inputs[0]
        return [call.op("Mul", data, call.constant(factor))]

    return scaled


for _name, (_inner, _factor) in _FACTORS.items():
    translator(_name)(_scaled(_inner, _factor))


Formula = Callable[[Call, Tensor], str]


def _formula(*names: str) -> Callable[[Formula], Formula]:
    """Enter a function that is a formula of the data."""

    def enter(function: Formula) -> Formula:
        translator(*names)(lambda call: [function(call, call.inputs[0])])
        return function

    return enter


@_formula("rsqrt")
def _rsqrt(call: Call, x: Tensor) -> str:
    return call.op("Reciprocal", call.op("Sqrt", x))


@_formula("cbrt")
def _cbrt(call: Call, x: Tensor) -> str:
    return call.op("Mul", call.op("Sign", x), call.op("Pow", call.op("Abs", x), call.constant(1 / 3)))


@_formula("rcbrt")
def _rcbrt(call: Call, x: Tensor) -> str:
    return call.op("Reciprocal", _cbrt(call, x))


@_formula("expm1")
def _expm1(call: Call, x: Tensor) -> str:
    """tanh(x / 2) * (exp(x) + 1), which keeps the digits next to 0."""
    half = call.op("Tanh", call.op("Mul", x, call.constant(0.5)))
    return call.op("Mul", half, call.op("Add", call.op("Exp", x), call.constant(1.0)))


@_formula("log1p")
def _log1p(call: Call, x: Tensor) -> str:
    """log(u) * x / (u - 1) with u = 1 + x rounded: u's own error leaves the quotient (Kahan, HP-15C handbook)."""
    u = call.op("Add", x, call.constant(1.0))
    difference = call.op("Sub", u, call.constant(1.0))
    log = call.op("Log", u)
    corrected = call.op("Mul", log, call.op("Div", x, difference))
    none = equal(call, difference, call.constant(0.0))
    exact = equal(call, difference, x.name)  # infinity too, whose quotient is no number
    return call.op("Where", none, x, call.op("Where", exact, log, corrected))


@_formula("rint")
def _rint(call: Call, x: Tensor) -> str:
    """The nearest integer; of two, the lower one."""
    low, high = call.op("Floor", x), call.op("Ceil", x)
    up = call.op("Greater", call.op("Sub", x, low), call.op("Sub", high, x))
    return call.op("Where", up, high, low)


@_formula("round")
def _round(call: Call, x: Tensor) -> str:
    """The nearest integer; of two, the one further from 0."""
    size = call.op("Abs", x)
    low = call.op("Floor", size)
    down = call.op("Less", call.op("Sub", size, low), call.constant(0.5))
    nearest = call.op("Where", down, low, call.op("Add", low, call.constant(1.0)))
    return call.op("Mul", call.op("Sign", x), nearest)


@_formula("trunc", "fix")
def _toward_zero(call: Call, x: Tensor) -> str:
    return call.op("Mul", call.op("Sign", x), call.op("Floor", call.op("Abs", x)))


@_formula("logical_not")
def _not(call: Call, x: Tensor) -> str:
    return from_truth(call, call.op("Not", truth(call, x)))


@translator("hard_sigmoid")
def _hard_sigmoid(call: Call) -> Sequence[str]:
    return [call.op("HardSigmoid", call.inputs[0], alpha=call.values["alpha"], beta=call.values["beta"])]


@translator("smooth_l1")
def _smooth_l1(call: Call) -> Sequence[str]:
    """(sigma x)**2 / 2 where abs(x) < 1 / sigma**2, and abs(x) - 1 / (2 sigma**2) elsewhere."""
    data = call.inputs[0]
    square = call.values["scalar"] ** 2
    size = call.op("Abs", data)
    near = call.op("Mul", call.op("Mul", data, data), call.constant(0.5 * square))
    if square == 0:
        return [near]
    far = call.op("Sub", size, call.constant(0.5 / square))
    return [call.op("Where", call.op("Greater", size, call.constant(1 / square)), far, near)]


@translator("clip")
def _clip(call: Call) -> Sequence[str]:
    return [clip(call.b, call.inputs[0], call.values["a_min"], call.values["a_max"], call.dtype)]


def _logical(op_type: str, with_scalar: bool) -> Translator:
    def logical(call: Call) -> Sequence[str]:
        left = truth(call, call.inputs[0])
        right = call.b.constant(call.values["scalar"] != 0, bool) if with_scalar else truth(call, call.inputs[1])
        return [from_truth(call, call.op(op_type, left, right))]

    return logical


for _op_type in ("And", "Or", "Xor"):
    _name = _op_type.lower()
    translator(f"_logical_{_name}", f"broadcast_logical_{_name}")(_logical(_op_type, False))
    translator(f"_logical_{_name}_scalar")(_logical(_op_type, True))


@translator("_grad_add")
def _grad_add(call: Call) -> Sequence[str]:
    return [call.op("Add", *call.inputs)]
