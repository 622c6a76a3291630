"""How far a result is from the true value, in units in the last place (ULP) of its own dtype."""

from __future__ import annotations

from typing import NamedTuple

import ml_dtypes
import numpy as np

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


class Format(NamedTuple):
    precision: int  # bits of the significand, the hidden one included
    lowest: int  # exponents of the normal numbers
    highest: int


FORMATS = {
    np.dtype(np.float16): Format(11, -14, 15),
    BFLOAT16: Format(8, -126, 127),
    np.dtype(np.float32): Format(24, -126, 127),
    np.dtype(np.float64): Format(53, -1022, 1023),
}


def ulp_exponent(value, dtype):
    """k where 2**k is the distance between numbers of `dtype` around `value` (float64, finite)."""
    form = FORMATS[np.dtype(dtype)]
    exponent = np.frexp(value)[1] - 1
    exponent = np.where(value == 0, form.lowest, exponent)
    return np.clip(exponent, form.lowest, form.highest) - (form.precision - 1)


def ulp_errors(actual, expected_hi, expected_lo=0.0):
    """The errors of `actual` in ULP of its dtype; NaN where the true value is NaN, inf where only one is NaN.

    The true value is ``expected_hi`` plus ``expected_lo`` units in the last place of float64 at ``expected_hi``, so
    that a float64 result can be measured to a fraction of an ULP, subnormals included. An infinite result counts as
    the power of two that follows the greatest finite number, or as the true value where that is greater; an infinite
    expectation has to be met exactly.
    """
    actual = np.asarray(actual)
    hi = np.broadcast_to(np.asarray(expected_hi, np.float64), actual.shape)
    lo = np.broadcast_to(np.asarray(expected_lo, np.float64), actual.shape)
    got = actual.astype(np.float64)
    unit = ulp_exponent(hi, actual.dtype)
    with np.errstate(all="ignore"):
        beyond = np.ldexp(1.0, FORMATS[actual.dtype].highest + 1 - unit)
        beyond = np.copysign(np.maximum(beyond, np.ldexp(np.abs(hi), -unit)), got)
        scaled = np.where(np.isinf(got), beyond, np.ldexp(got, -unit))
        rest = np.ldexp(lo, ulp_exponent(hi, np.float64) - unit)
        error = np.abs(scaled - np.ldexp(hi, -unit) - rest)
    error = np.where(np.isinf(hi), np.where(got == hi, 0.0, np.inf), error)
    error = np.where(np.isnan(hi) | np.isnan(got), np.inf, error)
    return np.where(np.isnan(hi) & np.isnan(got), np.nan, error)


def assert_within_ulp(actual, expected_hi, expected_lo=0.0, bound=0.5, *, dtype, absolute=0.0, inputs=None):
    """Assert dtype, shape, NaN in the same places, signs of zeros, and at most `bound` ULP of error.

    Parameters
    ----------
    actual : array
        What the code under test returned.
    expected_hi, expected_lo : array_like of float64
        The true value, as for `ulp_errors`.
    bound : float
        Greatest error allowed, in ULP of `dtype`.
    dtype : dtype
        What `actual` has to be of.
    absolute : float
        An absolute error that is allowed as well, for values next to a root.
    inputs : array_like, optional
        Shown beside the worst result.
    """
    actual, hi = np.asanyarray(actual), np.asarray(expected_hi, np.float64)
    assert actual.dtype == np.dtype(dtype), f"dtype {actual.dtype}, expected {np.dtype(dtype)}"
    assert actual.shape == hi.shape, f"shape {actual.shape}, expected {hi.shape}"
    errors = ulp_errors(actual, hi, expected_lo)
    with np.errstate(all="ignore"):
        close = np.abs(actual.astype(np.float64) - hi) <= absolute if absolute else np.zeros(hi.shape, bool)
    wrong = (np.nan_to_num(errors, nan=0.0, posinf=np.inf) > bound) & ~close
    # A zero carries the sign of the true value; one within `absolute` of a root may not.
    zero = (actual == 0) & ~(close & (hi != 0))
    wrong |= zero & (np.signbit(actual.astype(np.float64)) != np.signbit(hi))
    assert not wrong.any(), _report(actual, hi, errors, wrong, bound, inputs)


def _place(flat, array):
    return tuple(int(i) for i in np.unravel_index(flat, array.shape))


def _report(actual, hi, errors, wrong, bound, inputs):
    worst = _place(np.argmax(np.where(wrong, np.nan_to_num(errors, posinf=1e300), -1.0)), wrong)
    at = "" if inputs is None else f" for input {np.asarray(inputs)[worst]!r}"
    return (
        f"{wrong.sum()} of {wrong.size} outside {bound} ULP (or a zero of the wrong sign); worst at {worst}{at}: "
        f"got {actual[worst]!r}, expected {hi[worst]!r}, {errors[worst]:.4g} ULP"
    )


def assert_same_bits(actual, expected):
    """Assert one dtype, one shape, and the same bits; any NaN equals any other."""
    actual, expected = np.asanyarray(actual), np.asanyarray(expected)
    assert actual.dtype == expected.dtype, f"dtype {actual.dtype}, expected {expected.dtype}"
    assert actual.shape == expected.shape, f"shape {actual.shape}, expected {expected.shape}"
    word = np.dtype(f"u{actual.dtype.itemsize}")
    bits, wanted = (np.ascontiguousarray(a).view(word).reshape(a.shape) for a in (actual, expected))
    both_nan = (actual != actual) & (expected != expected)
    wrong = (bits != wanted) & ~both_nan
    if wrong.any():
        first = _place(np.argmax(wrong), wrong)
        raise AssertionError(
            f"{wrong.sum()} of {wrong.size} differ in their bits; first at {first}: "
            f"got {actual[first]!r}, expected {expected[first]!r}"
        )
