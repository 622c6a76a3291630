"""Tables of piecewise polynomials that are looked up by the leading bits of t + offset."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import mpmath as mp
from fits import Function, chebyshev_points, fit, interpolate, worst


@dataclass(frozen=True)
class Layout:
    """How the intervals lie, and how their polynomials are stored.

    The intervals of d = t + offset, or of its square, split each octave into 2**octave_bits equal parts. They are
    numbered by the low bits of d's exponent and the leading bits of its fraction. The square makes them more even.
    wide asks the kernel for more care, where the polynomial goes far from 1.
    """

    entries: int
    octave_bits: int
    offset: float
    limit: float
    degree: int
    value_bits: int
    double: bool
    squared: bool = False
    wide: bool = False

    def argument(self, t: float) -> float:
        """What is looked up by its leading bits."""
        return (t + self.offset) ** 2 if self.squared else t + self.offset

    def index(self, t: float) -> int:
        d = self.argument(t)
        if self.double:
            (bits,) = struct.unpack("<Q", struct.pack("<d", d))
            return bits >> (52 - self.octave_bits) & (self.entries - 1)
        (bits,) = struct.unpack("<I", struct.pack("<f", d))
        return bits >> (23 - self.octave_bits) & (self.entries - 1)

    def intervals(self) -> list[tuple[float, float]]:
        """(low, high) of every interval, upwards from t = 0."""
        found, edge, low = [], self.argument(0.0), 0.0
        while low < self.limit:
            octave = 2.0 ** (int(mp.frexp(edge)[1]) - 1)
            step = octave / 2**self.octave_bits
            edge = (edge // step + 1) * step
            high = (mp.sqrt(edge) if self.squared else edge) - self.offset
            found.append((low, min(float(high), self.limit)))
            low = found[-1][1]
        return found

    def rounded(self, x: mp.mpf) -> float:
        """x as the element type holds it."""
        return float(x) if self.double else struct.unpack("<f", struct.pack("<f", float(x)))[0]


@dataclass
class Table:
    """node, value and factors by index: function(t) = value * (1 + sum(factors[k] * (t - node)**(k + 1)))."""

    layout: Layout
    error: float = 0.0
    node: list[float] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    factors: list[list[float]] = field(default_factory=list)


def accurate_node(function: Function, low: float, high: float, layout: Layout) -> tuple[float, float]:
    """A node near the middle whose function value has value_bits bits, but for an error below good.

    The middle is the geometric one of the values, so that the polynomial stays as close to 1 as it can.
    Gal and Bachelis, An accurate elementary mathematical library for the IEEE floating point standard, 1991.
    """
    width = mp.mpf(high) - low
    near = interpolate(function, mp.mpf(low), mp.mpf(high), 30 if layout.double else 18)[::-1]
    slope = [c * (len(near) - 1 - k) for k, c in enumerate(near[:-1])]
    middle = mp.sqrt(function(mp.mpf(low)) * function(mp.mpf(high)))
    spacing = mp.ldexp(1, mp.frexp(middle)[1] - layout.value_bits)
    start = (mp.mpf(low) + high) / 2
    good = mp.mpf(2) ** (-61 if layout.double else -32)
    best = (mp.inf, 0.0, 0.0)
    for k in sorted(range(-100, 101), key=abs):
        value = (mp.nint(middle / spacing) + k) * spacing
        t = start
        for _ in range(7):
            t -= (mp.polyval(near, t) - value) / mp.polyval(slope, t)
            t = min(max(t, mp.mpf(low)), mp.mpf(high))
        node = layout.rounded(t)
        if not low + 0.2 * width < node < high - 0.2 * width:
            continue
        error = abs(mp.polyval(near, mp.mpf(node)) / value - 1)
        if error < best[0]:
            best = (error, node, float(value))
        if error < good:
            break
    return best[1], best[2]


def fit_interval(
    function: Function, low: float, high: float, layout: Layout
) -> tuple[float, float, list[float], float]:
    """node, value, factors and largest relative error on one interval."""
    node, value = accurate_node(function, low, high, layout)
    # t + offset is rounded before it is looked up, so a t just outside may come here too.
    margin = 0.0 if layout.double else 1e-6
    first, last = mp.mpf(max(low - margin, 0.0)), mp.mpf(high + margin)
    points = chebyshev_points(first, last, 60)
    values = [function(t) for t in points]
    start = interpolate(lambda h: function(node + h) / value, first - node, last - node, layout.degree)[1:]
    factors = fit(
        [t - node for t in points],
        [y / value - 1 for y in values],
        [value / y for y in values],
        range(1, layout.degree + 1),
        layout.rounded,
        start,
    )
    polynomial = [*(mp.mpf(c) for c in reversed(factors)), mp.mpf(1)]
    return node, value, factors, worst(function, lambda t: value * mp.polyval(polynomial, t - node), first, last)


def make_table(function: Function, layout: Layout) -> Table:
    """The table of one function; entries that no t reaches repeat the first one."""
    table = Table(layout)
    found = {}
    for low, high in layout.intervals():
        index = layout.index((low + high) / 2)
        assert index not in found, "two intervals share a number"
        found[index] = fit_interval(function, low, high, layout)
    spare = next(iter(found.values()))
    entries = [found.get(index, spare) for index in range(layout.entries)]
    table.error = max(entry[3] for entry in entries)
    table.node = [entry[0] for entry in entries]
    table.value = [entry[1] for entry in entries]
    table.factors = [[entry[2][k] for entry in entries] for k in range(layout.degree)]
    return table
