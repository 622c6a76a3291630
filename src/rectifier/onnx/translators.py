"""The table of translators: for each of MXNet's operators, how ONNX's operators compute it.

A translator gets one `Call` and returns the names of its outputs. A new operator is a new row in `TRANSLATORS`.
The source of each is the operator's page in the documentation of MXNet 1.6.0 (mxnet.symbol), and of what it becomes the
operator's page in ONNX's own (onnx.ai/onnx/operators).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..mx.graph import Node
from .builder import Builder, Shape, Tensor, element_type

__all__ = ["TRANSLATORS", "Call", "Translator", "equal", "from_truth", "one", "translator", "truth"]


@dataclass(frozen=True)
class Call:
    """One node that is translated.

    Attributes
    ----------
    b : Builder
    node : Node
    values : dict
        The operator's parameters.
    inputs : tuple of Tensor
    arrays : callable
        ``arrays(tensor)`` is the array behind a tensor that is a parameter of the model, or None.
    outputs : tuple of tuple of int or None
        The outputs' shapes, as far as they are known.
    """

    b: Builder
    node: Node
    values: dict[str, Any]
    inputs: tuple[Tensor, ...]
    arrays: Callable[[Tensor], np.ndarray[Any, np.dtype[Any]] | None]
    outputs: tuple[Shape | None, ...] = ()

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.inputs[0].dtype

    def constant(self, value: float) -> str:
        """A number of the data's dtype."""
        return self.b.constant(value, self.dtype)

    def op(self, op_type: str, *inputs: str | Tensor, **attributes: Any) -> str:
        return self.b.op(op_type, *inputs, **attributes)


Translator = Callable[[Call], Sequence[str]]
TRANSLATORS: dict[str, Translator] = {}


def translator(*names: str) -> Callable[[Translator], Translator]:
    """Enter a function in the table."""

    def enter(function: Translator) -> Translator:
        TRANSLATORS.update(dict.fromkeys(names, function))
        return function

    return enter


Two = Callable[[Call, str, str], str]

# Operators that ONNX has under another name.
_ONE = {
    "abs": "Abs",
    "negative": "Neg",
    "reciprocal": "Reciprocal",
    "exp": "Exp",
    "log": "Log",
    "sqrt": "Sqrt",
    "relu": "Relu",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "_copy": "Identity",
    "BlockGrad": "Identity",
}


def _plain(op_type: str) -> Two:
    return lambda call, left, right: call.op(op_type, left, right)


def from_truth(call: Call, condition: str) -> str:
    """MXNet's comparisons give 0 and 1 in the data's dtype."""
    return call.op("Cast", condition, to=element_type(call.dtype))


def truth(call: Call, data: str | Tensor) -> str:
    """Whether each element differs from 0."""
    return call.op("Cast", data, to=element_type(np.dtype(bool)))


def equal(call: Call, left: str, right: str) -> str:
    if call.b.opset >= 11:
        return call.op("Equal", left, right)
    # Before opset 11, Equal is for integers. NaN is neither less nor greater.
    differs = call.op("Or", call.op("Less", left, right), call.op("Greater", left, right))
    no_number = call.op("Or", call.op("IsNaN", left), call.op("IsNaN", right))
    return call.op("Not", call.op("Or", differs, no_number))


def _at_least(call: Call, left: str, right: str) -> str:
    return call.op("Or", call.op("Greater", left, right), equal(call, left, right))


def _modulo(call: Call, left: str, right: str) -> str:
    """The remainder with the divisor's sign, and 0 for a divisor of 0."""
    zero = call.constant(0.0)
    if call.b.opset >= 10:
        remainder = call.op("Mod", left, right, fmod=1)
        signs = call.op("Less", call.op("Mul", remainder, right), zero)
        result = call.op("Where", signs, call.op("Add", remainder, right), remainder)
    else:
        quotient = call.op("Floor", call.op("Div", left, right))
        result = call.op("Sub", left, call.op("Mul", quotient, right))
    return call.op("Where", equal(call, right, zero), call.op("Mul", right, zero), result)


def _hypotenuse(call: Call, left: str, right: str) -> str:
    return call.op("Sqrt", call.op("Add", call.op("Mul", left, left), call.op("Mul", right, right)))


# What two inputs become, by the root of MXNet's names.
_TWO: dict[str, Two] = {
    "add": _plain("Add"),
    "sub": _plain("Sub"),
    "mul": _plain("Mul"),
    "div": _plain("Div"),
    "mod": _modulo,
    "power": _plain("Pow"),
    "maximum": _plain("Max"),
    "minimum": _plain("Min"),
    "hypot": _hypotenuse,
    "equal": lambda call, a, b: from_truth(call, equal(call, a, b)),
    "not_equal": lambda call, a, b: from_truth(call, call.op("Not", equal(call, a, b))),
    "greater": lambda call, a, b: from_truth(call, call.op("Greater", a, b)),
    "greater_equal": lambda call, a, b: from_truth(call, _at_least(call, a, b)),
    "lesser": lambda call, a, b: from_truth(call, call.op("Less", a, b)),
    "lesser_equal": lambda call, a, b: from_truth(call, _at_least(call, b, a)),
}
_SCALAR_NAMES = {"add": "plus", "sub": "minus"}


def _enter_two(root: str, function: Two) -> None:
    """The four kinds of names: elementwise, broadcasting, with a number, and with the number first."""

    def of_two(call: Call) -> Sequence[str]:
        return [function(call, call.inputs[0].name, call.inputs[1].name)]

    def with_scalar(call: Call) -> Sequence[str]:
        return [function(call, call.inputs[0].name, call.constant(call.values["scalar"]))]

    def scalar_first(call: Call) -> Sequence[str]:
        return [function(call, call.constant(call.values["scalar"]), call.inputs[0].name)]

    scalar = _SCALAR_NAMES.get(root, root)
    translator(f"elemwise_{root}", f"_{root}", f"broadcast_{root}")(of_two)
    translator(f"_{scalar}_scalar")(with_scalar)
    translator(f"_r{scalar}_scalar")(scalar_first)


for _root, _function in _TWO.items():
    _enter_two(_root, _function)


def one(op_type: str) -> Translator:
    return lambda call: [call.op(op_type, call.inputs[0])]


for _name, _op_type in _ONE.items():
    translator(_name)(one(_op_type))


@translator("square")
def _square(call: Call) -> Sequence[str]:
    return [call.op("Mul", call.inputs[0], call.inputs[0])]


@translator("add_n")
def _add_n(call: Call) -> Sequence[str]:
    return [call.op("Sum", *call.inputs)]
