"""The table of activations, the parameters' defaults, and the words for what is wrong with an argument."""

from __future__ import annotations

import math
import numbers
import operator
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "ACTIVATIONS",
    "LOWER_BOUND",
    "SLOPE",
    "UPPER_BOUND",
    "Activation",
    "Call",
    "check_bounds",
    "check_call",
    "definitions",
    "finite",
    "finite_as_float32",
    "integer",
]

SLOPE = 0.25
LOWER_BOUND = 0.125
UPPER_BOUND = 0.333999991

# From here on, rounding to the nearest float32 gives infinity.
_FLOAT32_OVERFLOW = float.fromhex("0x1.ffffffp127")


@dataclass(frozen=True)
class Activation:
    """One row of the table: what an `act_type` computes, what it reads and which compiled formula does it.

    ``value`` and ``derivative`` define the function: Python expressions of x, of the slope under the name that the
    activation has for it (slope, gamma or s), of what ``where`` defines, and of exp, expm1, sqrt, pi and the normal
    distribution's Phi and phi. They have to hold for every finite x, without cancellation where the value is below 0.
    The pages, the docstrings and the true values of all tests are made from them. ``root`` is where the derivative is
    zero, and ``note`` the rest of what users should know.
    """

    name: str
    formula: int
    value: str
    derivative: str
    reads: tuple[str, ...] = ()
    where: str = ""
    root: float | None = None
    in_mxnet: bool = True  # whether MXNet's operator has it
    note: str = ""

    def __reduce__(self) -> tuple[Any, ...]:
        """To another process goes the name: a row is some 700 bytes, and Dask sends one with every task."""
        return _row, (self.name,)

    @cached_property
    def has_gamma(self) -> bool:
        return "gamma" in self.reads

    @cached_property
    def is_random(self) -> bool:
        return "rng" in self.reads

    @property
    def is_leaky(self) -> bool:
        """Whether the output's sign tells the branch that the input took, for slopes of 0 and above."""
        return self.formula == 0


# The formula numbers are those of RECTIFIER_FORMULA in src/core/formulas*.hpp.
ACTIVATIONS: Mapping[str, Activation] = MappingProxyType(
    {
        row.name: row
        for row in (
            Activation("leaky", 0, "x if x > 0 else slope * x", "1 if x > 0 else slope", ("slope",)),
            Activation("elu", 1, "x if x > 0 else slope * expm1(x)", "1 if x > 0 else slope * exp(x)", ("slope",)),
            Activation(
                "selu",
                2,
                "scale * (x if x > 0 else alpha * expm1(x))",
                "scale * (1 if x > 0 else alpha * exp(x))",
                where="scale = 1.0507009873554804934193349852946, alpha = 1.6732632423543772848170429916717",
            ),
            Activation(
                "gelu",
                3,
                "x * Phi(x)",
                "Phi(x) + x * phi(x)",
                root=-0.75179152469356445746,
                note="Exact, by the error function.",
            ),
            Activation("prelu", 0, "x if x > 0 else gamma * x", "1 if x > 0 else gamma", ("gamma", "axis")),
            Activation(
                "rrelu",
                0,
                "x if x > 0 else s * x",
                "1 if x > 0 else s",
                ("lower_bound", "upper_bound", "training", "rng"),
                note="s is random in training.",
            ),
            Activation(
                "gelu_tanh",
                4,
                "x * s",
                "s + x * s * (1 - s) * sqrt(8 / pi) * (1 + 0.134145 * x**2)",
                where="s = 1 / (1 + exp(-sqrt(8 / pi) * (x + 0.044715 * x**3)))",
                root=-0.752461422071016258,
                in_mxnet=False,
                note="gelu's approximation `x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))) / 2` (Hendrycks and "
                "Gimpel, arXiv:1606.08415), torch's `approximate='tanh'`. MXNet 1.x does not have it.",
            ),
        )
    }
)


def _row(name: str) -> Activation:
    return ACTIVATIONS[name]


def definitions(indent: str) -> str:
    """The table's definitions as lines of text, for docstrings."""
    lines = [f"{'act_type':9}  value, and derivative"]
    for row in ACTIVATIONS.values():
        lines.append(f"{row.name:9}  {row.value}")
        lines += [f"{'':9}  {text}" for text in (row.derivative, row.where) if text]
    return "\n".join(indent + line for line in lines).lstrip()


class Call(NamedTuple):
    """The checked parameters of one call; arrays and the generator travel beside it."""

    activation: Activation
    slope: float
    lower_bound: float
    upper_bound: float
    training: bool

    @property
    def draws(self) -> bool:
        """Whether slopes are random in this call."""
        return self.activation.is_random and self.training

    @property
    def keeps(self) -> str:
        """What a gradient needs of this call beside gamma and the key: "input", "output", or "signs" of the input.

        The output is above zero exactly where the input is, as long as no slope is negative.
        """
        if not self.activation.is_leaky or self.activation.has_gamma:
            return "input"
        return "output" if (self.lower_bound if self.draws else self.slope) >= 0 else "signs"

    def rounded(self, wide: bool) -> Call:
        """The call with rrelu in inference written as leaky, once its numbers are known to fit the arithmetic type.

        That is float64 if `wide`, and float32 otherwise.
        """
        for name in ("slope", "lower_bound", "upper_bound"):
            if name in self.activation.reads and not (wide and name == "slope"):
                finite_as_float32(name, getattr(self, name))
        if self.activation.is_random and not self.training:
            return self._replace(slope=0.5 * (self.lower_bound + self.upper_bound))
        return self


def integer(name: str, value: Any, wanted: str) -> int:
    """The integer that an argument is; a bool is none."""
    if not isinstance(value, (bool, np.bool_)):
        with suppress(TypeError):
            return operator.index(value)
    raise TypeError(f"`{name}` must be {wanted}, got {value!r}")


def finite(name: str, value: object, traced: tuple[type, ...] = ()) -> float:
    """The value as a float, if it is a finite real number; an array of a `traced` type as it is."""
    if type(value) is float and abs(value) < math.inf:
        return value
    if traced and isinstance(value, traced):
        return _scalar(name, value)
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"`{name}` must be a number, got {value!r}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"`{name}` must be a finite number, got {value!r}")
    return number


def _scalar(name: str, value: Any) -> float:
    """An array of one number, which may not be known yet."""
    if value.shape != () or np.dtype(value.dtype).kind not in "fiuV":
        raise TypeError(f"`{name}` must be a number, got an array of shape {value.shape} and dtype {value.dtype}")
    number: float = value
    return number


def finite_as_float32(name: str, number: float) -> None:
    """Refuse a finite number that becomes infinite when it is rounded to float32."""
    if abs(number) >= _FLOAT32_OVERFLOW:
        raise ValueError(f"`{name}` must be finite as float32, got {number!r}")


def check_bounds(
    lower_bound: object,
    upper_bound: object,
    traced: tuple[type, ...] = (),
    names: tuple[str, str] = ("lower_bound", "upper_bound"),
) -> tuple[float, float]:
    """rrelu's bounds as floats, in their order."""
    lower, upper = finite(names[0], lower_bound, traced), finite(names[1], upper_bound, traced)
    if type(lower) is float and type(upper) is float and lower > upper:
        raise ValueError(f"`{names[0]}` must be at most `{names[1]}`, got {lower_bound!r} and {upper_bound!r}")
    return lower, upper


def check_call(
    act_type: object,
    slope: object,
    lower_bound: object,
    upper_bound: object,
    training: object,
    *,
    has_gamma: bool,
    has_axis: bool,
    traced: tuple[type, ...] = (),
) -> Call:
    """Check everything that does not depend on the arrays."""
    if not isinstance(act_type, str):
        raise TypeError(f"`act_type` must be a string, one of {', '.join(ACTIVATIONS)}, got {act_type!r}")
    activation = ACTIVATIONS.get(act_type)
    if activation is None:
        raise ValueError(f"`act_type` must be one of {', '.join(ACTIVATIONS)}, got {act_type!r}")
    lower, upper = check_bounds(lower_bound, upper_bound, traced)
    if training is not False and not isinstance(training, (bool, np.bool_)):
        raise TypeError(f"`training` must be True or False, got {training!r}")
    if activation.has_gamma and not has_gamma:
        raise ValueError(f"`gamma` must be an array when `act_type` is {act_type!r}, got None")
    if has_gamma and not activation.has_gamma:
        raise ValueError(f"`gamma` must be None unless `act_type` is 'prelu', got an array for {act_type!r}")
    if has_axis and not activation.has_gamma:
        raise ValueError(f"`axis` must be None unless `act_type` is 'prelu', got a value for {act_type!r}")
    return Call(activation, finite("slope", slope, traced), lower, upper, bool(training))
