"""Write src/rectifier/onnx/tail.py: the polynomials by which ONNX graphs compute the normal distribution's tail.

    python tools/tables/make_onnx_gelu.py

With t >= 0 and q = (t - k) / (t + k), Q(t) = exp(-t**2 / 2) * P(q) / (1 + t / 2) is the upper tail of the normal
distribution. P is the Chebyshev interpolant of (1 + t / 2) * exp(t**2 / 2) * Q(t), which runs from 0.5 to 0.2; the
change of variable is that of Shepherd and Laframboise, "Chebyshev approximation of (1+2x)exp(x^2)erfc(x) in
0 <= x < infinity", Mathematics of Computation 36 (1981). k and the degree are those of the least error for its cost.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from mpmath import cos, erfc, exp, mp, mpf, pi, sqrt

TARGET = Path(__file__).parents[2] / "src" / "rectifier" / "onnx" / "tail.py"

# dtype, k, greatest t, degree, steps, shift. Beyond the greatest t, x * Q(x) is 0 in the type. A multiple of 1 / steps
# below the greatest t has an exact square. exp(shift - t**2 / 2) neither overflows nor loses bits to underflow.
FITS = (("float32", 4, 16, 9, 2**8, 32), ("float64", 6, 40, 20, 2**20, 128))

HEAD = '''"""Polynomials for the upper tail of the normal distribution. Written by tools/tables/make_onnx_gelu.py."""

from typing import NamedTuple

__all__ = ["TAILS", "Tail"]


class Tail(NamedTuple):
    """Q(t) = exp(-t**2 / 2) * P(q) / (1 + t / 2), q = (t - k) / (t + k), for 0 <= t <= reach.

    `coefficients` are P's, the highest power first. Multiples of 1 / `steps` have exact squares. The exponential is
    computed as exp(shift - t**2 / 2), so that its bits survive where Q itself is subnormal.
    """

    k: float
    reach: float
    steps: float
    shift: float
    coefficients: tuple[float, ...]


TAILS = {
'''


def scaled_tail(t):
    """(1 + t / 2) * exp(t**2 / 2) * Q(t)."""
    return (1 + t / 2) * exp(t * t / 2) * erfc(t / sqrt(mpf(2))) / 2


def coefficients(k, reach, degree):
    """The interpolant's coefficients in powers of q, the highest first."""
    k, low, high = mpf(k), mpf(-1), (mpf(reach) - k) / (mpf(reach) + k)
    count = degree + 1
    nodes = [cos(pi * (2 * j + 1) / (2 * count)) for j in range(count)]
    points = [(high - low) / 2 * x + (high + low) / 2 for x in nodes]
    values = [scaled_tail(k * (1 + q) / (1 - q)) for q in points]
    result = [mpf(0)] * count
    for i in range(count):
        basis = [mpf(1)]  # of the Lagrange polynomial that is 1 at point i, the lowest power first
        scale = mpf(1)
        for j in range(count):
            if j != i:
                basis = [a - points[j] * b for a, b in zip([mpf(0), *basis], [*basis, mpf(0)], strict=True)]
                scale *= points[i] - points[j]
        result = [r + values[i] / scale * b for r, b in zip(result, basis, strict=True)]
    return result[::-1]


@mp.workdps(60)
def text():
    """The module's source."""
    lines = [HEAD]
    for dtype, k, reach, degree, steps, shift in FITS:
        kind = np.dtype(dtype).type
        lines.append(f'    "{dtype}": Tail(\n')
        lines += [f"        {float(number)!r},\n" for number in (k, reach, steps, shift)] + ["        (\n"]
        lines += [f"            {float(kind(str(c)))!r},\n" for c in coefficients(k, reach, degree)]
        lines.append("        ),\n    ),\n")
    return "".join(lines) + "}\n"


if __name__ == "__main__":
    TARGET.write_text(text())
    sys.exit(0)
