"""gelu and its derivative in Triton. docs/cuda.md has the method; tables.py its numbers."""

import triton
import triton.language as tl

from . import tables
from .arithmetic import (
    bits,
    integer_magic,
    negated,
    negative_zero,
    number,
    of_type,
    polynomial,
    power_of_two,
    reciprocal,
)

# Powers of two are kept too large by this exponent until the last operation, which alone rounds a subnormal result.
SCALE_FLOAT, SCALE_DOUBLE = tl.constexpr(64), tl.constexpr(128)
UNSCALE_FLOAT, UNSCALE_DOUBLE = tl.constexpr(2.0**-64), tl.constexpr(2.0**-128)


@triton.jit
def gaussian(t, EXACT: tl.constexpr):
    """exp(-t * t / 2) = power * (1 + change) / scale, but for a smooth factor that the tables take in.

    step has so few bits that k * step is exact: what is left of t * t is rounded once.
    """
    shifted = tl.fma(t * t, of_type(tables.RATE_FLOAT, tables.RATE_DOUBLE, t), integer_magic(t))
    step = of_type(tables.STEP_FLOAT, tables.STEP_DOUBLE, t)
    rho = tl.fma(t, t, tl.fma(shifted, step, of_type(tables.MAGIC_STEP_FLOAT, tables.MAGIC_STEP_DOUBLE, t)))
    if t.dtype == tl.float64:
        return power_of_two(shifted, SCALE_DOUBLE), polynomial(rho, tables.EXPONENTIAL_DOUBLE, 0, 11) * rho
    elif EXACT:
        return power_of_two(shifted, SCALE_FLOAT), polynomial(rho, tables.EXPONENTIAL_FLOAT, 0, 5) * rho
    else:
        return power_of_two(shifted, SCALE_FLOAT), polynomial(rho, tables.EXPONENTIAL_SHORT, 0, 4) * rho


@triton.jit
def mapped(t):
    """v = t / (t + shift), rounded nearly once: the remainder is formed from t itself."""
    shift = of_type(tables.SHIFT_FLOAT, tables.SHIFT_DOUBLE, t)
    r = reciprocal(t + shift)
    v = t * r
    return tl.fma(tl.fma(negated(v), t, tl.fma(negated(shift), v, t)), r, v)


@triton.jit
def with_change(v, change, node: tl.constexpr, c: tl.constexpr, DEGREE: tl.constexpr, STEPS: tl.constexpr):
    """The polynomial in v - node times (1 + change), as a sum: its last STEPS steps keep what they round away."""
    w = v - number(node, v)
    high = polynomial(w, c, STEPS, DEGREE)
    low = number(0.0, v)
    for k in tl.static_range(STEPS - 1, -1, -1):
        sum = tl.fma(high, w, number(c[k], w))
        rounded = tl.fma(high, w, number(c[k], w) - sum)
        low = rounded if k == STEPS - 1 else tl.fma(low, w, rounded)
        high = sum
    product = tl.fma(high, change, high)
    return product, tl.fma(low, change, tl.fma(high, change, high - product) + low)


@triton.jit
def with_change_short(v, change, node: tl.constexpr, c: tl.constexpr, DEGREE: tl.constexpr):
    """The same without what is rounded away: some ULP of float32, well below the last bit of 16-bit types."""
    high = polynomial(v - number(node, v), c, 0, DEGREE)
    return tl.fma(high, change, high), change


@triton.jit
def gelu_value(x, EXACT: tl.constexpr):
    """max(x, 0) - t * Q(t), t = |x|, Q the upper tail of the normal distribution.

    Beyond the limit t * Q(t) is zero. NaN takes the limit, and comes back with the maximum.
    """
    limit = of_type(tables.TAIL_FLOAT_LIMIT, tables.TAIL_DOUBLE_LIMIT, x)
    t = tl.where(tl.abs(x) < limit, tl.abs(x), limit)
    power, change = gaussian(t, EXACT)
    v = mapped(t)
    if x.dtype == tl.float64:
        product, low = with_change(v, change, tables.TAIL_DOUBLE_NODE, tables.TAIL_DOUBLE, 26, 4)
    elif EXACT:
        product, low = with_change(v, change, tables.TAIL_FLOAT_NODE, tables.TAIL_FLOAT, 11, 3)
    else:
        product, low = with_change_short(v, change, tables.TAIL_SHORT_NODE, tables.TAIL_SHORT, 8)
    v *= power
    y = tl.fma(v, product, v * low) if EXACT else v * product
    unscale = of_type(UNSCALE_FLOAT, UNSCALE_DOUBLE, x)
    return tl.fma(negated(y), unscale, tl.where(x < 0, negative_zero(x), x))


@triton.jit
def distance_to_root(t):
    """root - t as a sum: the root has two parts, and a 2Sum keeps what the subtraction rounds away."""
    root = of_type(tables.GELU_ROOT_HIGH_FLOAT, tables.GELU_ROOT_HIGH_DOUBLE, t)
    high = root - t
    back = root - high
    low = of_type(tables.GELU_ROOT_LOW_FLOAT, tables.GELU_ROOT_LOW_DOUBLE, t)
    return high, ((root - (high + back)) + (back - t)) + low


@triton.jit
def gelu_derivative(x, EXACT: tl.constexpr):
    """Q(t) - t * density(t) = (root - t) * K(t) for x < 0, one minus that for x > 0; K is smooth, nearly constant."""
    limit = of_type(tables.SLOPE_FLOAT_LIMIT, tables.SLOPE_DOUBLE_LIMIT, x)
    t = tl.where(tl.abs(x) > limit, limit, tl.abs(x))
    power, change = gaussian(t, EXACT)
    v = mapped(t)
    if x.dtype == tl.float64:
        product, low = with_change(v, change, tables.SLOPE_DOUBLE_NODE, tables.SLOPE_DOUBLE, 26, 2)
    elif EXACT:
        product, low = with_change(v, change, tables.SLOPE_FLOAT_NODE, tables.SLOPE_FLOAT, 11, 2)
    else:
        product, low = with_change_short(v, change, tables.SLOPE_SHORT_NODE, tables.SLOPE_SHORT, 8)
    distance, distance_low = distance_to_root(t)
    distance *= power
    rest = distance_low * power * product
    y = tl.fma(distance, product, tl.fma(distance, low, rest) if EXACT else rest)
    unscale = of_type(UNSCALE_FLOAT, UNSCALE_DOUBLE, x)
    below = bits(x) < 0  # by the sign bit: at -0 as at 0 the derivative is 1/2
    return tl.fma(y, tl.where(below, unscale, negated(unscale)), tl.where(below, negative_zero(x), number(1.0, x)))
