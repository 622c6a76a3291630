"""The activations in jax.numpy, float32 or float64, differentiable to any order. docs/jax.md explains the methods.

XLA may fuse a product and a sum into one rounding or not, and it folds constants that follow each other. So products
whose error would count are exact, and no two constants are added to, or multiplied with, the same value in a row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import zip_longest
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_derivatives import SymbolicZero

from ..reference import SELU_LAMBDA
from .jax_tables import TABLES

__all__ = ["FORMULAS"]

Formula = Callable[[Any, Any], Any]

SELU_LAMBDA_ALPHA = 1.7580993408473768599402175208123  # a product of the two as floats would be off by one bit
DENSITY_AT_0 = 0.39894228040143267794


def differentiated(value: Formula, by_x: Formula, by_slope: Formula | None = None) -> Formula:
    """value(x, slope) with these derivatives; a product with a tangent is the last operation, as in the pullback."""
    function = jax.custom_jvp(value)

    def jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
        terms = [
            _sum_wide(tangent, derivative(*primals))
            for tangent, derivative in zip(tangents, (by_x, by_slope), strict=True)
            if derivative is not None and not isinstance(tangent, SymbolicZero)
        ]
        y = function(*primals)
        return y, sum(terms[1:], terms[0]) if terms else jnp.zeros_like(y)

    function.defjvp(jvp, symbolic_zeros=True)
    return function


def _sum_wide(tangent: Any, derivative: Any) -> Any:
    """tangent * derivative; where the pullback sums (gamma's gradient), it does so in float64 if there is one."""
    if tangent.shape == derivative.shape:
        return tangent * derivative
    wide = jax.dtypes.canonicalize_dtype(np.float64)
    return (tangent.astype(wide) * derivative.astype(wide)).astype(derivative.dtype)


def second_branch(x: Any, value: Any, first: Any = 0.0) -> Any:
    """value where x is 0, -0, NaN or below zero, and first elsewhere."""
    return jnp.where(x > 0, jnp.asarray(first, value.dtype), value)


def polynomial(coefficients: tuple[float, ...], x: Any) -> Any:
    """By pairs of coefficients, which do not wait for each other, but for the lowest two, which are rounded last."""
    first, second, *rest = coefficients
    terms = [c if d is None else c + d * x for c, d in zip_longest(rest[::2], rest[1::2])]
    result, squared = jnp.asarray(terms[-1], x.dtype), x * x
    for term in terms[-2::-1]:
        result = result * squared + term
    return (result * x + second) * x + first


def _bits_of(x: Any) -> tuple[Any, int, int]:
    """The integer type as wide as x's float, the bits of its fraction, and the bias of its exponent."""
    return (np.int32, 23, 127) if x.dtype == np.float32 else (np.int64, 52, 1023)


def two_sum(a: Any, b: Any) -> tuple[Any, Any]:
    """The rounded sum, and what it was rounded by (Knuth)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def power_of_two(k: Any, like: Any) -> Any:
    """2**k for whole numbers k, in the type of `like`; k is the exponent of a normal number."""
    integer, fraction, bias = _bits_of(like)
    return lax.bitcast_convert_type((k.astype(integer) + bias) << fraction, like.dtype)


def scale(y: Any, k: Any) -> Any:
    """y * 2**k in two steps, so that 2**k may lie beyond the normal numbers; one rounding, of a subnormal result."""
    integer, fraction, bias = _bits_of(y)
    k = jnp.maximum(k.astype(integer), -(bias + fraction + 10))
    half = k >> 1
    return y * power_of_two(half, y) * power_of_two(k - half, y)


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
    integer, fraction, bias = _bits_of(x)
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


def upper_half(t: Any) -> Any:
    """The upper half of the digits: products of two such numbers are exact."""
    integer, fraction, _ = _bits_of(t)
    kept = -1 << (fraction // 2 + 1)
    return lax.bitcast_convert_type(lax.bitcast_convert_type(t, integer) & kept, t.dtype)


def remainder(rounded: Any, a: Any, b: Any) -> Any:
    """rounded - a * b, next to exact where the product was rounded; no other product here is."""
    a_upper, b_upper = upper_half(a), upper_half(b)
    rest = (rounded - a_upper * b_upper) - a_upper * (b - b_upper)
    return (rest - (a - a_upper) * b_upper) - (a - a_upper) * (b - b_upper)


def times_gaussian(t: Any, amount: Any, change: Any, shift: int) -> Any:
    """amount * (1 + change) * exp(-t * t / 2) * 2**-shift for 0 <= t <= limit.

    What is rounded last, and so counts, is the sum of the amount and of a smaller term.
    """
    table = TABLES[t.dtype]
    upper = upper_half(t)  # what is left of t * t is small
    k = lax.round(t * t * (-0.5 * table.log2e), lax.RoundingMethod.TO_NEAREST_EVEN)
    r = (upper * upper * -0.5 - k * table.ln2_high) - ((t - upper) * (t + upper) * 0.5 + k * table.ln2_low)
    return scale(amount + amount * (change + (change + 1) * expm1_reduced(r)), k - shift)


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
    q = c * table.offset / (t + table.offset)
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


def _tanh_clipped(x: Any) -> Any:
    limit = TABLES[x.dtype].tanh_limit
    return jnp.clip(x, -limit, limit)


def tanh_exponential(x: Any) -> tuple[Any, Any, Any]:
    """k, m and e with e = (1 + m) * 2**k = exp(-linear * t - cubic * t**3), t = |x| within the limit.

    The upper halves of t, t * t and linear + cubic * t * t have exact products; the rests are small.
    """
    table, t = TABLES[x.dtype], jnp.abs(x)
    upper = upper_half(t)
    squared = upper_half(upper * upper)
    squared_rest = (upper * upper - squared) + (t - upper) * (t + upper)
    factor = upper_half(table.linear_high + t * t * table.cubic_high)
    low = jnp.where(t > 0, jnp.asarray(table.linear_low, t.dtype), 0)  # not a constant: two in a row would be folded
    factor_rest = (table.linear_high - factor) + table.cubic_high * squared
    factor_rest = factor_rest + ((table.cubic_low * (t * t) + table.cubic_high * squared_rest) + low)
    rest = (t - upper) * factor + t * factor_rest
    k = lax.round((upper * factor + rest) * -table.log2e, lax.RoundingMethod.TO_NEAREST_EVEN)
    m = expm1_reduced((-(upper * factor) - k * table.ln2_high) - (rest + k * table.ln2_low))
    return k, m, scale(1 + m, k)


def _gelu_tanh(x: Any, _: Any) -> Any:
    """x / (1 + e) for x > 0, and x * e / (1 + e) elsewhere."""
    c = _tanh_clipped(x)
    k, m, e = tanh_exponential(c)
    q = c / (1 + e)
    below = jnp.where(q == 0, q, scale(q + q * m, k))  # where q is flushed, the sum would lose its sign
    return jnp.where(x > 0, jnp.where(x > c, x, q), below)


def _gelu_tanh_derivative(x: Any, _: Any) -> Any:
    """1 - G(x) for x > 0, and G(-x) elsewhere: G(t) = e * (1 + e - t * v'(t)) / (1 + e)**2, v the exponent.

    The middle factor is zero at the root t0. It is (t0 - t) * (linear + 3 * cubic * squares + exp(-v(t0)) * mean *
    expm1(z) / z) with squares = t**2 + t * t0 + t0**2, mean = linear + cubic * squares and z = (t0 - t) * mean, which
    is v(t0) - v(t): no term is negative.
    """
    table, t = TABLES[x.dtype], jnp.abs(_tanh_clipped(x))
    # Numbers that the compiler does not know for constants: it would fold what two_sum does with them.
    one, root, linear = (
        jnp.where(t < 100, jnp.asarray(c, t.dtype), 0) for c in (1.0, table.tanh_root_high, table.linear_high)
    )
    k, m, e = tanh_exponential(t)
    total, total_low = two_sum(one, e)
    distance, rest = two_sum(root, -t)
    distance, distance_low = two_sum(distance, rest + table.tanh_root_low)
    squares = t * (t + root) + root * root
    mean = linear + (table.linear_low + (table.cubic_high + table.cubic_low) * squares)
    z = distance * mean
    ratio = jnp.where(z == 0, 1, expm1(z) / jnp.where(z == 0, 1, z))
    plain, plain_low = two_sum(linear, table.linear_low + 3 * (table.cubic_high + table.cubic_low) * squares)
    factor, factor_low = two_sum(plain, table.at_root * (mean * ratio))
    numerator, denominator = distance * factor, total * total
    amount = numerator / denominator
    # What the roundings of this quotient and of its parts left over.
    left = (remainder(numerator, amount, denominator) - remainder(numerator, distance, factor)) + (
        distance_low * factor + distance * (plain_low + factor_low)
    )
    change = amount * (2 * total * total_low - remainder(denominator, total, total))
    product = scale(amount + ((left - change) / denominator + amount * m), k)
    return jnp.where(x > 0, 1 - product, product)


def _logistic_density(x: Any, _: Any) -> Any:
    """e / (1 + e)**2, the derivative of 1 / (1 + exp(-v)) by v."""
    k, m, e = tanh_exponential(x)
    q = 1 / ((1 + e) * (1 + e))
    return scale(q + q * m, k)


def _rise(x: Any, _: Any) -> Any:
    """tanh(v / 2)."""
    _, _, e = tanh_exponential(x)
    return jnp.sign(x) * ((1 - e) / (1 + e))


def _tanh_steepness(x: Any) -> Any:
    """v'(x)."""
    table = TABLES[x.dtype]
    return (table.linear_high + table.linear_low) + 3 * (table.cubic_high + table.cubic_low) * (x * x)


def _gelu_tanh_curvature(x: Any, _: Any) -> Any:
    """The second derivative, whose factors are finite for every x."""
    table, c = TABLES[x.dtype], _tanh_clipped(x)
    steepness, turn = _tanh_steepness(c), 6 * (table.cubic_high + table.cubic_low) * c
    return logistic_density(c, None) * (2 * steepness + c * (turn - steepness * steepness * rise(c, None)))


logistic_density: Formula = differentiated(
    _logistic_density, lambda x, _: -logistic_density(x, None) * rise(x, None) * _tanh_steepness(x)
)
rise: Formula = differentiated(_rise, lambda x, _: 2 * logistic_density(x, None) * _tanh_steepness(x))
gelu_tanh_derivative = differentiated(_gelu_tanh_derivative, _gelu_tanh_curvature)
gelu_tanh = differentiated(_gelu_tanh, gelu_tanh_derivative)

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
