"""Numbers, bits and polynomials in Triton. Everything here is IEEE arithmetic: no approximate instruction is used.

An fma stands where the source says so, and nowhere else: kernels are compiled with ``enable_fp_fusion=False``.
"""

import triton
import triton.language as tl

# Triton's interpreter rounds float32 to bfloat16 half up and loses the carry (3.7.1): there, integers do it.
INTERPRETED = tl.constexpr(triton.knobs.runtime.interpret)


@triton.jit
def number(value: tl.constexpr, like):
    """A constant of the type of `like`, rounded once."""
    return tl.full((), value, like.dtype)


@triton.jit
def of_type(single: tl.constexpr, double: tl.constexpr, like):
    """The constant for the type of `like`."""
    if like.dtype == tl.float64:
        return number(double, like)
    else:
        return number(single, like)


@triton.jit
def bits(x):
    if x.dtype == tl.float64:
        return x.to(tl.int64, bitcast=True)
    else:
        return x.to(tl.int32, bitcast=True)


@triton.jit
def from_bits(x):
    if x.dtype == tl.int64:
        return x.to(tl.float64, bitcast=True)
    else:
        return x.to(tl.float32, bitcast=True)


@triton.jit
def sign_bit(like):
    """-0 as an integer."""
    if like.dtype == tl.float64:
        return tl.full((), -(2**63), tl.int64)
    else:
        return tl.full((), -(2**31), tl.int32)


@triton.jit
def negative_zero(like):
    """-0, which Triton's own constants lose the sign of."""
    return from_bits(sign_bit(like))


@triton.jit
def negated(x):
    """-x, at no cost in an fma. Triton's own minus is 0 - x: an operation more, and wrong for 0."""
    return x * -1.0


@triton.jit
def integer_magic(like):
    """1.5 * 2**p, p the fraction's bits: x + magic has the integer next to x in its low bits."""
    if like.dtype == tl.float64:
        return number(6755399441055744.0, like)
    else:
        return number(12582912.0, like)


@triton.jit
def to_exponent(k):
    """An integer moved to where a float has its exponent."""
    if k.dtype == tl.int64:
        return k << 52
    else:
        return k << 23


@triton.jit
def power_of_two(shifted, EXTRA: tl.constexpr):
    """2**(k + EXTRA) for shifted = magic + k, where the result is normal."""
    if shifted.dtype == tl.float64:
        return from_bits(to_exponent(bits(shifted)) + ((1023 + EXTRA) << 52))
    else:
        return from_bits(to_exponent(bits(shifted)) + ((127 + EXTRA) << 23))


@triton.jit
def polynomial(x, coefficients: tl.constexpr, FIRST: tl.constexpr, LAST: tl.constexpr):
    """coefficients[FIRST] + x * (... + x * coefficients[LAST])."""
    y = number(coefficients[LAST], x)
    for k in tl.static_range(LAST - 1, FIRST - 1, -1):
        y = tl.fma(y, x, number(coefficients[k], x))
    return y


@triton.jit
def polynomial_by_pairs(x, coefficients: tl.constexpr, COUNT: tl.constexpr):
    """The polynomial of an even count of coefficients in the core's order of operations, for the core's bits."""
    square = x * x
    y = tl.fma(number(coefficients[COUNT - 1], x), x, number(coefficients[COUNT - 2], x))
    for k in tl.static_range(COUNT - 4, -1, -2):
        pair = tl.fma(number(coefficients[k + 1], x), x, number(coefficients[k], x))
        y = tl.fma(y, square, pair)
    return y


@triton.jit
def reciprocal(d):
    """1 / d to 2**-18 (float32) or 2**-36 (float64), for a d of middling size: integers guess, fma improves.

    The hardware's own approximation would be about as dear, and differ from one processor to another.
    """
    if d.dtype == tl.float64:
        r = from_bits(0x7FDE623822FC16E6 - bits(d))
    else:
        r = from_bits(0x7EF311C3 - bits(d))
    one = number(1.0, d)
    e = tl.fma(negated(d), r, one)
    r = tl.fma(r, tl.fma(e, e, e), r)
    r = tl.fma(r, tl.fma(negated(d), r, one), r)
    if d.dtype == tl.float64:
        r = tl.fma(r, tl.fma(negated(d), r, one), r)
    return r


@triton.jit
def widen(x):
    """An element in its arithmetic type."""
    if x.dtype == tl.bfloat16:
        return (x.to(tl.uint16, bitcast=True).to(tl.uint32) << 16).to(tl.float32, bitcast=True)
    elif x.dtype == tl.float16:
        return x.to(tl.float32)
    else:
        return x


@triton.jit
def narrow(y, ELEMENT: tl.constexpr):
    """The arithmetic type's number nearest to it in the element's type, ties to even."""
    if ELEMENT == tl.bfloat16 and INTERPRETED:
        whole = y.to(tl.uint32, bitcast=True)
        rounded = (whole + (0x7FFF + ((whole >> 16) & 1))) >> 16
        kept = tl.where(y == y, rounded, (whole >> 16) | 0x40)
        return kept.to(tl.uint16).to(tl.bfloat16, bitcast=True)
    else:
        return y.to(ELEMENT)


@triton.jit
def narrow_double(y, ELEMENT: tl.constexpr):
    """A float64 rounded once to any type: for 16 bits by way of a float32 rounded to odd, which does no harm."""
    if ELEMENT == tl.float64:
        return y
    elif ELEMENT == tl.float32:
        return y.to(tl.float32)
    else:
        near = y.to(tl.float32)
        back = near.to(tl.float64)
        whole = near.to(tl.int32, bitcast=True)
        even = (whole & 1) == 0
        towards = tl.where((y > back) == (y > 0), 1, -1)
        odd = tl.where((back != y) & (y == y) & even, whole + towards, whole)
        return narrow(odd.to(tl.float32, bitcast=True), ELEMENT)
