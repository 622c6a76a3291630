"""Tables of polynomials on equal intervals, for the middle of a function's range."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import mpmath as mp
import numpy as np
from fits import Function, chebyshev_points, fit, interpolate, worst

ENTRIES = 32
PER_UNIT = 8
LIMIT = (ENTRIES - 0.5) / PER_UNIT


@dataclass(frozen=True)
class Central:
    """columns[0] holds the nodes: function(t) = sum(columns[k + 1] * (t - node)**k), t nearest to index / PER_UNIT."""

    columns: list[list[float]]
    error: float


def floats_around(start: mp.mpf, count: int) -> list[float]:
    """The float32 nearest to start, and `count` more on each side, nearest first."""
    below = above = np.float32(float(start))
    found = [float(below)]
    for _ in range(count):
        below, above = np.nextafter(below, np.float32(-1)), np.nextafter(above, np.float32(100))
        found += [float(below), float(above)]
    return found


def accurate_node(function: Function, low: mp.mpf, high: mp.mpf, rounded: Callable[[mp.mpf], float]) -> float:
    """A float where the function's value nearly is a float; Gal's idea, as in interval_tables.

    It splits the interval as the function's values at its ends: what the polynomial adds to the value at the node is
    then as small as it can be, relative to the result.
    """
    at_low, at_high = abs(function(low)), abs(function(high))
    near = interpolate(function, low, high, 16)[::-1]
    best = (mp.inf, 0.0)
    for node in floats_around((low * at_high + high * at_low) / (at_low + at_high), 1500):
        if not low < node < high:
            continue
        value = mp.polyval(near, mp.mpf(node))
        best = min(best, (abs(rounded(value) / value - 1), node))
        if best[0] < mp.mpf(2) ** -35:
            break
    return best[1]


def root_node(function: Function, root: mp.mpf, rounded: Callable[[mp.mpf], float]) -> float:
    """Of the floats next to the root, where the value is next to nothing, the one whose rounded value and slope are
    the best line through the root's neighbours."""

    def excess(node: float) -> mp.mpf:
        value, slope = function(mp.mpf(node)), mp.diff(function, mp.mpf(node))
        change, turn = rounded(value) - value, rounded(slope) - slope
        steps = [mp.mpf(x) - node for x in floats_around(root, 20)]
        return max(abs((change + h * turn) / (value + h * slope)) for h in steps)

    return min(floats_around(root, 1), key=excess)


def fit_interval(
    function: Function, index: int, degree: int, rounded: Callable[[mp.mpf], float], root: mp.mpf | None
) -> tuple[list[float], float]:
    """The entries of every column, and the largest error relative to the function."""
    half = mp.mpf("0.5001") / PER_UNIT
    middle = mp.mpf(index) / PER_UNIT
    low, high = (mp.mpf(0) if index == 0 else middle - half), middle + half
    if index == 0:
        node = 0.0
    elif root is not None and low < root < high:
        node = root_node(function, root, rounded)
    else:
        node = accurate_node(function, low, high, rounded)
    value = rounded(function(mp.mpf(node)))
    points = chebyshev_points(low, high, 60)
    values = [function(t) for t in points]
    start = interpolate(lambda h: function(node + h), low - node, high - node, degree)[1:]
    factors = fit(
        [t - node for t in points],
        [y - value for y in values],
        [1 / abs(y) for y in values],
        range(1, degree + 1),
        rounded,
        start,
    )
    polynomial = [*(mp.mpf(c) for c in reversed(factors)), mp.mpf(value)]
    error = worst(function, lambda t: mp.polyval(polynomial, t - node), low, high)
    return [node, value, *factors], error


def make_central(
    function: Function, degree: int, rounded: Callable[[mp.mpf], float], root: mp.mpf | None = None
) -> Central:
    """The table of function(t) for 0 <= t < LIMIT."""
    fits = [fit_interval(function, index, degree, rounded, root) for index in range(ENTRIES)]
    return Central([[entry[0][k] for entry in fits] for k in range(degree + 2)], max(entry[1] for entry in fits))
