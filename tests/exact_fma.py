"""a * b + c with one rounding, in NumPy: what a processor's fma does, and Triton's interpreter does not."""

from __future__ import annotations

import numpy as np


def two_sum(a, b):
    """The rounded sum, and what rounding took away (Knuth)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def two_product(a, b):
    """The rounded product, and what rounding took away (Dekker), for numbers of middling size."""
    split = 134217729.0  # 2**27 + 1
    high_a, high_b = split * a, split * b
    high_a, high_b = high_a - (high_a - a), high_b - (high_b - b)
    low_a, low_b = a - high_a, b - high_b
    product = a * b
    return product, ((high_a * high_b - product) + high_a * low_b + low_a * high_b) + low_a * low_b


def sum_to_odd(a, b):
    """a + b, and where that is inexact the neighbour with an odd last bit: a second rounding then does no harm.

    S. Boldo and G. Melquiond, "Emulation of FMA and correctly rounded sums", IEEE Trans. Computers 57, 2008.
    """
    total, error = two_sum(a, b)
    even = (total.view(np.uint64) & np.uint64(1)) == 0
    return np.where((error != 0) & even, np.nextafter(total, np.copysign(np.inf, error)), total)


def fma(a, b, c):
    """a * b + c of float32 or float64 arrays, rounded once, subnormal results included."""
    a, b, c = np.broadcast_arrays(a, b, c)
    with np.errstate(all="ignore"):
        return _fma_float32(a, b, c) if a.dtype == np.float32 else _fma_float64(a, b, c)


def _fma_float32(a, b, c):
    product = a.astype(np.float64) * b.astype(np.float64)  # exact
    total = product + c.astype(np.float64)
    odd = sum_to_odd(product, c.astype(np.float64))
    return np.where(np.isfinite(total), odd, total).astype(np.float32)


def _fma_float64(a, b, c):
    plain = a * b + c
    special = ~(np.isfinite(a) & np.isfinite(b) & np.isfinite(c)) | (a == 0) | (b == 0)
    (fraction_a, power_a), (fraction_b, power_b), (fraction_c, power_c) = (np.frexp(x) for x in (a, b, c))
    product, rest = two_product(fraction_a, fraction_b)
    # All to one scale. What lies far below the larger of product and c only has to stay there.
    power = power_a + power_b
    scale = np.maximum(power, np.where(c == 0, -5000, power_c))
    shift, shift_c = np.maximum(power - scale, -400), np.maximum(power_c - scale, -400)
    high, low = two_sum(np.ldexp(product, shift), np.ldexp(fraction_c, shift_c))
    high, rest = two_sum(high, sum_to_odd(low, np.ldexp(rest, shift)))
    result = np.ldexp(high + rest, scale)
    result = np.where(np.abs(result) < 2.0**-1021, _round_to_subnormal(high, rest, scale), result)
    return np.where(special | (high == 0), plain, result)


def _round_to_subnormal(high, rest, scale):
    """(high + rest) * 2**scale as the nearest multiple of the smallest number, ties to even."""
    units = np.ldexp(np.abs(high), scale + 1074)
    whole = np.floor(units)
    part = sum_to_odd(units - whole, np.ldexp(np.copysign(1.0, high) * rest, scale + 1074))
    up = (part > 0.5) | ((part == 0.5) & (whole % 2 == 1))
    return np.copysign(np.ldexp(whole + up, -1074), high)
