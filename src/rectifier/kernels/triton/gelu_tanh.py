"""gelu_tanh and its derivative in Triton: src/core/formulas_gelu.hpp explains the method.

All is in float64, with sums of two numbers (high, low) where digits would be lost: a rounded exponent near 100 costs
float32 and float64 many ULP. Narrower types are rounded once at the end.
"""

import triton
import triton.language as tl

from .arithmetic import bits, negated, negative_zero, number, reciprocal
from .exponential import exp_reduced, reduced, scale_by_power

# sqrt(8 / pi), 0.044715 sqrt(8 / pi), and three times that, each as a sum of two.
C, C_LOW = tl.constexpr(float.fromhex("0x1.9884533d43651p0")), tl.constexpr(float.fromhex("-0x1.cbc0d30ebfd15p-54"))
D, D_LOW = tl.constexpr(float.fromhex("0x1.2444f2a4d8b4bp-4")), tl.constexpr(float.fromhex("-0x1.6c843a29d1c70p-61"))
D3, D3_LOW = tl.constexpr(float.fromhex("0x1.b6676bf7450f0p-3")), tl.constexpr(float.fromhex("0x1.bba7351828aabp-57"))
LIMIT = tl.constexpr(21.75)  # beyond, t s and its derivative round to zero


@triton.jit
def two_sum(a, b):
    """a + b without error."""
    high = a + b
    from_b = high - a
    return high, (a - (high - from_b)) + (b - from_b)


@triton.jit
def product(a, a_low, b, b_low):
    high = a * b
    return high, tl.fma(a, b, negated(high)) + tl.fma(a, b_low, a_low * b)


@triton.jit
def quotient(a, a_low, b, b_low):
    """a / b for b of middling size. The remainder makes up for a rough reciprocal."""
    inverse = reciprocal(b)
    high = a * inverse
    return high, ((tl.fma(negated(high), b, a) + a_low) - high * b_low) * inverse


@triton.jit
def cubic(
    t, square, square_low, first: tl.constexpr, first_low: tl.constexpr, third: tl.constexpr, third_low: tl.constexpr
):
    """first t + third t^3."""
    y, y_low = product(square, square_low, number(third, t), number(third_low, t))
    y, rest = two_sum(number(first, t), y)
    return product(y, rest + (y_low + number(first_low, t)), t, number(0.0, t))


@triton.jit
def parts(t):
    """t^2, e and k with exp(-2 u) = e 2^k, and 1 + exp(-2 u); the first, second and last as sums of two."""
    square = t * t
    square_low = tl.fma(t, t, negated(square))
    exponent, exponent_low = cubic(t, square, square_low, C, C_LOW, D, D_LOW)
    _, k, r = reduced(negated(exponent))
    near = r - exponent_low
    e, e_low = exp_reduced(near)
    e_low = tl.fma(e, (r - near) - exponent_low, e_low)
    total, rest = two_sum(number(1.0, t), scale_by_power(e, k))
    return square, square_low, e, e_low, k, total, rest + scale_by_power(e_low, k)


@triton.jit
def gelu_tanh_value(x):
    """max(x, 0) - t s with t = |x| and s = exp(-2 u) / (1 + exp(-2 u)). NaN takes the limit, and comes back."""
    wide = x.to(tl.float64)
    t = tl.where(tl.abs(wide) < LIMIT, tl.abs(wide), number(LIMIT, wide))
    _, _, e, e_low, k, total, total_low = parts(t)
    y, y_low = product(t, number(0.0, t), e, e_low)
    y, y_low = quotient(y, y_low, total, total_low)
    relu = tl.where(wide < 0, negative_zero(wide), wide)
    return (relu - scale_by_power(y + y_low, k)).to(x.dtype)


@triton.jit
def gelu_tanh_derivative(x):
    """-y for x < 0 and 1 + y for x > 0, with y = exp(-2 u) (2 t u' - (1 + exp(-2 u))) / (1 + exp(-2 u))^2."""
    wide = x.to(tl.float64)
    t = tl.where(tl.abs(wide) > LIMIT, number(LIMIT, wide), tl.abs(wide))
    square, square_low, e, e_low, k, total, total_low = parts(t)
    twice, twice_low = cubic(t, square, square_low, C, C_LOW, D3, D3_LOW)
    y, rest = two_sum(twice, negated(total))
    y, y_low = product(y, rest + (twice_low - total_low), e, e_low)
    below, below_low = product(total, total_low, total, total_low)
    y, y_low = quotient(y, y_low, below, below_low)
    y = scale_by_power(y + y_low, k)
    # By the sign bit: at -0 as at 0 the derivative is 1/2.
    return tl.where(bits(wide) < 0, negative_zero(wide) - y, 1.0 + y).to(x.dtype)
