"""gelu by its approximation with tanh, x / (1 + exp(-v(x))), in jax.numpy. docs/jax.md explains the methods.

v has products that are exact, because their factors have few digits, and small rests: the rounding of a v near 90 is
2**-18, which the exponential would turn into tens of ULP.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import lax

from .jax_arithmetic import Formula, bits_of, differentiated, polynomial, power_of_two, whole_of
from .jax_tables import TANH_TABLES

__all__ = ["gelu_tanh"]


def _clipped(x: Any) -> Any:
    limit = TANH_TABLES[x.dtype].limit
    return jnp.clip(x, -limit, limit)


def _cut(a: Any, kept: int) -> Any:
    """a with so many bits after the first."""
    integer, fraction, _ = bits_of(a)
    return lax.bitcast_convert_type(lax.bitcast_convert_type(a, integer) & (-1 << (fraction - kept)), a.dtype)


def _rounded(a: Any, kept: int) -> Any:
    integer, fraction, _ = bits_of(a)
    half = 1 << (fraction - kept - 1)
    return _cut(lax.bitcast_convert_type(lax.bitcast_convert_type(a, integer) + half, a.dtype), kept)


def _exponent(c: Any) -> tuple[Any, Any]:
    """The integer k and f with k + f = -v(c) / log(2), |f| <= 1 / 2.

    Each product stands next to the sum that it may be fused with, and is not used again.
    """
    table = TANH_TABLES[c.dtype]
    cubic = table.cubic_high + table.cubic_low
    factor = table.linear_high + cubic * (c * c)
    k, minus_k = whole_of(c * factor)
    upper, factor = _rounded(c, table.kept[0]), _cut(factor, table.kept[1])
    lower, squared = c - upper, upper * upper
    factor_rest = ((table.linear_high - factor) + table.cubic_high * squared) + (
        (table.linear_low + table.cubic_low * squared) + cubic * (lower * (c + upper))
    )
    return k, ((upper * factor + minus_k) + c * factor_rest) + lower * factor


def _change(f: Any) -> Any:
    """2**f - 1."""
    return f * polynomial(TANH_TABLES[f.dtype].exp2, f)


def _gelu_tanh(x: Any, _: Any) -> Any:
    """x / (1 + exp(-v(x))). What it divides by is scaled: the result is a normal number beyond where that overflows."""
    table = TANH_TABLES[x.dtype]
    c = jnp.where(x < -table.limit, -table.limit, x)
    k, f = _exponent(c)
    scaled = (1 + _change(f)) * power_of_two(k, x, -table.shift) + 2.0**-table.shift
    return jnp.where(x > table.far, x, c / scaled * 2.0**-table.shift)


def _gelu_tanh_derivative(x: Any, _: Any) -> Any:
    """1 - G(x) for x > 0, and G(-x) elsewhere: G(t) = e * (1 + e - t * v'(t)) / (1 + e)**2, e = exp(-v(t)).

    The factor in brackets is zero at the root; written from there, its two terms have one sign and nothing cancels but
    next to it, where the exponent is written from there too.
    """
    table, t = TANH_TABLES[x.dtype], jnp.abs(x)
    t = jnp.where(t > table.limit, table.limit, t)
    shift = _shift(x)
    distance = table.root - t
    near = jnp.abs(distance) <= table.near
    k, f = _exponent(t)
    change = _change(jnp.where(near, distance * _quadratic(table.secant, t), f))
    scaled = jnp.where(near, table.at_root * 2.0**shift, power_of_two(k, x, shift))
    power = scaled * 2.0**-shift
    e = power + power * change
    larger = distance * _quadratic(table.mean, t)
    rise = power * change + (power - table.at_root) + table.at_zero
    # (larger + rise) * (1 + change): the smaller terms are rounded before the last sum, and so count less.
    product = (larger + (rise + (larger + rise) * change)) * scaled * 2.0**-shift
    squared = 1 + e * (2 + e)
    return jnp.where(x > 0, squared - product, product) / squared


def _quadratic(coefficients: tuple[float, ...], t: Any) -> Any:
    first, second, third = coefficients
    return first + t * (second + third * t)


def _shift(x: Any) -> int:
    """2**(shift - v(t) / log(2)) is a normal number for every t within the limit, or its product with t is zero."""
    return bits_of(x)[2] // 2 + 1


def _exponential(x: Any) -> tuple[Any, Any]:
    """exp(-v(|x|)), and the same times 2**shift, which is not subnormal."""
    k, f = _exponent(jnp.abs(x))
    scaled = (1 + _change(f)) * power_of_two(k, x, _shift(x))
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
