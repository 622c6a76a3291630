"""The activations and their derivatives in Triton, on numbers of the arithmetic type. docs/cuda.md has the methods.

leaky, elu and selu do what src/core/formulas*.hpp do, operation by operation, and so give the bits of the core's
targets with fma.
"""

import triton
import triton.language as tl

from . import tables
from .arithmetic import bits, from_bits, negated, number, of_type, power_of_two, sign_bit
from .exponential import exp_reduced, expm1_rest, reduced, scale_by_power
from .gelu import gelu_derivative, gelu_value
from .gelu_tanh import gelu_tanh_derivative, gelu_tanh_value

# The numbers of the table of activations.
LEAKY = tl.constexpr(0)
ELU = tl.constexpr(1)
SELU = tl.constexpr(2)
GELU = tl.constexpr(3)
GELU_TANH = tl.constexpr(4)


@triton.jit
def less_expm1(x):
    """-expm1(x) for x <= 0 as a sum; garbage for x > 0, NaN for NaN."""
    # Below the floor the result is 1 to more than twice the precision.
    floor = of_type(-25.0, -50.0, x)
    shifted, _, r = reduced(tl.where(floor > x, floor, x))
    rest = expm1_rest(r)
    power = power_of_two(shifted, 0)
    less_power = 1.0 - power
    scaled = power * r  # exact
    high = less_power - tl.fma(rest, scaled, scaled)
    # Both differences are exact, so low is what high lacks, rounded once.
    low = tl.fma(negated(rest), scaled, (less_power - high) - scaled)
    return high, low


@triton.jit
def elu_value(x, slope):
    high, low = less_expm1(x)
    magnitude = tl.abs(slope)
    y = tl.fma(magnitude, high, magnitude * low)
    # The sign is x's times the slope's, that of a zero too.
    sign = sign_bit(x)
    below = from_bits((bits(y) | (bits(x) & sign)) ^ (bits(slope) & sign))
    return tl.where(x > 0, x, below)


@triton.jit
def elu_derivative(x, fraction, exponent, floor):
    """slope * exp(x), with slope = fraction * 2**exponent; below the floor it rounds to zero."""
    _, k, r = reduced(tl.where(floor > x, floor, x))
    high, low = exp_reduced(r)
    y = tl.fma(fraction, high, fraction * low)
    return tl.where(x > 0, number(1.0, x), scale_by_power(y, k + exponent))


@triton.jit
def selu_value(x):
    high, low = less_expm1(x)
    slope = of_type(tables.SELU_SLOPE_HIGH_FLOAT, tables.SELU_SLOPE_HIGH_DOUBLE, x)
    rest = tl.fma(of_type(tables.SELU_SLOPE_LOW_FLOAT, tables.SELU_SLOPE_LOW_DOUBLE, x), high, slope * low)
    below = negated(tl.fma(slope, high, rest))
    scale = of_type(tables.SELU_SCALE_HIGH_FLOAT, tables.SELU_SCALE_HIGH_DOUBLE, x)
    above = tl.fma(scale, x, of_type(tables.SELU_SCALE_LOW_FLOAT, tables.SELU_SCALE_LOW_DOUBLE, x) * x)
    return tl.where(x < 0, below, above)


@triton.jit
def selu_derivative(x):
    floor = of_type(-106.0, -748.0, x)
    _, k, r = reduced(tl.where(floor > x, floor, x))
    high, low = exp_reduced(r)
    slope = of_type(tables.SELU_SLOPE_HIGH_FLOAT, tables.SELU_SLOPE_HIGH_DOUBLE, x)
    rest = tl.fma(of_type(tables.SELU_SLOPE_LOW_FLOAT, tables.SELU_SLOPE_LOW_DOUBLE, x), high, slope * low)
    y = scale_by_power(tl.fma(slope, high, rest), k)
    # The sum, a constant, is the number nearest to the scale; the high part alone is rounded down.
    scale = of_type(tables.SELU_SCALE_HIGH_FLOAT, tables.SELU_SCALE_HIGH_DOUBLE, x)
    scale += of_type(tables.SELU_SCALE_LOW_FLOAT, tables.SELU_SCALE_LOW_DOUBLE, x)
    return tl.where(x > 0, scale, y)


@triton.jit
def value(x, slope, FORMULA: tl.constexpr, EXACT: tl.constexpr):
    """y = f(x). EXACT asks for the last bits of float32, which 16-bit results do not show."""
    if FORMULA == ELU:
        return elu_value(x, slope)
    elif FORMULA == SELU:
        return selu_value(x)
    elif FORMULA == GELU:
        return gelu_value(x, EXACT)
    elif FORMULA == GELU_TANH:
        return gelu_tanh_value(x)
    else:
        return tl.where(x > 0, x, slope * x)


@triton.jit
def pullback(g, x, slope, fraction, exponent, floor, FORMULA: tl.constexpr, EXACT: tl.constexpr):
    """g * f'(x). Leaky multiplies only where the slope applies: an infinite g stays what it is elsewhere."""
    if FORMULA == ELU:
        return g * elu_derivative(x, fraction, exponent, floor)
    elif FORMULA == SELU:
        return g * selu_derivative(x)
    elif FORMULA == GELU:
        return g * gelu_derivative(x, EXACT)
    elif FORMULA == GELU_TANH:
        return g * gelu_tanh_derivative(x)
    else:
        return tl.where(x > 0, g, slope * g)
