"""The numbers of gelu_tanh for JAX: a part of what make_jax_tables.py writes."""

from __future__ import annotations

import mpmath as mp
from fits import chebyshev_points, fit, interpolate, worst
from functions import LN2, TANH_CUBIC, TANH_LINEAR, TANH_ROOT
from make_tables import ROUND, log2

HEADER = """\
class TanhTable(NamedTuple):
    \"\"\"gelu_tanh is x / (1 + e(x)), e = exp(-v) = 2**(linear * t + cubic * t**3); high parts have few digits.\"\"\"

    kept: tuple[int, int]  # the bits after the first that the parts of t and of linear + cubic * t * t keep
    linear_high: float
    linear_low: float
    cubic_high: float
    cubic_low: float
    limit: float  # of |x|, beyond which e is zero, times v too
    exp2: tuple[float, ...]  # (2**f - 1) / f, |f| <= 1 / 2
    # v'(t) is steepness + curvature * t * t
    steepness: float
    curvature: float
    root: float  # minus the root of the derivative, t0 rounded
    # The derivative's factor 1 + e(t) - t * v'(t) is d * (mean[0] + t * (mean[1] + mean[2] * t)) + rise, d = root - t:
    # rise is e(t) - at_root, or, where |d| <= near, a polynomial in d.
    mean: tuple[float, ...]
    at_root: float
    near: float
    rise: tuple[float, ...]


TANH_TABLES: dict[npt.DTypeLike, TanhTable] = {}
"""
NEAR = mp.mpf(1) / 4


def exp2_fit(kind: str, degree: int) -> tuple[list[float], float]:
    reach = mp.mpf("0.502")

    def slope(f: mp.mpf) -> mp.mpf:
        return mp.expm1(f * LN2) / f if f else LN2

    points = chebyshev_points(-reach, reach, 120)
    start = interpolate(slope, -reach, reach, degree - 1)
    weights = [f / mp.mpf(2) ** f for f in points]
    found = fit(points, [slope(f) for f in points], weights, range(degree), ROUND[kind], start)
    polynomial = [*(mp.mpf(c) for c in reversed(found)), mp.mpf(1)]
    return found, worst(lambda f: mp.mpf(2) ** f, lambda f: mp.polyval(polynomial, f), -reach, reach, 100)


def exponential(t: mp.mpf) -> mp.mpf:
    return mp.exp(-TANH_LINEAR * t - TANH_CUBIC * t**3)


def factor(t: mp.mpf) -> mp.mpf:
    return 1 + exponential(t) - TANH_LINEAR * t - 3 * TANH_CUBIC * t**3


def rise_fit(kind: str, degree: int, root: mp.mpf, mean: list[mp.mpf]) -> tuple[list[float], float]:
    """What factor(root - d) is more than its first term, d times a mean of slopes; the error is the factor's."""

    def term(d: mp.mpf) -> mp.mpf:
        return d * mp.polyval(mean[::-1], root - d)

    at_zero = ROUND[kind](factor(root))
    step = mp.mpf(2) ** -60

    def slope(d: mp.mpf) -> mp.mpf:
        d = d if abs(d) > step else step
        return (factor(root - d) - term(d) - factor(root)) / d

    points = chebyshev_points(-NEAR, NEAR, 120)
    start = interpolate(slope, -NEAR, NEAR, degree - 1)
    weights = [d / factor(root - d) for d in points]
    found = [at_zero, *fit(points, [slope(d) for d in points], weights, range(degree), ROUND[kind], start)]
    polynomial = [mp.mpf(c) for c in reversed(found)]
    error = worst(lambda d: factor(root - d), lambda d: term(d) + mp.polyval(polynomial, d), -NEAR, NEAR, 100)
    return found, error


def cut(x: mp.mpf, digits: int) -> mp.mpf:
    """x rounded to so many binary digits."""
    shift = digits - 1 - int(mp.floor(mp.log(abs(x), 2)))
    return mp.ldexp(mp.nint(mp.ldexp(x, shift)), -shift)


def hexadecimal(x: float) -> str:
    return f'float.fromhex("{float(x).hex()}")'


def tanh_table(kind: str, digits: int, limit: str, degrees: tuple[int, int]) -> str:
    """digits: of the upper part of t. Its square has twice as many; a factor of either takes the rest of the float."""
    rounded, whole = ROUND[kind], {"float": 24, "double": 53}[kind]
    linear, cubic = -TANH_LINEAR / LN2, -TANH_CUBIC / LN2
    linear_high, cubic_high = cut(linear, whole - digits), cut(cubic, whole - 2 * digits)
    root = mp.mpf(rounded(TANH_ROOT))
    mean = [TANH_LINEAR + 3 * TANH_CUBIC * root**2, 3 * TANH_CUBIC * root, 3 * TANH_CUBIC]
    mean = [mp.mpf(rounded(c)) for c in mean]
    numbers = {
        "linear_high": linear_high,
        "linear_low": rounded(linear - linear_high),
        "cubic_high": cubic_high,
        "cubic_low": rounded(cubic - cubic_high),
        "limit": rounded(mp.mpf(limit)),
    }
    after = {
        "steepness": rounded(TANH_LINEAR),
        "curvature": rounded(3 * TANH_CUBIC),
        "root": root,
    }
    exp2, exp2_error = exp2_fit(kind, degrees[0])
    rise, rise_error = rise_fit(kind, degrees[1], root, mean)
    lines = [f"TANH_TABLES[np.dtype(np.{ {'float': 'float32', 'double': 'float64'}[kind] })] = TanhTable("]
    lines += [f"    kept=({digits - 1}, {whole - digits - 1}),"]
    lines += [f"    {name}={hexadecimal(x)}," for name, x in numbers.items()]
    lines += array("exp2", exp2, exp2_error)
    lines += [f"    {name}={hexadecimal(x)}," for name, x in after.items()]
    lines += array("mean", mean)
    lines += [f"    at_root={hexadecimal(rounded(exponential(TANH_ROOT)))},", f"    near={hexadecimal(NEAR)},"]
    lines += array("rise", rise, rise_error)
    return "\n".join([*lines, ")\n"])


def array(name: str, coefficients: list[float], error: float | None = None) -> list[str]:
    lines = [] if error is None else [f"    # relative error {log2(error)}"]
    return [*lines, f"    {name}=(", *(f"        {hexadecimal(c)}," for c in coefficients), "    ),"]
