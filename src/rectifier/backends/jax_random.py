"""rrelu's slopes in jax.numpy, with and without 64-bit types: the bits of `rectifier.random`, element by element.

Each element computes its block of four words anew, from its own index alone. So XLA fuses and shards the generator, and
nothing is stored; the threefry generator behind jax.random.uniform takes five times as long on the CPU.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..random import PHILOX_KEY_STEPS, PHILOX_MULTIPLIERS, PHILOX_ROUNDS
from .jax_arithmetic import power_of_two, scale, two_sum

__all__ = ["Words", "draw_slopes", "index_words", "philox"]


class Words(NamedTuple):
    """A number of 64 bits as two of uint32."""

    low: Any
    high: Any


def _multiply(a: Any, b: Any) -> Words:
    """The product of two words. Without x64 by halves of 16 bits: XLA cannot shard what `lax.mulhi` becomes."""
    b = np.uint32(b) if isinstance(b, int) else b
    if jax.config.jax_enable_x64:
        product = a.astype(np.uint64) * b.astype(np.uint64)
        return Words(product.astype(np.uint32), (product >> 32).astype(np.uint32))
    low, high = b & 0xFFFF, b >> 16
    a_low, a_high = a & 0xFFFF, a >> 16
    middle = a_high * low + (a_low * low >> 16)
    other = a_low * high + (middle & 0xFFFF)
    return Words(a * b, a_high * high + (middle >> 16) + (other >> 16))


def _add(a: Words, b: Words) -> Words:
    low = a.low + b.low
    return Words(low, a.high + b.high + (low < a.low).astype(np.uint32))


def index_words(shape: tuple[int, ...]) -> Words:
    """The C-order index of every element of an array."""
    zero = jnp.zeros(shape, np.uint32)
    index = Words(zero, zero)
    if not all(isinstance(size, int) for size in shape):
        return _index_words_of_symbols(shape, zero)
    for axis, size in enumerate(shape):
        stride, position = math.prod(shape[axis + 1 :]), lax.broadcasted_iota(np.uint32, shape, axis)
        if math.prod(shape) <= 2**32:
            index = Words(index.low + position * np.uint32(stride), zero)
        elif size > 1:
            low, high = _multiply(position, stride & 0xFFFFFFFF)
            index = _add(index, Words(low, high + position * np.uint32(stride >> 32)))
    return index


def _index_words_of_symbols(shape: tuple[Any, ...], zero: Any) -> Words:
    """The same for a shape with symbols, whose lengths only a running program knows (jax.export)."""
    index = Words(zero, zero)
    for axis, symbol in enumerate(shape):
        size = jnp.asarray(symbol).astype(np.uint32)
        low, carried = _multiply(index.low, size)
        position = Words(lax.broadcasted_iota(np.uint32, shape, axis), zero)
        index = _add(Words(low, carried + index.high * size), position)
    return index


def philox(counter: Words, key: Words) -> tuple[Any, Any, Any, Any]:
    """The four words of Philox4x32-10 for counters of which the upper two words are zero."""
    c0, c1 = counter
    c2 = c3 = jnp.zeros_like(c0)
    k0, k1 = (jnp.asarray(word) for word in key)
    for _ in range(PHILOX_ROUNDS):
        p0, p1 = _multiply(c0, PHILOX_MULTIPLIERS[0]), _multiply(c2, PHILOX_MULTIPLIERS[1])
        c0, c1, c2, c3 = p1.high ^ c1 ^ k0, p1.low, p0.high ^ c3 ^ k1, p0.low
        k0, k1 = k0 + np.uint32(PHILOX_KEY_STEPS[0]), k1 + np.uint32(PHILOX_KEY_STEPS[1])
    return c0, c1, c2, c3


def random_numbers(index: Words, key: Words) -> Any:
    """24 random bits for each index, as int32."""
    block = Words(index.low >> 2 | index.high << 30, index.high >> 2)
    c0, c1, c2, c3 = philox(block, key)
    odd, upper = (index.low & 1) != 0, (index.low & 2) != 0
    word = jnp.where(upper, jnp.where(odd, c3, c2), jnp.where(odd, c1, c0))
    return (word >> 8).astype(np.int32)


def odd_sum(a: Any, b: Any) -> Any:
    """The sum rounded to odd: where it is not exact, to the neighbour whose last bit is 1."""
    total, error = two_sum(a, b)
    bits = lax.bitcast_convert_type(total, np.int32)
    step = jnp.where((error > 0) == (total > 0), 1, -1)
    return lax.bitcast_convert_type(jnp.where((error != 0) & (bits & 1 == 0), bits + step, bits), np.float32)


def sum_of_three(a: Any, b: Any, c: Any) -> Any:
    """a + b + c with one rounding.

    Boldo and Melquiond, "Emulation of FMA and correctly rounded sums", IEEE Trans. Computers 57, 2008.
    """
    upper, lower = two_sum(b, c)
    top, rest = two_sum(a, upper)
    return top + odd_sum(rest, lower)


def _slopes(number: Any, lower: Any, upper: Any) -> Any:
    """fma(number, step, lower), step = (upper - lower) / 2**24, kept below upper; all of float32 but number."""
    # Scaled to [1, 2), the greater bound leaves room below for every part of the product.
    greatest = jnp.maximum(jnp.abs(lower), jnp.abs(upper))
    exponent = _exponent(greatest)
    low, high = scale(lower, -exponent), scale(upper, -exponent)
    # The sign of what is too small beside the greater bound still decides a tie.
    low = jnp.where((lower != 0) & (jnp.abs(low) < 2.0**-100), jnp.copysign(np.float32(2.0**-100), lower), low)
    step = high - low
    # number * mantissa, 24 bits each, as top * 2**24 + rest, by halves of 12 bits.
    mantissa = (lax.bitcast_convert_type(step, np.int32) & 0x7FFFFF) | 0x800000
    (n_low, n_high), (m_low, m_high) = ((a & 0xFFF, a >> 12) for a in (number, mantissa))
    middle = n_high * m_low + n_low * m_high
    rest = n_low * m_low + ((middle & 0xFFF) << 12)
    top = n_high * m_high + (middle >> 12) + (rest >> 24)
    unit = power_of_two(_exponent(step) - 47, step)
    parts = top.astype(np.float32) * (unit * 2.0**24), (rest & 0xFFFFFF).astype(np.float32) * unit
    drawn = scale(sum_of_three(*parts, low), exponent)
    drawn = jnp.where((number == 0) | (lower == upper), lower, drawn)
    return jnp.where((drawn >= upper) & (lower != upper), jnp.nextafter(upper, lower), drawn)


def _exponent(x: Any) -> Any:
    """Of a normal number of float32; -127 of zero."""
    return (lax.bitcast_convert_type(x, np.int32) >> 23 & 0xFF) - 127


slopes = jax.custom_jvp(_slopes)


@slopes.defjvp
def _slopes_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
    share = primals[0].astype(np.float32) * 2.0**-24
    return slopes(*primals), tangents[1] * (1 - share) + tangents[2] * share


def draw_slopes(shape: tuple[int, ...], key: Words, lower: Any, upper: Any) -> Any:
    """The slopes of data of this shape, as `rectifier.random.slopes`; the bounds are of float32."""
    return slopes(random_numbers(index_words(shape), key), lower, upper)
