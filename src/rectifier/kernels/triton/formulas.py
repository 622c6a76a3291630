"""The activations and their derivatives in Triton, on numbers of the arithmetic type. docs/cuda.md has the methods.

leaky, elu and selu do what src/core/formulas*.hpp do, operation by operation, and so give the bits of the core's
targets with fma.
"""

import triton
import triton.language as tl

from . import tables
from .arithmetic import (
    bits,
    from_bits,
    integer_magic,
    negated,
    number,
    of_type,
    polynomial_by_pairs,
    power_of_two,
    sign_bit,
    to_exponent,
)
from .gelu import gelu_derivative, gelu_value

# The numbers of `enum Formula` in src/core/kernels.hpp, and of the table of activations.
LEAKY = tl.constexpr(0)
ELU = tl.constexpr(1)
SELU = tl.constexpr(2)
GELU = tl.constexpr(3)


@triton.jit
def reduced(x):
    """exp(x) = 2**k * exp(r), |r| <= ln 2 / 2: magic + k, k and r. k * ln2_high is exact."""
    magic = integer_magic(x)
    shifted = tl.fma(x, of_type(tables.LOG2E_FLOAT, tables.LOG2E_DOUBLE, x), magic)
    k = shifted - magic
    high = tl.fma(negated(k), of_type(tables.LN2_HIGH_FLOAT, tables.LN2_HIGH_DOUBLE, x), x)
    return shifted, k, tl.fma(negated(k), of_type(tables.LN2_LOW_FLOAT, tables.LN2_LOW_DOUBLE, x), high)


@triton.jit
def expm1_rest(r):
    """(expm1(r) - r) / r for a reduced r."""
    if r.dtype == tl.float64:
        return polynomial_by_pairs(r, tables.EXPM1_DOUBLE, 10) * r
    else:
        return polynomial_by_pairs(r, tables.EXPM1_FLOAT, 6) * r


@triton.jit
def expm1_negative(x):
    """expm1(x) for x <= 0 as a sum; garbage for x > 0, NaN for NaN."""
    # Below the floor the result is -1 to more than twice the precision.
    floor = of_type(-25.0, -50.0, x)
    shifted, _, r = reduced(tl.where(floor > x, floor, x))
    rest = expm1_rest(r)
    reduced_high = tl.fma(rest, r, r)
    reduced_low = tl.fma(rest, r, r - reduced_high)
    power = power_of_two(shifted, 0)
    less_one = power - 1.0
    high = tl.fma(power, reduced_high, less_one)
    # power * reduced_high is exact, and no larger than less_one unless that is 0: a Fast2Sum.
    low = tl.fma(power, reduced_high, less_one - high)
    return high, tl.fma(power, reduced_low, low)


@triton.jit
def exp_reduced(r):
    """exp(r) for a reduced r, as a sum."""
    rest = expm1_rest(r)
    high = tl.fma(rest, r, r) + 1.0
    return high, tl.fma(rest, r, (1.0 - high) + r)


@triton.jit
def scale_by_power(y, k):
    """y * 2**k rounded once, for an integer k. Two factors: subnormal results and huge slopes come out right."""
    magic = integer_magic(y)
    # Both exponents with their bias: the upper bits of the magic number fall out in the shift.
    if y.dtype == tl.float64:
        total = bits(k + (magic + 2046.0))
        half = (total.to(tl.uint64, bitcast=True) >> 1).to(tl.int64, bitcast=True)
    else:
        total = bits(k + (magic + 254.0))
        half = (total.to(tl.uint32, bitcast=True) >> 1).to(tl.int32, bitcast=True)
    return y * from_bits(to_exponent(half)) * from_bits(to_exponent(total - half))


@triton.jit
def elu_value(x, slope):
    high, low = expm1_negative(x)
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
    high, low = expm1_negative(x)
    slope = of_type(tables.SELU_SLOPE_HIGH_FLOAT, tables.SELU_SLOPE_HIGH_DOUBLE, x)
    rest = tl.fma(of_type(tables.SELU_SLOPE_LOW_FLOAT, tables.SELU_SLOPE_LOW_DOUBLE, x), high, slope * low)
    below = tl.fma(slope, high, rest)
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
    else:
        return tl.where(x > 0, g, slope * g)
