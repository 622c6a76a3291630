"""MXNet's LeakyReLU and Activation in ONNX's operators.

Runtimes have few of ONNX's activations in float64, and lose digits in the tails of others. Float64 graphs, and all
where `exact` asks for it, spell them out in arithmetic; `docs/onnx.md` states the errors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..gamma import gamma_axes
from ..parameters import ACTIVATIONS
from ..random import middle_slope
from ..reference import SELU_ALPHA, SELU_LAMBDA
from .builder import Builder, Tensor, element_type
from .random_nodes import draw_slopes
from .tail import TAILS
from .translators import Call, translator

__all__ = ["GELU_OPSET", "SPELLED_OUT", "random_rrelu"]

# The first opset with an operator Gelu.
GELU_OPSET = 20


@translator("LeakyReLU")
def leaky_relu(call: Call) -> Sequence[str]:
    kind = call.values["act_type"]
    if ACTIVATIONS[kind].is_random and call.b.keys is not None:
        return random_rrelu(call)
    outputs = [_ACTIVATIONS[kind](call)]
    if ACTIVATIONS[kind].is_random:  # the mask: what each element was multiplied by
        outputs.append(_mask(call, _middle(call)))
    return outputs


def _spelled_out(call: Call) -> bool:
    return call.dtype == np.float64 or call.b.exact


def _in_arithmetic(call: Call, formula: Callable[[Call], str]) -> str:
    """The formula on the data; in float32, with one rounding at the end, for float16."""
    if call.dtype != np.float16:
        return formula(call)
    single = np.dtype(np.float32)
    wide = Tensor(call.op("Cast", call.inputs[0], to=element_type(single)), call.inputs[0].shape, single)
    return call.op("Cast", formula(replace(call, inputs=(wide,))), to=element_type(call.dtype))


def _positive(call: Call) -> str:
    return call.op("Greater", call.inputs[0], call.constant(0.0))


def _second_branch(call: Call) -> str:
    """The data where it is not positive, and 0 elsewhere."""
    data = call.inputs[0]
    return call.op("Where", _positive(call), call.constant(0.0), data)


def _with_slope(call: Call, slope: float) -> str:
    data = call.inputs[0]
    if call.dtype != np.float64:
        return call.op("LeakyRelu", data, alpha=slope)
    return _sloped(call, call.constant(slope))


def _sloped(call: Call, slope: str) -> str:
    data = call.inputs[0]
    return call.op("Where", _positive(call), data, call.op("Mul", data, slope))


def _mask(call: Call, slope: float) -> str:
    return call.op("Where", _positive(call), call.constant(1.0), call.constant(slope))


def _leaky(call: Call) -> str:
    return _with_slope(call, call.values["slope"])


def _middle(call: Call) -> float:
    return float(middle_slope(call.values["lower_bound"], call.values["upper_bound"], call.dtype))


def _rrelu(call: Call) -> str:
    return _with_slope(call, _middle(call))


def random_rrelu(call: Call) -> Sequence[str]:
    """rrelu in training, and the mask, with the next key."""
    bounds = (call.values["lower_bound"], call.values["upper_bound"])
    slopes = draw_slopes(call.b, call.inputs[0], call.b.next_key(), *bounds)

    def as_type(dtype: np.dtype[Any]) -> str:
        return slopes if dtype == np.float32 else call.op("Cast", slopes, to=element_type(dtype))

    value = _in_arithmetic(call, lambda wide: _sloped(wide, as_type(wide.dtype)))
    return [value, call.op("Where", _positive(call), call.constant(1.0), as_type(call.dtype))]


def _exponential(call: Call, factor: float) -> str:
    """factor * (exp(x) - 1) for x <= 0, as tanh(x / 2) * (exp(x) + 1), which keeps the digits next to 0.

    Where exp(x) - 1 rounds to x it is x: a runtime's tanh may lose bits where its own terms are subnormal.
    """
    x = _second_branch(call)
    half = call.op("Tanh", call.op("Mul", x, call.constant(0.5)))
    minus_one = call.op("Mul", half, call.op("Add", call.op("Exp", x), call.constant(1.0)))
    # In this order, since onnxruntime's Where takes the sign of a zero from its third input alone.
    large = call.op("Less", x, call.constant(-0.25 * float(np.finfo(call.dtype).eps)))
    return call.op("Mul", call.op("Where", large, minus_one, x), call.constant(factor))


def _elu(call: Call) -> str:
    slope = call.values["slope"]
    if not _spelled_out(call):
        return call.op("Elu", call.inputs[0], alpha=slope)
    return SPELLED_OUT["elu"](call, slope)


def _selu(call: Call) -> str:
    if not _spelled_out(call):
        return call.op("Selu", call.inputs[0], alpha=SELU_ALPHA, gamma=SELU_LAMBDA)
    return SPELLED_OUT["selu"](call, 0.0)


def _two_branches(call: Call, linear: float, exponential: float) -> str:
    data = call.inputs[0].name
    scaled = data if linear == 1.0 else call.op("Mul", data, call.constant(linear))
    return call.op("Where", _positive(call), scaled, _exponential(call, exponential))


def _gelu(call: Call) -> str:
    if call.b.opset >= GELU_OPSET and not _spelled_out(call):
        return call.op("Gelu", call.inputs[0])
    return SPELLED_OUT["gelu"](call, 0.0)


def gelu_in_arithmetic(b: Builder, data: Tensor) -> str:
    """x * Phi(x) with relative accuracy in the lower tail, where 1 + erf has lost its digits.

    With t = abs(x): x * Q(t) where x is not positive, and x - x * Q(t) where it is. `Tail` says what Q is. The square
    in its exponent is split, t**2 = h**2 + (t - h) * (t + h), so that h**2 is exact: exp would multiply its rounding
    error by the exponent.
    """
    x, tail = data.name, TAILS[data.dtype.name]

    def number(value: float) -> str:
        return b.constant(value, data.dtype)

    size = b.op("Abs", x)
    far = b.op("Greater", size, number(tail.reach))
    t = b.op("Where", far, number(tail.reach), size)
    q = b.op("Div", b.op("Sub", t, number(tail.k)), b.op("Add", t, number(tail.k)))
    p = number(tail.coefficients[0])
    for coefficient in tail.coefficients[1:]:
        p = b.op("Add", b.op("Mul", p, q), number(coefficient))
    p = b.op("Div", p, b.op("Add", b.op("Mul", t, number(0.5)), number(1.0)))
    h = b.op("Div", b.op("Floor", b.op("Mul", t, number(tail.steps))), number(tail.steps))
    rest = b.op("Mul", b.op("Sub", t, h), b.op("Add", t, h))
    main = b.op("Sub", number(tail.shift), b.op("Mul", b.op("Mul", h, h), number(0.5)))
    exponential = b.op("Mul", b.op("Exp", main), b.op("Exp", b.op("Mul", rest, number(-0.5))))
    # An infinite x would make a NaN of the product with 0.
    near = b.op("Where", far, b.op("Mul", b.op("Sign", x), number(tail.reach)), x)
    scaled = b.op("Mul", b.op("Mul", near, b.op("Mul", p, exponential)), number(float(np.exp(-tail.shift))))
    return b.op("Where", b.op("Greater", x, number(0.0)), b.op("Sub", x, scaled), scaled)


def _prelu(call: Call) -> str:
    data, slope = call.inputs[0], _aligned(call)
    if call.dtype != np.float64:
        return call.op("PRelu", data, slope)
    return _sloped(call, slope)


def _aligned(call: Call) -> str:
    """gamma with as many dimensions as line it up with the data's, from the last: (C,) becomes (C, 1, 1)."""
    data, gamma = call.inputs
    if data.shape is None or gamma.shape is None or -1 in gamma.shape:
        raise ValueError("the shape of gamma and the number of the data's dimensions must be known")
    full = _axes(data.shape, gamma.shape)
    leading = next((i for i, size in enumerate(full) if size != 1), len(full) - 1)
    shape = full[max(leading, 0) :]
    if shape == gamma.shape:
        return gamma.name
    array = call.arrays(gamma)
    if array is not None:
        return call.b.reshaped(gamma.name, array.reshape(shape))
    return call.op("Reshape", gamma, call.b.constant(shape, np.int64))


def _axes(data: tuple[int, ...], gamma: tuple[int, ...]) -> tuple[int, ...]:
    """gamma's alignment, which must be the same whatever the data's unknown sizes are."""
    found = set()
    for size in (10007, *gamma) if -1 in data else (0,):
        try:
            found.add(gamma_axes(tuple(size if known < 0 else known for known in data), gamma))
        except ValueError:
            if -1 not in data:
                raise
            message = f"gamma of shape {gamma} lines up with data of shape {data} for some sizes only: give all sizes"
            raise ValueError(message) from None
    if len(found) != 1:
        raise ValueError(f"gamma of shape {gamma} lines up with data of shape {data} in several ways: give all sizes")
    return found.pop()


# What each is in arithmetic, of the data and a slope, which some have no use for. With an array for it, leaky is prelu.
SPELLED_OUT: dict[str, Callable[[Call, float], str]] = {
    "gelu": lambda call, slope: _in_arithmetic(call, lambda wide: gelu_in_arithmetic(wide.b, wide.inputs[0])),
    "selu": lambda call, slope: _in_arithmetic(
        call, lambda wide: _two_branches(wide, SELU_LAMBDA, SELU_LAMBDA * SELU_ALPHA)
    ),
    "elu": lambda call, slope: _in_arithmetic(call, lambda wide: _two_branches(wide, 1.0, slope)),
    "leaky": lambda call, slope: _sloped(call, call.constant(slope)),
    "mask": _mask,
}

_ACTIVATIONS = {"leaky": _leaky, "elu": _elu, "selu": _selu, "gelu": _gelu, "prelu": _prelu, "rrelu": _rrelu}


def _softplus(call: Call) -> str:
    """log(1 + exp(x)), as max(x, 0) + log(1 + exp(-abs(x))), which cannot overflow."""
    data = call.inputs[0]
    if call.dtype != np.float64:
        return call.op("Softplus", data)
    small = call.op("Exp", call.op("Neg", call.op("Abs", data)))
    return call.op("Add", call.op("Relu", data), call.op("Log", call.op("Add", small, call.constant(1.0))))


def _softsign(call: Call) -> str:
    data = call.inputs[0]
    if call.dtype != np.float64:
        return call.op("Softsign", data)
    return call.op("Div", data, call.op("Add", call.op("Abs", data), call.constant(1.0)))


@translator("Activation")
def activation(call: Call) -> Sequence[str]:
    kind = call.values["act_type"]
    named = {"softrelu": _softplus, "softsign": _softsign}
    if kind in named:
        return [named[kind](call)]
    return [call.op({"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh"}[kind], call.inputs[0])]


@translator("softsign")
def softsign(call: Call) -> Sequence[str]:
    return [_softsign(call)]
