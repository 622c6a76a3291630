"""The true values and derivatives of every row of `ACTIVATIONS`, by 60-digit mpmath, at inputs chosen for each dtype.

A case is the name of an activation, with a slope behind it where it reads one: ``"elu 0.3"``. The definitions in the
table are evaluated as they stand, their decimal constants to all digits. For float64 inputs the part that rounding to
float64 cut off goes along, in ULP of float64, so that errors can be measured to a fraction of one; for the narrower
types it would change nothing. leaky, prelu and rrelu are one product, which the tests form exactly.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

import ml_dtypes
import mpmath
import numpy as np

from rectifier.parameters import ACTIVATIONS, Activation

DIGITS = 60
# name -> (dtype, arithmetic type, how many log-spaced inputs of each sign, their exponents of two)
FORMATS = {
    "float16": (np.dtype(np.float16), np.float32, 20, (-24, 12)),
    "bfloat16": (np.dtype(ml_dtypes.bfloat16), np.float32, 20, (-130, 8)),
    "float32": (np.dtype(np.float32), np.float32, 40, (-60, 10)),
    "float64": (np.dtype(np.float64), np.float64, 70, (-70, 11)),
}
SLOPES = (1.0, 0.25, 0.3, -0.5)
CASES = [
    f"{row.name} {slope}".strip()
    for row in ACTIVATIONS.values()
    if not row.is_leaky
    for slope in (SLOPES if "slope" in row.reads else ("",))
]

# Where results turn subnormal or vanish, where a formula changes, and where a derivative is zero or greatest.
THRESHOLDS = (
    *(-0.5, 0.5, -1.0, 1.0, -2.0, 3.0, -math.log(2), math.log(2) / 2, -math.log(2) / 2),
    *(row.root for row in ACTIVATIONS.values() if row.root is not None),
    *(-math.sqrt(2), math.sqrt(2), -1.6792, 1.6792),  # gelu's inflections
    *(-5.5, 5.5, -6.1875, -8.375, 8.375, -12.9, -13.13, -14.2, -14.45, -14.7, -15.0),  # gelu's tail up to float32
    *(-8.3, -9.01, -16.6, -17.33, -25.0, -36.7, -37.43, -87.34, -103.28, -103.97, -104.0),  # exp and expm1
    *(-37.5, -37.68, -38.2, -38.45, -38.6, -39.0, 38.0),  # gelu's tail in float64
    *(-708.4, -744.44, -745.13, -746.0, 709.78),  # exp in float64
)


@functools.cache
def inputs(name: str) -> list[float]:
    """The inputs for one dtype, in a fixed order, without repeats."""
    dtype, _, count, exponents = FORMATS[name]
    info = ml_dtypes.finfo(dtype)
    edges = [float(edge) for edge in (info.smallest_subnormal, info.tiny, info.eps, info.max)]
    found = [sign * edge for edge in edges for sign in (1, -1)]
    found += [float(np.nextafter(dtype.type(info.tiny), dtype.type(0))), -float(info.eps) / 2]
    for threshold in (*THRESHOLDS, *tail_ends(float(info.tiny)), *tail_ends(float(info.smallest_subnormal) / 2)):
        middle = dtype.type(threshold)
        found += [float(np.nextafter(middle, dtype.type(side))) for side in (-math.inf, math.inf)]
        found.append(float(middle))
    lowest, highest = exponents
    for i in range(count):
        # A Weyl sequence by the golden ratio: spread evenly, and the same everywhere.
        exponent = lowest + (highest - lowest) * math.modf(i * 0.6180339887498949)[0]
        magnitude = float(dtype.type(2.0**exponent))
        found += [-magnitude, magnitude] if i % 3 == 0 else [-magnitude]
    return [x for x in dict.fromkeys(found) if x != 0 and math.isfinite(x)]


def _within_reach(x):
    """mpmath's erfc fails far out, where it is 0 or 2 anyway."""
    return x if mpmath.isinf(x) else max(mpmath.mpf(-10000), min(x, mpmath.mpf(10000)))


def _normal_integral(x):
    return mpmath.erfc(-_within_reach(x) / mpmath.sqrt(2)) / 2


def _normal_density(x):
    return mpmath.exp(-(_within_reach(x) ** 2) / 2) / mpmath.sqrt(2 * mpmath.pi)


NAMES = {
    **{name: getattr(mpmath, name) for name in ("exp", "expm1", "sqrt", "pi", "mpf")},
    "Phi": _normal_integral,
    "phi": _normal_density,
}


def _code(expression: str):
    """The compiled expression, its decimal constants taken to all digits."""
    return compile(re.sub(r"\d+\.\d+", r"mpf('\g<0>')", expression), expression, "eval")


def functions(row: Activation, slope: float = 0.0) -> tuple[Callable, Callable]:
    """The definitions of a row's value and derivative, each from mpf to mpf, in mpmath's working precision."""
    where = [(name, _code(text)) for name, text in (item.split(" = ") for item in row.where.split(", ") if item)]

    def function(expression: str) -> Callable:
        code = _code(expression)

        def evaluate(x):
            names = {**NAMES, "x": x, **dict.fromkeys(("slope", "gamma", "s"), mpmath.mpf(slope))}
            for name, definition in where:
                names[name] = eval(definition, names)  # the table is ours
            return mpmath.mpf(eval(code, names))

        return evaluate

    return function(row.value), function(row.derivative)


def tail_ends(size: float) -> list[float]:
    """Where values that vanish far below zero fall below a size."""
    ends = []
    for row in ACTIVATIONS.values():
        value, _ = functions(row)
        if row.is_leaky or abs(value(mpmath.mpf(-2000))) > size:
            continue
        low, high = -2000.0, -2.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if abs(value(mpmath.mpf(middle))) < size else (low, middle)
        ends.append(high)
    return ends


def to_float64(exact) -> tuple[float, float]:
    """The nearest float64, and what is left in units of its last place; what underflows keeps its sign."""
    sign, mantissa, exponent, bits = exact._mpf_
    if not -1100 < exponent + bits <= 1024:
        size = math.inf if exponent > 0 else 0.0
        return (-size if sign else size), 0.0
    fraction = Fraction(mantissa) * Fraction(2) ** exponent * (-1 if sign else 1)
    nearest = math.copysign(float(fraction), -1 if sign else 1)
    rest = (fraction - Fraction(nearest)) / Fraction(math.ulp(nearest))
    return nearest, round(float(rest), 4)


class Golden(NamedTuple):
    """One case for one dtype; true values are ``hi`` plus ``lo`` ULP of float64."""

    x: np.ndarray
    value: tuple[np.ndarray, np.ndarray]
    derivative: tuple[np.ndarray, np.ndarray]


@functools.cache
def load(name: str, case: str) -> Golden:
    """The true values for a dtype and a case such as ``"elu 0.3"``."""
    dtype, arithmetic, *_ = FORMATS[name]
    act_type, _, slope = case.partition(" ")
    x = np.array(inputs(name), dtype)

    def pair(function: Callable) -> tuple[np.ndarray, np.ndarray]:
        hi, lo = np.array([to_float64(function(mpmath.mpf(float(number)))) for number in x]).T
        return hi, (lo if name == "float64" else np.zeros(hi.shape))

    with mpmath.workdps(DIGITS):
        return Golden(x, *map(pair, functions(ACTIVATIONS[act_type], float(arithmetic(slope or 0)))))


def at_special_value(function: Callable, x: float) -> float:
    """A definition at 0, an infinity or NaN: far out instead, where it has no value or no sign there."""
    with mpmath.workdps(DIGITS):
        at = function(mpmath.mpf(x))
        if math.isinf(x) and (at == 0 or mpmath.isnan(at)):
            at = function(mpmath.mpf(math.copysign(1e30, x)))
        return to_float64(at)[0] if mpmath.isfinite(at) else float(at)
