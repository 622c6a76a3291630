"""The readable specification against the true values, and these against a second formula."""

import math

import mpmath
import numpy as np
import pytest

from golden import make_golden
from rectifier import reference
from rectifier.parameters import ACTIVATIONS
from ulp import assert_same_bits, ulp_errors

CASES = make_golden.CASES


def call(function, x, case):
    act_type, _, slope = case.partition(" ")
    return function(x, act_type, float(slope) if slope else 0.25)


def test_there_are_enough_inputs():
    for name in ("float16", "bfloat16", "float32", "float64"):
        assert len(make_golden.inputs(name)) >= 150


def test_decimal_constants_count_to_all_digits():
    with mpmath.workdps(15):
        scale = make_golden.functions(ACTIVATIONS["selu"])[0](mpmath.mpf(1))
    with mpmath.workdps(40):
        assert make_golden.functions(ACTIVATIONS["selu"])[0](mpmath.mpf(1)) != scale
        assert mpmath.nstr(make_golden.functions(ACTIVATIONS["selu"])[0](mpmath.mpf(1)), 32) == (
            "1.0507009873554804934193349852946"
        )


@pytest.mark.parametrize("case", CASES)
def test_golden_numbers_are_correctly_rounded(case):
    golden = make_golden.load("float64", case)
    for hi, lo in (golden.value, golden.derivative):
        assert np.abs(lo).max() <= 0.5
        assert not lo[np.isinf(hi)].any()


def test_golden_values_of_gelu_agree_with_a_second_formula():
    """By the incomplete gamma function in place of erfc."""
    golden = make_golden.load("float64", "gelu")
    chosen = (np.abs(golden.x) > 1e-30) & (np.abs(golden.x) < 38)
    assert chosen.sum() > 150
    for x, hi, lo in zip(golden.x[chosen], *(part[chosen] for part in golden.value), strict=True):
        with mpmath.workdps(60):
            t = mpmath.mpf(float(x))
            tail = mpmath.gammainc(mpmath.mpf(1) / 2, t * t / 2, regularized=True) / 2
            rest = (t * (1 - tail if t > 0 else tail) - float(hi)) / math.ulp(hi)
        assert float(rest) == pytest.approx(lo, abs=1e-4)


def reference_bound(x, case):
    """ULP: plain float64 formulas, and in a tail like gelu's what the rounding of the exponent does."""
    if reference.value(-1e4, case.partition(" ")[0]) != 0:
        return np.full(x.shape, 4.0)
    share = np.abs(make_golden.load("float64", case).value[0] / x)  # of x, the rest of which is the tail
    return np.where(share < 2.0**-1040, np.inf, 4 - 4 * np.log(np.maximum(share, 2.0**-1040)) * (x < 0))


@pytest.mark.parametrize("case", CASES)
def test_value_against_golden(case):
    golden = make_golden.load("float64", case)
    actual = call(reference.value, golden.x, case)
    assert (ulp_errors(actual, *golden.value) <= reference_bound(golden.x, case)).all()
    assert_same_bits(np.signbit(actual), np.signbit(golden.value[0]))


@pytest.mark.parametrize("case", CASES)
def test_derivative_against_golden(case):
    golden = make_golden.load("float64", case)
    actual = call(reference.derivative, golden.x, case)
    hi, lo = golden.derivative
    root = ACTIVATIONS[case.partition(" ")[0]].root
    at_root = (np.abs(golden.x - (root or np.inf)) < 0.1) & (np.abs(actual - hi) < 2.0**-52)
    assert ((ulp_errors(actual, hi, lo) <= reference_bound(golden.x, case)) | at_root).all()
    assert_same_bits(np.signbit(actual[~at_root]), np.signbit(hi[~at_root]))


@pytest.mark.parametrize("act_type", ACTIVATIONS)
@pytest.mark.parametrize("x", [-3.7, -1.0, -0.75, -1e-3, 1e-3, 0.5, 2.0, 9.0])
def test_derivative_is_the_value_s_slope(act_type, x):
    """By mpmath's differentiation of the table's value; so is the table's derivative."""
    value, derivative = make_golden.functions(ACTIVATIONS[act_type], 0.3)
    with mpmath.workdps(40):
        expected = mpmath.diff(value, mpmath.mpf(x), h=mpmath.mpf(10) ** -15)
        assert abs(derivative(mpmath.mpf(x)) - expected) < mpmath.mpf(10) ** -20
    assert float(reference.derivative(x, act_type, 0.3)) == pytest.approx(float(expected), rel=1e-14)


@pytest.mark.parametrize("act_type", [row.name for row in ACTIVATIONS.values() if row.root is not None])
def test_the_derivative_is_zero_at_its_root(act_type):
    derivative = make_golden.functions(ACTIVATIONS[act_type])[1]
    root = ACTIVATIONS[act_type].root
    with mpmath.workdps(40):
        assert derivative(mpmath.mpf(math.nextafter(root, -1))) < 0 < derivative(mpmath.mpf(math.nextafter(root, 0)))


def test_every_activation_has_a_formula():
    assert list(reference.FORMULAS) == list(ACTIVATIONS)


@pytest.mark.parametrize("act_type", ACTIVATIONS)
def test_shape_and_dtype(act_type):
    for x in (np.float32(-1), np.ones((2, 0, 3), np.float16), np.ones((2, 3), np.int8)):
        for function in (reference.value, reference.derivative):
            result = function(x, act_type)
            assert result.dtype == np.float64
            assert result.shape == np.shape(x)


def test_d_gamma_sums_over_what_each_gamma_covers():
    rng = np.random.default_rng(5)
    x, g = rng.normal(size=(2, 4, 3, 5, 2))
    terms = np.where(x > 0, 0, g * x)
    for shape, axis, expected in [
        ((3,), None, terms.sum((0, 2, 3))),
        ((4,), None, terms.sum((1, 2, 3))),
        ((4, 3), None, terms.sum((2, 3))),
        ((), None, terms.sum()),
        ((1,), None, terms.sum().reshape(1)),
        ((3, 1, 1), None, terms.sum((0, 2, 3)).reshape(3, 1, 1)),
        ((2,), -1, terms.sum((0, 1, 2))),
        ((3, 2), (1, 3), terms.sum((0, 2))),
        (x.shape, None, terms),
    ]:
        actual = reference.d_gamma(g, x, shape, axis)
        assert actual.shape == shape
        np.testing.assert_allclose(actual, expected, rtol=1e-13)
