"""The numbers of gelu_tanh for JAX: a part of what make_jax_tables.py writes."""

from __future__ import annotations

import mpmath as mp
from fits import chebyshev_points, fit, interpolate, worst
from functions import LN2, TANH_CUBIC, TANH_LINEAR, TANH_ROOT
from make_tables import ROUND, log2

HEADER = """\
class TanhTable(NamedTuple):
    \"\"\"gelu_tanh is x / (1 + e(x)), e = exp(-v) = 2**(-p / period), p(t) = t**3 + linear * t.\"\"\"

    step: float  # nodes are its multiples; node**3 + linear_high * node is exact
    linear_high: float
    linear_low: float
    rate: float  # 1 / period
    period_high: float  # k * period_high is exact for every exponent k
    period_low: float
    limit: float  # of |x|, beyond which e is zero, times v too
    shift: int  # exp(v(limit)) / 2**shift does not overflow
    far: float  # of x, beyond which 1 + e is 1
    exp2: tuple[float, ...]  # (2**(r / period) - 1) / r, |r| <= period / 2
    # v'(t) is steepness + curvature * t * t
    steepness: float
    curvature: float
    root: float  # minus the root of the derivative, t0 rounded
    # The derivative's factor 1 + e(t) - t * v'(t) is at_zero + d * mean(t) + e(t) - at_root, d = root - t, and e(t) is
    # at_root * 2**(d * secant(t) / period), which is how it is computed where |d| <= near.
    at_zero: float
    at_root: float
    mean: tuple[float, ...]
    secant: tuple[float, ...]
    near: float


TANH_TABLES: dict[npt.DTypeLike, TanhTable] = {}
"""
NEAR = mp.mpf(1) / 8  # the exponent d * secant(t) / period is below 1 / 2 there
LINEAR = TANH_LINEAR / TANH_CUBIC
PERIOD = LN2 / TANH_CUBIC


def exp2_fit(kind: str, degree: int) -> tuple[list[float], float]:
    reach = PERIOD * mp.mpf("0.502")

    def slope(r: mp.mpf) -> mp.mpf:
        return mp.expm1(r * TANH_CUBIC) / r if r else TANH_CUBIC

    points = chebyshev_points(-reach, reach, 120)
    start = interpolate(slope, -reach, reach, degree - 1)
    weights = [r / mp.exp(r * TANH_CUBIC) for r in points]
    found = fit(points, [slope(r) for r in points], weights, range(degree), ROUND[kind], start)
    polynomial = [*(mp.mpf(c) for c in reversed(found)), mp.mpf(1)]
    return found, worst(lambda r: mp.exp(r * TANH_CUBIC), lambda r: mp.polyval(polynomial, r), -reach, reach, 100)


def exponential(t: mp.mpf) -> mp.mpf:
    return mp.exp(-TANH_LINEAR * t - TANH_CUBIC * t**3)


def factor(t: mp.mpf) -> mp.mpf:
    return 1 + exponential(t) - TANH_LINEAR * t - 3 * TANH_CUBIC * t**3


def grid(x: mp.mpf, bits: int) -> mp.mpf:
    """x rounded to a multiple of 2**-bits."""
    return mp.ldexp(mp.nint(mp.ldexp(x, bits)), -bits)


def hexadecimal(x: float) -> str:
    return f'float.fromhex("{float(x).hex()}")'


def tanh_table(kind: str, bits: int, limit: str, shift: int, far: int, degree: int) -> str:
    """bits: of a node behind the point. linear_high has twice as many and period_high three times, as its powers do."""
    rounded = ROUND[kind]
    linear_high, period_high = grid(LINEAR, 2 * bits), grid(PERIOD, 3 * bits)
    root = mp.mpf(rounded(TANH_ROOT))
    numbers = {
        "step": mp.ldexp(1, -bits),
        "linear_high": linear_high,
        "linear_low": rounded(LINEAR - linear_high),
        "rate": rounded(1 / PERIOD),
        "period_high": period_high,
        "period_low": rounded(PERIOD - period_high),
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
    of_exponent = divided_difference(LINEAR, mp.mpf(1), root)
    mean, secant = ([mp.mpf(rounded(c)) for c in exact] for exact in (of_factor, of_exponent))
    # The derivative at the root is this times numbers that it takes from elsewhere.
    slope = e * (at(of_factor, root) + e * TANH_CUBIC * at(of_exponent, root))
    wanted = (slope / at_root - at(mean, root)) / (at_root * TANH_CUBIC)
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
