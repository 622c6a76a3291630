"""exp and what it is made of, operation by operation as in src/core/formulas_exponential.hpp."""

import triton
import triton.language as tl

from . import tables
from .arithmetic import bits, from_bits, integer_magic, negated, of_type, polynomial_by_pairs, to_exponent


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
