"""What the formulas in jax.numpy are made of: derivatives of any order, polynomials, powers of two, exact sums.

XLA may fuse a product and a sum into one rounding or not, and it folds constants that follow each other. So products
whose error would count are exact, and no two constants are added to, or multiplied with, the same value in a row.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_derivatives import SymbolicZero

__all__ = [
    "Formula",
    "bits_of",
    "differentiated",
    "horner",
    "polynomial",
    "power_next_to",
    "power_of_two",
    "scale",
    "two_sum",
    "upper_half",
]

Formula = Callable[[Any, Any], Any]


def differentiated(value: Formula, by_x: Formula, by_slope: Formula | None = None) -> Formula:
    """value(x, slope) with these derivatives; a product with a tangent is the last operation, as in the pullback."""
    function = jax.custom_jvp(value)
    # Compiled in a backward pass that is not, too: its sums of products are then fused, and rounded less.
    derivatives = [derivative and jax.jit(derivative) for derivative in (by_x, by_slope)]

    def jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
        terms = [
            _sum_wide(tangent, derivative(*primals))
            for tangent, derivative in zip(tangents, derivatives, strict=True)
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


def polynomial(coefficients: tuple[float, ...], x: Any) -> Any:
    """By pairs of coefficients, which do not wait for each other, but for the lowest two, which are rounded last."""
    first, second, *rest = coefficients
    terms = [c if d is None else c + d * x for c, d in zip_longest(rest[::2], rest[1::2])]
    result, squared = jnp.asarray(terms[-1], x.dtype), x * x
    for term in terms[-2::-1]:
        result = result * squared + term
    return (result * x + second) * x + first


def horner(coefficients: tuple[float, ...], x: Any) -> Any:
    """The polynomial by the fewest operations, one after the other."""
    result = jnp.asarray(coefficients[-1], x.dtype)
    for c in coefficients[-2::-1]:
        result = result * x + c
    return result


def bits_of(x: Any) -> tuple[Any, int, int]:
    """The integer type as wide as x's float, the bits of its fraction, and the bias of its exponent."""
    return (np.int32, 23, 127) if x.dtype == np.float32 else (np.int64, 52, 1023)


def two_sum(a: Any, b: Any) -> tuple[Any, Any]:
    """The rounded sum, and what it was rounded by (Knuth)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def power_next_to(x: Any, more: int) -> tuple[Any, Any]:
    """2**(k + more) for the integer k next to x, and -k, both in the type of x.

    Without meaning where x is not finite, or 2**(k + more) no normal number. The last bit of x + 1.5 * 2**fraction is
    worth 1, so the sum ends in the bits of k + more + bias. A conversion to integers would test for all that is out of
    range.
    """
    integer, fraction, bias = bits_of(x)
    magic = 1.5 * 2.0**fraction + (bias + more)
    shifted = x + magic
    return lax.bitcast_convert_type(lax.bitcast_convert_type(shifted, integer) << fraction, x.dtype), magic - shifted


def power_of_two(k: Any, like: Any) -> Any:
    """2**k for integers k, in the type of `like`; k is the exponent of a normal number."""
    integer, fraction, bias = bits_of(like)
    return lax.bitcast_convert_type((k.astype(integer) + bias) << fraction, like.dtype)


def scale(y: Any, k: Any) -> Any:
    """y * 2**k in two steps, so that 2**k may lie beyond the normal numbers; one rounding, of a subnormal result."""
    integer, fraction, bias = bits_of(y)
    k = jnp.maximum(k.astype(integer), -(bias + fraction + 10))
    half = k >> 1
    return y * power_of_two(half, y) * power_of_two(k - half, y)


def upper_half(t: Any) -> Any:
    """The upper half of the digits: products of two such numbers are exact."""
    integer, fraction, _ = bits_of(t)
    kept = -1 << (fraction // 2 + 1)
    return lax.bitcast_convert_type(lax.bitcast_convert_type(t, integer) & kept, t.dtype)
