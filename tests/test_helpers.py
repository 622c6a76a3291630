"""Each helper of ulp.py fails on a wrong value, and process_state.py sees a setting that was changed."""

import math
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

import rectifier
from process_state import process_state
from ulp import BFLOAT16, FORMATS, assert_same_bits, assert_within_ulp, ulp_errors, ulp_exponent

DTYPES = list(FORMATS)
# At least this far apart, so that 1.01 ULP of the narrowest type can be told in float64.
VALUES = [1.0, -1.5, 3.0, 1e-4, -6e4]


def ulp_of(value, dtype):
    return math.ldexp(1.0, int(ulp_exponent(np.float64(value), dtype)))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_table_of_formats_agrees_with_finfo(dtype):
    info = ml_dtypes.finfo(dtype)
    form = FORMATS[dtype]
    assert math.ldexp(1.0, form.lowest) == float(info.tiny)
    assert math.ldexp(1.0, 1 - form.precision) == float(info.eps)
    assert math.ldexp(2.0 - float(info.eps), form.highest) == float(info.max)
    assert ulp_of(0.0, dtype) == ulp_of(float(info.tiny), dtype) == float(info.smallest_subnormal)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_an_ulp_is_the_step_to_the_next_number_away_from_zero(dtype):
    for value in VALUES:
        number = dtype.type(value)
        step = float(np.nextafter(number, dtype.type(math.copysign(math.inf, value)))) - float(number)
        assert abs(step) == ulp_of(float(number), dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("value", VALUES)
def test_1_01_ulp_fails_a_bound_of_1_and_0_99_passes(dtype, value):
    actual = np.array([value], dtype)
    unit = ulp_of(float(actual[0]), dtype) / ulp_of(float(actual[0]), np.float64)
    for sign in (1, -1):
        assert_within_ulp(actual, actual.astype(float), sign * 0.99 * unit, 1.0, dtype=dtype)
        with pytest.raises(AssertionError, match=r"1 of 1 outside 1\.0 ULP"):
            assert_within_ulp(actual, actual.astype(float), sign * 1.01 * unit, 1.0, dtype=dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_errors_are_exact_for_subnormals(dtype):
    smallest = ml_dtypes.finfo(dtype).smallest_subnormal
    actual = np.array([0, smallest, 3 * smallest, -2 * smallest], dtype)
    assert ulp_errors(actual, np.float64(smallest)).tolist() == [1, 0, 2, 3]
    with pytest.raises(AssertionError, match="1 of 1 outside"):
        assert_within_ulp(actual[:1], [float(smallest)], 0.0, 0.99, dtype=dtype)


def test_the_error_of_a_float64_is_measured_beyond_float64():
    third = Fraction(1, 3)
    rest = float((third - Fraction(1 / 3)) / Fraction(math.ulp(1 / 3)))
    assert 0.3 < rest < 0.4
    assert ulp_errors(np.array([1 / 3]), 1 / 3, rest) == [rest]
    assert ulp_errors(np.array([1e308]), np.nextafter(1e308, 0), 0.25) == [0.75]
    assert ulp_errors(np.array([5e-324]), 5e-324, -0.25) == [0.25]
    assert ulp_errors(np.array([0.0]), 0.0, 0.25) == [0.25]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_sign_of_zero(dtype):
    assert_within_ulp(np.array([0.0, -0.0], dtype), [0.0, -0.0], dtype=dtype)
    for wrong in ([-0.0, -0.0], [0.0, 0.0]):
        with pytest.raises(AssertionError, match="zero of the wrong sign"):
            assert_within_ulp(np.array(wrong, dtype), [0.0, -0.0], bound=1e9, dtype=dtype)
    # A result that underflows keeps the sign of the true value.
    tiny = float(ml_dtypes.finfo(dtype).smallest_subnormal) / 2
    with pytest.raises(AssertionError, match="zero of the wrong sign"):
        assert_within_ulp(np.array([0.0], dtype), [-tiny], -0.25 * (tiny == 0), bound=1.0, dtype=dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_nan_has_to_meet_nan(dtype):
    assert_within_ulp(np.array([math.nan, 1], dtype), [math.nan, 1], dtype=dtype)
    assert np.isnan(ulp_errors(np.array([math.nan], dtype), math.nan)).all()
    for actual, expected in ((math.nan, 1.0), (1.0, math.nan), (math.inf, math.nan), (math.nan, math.inf)):
        with pytest.raises(AssertionError, match="1 of 1 outside"):
            assert_within_ulp(np.array([actual], dtype), [expected], bound=1e9, dtype=dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_infinity_has_to_meet_infinity(dtype):
    greatest = float(ml_dtypes.finfo(dtype).max)
    infinite = np.array([math.inf, -math.inf], dtype)
    assert_within_ulp(infinite, [math.inf, -math.inf], dtype=dtype)
    for wrong in ([math.inf, math.inf], [math.inf, -greatest], [greatest, -math.inf]):
        with pytest.raises(AssertionError, match="1 of 2 outside"):
            assert_within_ulp(np.array(wrong, dtype), [math.inf, -math.inf], bound=1e9, dtype=dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_overflow_is_half_an_ulp_above_the_greatest_number(dtype):
    greatest = float(ml_dtypes.finfo(dtype).max)
    half = 0.5 * ulp_of(greatest, dtype) / ulp_of(greatest, np.float64)
    infinite, finite = np.array([math.inf], dtype), np.array([greatest], dtype)
    assert ulp_errors(infinite, greatest, half) == [0.5]
    assert ulp_errors(finite, greatest, half) == [0.5]
    assert ulp_errors(infinite, greatest) == [1.0]
    if dtype != np.float64:
        assert ulp_errors(infinite, 1.5 * greatest) == [0.0]
        for wrong in (finite, -infinite):
            with pytest.raises(AssertionError, match="1 of 1 outside"):
                assert_within_ulp(wrong, [1.5 * greatest], bound=1.5, dtype=dtype)
    with pytest.raises(AssertionError, match="1 of 1 outside"):
        assert_within_ulp(infinite, [greatest], bound=0.75, dtype=dtype)
    with pytest.raises(AssertionError, match="1 of 1 outside"):
        assert_within_ulp(infinite, [1.0], bound=1e4, dtype=dtype)


def test_an_absolute_error_is_allowed_only_where_asked_for():
    actual = np.array([1e-20])
    assert_within_ulp(actual, [0.9e-20], bound=1.0, absolute=1e-20, dtype=np.float64)
    assert_within_ulp(np.array([0.0]), [-1e-21], bound=1.0, absolute=1e-20, dtype=np.float64)
    for absolute in (0.0, 1e-22):
        with pytest.raises(AssertionError, match="1 of 1 outside"):
            assert_within_ulp(actual, [0.9e-20], bound=1.0, absolute=absolute, dtype=np.float64)
    with pytest.raises(AssertionError, match="zero of the wrong sign"):
        assert_within_ulp(np.array([0.0]), [-0.0], bound=1.0, absolute=1e-20, dtype=np.float64)


def test_one_wrong_value_among_many_is_found_and_named():
    expected = np.linspace(-1, 1, 1001)
    actual = expected.copy()
    actual[17] = np.nextafter(actual[17], 9)
    with pytest.raises(AssertionError, match=r"1 of 1001 outside 0\.5 ULP .*\(17,\) for input .*42.*1 ULP"):
        assert_within_ulp(actual, expected, dtype=np.float64, inputs=np.full(1001, 42))


def test_shape_and_dtype():
    one = np.ones(3, np.float32)
    with pytest.raises(AssertionError, match="dtype float32, expected float16"):
        assert_within_ulp(one, np.ones(3), dtype=np.float16)
    with pytest.raises(AssertionError, match=r"shape \(3,\), expected \(1,\)"):
        assert_within_ulp(one, np.ones(1), dtype=np.float32)
    with pytest.raises(AssertionError, match="dtype float32, expected float64"):
        assert_same_bits(one, np.ones(3))
    with pytest.raises(AssertionError, match=r"shape \(3,\), expected \(3, 1\)"):
        assert_same_bits(one, np.ones((3, 1), np.float32))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_same_bits(dtype):
    values = np.array([0.0, -0.0, 1.0, math.inf, math.nan], dtype)
    assert_same_bits(values, values.copy())
    assert_same_bits(values[::-1], values[::-1].copy())
    assert_same_bits(values[2], values[2].copy())
    assert_same_bits(np.array([math.nan], dtype), -np.array([math.nan], dtype))
    wrongs = [-0.0, 0.0, np.nextafter(dtype.type(1), dtype.type(2)), -math.inf, 1.0]
    for i, wrong in enumerate(wrongs):
        changed = values.copy()
        changed[i] = wrong
        with pytest.raises(AssertionError, match=rf"1 of 5 differ in their bits; first at .*{i}"):
            assert_same_bits(changed, values)
        with pytest.raises(AssertionError, match="1 of 5 differ in their bits"):
            assert_same_bits(values, changed)


def test_bfloat16_is_not_float16():
    with pytest.raises(AssertionError, match="dtype float16, expected bfloat16"):
        assert_same_bits(np.ones(1, np.float16), np.ones(1, BFLOAT16))


@pytest.mark.usefixtures("threads")
def test_a_changed_setting_is_seen():
    mpmath = pytest.importorskip("mpmath")
    before = process_state()
    assert process_state() == before
    with mpmath.workdps(mpmath.mp.dps + 1):
        assert process_state() != before
    with np.errstate(all="ignore"):
        assert process_state() != before
    rectifier.set_num_threads(before["threads"] + 1)
    assert process_state() != before
