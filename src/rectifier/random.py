"""rrelu's random slopes: a key, and the counter-based generator that maps (key, index) to a slope, in NumPy."""

from __future__ import annotations

import secrets
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["check_rng", "key_from_rng", "middle_slope", "philox", "slopes"]

PHILOX_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
PHILOX_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
PHILOX_ROUNDS = 10

_WORD = 0xFFFFFFFF


def philox(counter: npt.ArrayLike, key: npt.ArrayLike) -> npt.NDArray[np.uint32]:
    """Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw (SC 2011).

    Parameters
    ----------
    counter : array_like of uint32, shape (..., 4)
        Counters of four words, the lowest first.
    key : array_like of uint32, shape (2,)
        The key's two words, the lower first.

    Returns
    -------
    ndarray of uint32, shape (..., 4)
        Four random words for each counter.

    Examples
    --------
    The first known answer of Random123, the authors' own library:

    >>> [hex(word) for word in philox([0, 0, 0, 0], [0, 0]).tolist()]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    c0, c1, c2, c3 = np.moveaxis(np.asarray(counter, dtype=np.uint64), -1, 0)
    k0, k1 = (int(word) for word in np.asarray(key, dtype=np.uint64))
    low, half = np.uint64(_WORD), np.uint64(32)
    m0, m1 = (np.uint64(m) for m in PHILOX_MULTIPLIERS)
    for _ in range(PHILOX_ROUNDS):
        p0, p1 = m0 * c0, m1 * c2
        c0, c1, c2, c3 = (p1 >> half) ^ c1 ^ np.uint64(k0), p1 & low, (p0 >> half) ^ c3 ^ np.uint64(k1), p0 & low
        k0 = (k0 + PHILOX_KEY_STEPS[0]) & _WORD
        k1 = (k1 + PHILOX_KEY_STEPS[1]) & _WORD
    return np.stack([c0, c1, c2, c3], axis=-1).astype(np.uint32)


def slopes(first: int, count: int, key: int, lower: float, upper: float) -> npt.NDArray[np.float32]:
    """The slopes of the elements with logical index ``first`` to ``first + count - 1``.

    Parameters
    ----------
    first : int
        C-order index of the first element, 0 to 2**64 - 1.
    count : int
        How many slopes.
    key : int
        The generator's key, 0 to 2**64 - 1; see `key_from_rng`.
    lower, upper : float
        Bounds, ``lower <= upper``, finite in float32, to which they are rounded.

    Returns
    -------
    ndarray of float32, shape (count,)
        Values in [lower, upper), or `lower` where the two bounds are equal. Every back-end draws the same bits.

    Notes
    -----
    Element i takes word ``i % 4`` of the block with counter ``i // 4``. The word's upper 24 bits r become the slope
    ``fma(r, step, lower)``, rounded once to float32, with ``step = float32((upper - lower) * 2**-24)``, the
    difference taken in float64. A result that rounding carries to `upper` or beyond becomes the float32 next below it.

    Examples
    --------
    >>> slopes(0, 3, key=7, lower=0.125, upper=0.25).tolist() == slopes(0, 9, 7, 0.125, 0.25)[:3].tolist()
    True
    """
    lowest, highest = np.float32(lower), np.float32(upper)
    if lowest == highest:
        return np.full(count, lowest)
    words = _words(first, count, key)
    step = np.float32((np.float64(highest) - np.float64(lowest)) * 2.0**-24)
    drawn = _fma_float32((words >> np.uint32(8)).astype(np.float32), step, lowest)
    last = np.nextafter(highest, lowest)
    return np.where(drawn >= highest, last, drawn)


def key_from_rng(rng: Any, generators: str = "a numpy.random.Generator") -> int:
    """The 64-bit key that `rng` stands for.

    Parameters
    ----------
    rng : int, numpy.random.Generator or None
        An integer from 0 to 2**64 - 1 is the key itself. A generator draws one, and so moves on. None takes fresh
        entropy from the operating system.
    generators : str
        What the caller takes beside integers and None, for the words of an error.

    Returns
    -------
    int
        The key, 0 to 2**64 - 1.

    Raises
    ------
    TypeError
        If `rng` is anything else, a bool included.
    ValueError
        If an integer is negative or needs more than 64 bits.

    Examples
    --------
    >>> key_from_rng(7)
    7
    >>> key_from_rng(np.random.default_rng(1)) == key_from_rng(np.random.default_rng(1))
    True
    """
    if rng is None:
        return secrets.randbits(64)
    if isinstance(rng, np.random.Generator):
        return int(rng.integers(2**64, dtype=np.uint64))
    expected = "`rng` must be an integer from 0 to 2**64 - 1, {} or None, got {}"
    if isinstance(rng, bool) or not isinstance(rng, (int, np.integer)):
        raise TypeError(expected.format(generators, type(rng).__name__))
    if not 0 <= int(rng) < 2**64:
        raise ValueError(expected.format(generators, int(rng)))
    return int(rng)


def check_rng(rng: Any, generators: str = "a numpy.random.Generator") -> None:
    """Raise what `key_from_rng` raises, but leave a generator where it is."""
    if rng is not None and not isinstance(rng, np.random.Generator):
        key_from_rng(rng, generators)


def middle_slope(lower: float, upper: float, dtype: npt.DTypeLike = np.float32) -> np.float32 | np.float64:
    """The slope that rrelu uses outside training: the mean of the bounds.

    Parameters
    ----------
    lower, upper : float
        The bounds as the caller gave them.
    dtype : dtype, default float32
        The data's type. Arithmetic is in float64 for float64 data and in float32 for all other.

    Returns
    -------
    float32 or float64
        ``(lower + upper) / 2``, computed in float64 and rounded once to the arithmetic type.

    Examples
    --------
    >>> float(middle_slope(0.125, 0.25))
    0.1875
    """
    middle = np.float64(0.5 * (float(lower) + float(upper)))
    rounded: np.float32 | np.float64 = middle if np.dtype(dtype) == np.float64 else np.float32(middle)
    return rounded


def _words(first: int, count: int, key: int) -> npt.NDArray[np.uint32]:
    """The random words of elements first to first + count - 1."""
    start, stop = first // 4, -(-(first + count) // 4)
    blocks = np.uint64(start) + np.arange(stop - start, dtype=np.uint64)
    counter = np.zeros((*blocks.shape, 4), dtype=np.uint64)
    counter[:, 0] = blocks & np.uint64(_WORD)
    counter[:, 1] = blocks >> np.uint64(32)
    words = philox(counter, (key & _WORD, key >> 32)).reshape(-1)
    return words[first % 4 : first % 4 + count]


def _fma_float32(a: npt.NDArray[np.float32], b: np.float32, c: np.float32) -> npt.NDArray[np.float32]:
    """a * b + c with one rounding, for results that do not overflow.

    The product of two float32 is exact in float64. The sum is rounded to odd there, which makes the second rounding
    harmless (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums", IEEE Trans. Computers 57, 2008).
    """
    x = a.astype(np.float64) * np.float64(b)
    y = np.float64(c)
    total = x + y
    part = total - x
    error = (x - (total - part)) + (y - part)
    even = (total.view(np.uint64) & np.uint64(1)) == 0
    towards_truth = np.nextafter(total, np.copysign(np.inf, error))
    odd: npt.NDArray[np.float64] = np.where((error != 0) & even, towards_truth, total)
    return odd.astype(np.float32)
