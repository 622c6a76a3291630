"""gelu by its approximation with tanh, x / (1 + exp(-v(x))), in jax.numpy. docs/jax.md explains the methods.

v is taken from nodes, where its cubic is exact, and small rests: the rounding of a v near 90 is 2**-18, which the
exponential would turn into tens of ULP.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from .jax_arithmetic import Formula, bits_of, differentiated, horner, power_next_to
from .jax_tables import TANH_TABLES

__all__ = ["gelu_tanh"]


def _clipped(x: Any) -> Any:
    limit = TANH_TABLES[x.dtype].limit
    return jnp.clip(x, -limit, limit)


def _power(t: Any, more: int) -> tuple[Any, Any]:
    """2**(k + more) for an integer k, and r with exp(-v(t)) = 2**k * 2**(r / period), |r| <= period / 2.

    t is a node and a little more. The cubic of the node is exact, and so is what k periods leave of it.
    """
    table = TANH_TABLES[t.dtype]
    magic = 1.5 * 2.0 ** bits_of(t)[1] * table.step
    node = magic - (t + magic)  # with the sign changed
    slope = node * node + table.linear_high
    upper = node * slope
    lower = (t + node) * (slope + t * (t - node)) + t * table.linear_low
    power, minus_k = power_next_to((upper - lower) * table.rate, more)
    return power, ((upper + minus_k * table.period_high) - lower) + minus_k * table.period_low


def _change(r: Any) -> Any:
    """2**(r / period) - 1."""
    return r * horner(TANH_TABLES[r.dtype].exp2, r)


def _gelu_tanh(x: Any, _: Any) -> Any:
    """x / (1 + exp(-v(x))). What it divides by is scaled: the result is a normal number beyond where that overflows."""
    table = TANH_TABLES[x.dtype]
    c = jnp.where(x < -table.limit, -table.limit, x)
    power, r = _power(c, -table.shift)
    scaled = (1 + _change(r)) * power + 2.0**-table.shift
    return jnp.where(x > table.far, x, c / scaled * 2.0**-table.shift)


def _gelu_tanh_derivative(x: Any, _: Any) -> Any:
    """1 - G(x) for x > 0, and G(-x) elsewhere: G(t) = e * (1 + e - t * v'(t)) / (1 + e)**2, e = exp(-v(t)).

    The factor in brackets is zero at the root; written from there, its two terms have one sign and nothing cancels but
    next to it, where the exponent is written from there too. All three are scaled by powers of `one`: e would underflow
    before the result does.
    """
    table, t = TANH_TABLES[x.dtype], jnp.abs(x)
    t = jnp.where(t > table.limit, table.limit, t)
    one = 2.0**table.shift
    distance = table.root - t
    near = jnp.abs(distance) <= table.near
    power, r = _power(t, table.shift)
    power = jnp.where(near, table.at_root * one, power)
    change = _change(jnp.where(near, distance * horner(table.secant, t), r))
    risen = power * change
    e = power + risen
    mean = horner(tuple(c * one for c in table.mean), t)
    rise = risen + (power - table.at_root * one) + table.at_zero * one
    # (distance * mean + rise) * (1 + change): the smaller terms are rounded before the last sum, and so count less.
    # It has the distance with the sign changed: a product used twice would be rounded on its own.
    smaller = rise + (distance * mean + rise) * change
    product = (smaller - (t - table.root) * mean) * power
    squared = one * one + e * (2 * one + e)
    return jnp.where(x > 0, squared - product, product) / squared


def _shift(x: Any) -> int:
    """2**(shift - v(t) / log(2)) is a normal number for every t within the limit, or its product with t is zero."""
    return bits_of(x)[2] // 2 + 1


def _exponential(x: Any) -> tuple[Any, Any]:
    """exp(-v(|x|)), and the same times 2**shift, which is not subnormal."""
    power, r = _power(jnp.abs(x), _shift(x))
    scaled = (1 + _change(r)) * power
    return scaled * 2.0 ** -_shift(x), scaled


def _logistic_density(x: Any, _: Any) -> Any:
    """e / (1 + e)**2, the derivative of 1 / (1 + exp(-v)) by v."""
    e, scaled = _exponential(x)
    return scaled * 2.0 ** -_shift(x) / (1 + e * (2 + e))


def _rise(x: Any, _: Any) -> Any:
    """tanh(v / 2)."""
    e, _ = _exponential(x)
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
