"""gelu by its approximation with tanh, x / (1 + exp(-v(x))), in jax.numpy. docs/jax.md explains the methods.

v has products that are exact, because their factors have few digits, and small rests: the rounding of a v near 90 is
2**-18, which the exponential would turn into tens of ULP.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax

from .jax_arithmetic import Formula, bits_of, differentiated, polynomial
from .jax_tables import TANH_TABLES

__all__ = ["gelu_tanh"]


def _clipped(x: Any) -> Any:
    limit = TANH_TABLES[x.dtype].limit
    return jnp.clip(x, -limit, limit)


def _rounded(a: Any, kept: int) -> Any:
    """a with so many bits after the first."""
    integer, fraction, _ = bits_of(a)
    bits = lax.bitcast_convert_type(a, integer) + (1 << (fraction - kept - 1))
    return lax.bitcast_convert_type(bits & (-1 << (fraction - kept)), a.dtype)


def _exponent(t: Any) -> tuple[Any, Any]:
    """k and f with k + f = -v(t) / log(2), k whole, |f| <= 1 / 2, for 0 <= t <= limit."""
    table = TANH_TABLES[t.dtype]
    upper = _rounded(t, table.kept[0])
    lower = t - upper
    squared = upper * upper
    squared_rest = lower * (t + upper)
    factor = _rounded(table.linear_high + table.cubic_high * squared, table.kept[1])
    factor_rest = ((table.linear_high - factor) + table.cubic_high * squared) + (
        (table.linear_low + table.cubic_low * squared) + (table.cubic_high + table.cubic_low) * squared_rest
    )
    product, rest = upper * factor, lower * factor + t * factor_rest
    k = lax.round(product + rest, lax.RoundingMethod.TO_NEAREST_EVEN)
    return k, (product - k) + rest


class Exponential(NamedTuple):
    """e = exp(-v(t)), also as scaled * unit and (1 + change) * power * unit, which keep the digits of a subnormal e."""

    e: Any
    scaled: Any
    change: Any
    power: Any
    unit: float

    def times_sum(self, a: Any, b: Any) -> Any:
        """(a + b) * e for a larger than b: the smaller terms are rounded before the last sum, and so count less."""
        return (a + (b + (a + b) * self.change)) * self.power * self.unit


def _exponential(c: Any) -> Exponential:
    integer, fraction, bias = bits_of(c)
    shift = bias // 2 + 1
    k, f = _exponent(jnp.abs(c))
    change = f * polynomial(TANH_TABLES[c.dtype].exp2, f)
    power = lax.bitcast_convert_type((k.astype(integer) + (bias + shift)) << fraction, c.dtype)
    scaled = (1 + change) * power
    return Exponential(scaled * 2.0**-shift, scaled, change, power, 2.0**-shift)


# A division is the last operation, and its result is used once: XLA would not fuse it with several uses on the CPU, but
# store what it divides, and read it again.


def _gelu_tanh(x: Any, _: Any) -> Any:
    """x / (1 + e) for x > 0, and x * e / (1 + e) elsewhere."""
    limit = TANH_TABLES[x.dtype].limit
    exponential = _exponential(_clipped(x))
    below = jnp.maximum(x, -limit) * exponential.scaled * exponential.unit
    return jnp.where(x > 0, x, below) / (1 + exponential.e)


def _gelu_tanh_derivative(x: Any, _: Any) -> Any:
    """1 - G(x) for x > 0, and G(-x) elsewhere: G(t) = e * (1 + e - t * v'(t)) / (1 + e)**2.

    The factor in brackets is zero at the root; written from there, its two terms have one sign and nothing cancels but
    next to it, where a polynomial takes the place of the second.
    """
    table, c = TANH_TABLES[x.dtype], _clipped(x)
    t = jnp.abs(c)
    exponential = _exponential(c)
    e = exponential.e
    distance = table.root - t
    rise = jnp.where(jnp.abs(distance) <= table.near, polynomial(table.rise, distance), e - table.at_root)
    mean = table.mean[0] + t * (table.mean[1] + table.mean[2] * t)
    product, squared = exponential.times_sum(distance * mean, rise), 1 + e * (2 + e)
    return jnp.where(x > 0, squared - product, product) / squared


def _logistic_density(x: Any, _: Any) -> Any:
    """e / (1 + e)**2, the derivative of 1 / (1 + exp(-v)) by v."""
    exponential = _exponential(x)
    return exponential.scaled * exponential.unit / (1 + exponential.e * (2 + exponential.e))


def _rise(x: Any, _: Any) -> Any:
    """tanh(v / 2)."""
    e = _exponential(x).e
    return jnp.sign(x) * ((1 - e) / (1 + e))


def _steepness(x: Any) -> Any:
    """v'(x)."""
    table = TANH_TABLES[x.dtype]
    return table.steepness + table.curvature * (x * x)


def _curvature(x: Any, _: Any) -> Any:
    """The second derivative, whose factors are finite for every x."""
    c = _clipped(x)
    steepness, turn = _steepness(c), 2 * TANH_TABLES[x.dtype].curvature * c
    return logistic_density(c, None) * (2 * steepness + c * (turn - steepness * steepness * rise(c, None)))


logistic_density: Formula = differentiated(
    _logistic_density, lambda x, _: -logistic_density(x, None) * rise(x, None) * _steepness(x)
)
rise: Formula = differentiated(_rise, lambda x, _: 2 * logistic_density(x, None) * _steepness(x))
gelu_tanh_derivative = differentiated(_gelu_tanh_derivative, _curvature)
gelu_tanh: Formula = differentiated(_gelu_tanh, gelu_tanh_derivative)
