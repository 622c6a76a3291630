"""Values and gradients of the operator against the true ones, within the bounds of bounds.py, on every CPU target."""

import math
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

import bounds
import rectifier
from golden import make_golden
from rectifier.parameters import ACTIVATIONS
from ulp import assert_same_bits, assert_within_ulp

DTYPES = {name: make_golden.FORMATS[name][0] for name in make_golden.FORMATS}
SLOPES = [1.0, 0.25, 0.3, -0.5, 0.0, 3.0, 1e-30]


def parameters(case):
    act_type, _, slope = case.partition(" ")
    return {"act_type": act_type, "slope": float(slope)} if slope else {"act_type": act_type}


def gradient(x, **parameters):
    return rectifier.vjp(x, **parameters)[1](np.ones_like(x))


@pytest.mark.parametrize("case", make_golden.CASES)
@pytest.mark.parametrize("name", DTYPES)
def test_value(cpu_target, name, case):
    golden = make_golden.load(name, case)
    y = rectifier.leaky_relu(golden.x, **parameters(case))
    assert_within_ulp(y, *golden.value, bounds.ULP[name], dtype=DTYPES[name], inputs=golden.x)
    assert_same_bits(rectifier.vjp(golden.x, **parameters(case))[0], y)


@pytest.mark.parametrize("case", make_golden.CASES)
@pytest.mark.parametrize("name", DTYPES)
def test_gradient(cpu_target, name, case):
    golden = make_golden.load(name, case)
    dx = gradient(golden.x, **parameters(case))
    hi, lo = golden.derivative
    near = np.zeros(dx.shape, bool)
    root = ACTIVATIONS[parameters(case)["act_type"]].root
    if name == "float64" and root is not None:
        near = np.abs(golden.x - root) < bounds.ROOT_REACH
        assert near.any()
    for part, absolute in ((near, bounds.ROOT_ABSOLUTE), (~near, 0.0)):
        assert_within_ulp(
            dx[part], hi[part], lo[part], bounds.ULP[name], absolute=absolute, dtype=DTYPES[name], inputs=golden.x[part]
        )


def exact_product(x, slope):
    """The nearest float64 to slope * x, with the sign of a product that underflows, and the rest in its ULP."""
    exact = Fraction(slope) * Fraction(x)
    if abs(exact) >= 2**1024:
        return (math.inf if exact > 0 else -math.inf), 0.0
    hi = math.copysign(float(exact), slope) * math.copysign(1.0, x)
    return hi, float((exact - Fraction(hi)) / Fraction(math.ulp(hi)))


@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("name", DTYPES)
def test_leaky_is_one_product_rounded_once(cpu_target, name, slope):
    x = np.array(make_golden.inputs(name), DTYPES[name])
    rounded = float(make_golden.FORMATS[name][1](slope))
    pairs = [(float(value), 0.0) if value > 0 else exact_product(float(value), rounded) for value in x]
    hi, lo = np.array(pairs).T
    y = rectifier.leaky_relu(x, slope=slope)
    half = 0.5 if name in ("float32", "float64") else bounds.ULP[name]
    assert_within_ulp(y, hi, lo, half, dtype=DTYPES[name], inputs=x)
    expected = np.where(x > 0, 1.0, rounded).astype(DTYPES[name])
    assert_same_bits(gradient(x, slope=slope), expected)


@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("name", DTYPES)
def test_prelu_with_one_gamma_is_leaky(cpu_target, name, slope):
    x = np.resize(np.array(make_golden.inputs(name), DTYPES[name]), (60, 4))
    assert_same_bits(
        rectifier.leaky_relu(x, gamma=slope, act_type="prelu"),
        rectifier.leaky_relu(x, slope=slope),
    )
    pullback = rectifier.vjp(x, gamma=np.full(x.shape[1], slope), act_type="prelu")[1]
    assert_same_bits(pullback(np.ones_like(x))[0], gradient(x, slope=slope))


@pytest.mark.parametrize("case", ["leaky 0.3", *make_golden.CASES])
@pytest.mark.parametrize("name", DTYPES)
def test_the_gradient_is_linear_in_what_comes_from_above(cpu_target, name, case):
    """Powers of two scale the result exactly; the sign carries over."""
    x = np.linspace(-4, 4, 101).astype(DTYPES[name])
    pullback = rectifier.vjp(x, **parameters(case))[1]
    once = pullback(np.ones_like(x))
    for factor in (2.0, -0.5):
        scaled = once.astype(float) * factor
        # An underflow of a 16-bit type rounds once more.
        large = np.abs(scaled) > 16 * float(ml_dtypes.finfo(DTYPES[name]).tiny)
        actual = pullback(np.full_like(x, factor))
        assert_same_bits(actual[large], scaled[large].astype(DTYPES[name]))


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
@pytest.mark.parametrize("case", ["leaky 0.3", *make_golden.CASES])
def test_sixteen_bit_gradients_are_products_in_float32(cpu_target, name, case):
    """g * f'(x) is formed in float32 and rounded once: 3 roundings of 2**-24 before the last."""
    rng = np.random.default_rng(8)
    x, g = (rng.normal(size=5000).astype(DTYPES[name]) for _ in range(2))
    actual = rectifier.vjp(x, **parameters(case))[1](g)
    exact = g.astype(float) * gradient(x.astype(float), **_float32_parameters(case))
    assert_within_ulp(actual, exact, 0.0, bounds.ULP[name], dtype=DTYPES[name], inputs=x)


def _float32_parameters(case):
    found = parameters(case)
    return {key: float(np.float32(v)) if key == "slope" else v for key, v in found.items()}


def test_parameters_never_promote_the_result():
    for name, dtype in DTYPES.items():
        x = np.array([-1.0, 1.0], dtype)
        for parameter in (np.float64(0.3), np.float32(0.3), np.longdouble(0.25), 1):
            assert rectifier.leaky_relu(x, slope=parameter).dtype == dtype, name
        gamma = np.array([0.1, 0.2])
        y, pullback = rectifier.vjp(x, gamma=gamma, act_type="prelu")
        assert y.dtype == dtype
        assert pullback(x)[0].dtype == dtype


@pytest.mark.parametrize("name", ["float16", "bfloat16", "float32"])
def test_parameters_are_rounded_once_to_float32(name):
    """Never to the type of 16-bit data, and never kept in float64."""
    x = np.full(3, -1.0, DTYPES[name])
    slope = 1.0 + 2.0**-20
    y = rectifier.leaky_relu(np.full(3, -(2.0**10), np.float32), slope=slope + 2.0**-40)
    assert_same_bits(y, np.full(3, -(2.0**10) * slope, np.float32))
    with_gamma = rectifier.leaky_relu(x, gamma=np.array(0.1), act_type="prelu")
    assert_same_bits(with_gamma, (-np.float32(0.1) * np.ones(3, np.float32)).astype(DTYPES[name]))
