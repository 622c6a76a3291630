"""The functions that the tables stand for, to 70 digits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import mpmath as mp

mp.mp.dps = 70

LN2 = mp.log(2)
DENSITY_AT_0 = 1 / mp.sqrt(2 * mp.pi)


def scaled_tail(t: mp.mpf) -> mp.mpf:
    """Q(t) * exp(t**2 / 2), Q the upper tail of the normal distribution."""
    return mp.erfc(t / mp.sqrt(2)) * mp.exp(t * t / 2) / 2


def scaled_slope(t: mp.mpf) -> mp.mpf:
    """(Q(t) - t * density(t)) * exp(t**2 / 2): the derivative of gelu at -t, scaled."""
    return scaled_tail(t) - t * DENSITY_AT_0


def tail(t: mp.mpf) -> mp.mpf:
    """Q(t)."""
    return mp.erfc(t / mp.sqrt(2)) / 2


def slope(t: mp.mpf) -> mp.mpf:
    """Q(t) - t * density(t): the derivative of gelu at -t."""
    return tail(t) - t * DENSITY_AT_0 * mp.exp(-t * t / 2)


# The derivative of gelu is zero at -ROOT.
ROOT = mp.findroot(scaled_slope, mp.mpf("0.7517915246935645"))

# gelu_tanh is x / (1 + exp(-v(x))), v(x) = TANH_LINEAR x + TANH_CUBIC x^3; its derivative is zero at -TANH_ROOT.
TANH_LINEAR = mp.sqrt(8 / mp.pi)
TANH_CUBIC = TANH_LINEAR * mp.mpf("0.044715")
TANH_ROOT = mp.findroot(
    lambda t: 1 + mp.exp(-TANH_LINEAR * t - TANH_CUBIC * t**3) - TANH_LINEAR * t - 3 * TANH_CUBIC * t**3,
    mp.mpf("0.7524614220710163"),
)


def tanh_tail(t: mp.mpf) -> mp.mpf:
    """gelu_tanh is -t times it at -t."""
    return 1 / (1 + mp.exp(TANH_LINEAR * t + TANH_CUBIC * t**3))


def tanh_slope(t: mp.mpf) -> mp.mpf:
    """The derivative of gelu_tanh at -t."""
    s = tanh_tail(t)
    return s * (1 - (1 - s) * (TANH_LINEAR * t + 3 * TANH_CUBIC * t**3))


def scaled_slope_over_distance(t: mp.mpf) -> mp.mpf:
    """scaled_slope(t) / (ROOT - t), which has no zero and no pole."""
    return scaled_slope(t) / (ROOT - t)


@dataclass(frozen=True)
class Gaussian:
    """A nearby exponential that is cheap to reduce: E(t) = 2**(-t**2 / (count * step)).

    step is close to 2 ln 2 / count and has so few bits that k * step is exact. What is left of
    exp(-t**2 / 2) = E(t) * exp(-surplus * t**2) is smooth, and the fitted functions take it in.
    """

    count: int
    step: mp.mpf

    @property
    def surplus(self) -> mp.mpf:
        return (1 - 2 * LN2 / (self.count * self.step)) / 2

    def absorb(self, function: Callable[[mp.mpf], mp.mpf]) -> Callable[[mp.mpf], mp.mpf]:
        """function(t) * exp(-surplus * t**2)."""
        return lambda t: function(mp.mpf(t)) * mp.exp(-self.surplus * mp.mpf(t) ** 2)
