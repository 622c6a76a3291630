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
    shift: int  # exp(v(limit)) / 2**shift does not overflow
    far: float  # of x, beyond which 1 + e is 1
    exp2: tuple[float, ...]  # (2**f - 1) / f, |f| <= 1 / 2
    # v'(t) is steepness + curvature * t * t
    steepness: float
    curvature: float
    root: float  # minus the root of the derivative, t0 rounded
    # The derivative's factor 1 + e(t) - t * v'(t) is at_zero + d * mean(t) + e(t) - at_root, d = root - t, and e(t) is
    # at_root * 2**(d * secant(t)), which is how it is computed where |d| <= near.
    at_zero: float
    at_root: float
    mean: tuple[float, ...]
    secant: tuple[float, ...]
    near: float


TANH_TABLES: dict[npt.DTypeLike, TanhTable] = {}
"""
NEAR = mp.mpf(3) / 16  # the exponent d * secant(t) is below 1 / 2 there


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


def cut(x: mp.mpf, digits: int) -> mp.mpf:
    """x rounded to so many binary digits."""
    shift = digits - 1 - int(mp.floor(mp.log(abs(x), 2)))
    return mp.ldexp(mp.nint(mp.ldexp(x, shift)), -shift)


def hexadecimal(x: float) -> str:
    return f'float.fromhex("{float(x).hex()}")'


def tanh_table(kind: str, digits: int, limit: str, shift: int, far: int, degree: int) -> str:
    """digits: of the upper part of t. Its square has twice as many; a factor of either takes the rest of the float."""
    rounded, whole = ROUND[kind], {"float": 24, "double": 53}[kind]
    linear, cubic = -TANH_LINEAR / LN2, -TANH_CUBIC / LN2
    linear_high, cubic_high = cut(linear, whole - digits), cut(cubic, whole - 2 * digits)
    root = mp.mpf(rounded(TANH_ROOT))
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
        "at_zero": rounded(factor(root)),
        "at_root": rounded(exponential(root)),
    }
    exp2, exp2_error = exp2_fit(kind, degree)
    lines = [f"TANH_TABLES[np.dtype(np.{ {'float': 'float32', 'double': 'float64'}[kind] })] = TanhTable("]
    lines += [f"    kept=({digits - 1}, {whole - digits - 1}),"]
    lines += [f"    {name}={hexadecimal(x)}," for name, x in numbers.items()]
    lines += [f"    shift={shift},", f"    far={hexadecimal(far)},"]
    lines += array("exp2", exp2, exp2_error)
    lines += [f"    {name}={hexadecimal(x)}," for name, x in after.items()]
    mean, secant = slopes_at_root(kind, root, after["at_root"])
    lines += [*array("mean", mean), *array("secant", secant)]
    lines += [f"    near={hexadecimal(NEAR)},"]
    return "\n".join([*lines, ")\n"])


def slopes_at_root(kind: str, root: mp.mpf, at_root: float) -> tuple[list[float], list[float]]:
    """mean and secant. The constant of secant makes up for what the others are rounded by, next to the root."""
    rounded, e = ROUND[kind], exponential(root)
    of_factor = divided_difference(TANH_LINEAR, 3 * TANH_CUBIC, root)
    of_exponent = divided_difference(TANH_LINEAR / LN2, TANH_CUBIC / LN2, root)
    mean, secant = ([mp.mpf(rounded(c)) for c in exact] for exact in (of_factor, of_exponent))
    # The derivative at the root is this times numbers that it takes from elsewhere.
    slope = e * (at(of_factor, root) + e * LN2 * at(of_exponent, root))
    wanted = (slope / at_root - at(mean, root)) / (at_root * LN2)
    secant[0] = mp.mpf(rounded(wanted - root * (secant[1] + root * secant[2])))
    return mean, secant


def at(coefficients: list[mp.mpf], x: mp.mpf) -> mp.mpf:
    return mp.polyval(coefficients[::-1], x)


def divided_difference(linear: mp.mpf, cubic: mp.mpf, root: mp.mpf) -> list[mp.mpf]:
    """(f(t) - f(root)) / (t - root) for f = linear * t + cubic * t**3, as a polynomial in t."""
    return [linear + cubic * root**2, cubic * root, cubic]


def array(name: str, coefficients: list[float], error: float | None = None) -> list[str]:
    lines = [] if error is None else [f"    # relative error {log2(error)}"]
    return [*lines, f"    {name}=(", *(f"        {hexadecimal(c)}," for c in coefficients), "    ),"]
