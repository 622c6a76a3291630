"""Writes and reads golden.json: inputs, and the true values and derivatives of elu, selu and gelu by 60-digit mpmath.

``python tests/golden/make_golden.py`` writes it again, byte for byte. Each number is a hexadecimal float64, correctly
rounded. For float64 inputs the part that rounding cut off follows as ``value_rest`` and ``derivative_rest``, in ULP of
float64, so that errors can be measured to a fraction of one; for the narrower types it would change nothing.
leaky, prelu and rrelu are one product, which the tests form exactly; zeros, infinities, NaN and a slope of 0 have a
table of their own in test_special_values.py, for mpmath has no sign of zero.
"""

from __future__ import annotations

import functools
import json
import math
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import ml_dtypes
import mpmath
import numpy as np

PATH = Path(__file__).parent / "golden.json"

# name -> (dtype, arithmetic type, how many log-spaced inputs of each sign, their exponents of two)
FORMATS = {
    "float16": (np.dtype(np.float16), np.float32, 20, (-24, 12)),
    "bfloat16": (np.dtype(ml_dtypes.bfloat16), np.float32, 20, (-130, 8)),
    "float32": (np.dtype(np.float32), np.float32, 40, (-60, 10)),
    "float64": (np.dtype(np.float64), np.float64, 70, (-70, 11)),
}
ELU_SLOPES = (1.0, 0.25, 0.3, -0.5)

# Where results turn subnormal or vanish, where a formula changes, and where a derivative is zero or greatest.
THRESHOLDS = (
    *(-0.5, 0.5, -1.0, 1.0, -2.0, 3.0, -math.log(2), math.log(2) / 2, -math.log(2) / 2),
    *(-0.75179152469356445746, -math.sqrt(2), math.sqrt(2), -1.6792, 1.6792),  # gelu's minimum, inflections
    *(-5.5, 5.5, -6.1875, -8.375, 8.375, -12.9, -13.13, -14.2, -14.45, -14.7, -15.0),  # gelu's tail up to float32
    *(-8.3, -9.01, -16.6, -17.33, -25.0, -36.7, -37.43, -87.34, -103.28, -103.97, -104.0),  # exp and expm1
    *(-37.5, -37.68, -38.2, -38.45, -38.6, -39.0, 38.0),  # gelu's tail in float64
    *(-708.4, -744.44, -745.13, -746.0, 709.78),  # exp in float64
)


def inputs(name: str) -> list[float]:
    """The inputs for one dtype, in a fixed order, without repeats."""
    dtype, _, count, exponents = FORMATS[name]
    info = ml_dtypes.finfo(dtype)
    edges = [float(edge) for edge in (info.smallest_subnormal, info.tiny, info.eps, info.max)]
    found = [sign * edge for edge in edges for sign in (1, -1)]
    found += [float(np.nextafter(dtype.type(info.tiny), dtype.type(0))), -float(info.eps) / 2]
    for threshold in THRESHOLDS:
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


def functions(name: str):
    """Case -> (value, derivative), each from mpf to mpf."""
    arithmetic = FORMATS[name][1]
    lam = mpmath.mpf("1.0507009873554804934193349852946")
    alpha = mpmath.mpf("1.6732632423543772848170429916717")
    cases = {f"elu {s}": _elu(mpmath.mpf(float(arithmetic(s)))) for s in ELU_SLOPES}
    cases["selu"] = _elu(lam * alpha, lam)
    cases["gelu"] = (_gelu, _gelu_derivative)
    return cases


def _elu(scale, positive=1):
    return (
        lambda x: positive * x if x > 0 else scale * mpmath.expm1(x),
        lambda x: mpmath.mpf(positive) if x > 0 else scale * mpmath.exp(x),
    )


def _normal_integral(x):
    return mpmath.erfc(-x / mpmath.sqrt(2)) / 2


def _within_reach(x):
    return max(mpmath.mpf(-10000), min(x, mpmath.mpf(10000)))  # mpmath's erfc fails far out, where it is 0 or 2 anyway


def _gelu(x):
    return x * _normal_integral(_within_reach(x))


def _gelu_derivative(x):
    x = _within_reach(x)
    return _normal_integral(x) + x * mpmath.exp(-x * x / 2) / mpmath.sqrt(2 * mpmath.pi)


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


def table(name: str, xs: list[float]) -> dict:
    """The JSON object of one dtype."""
    result: dict = {"x": [x.hex() for x in xs]}
    with mpmath.workdps(60):
        for case, pair in functions(name).items():
            result[case] = {}
            for kind, function in zip(("value", "derivative"), pair, strict=True):
                numbers = [to_float64(function(mpmath.mpf(x))) for x in xs]
                result[case][kind] = [nearest.hex() for nearest, _ in numbers]
                if name == "float64":
                    result[case][f"{kind}_rest"] = [rest for _, rest in numbers]
    return result


def dump() -> str:
    """The whole file."""
    tables = {name: table(name, inputs(name)) for name in FORMATS}
    return json.dumps(tables, separators=(",", ":")).replace('},"', '},\n"') + "\n"


class Golden(NamedTuple):
    """One case for one dtype; true values are ``hi`` plus ``lo`` ULP of float64."""

    x: np.ndarray
    value: tuple[np.ndarray, np.ndarray]
    derivative: tuple[np.ndarray, np.ndarray]


def load(name: str, case: str) -> Golden:
    """What golden.json holds for a dtype and a case such as ``"elu 0.3"``."""
    columns = _file()[name]
    x = np.array([float.fromhex(h) for h in columns["x"]], FORMATS[name][0])

    def pair(kind: str) -> tuple[np.ndarray, np.ndarray]:
        hi = np.array([float.fromhex(h) for h in columns[case][kind]])
        return hi, np.array(columns[case].get(f"{kind}_rest", np.zeros(hi.shape)))

    return Golden(x, pair("value"), pair("derivative"))


def columns(name: str) -> list[str]:
    """The cases of a dtype, and ``"x"``."""
    return list(_file()[name])


@functools.cache
def _file() -> dict:
    return json.loads(PATH.read_text(encoding="ascii"))


if __name__ == "__main__":
    PATH.write_text(dump(), encoding="ascii")
    print(f"{PATH.name}: {PATH.stat().st_size} bytes")
