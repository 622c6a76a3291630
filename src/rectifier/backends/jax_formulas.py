"""The activations in jax.numpy, float32 or float64, differentiable to any order. docs/jax.md explains the methods."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from ..reference import SELU_LAMBDA
from .jax_arithmetic import Formula, bits_of, differentiated, polynomial, power_next_to, power_of_two, scale, upper_half
from .jax_gelu_tanh import gelu_tanh
from .jax_tables import TABLES

__all__ = ["FORMULAS"]

SELU_LAMBDA_ALPHA = 1.7580993408473768599402175208123  # a product of the two as floats would be off by one bit
DENSITY_AT_0 = 0.39894228040143267794


def second_branch(x: Any, value: Any, first: Any = 0.0) -> Any:
    """value where x is 0, -0, NaN or below zero, and first elsewhere."""
    return jnp.where(x > 0, jnp.asarray(first, value.dtype), value)


def reduced(x: Any) -> tuple[Any, Any]:
    """k, r with x = k * log(2) + r and |r| <= log(2) / 2."""
    table = TABLES[x.dtype]
    k = lax.round(x * table.log2e, lax.RoundingMethod.TO_NEAREST_EVEN)
    return k, (x - k * table.ln2_high) - k * table.ln2_low


def expm1_reduced(r: Any) -> Any:
    return r + (r * r) * polynomial(TABLES[r.dtype].expm1, r)


def expm1(x: Any) -> Any:
    """exp(x) - 1 for x <= 2, zeros with their sign; a number without meaning for x > 2."""
    floor = -25.0 if x.dtype == np.float32 else -50.0  # below it the result rounds to -1
    k, r = reduced(jnp.clip(x, floor, 2.0))
    power = power_of_two(k, x)
    return jnp.where(x == 0, x, power * expm1_reduced(r) + (power - 1))


def _scaled_exp(x: Any, slope: Any) -> Any:
    """slope * exp(x), 0 for x > 0. The exponents of both meet before they can underflow or overflow."""
    integer, fraction, bias = bits_of(x)
    floor = -200.0 if x.dtype == np.float32 else -1500.0  # there, the greatest slope gives zero
    k, r = reduced(jnp.clip(x, floor, 0.0))
    bits = lax.bitcast_convert_type(slope, integer)
    normal = jnp.abs(slope) >= np.finfo(x.dtype).tiny
    exponent = jnp.where(normal, ((bits >> fraction) & (2 * bias + 1)) - bias, 0)
    mantissa = lax.bitcast_convert_type(bits - (exponent << fraction), x.dtype)
    return second_branch(x, scale(mantissa * (1 + expm1_reduced(r)), k.astype(integer) + exponent))


scaled_exp: Formula = differentiated(
    _scaled_exp,
    lambda x, slope: scaled_exp(x, slope),
    lambda x, slope: scaled_exp(x, jnp.ones_like(slope)),
)

leaky = differentiated(
    lambda x, slope: jnp.where(x > 0, x, slope * x),
    lambda x, slope: second_branch(x, jnp.broadcast_to(slope, x.shape), 1.0),
    lambda x, slope: second_branch(x, x),
)

elu = differentiated(
    lambda x, slope: jnp.where(x > 0, x, slope * expm1(x)),
    lambda x, slope: second_branch(x, scaled_exp(x, slope), 1.0),
    lambda x, slope: second_branch(x, expm1(x)),
)


def _lambda_alpha(x: Any) -> Any:
    return jnp.asarray(SELU_LAMBDA_ALPHA, x.dtype)


selu = differentiated(
    lambda x, _: jnp.where(x > 0, SELU_LAMBDA * x, _lambda_alpha(x) * expm1(x)),
    lambda x, _: second_branch(x, scaled_exp(x, _lambda_alpha(x)), SELU_LAMBDA),
)


def times_gaussian(t: Any, amount: Any, change: Any, shift: int) -> Any:
    """amount * (1 + change) * exp(-t * t / 2) * 2**-shift for 0 <= t <= limit.

    What is rounded last, and so counts, is the sum of the amount and of a smaller term.
    """
    table = TABLES[t.dtype]
    upper = upper_half(t)  # what is left of t * t is small
    half = bits_of(t)[2] // 2 + 2  # no 2**k is so small that half of the exponents would not make it a normal number
    power, minus_k = power_next_to(t * t * (-0.5 * table.log2e), half)
    r = (upper * upper * -0.5 + minus_k * table.ln2_high) + (minus_k * table.ln2_low - (t - upper) * (t + upper) * 0.5)
    product = amount + amount * (change + (change + 1) * expm1_reduced(r))
    return product * power * 2.0 ** -(half + shift)


def _clipped(x: Any) -> Any:
    """x within the reach of the normal density."""
    limit = TABLES[x.dtype].limit
    return jnp.clip(x, -limit, limit)


density: Formula = differentiated(
    lambda x, _: times_gaussian(jnp.abs(x), jnp.full_like(x, DENSITY_AT_0), jnp.zeros_like(x), 0),
    lambda x, _: -x * density(x, None),
)


def _gelu(x: Any, _: Any) -> Any:
    """x - x * Q(x) for x > 0, and x * Q(-x) elsewhere, Q the upper tail of the normal distribution."""
    table, c = TABLES[x.dtype], _clipped(x)
    t = jnp.abs(c)
    q = c / (t + table.offset) * table.offset
    product = times_gaussian(t, q, polynomial(table.tail, jnp.abs(q) - table.tail_centre), table.tail_shift)
    # Next to zero both are x / 2, but the difference would be wrong where the product is subnormal and flushed.
    return jnp.where(x > 4 * np.finfo(x.dtype).tiny, x - product, product)


def _gelu_derivative(x: Any, _: Any) -> Any:
    """1 - G(x) for x > 0, and G(-x) elsewhere: G(t) = Q(t) - t * density(t), which is zero at the root."""
    table, t = TABLES[x.dtype], jnp.abs(_clipped(x))
    # Two constants in a row would be folded into one, which has not the digits of both.
    distance = (table.root_high - t) + jnp.where(t > 0, jnp.asarray(table.root_low, t.dtype), 0)
    q = t * table.offset / (t + table.offset)
    product = times_gaussian(t, distance, polynomial(table.slope, q - table.slope_centre), 1)
    return jnp.where(x > 0, 1 - product, product)


gelu_derivative = differentiated(_gelu_derivative, lambda x, _: density(_clipped(x), None) * (2 - _clipped(x) ** 2))
gelu = differentiated(_gelu, gelu_derivative)


# value(x, slope): what multiplies the second branch is the slope of leaky and elu, prelu's gamma with the axes of x, or
# rrelu's slopes; the others do not read it.
FORMULAS: Mapping[str, Formula] = MappingProxyType(
    {
        "leaky": leaky,
        "elu": elu,
        "selu": selu,
        "gelu": gelu,
        "gelu_tanh": gelu_tanh,
        "prelu": leaky,
        "rrelu": leaky,
    }
)
