"""The table of activations, the parameters' defaults, and the words for what is wrong with an argument."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
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
    "finite",
    "finite_as_float32",
]

SLOPE = 0.25
LOWER_BOUND = 0.125
UPPER_BOUND = 0.333999991

# From here on, rounding to the nearest float32 gives infinity.
_FLOAT32_OVERFLOW = float.fromhex("0x1.ffffffp127")


@dataclass(frozen=True)
class Activation:
    """One row of the table: what an `act_type` reads and which compiled formula does it."""

    name: str
    formula: int
    reads: tuple[str, ...] = ()

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


# The formula numbers are those of `enum Formula` in src/core/kernels.hpp.
ACTIVATIONS: Mapping[str, Activation] = MappingProxyType(
    {
        row.name: row
        for row in (
            Activation("leaky", 0, ("slope",)),
            Activation("elu", 1, ("slope",)),
            Activation("selu", 2),
            Activation("gelu", 3),
            Activation("prelu", 0, ("gamma", "axis")),
            Activation("rrelu", 0, ("lower_bound", "upper_bound", "training", "rng")),
        )
    }
)


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


def finite(name: str, value: object, traced: tuple[type, ...] = ()) -> float:
    """The value as a float, if it is a finite real number; an array of a `traced` type as it is."""
    if type(value) is float and math.isfinite(value):
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


def check_bounds(lower_bound: object, upper_bound: object, traced: tuple[type, ...] = ()) -> tuple[float, float]:
    """rrelu's bounds as floats, in their order."""
    lower, upper = finite("lower_bound", lower_bound, traced), finite("upper_bound", upper_bound, traced)
    if type(lower) is float and type(upper) is float and lower > upper:
        raise ValueError(f"`lower_bound` must be at most `upper_bound`, got {lower_bound!r} and {upper_bound!r}")
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
