"""Zeros, infinities, NaN and the edges of the formats: values and gradients, their signs included.

What they should be follows from the definitions in the table of activations: their values there, or their limits.
"""

import math

import ml_dtypes
import numpy as np
import pytest

import rectifier
from golden import make_golden
from rectifier.parameters import ACTIVATIONS
from ulp import FORMATS, assert_same_bits

INF, NAN = math.inf, math.nan
LAMBDA_ALPHA = 1.7580993408473768599402175208123  # the product of two doubles would be off by one bit

DTYPES = list(FORMATS)
X = [0.0, -0.0, INF, -INF, NAN, -1e4]

# Parameters worth their own look; the slope that they amount to goes along.
VARIANTS = {
    "leaky": [({"slope": slope}, slope) for slope in (0.25, -0.5)],
    "elu": [({"slope": slope}, slope) for slope in (0.25, 1.0, -0.5)],
    "prelu": [({"gamma": 0.5}, 0.5)],
    "rrelu": [
        ({"lower_bound": 0.25, "upper_bound": 0.75}, 0.5),
        ({"lower_bound": 0.5, "upper_bound": 0.5, "training": True, "rng": 1}, 0.5),
    ],
}
CASES = [
    ({"act_type": row.name, **parameters}, make_golden.functions(row, slope))
    for row in ACTIVATIONS.values()
    for parameters, slope in VARIANTS.get(row.name, [({}, 0.0)])
]
IDS = [" ".join(map(str, parameters.values())) for parameters, _ in CASES]
PLAIN = [row.name for row in ACTIVATIONS.values() if not row.has_gamma]


def expected_at(x, functions):
    """Values and gradients at special x, as float64. Next to 0 the value is the derivative there times x."""
    value, derivative = functions
    at_zero = make_golden.at_special_value(derivative, 0.0)
    values = [float(v) * at_zero if v == 0 else make_golden.at_special_value(value, float(v)) for v in x]
    return np.array(values), np.array([make_golden.at_special_value(derivative, float(v)) for v in x])


def gradient(x, **parameters):
    """With ones from above; of prelu, the data's."""
    result = rectifier.vjp(x, **parameters)[1](np.ones_like(x))
    return result[0] if parameters["act_type"] == "prelu" else result


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("parameters", "functions"), CASES, ids=IDS)
def test_special_values(cpu_target, dtype, parameters, functions):
    x = np.array(X, dtype)
    values, gradients = expected_at(x, functions)
    assert_same_bits(rectifier.leaky_relu(x, **parameters), values.astype(dtype))
    assert_same_bits(gradient(x, **parameters), gradients.astype(dtype))


def test_what_is_expected_at_special_values():
    """The rule that the tests go by, where everybody knows the answer."""
    for act_type, slope, values, gradients in [
        ("leaky", -0.5, [-0.0, 0.0, INF, INF, NAN, 5000], [-0.5, -0.5, 1, -0.5, -0.5, -0.5]),
        ("elu", -0.5, [-0.0, 0.0, INF, 0.5, NAN, 0.5], [-0.5, -0.5, 1, -0.0, NAN, -0.0]),
        ("gelu", 0.0, [0.0, -0.0, INF, -0.0, NAN, -0.0], [0.5, 0.5, 1, -0.0, NAN, -0.0]),
    ]:
        found = expected_at(X, make_golden.functions(ACTIVATIONS[act_type], slope))
        for actual, known in zip(found, (values, gradients), strict=True):
            assert_same_bits(actual, np.array(known))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_slope_of_zero_multiplies_as_any_other(cpu_target, dtype):
    """By IEEE 754, where 0 * inf has no value."""
    x = np.array(X, dtype)
    for act_type, below in (("leaky", NAN), ("elu", -0.0)):
        expected = np.array([0.0, -0.0, INF, below, NAN, -0.0], dtype)
        assert_same_bits(rectifier.leaky_relu(x, act_type=act_type, slope=0.0), expected)
    assert_same_bits(gradient(x, act_type="leaky", slope=0.0), np.array([0.0, 0.0, 1, 0.0, 0.0, 0.0], dtype))
    assert_same_bits(gradient(x, act_type="elu", slope=0.0), np.array([0.0, 0.0, 1, 0.0, NAN, 0.0], dtype))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("parameters", [parameters for parameters, _ in CASES], ids=IDS)
def test_special_values_keep_to_their_element(cpu_target, dtype, parameters):
    """Each alone, and each in every place of a run of ordinary numbers: blocks, registers and tails agree."""
    x = np.array(X, dtype)
    together, slopes = rectifier.leaky_relu(x, **parameters), gradient(x, **parameters)
    for i in range(len(X)):
        assert_same_bits(rectifier.leaky_relu(x[i : i + 1], **parameters), together[i : i + 1])
    for place in range(67):
        run = np.full(67, -1.5, dtype)
        ordinary = rectifier.leaky_relu(run[:1], **parameters)
        run[place] = x[place % len(X)]
        y, dx = rectifier.leaky_relu(run, **parameters), gradient(run, **parameters)
        assert_same_bits(y[place], together[place % len(X)])
        assert_same_bits(dx[place], slopes[place % len(X)])
        assert_same_bits(np.delete(y, place), np.repeat(ordinary, 66))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("act_type", [name for name in ACTIVATIONS if name != "selu"])
def test_nothing_overflows_that_is_finite(cpu_target, dtype, act_type):
    greatest = ml_dtypes.finfo(dtype).max
    x = np.array([greatest, -greatest], dtype)
    parameters = {"act_type": act_type, **({"gamma": 0.5} if act_type == "prelu" else {})}
    y = rectifier.leaky_relu(x, **parameters)
    assert_same_bits(y[0], x[0])
    assert np.isfinite(y[1])
    assert np.isfinite(gradient(x, **parameters)).all()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_selu_overflows_where_lambda_times_x_does(cpu_target, dtype):
    greatest = float(ml_dtypes.finfo(dtype).max)
    x = np.array([greatest, greatest / 1.06, -greatest], dtype)
    y = rectifier.leaky_relu(x, act_type="selu")
    assert np.isposinf(y[0])
    assert np.isfinite(y[1])
    assert_same_bits(y[2], np.array(-LAMBDA_ALPHA).astype(dtype)[()])
    assert np.isfinite(gradient(x, act_type="selu")).all()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_smallest_numbers(cpu_target, dtype):
    smallest = ml_dtypes.finfo(dtype).smallest_subnormal
    x = np.array([smallest, -smallest], dtype)
    for act_type in ("leaky", "elu"):
        assert_same_bits(rectifier.leaky_relu(x, act_type=act_type, slope=1.0), x)
        # A quarter of it underflows, and keeps its sign.
        assert_same_bits(rectifier.leaky_relu(x, act_type=act_type, slope=0.25), np.array([smallest, -0.0], dtype))
        assert_same_bits(rectifier.leaky_relu(x, act_type=act_type, slope=-0.25), np.array([smallest, 0.0], dtype))
    assert_same_bits(gradient(x, act_type="leaky"), np.array([1, 0.25], dtype))
    # Half of it, a hair more and a hair less: MXNet's branch has no say in gelu.
    assert_same_bits(gradient(x, act_type="gelu"), np.array([0.5, 0.5], dtype))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("act_type", [row.name for row in ACTIVATIONS.values() if not row.is_leaky])
def test_a_zero_from_above_has_a_sign(cpu_target, dtype, act_type):
    x = np.array([-2.0, 2.0], dtype)
    pullback = rectifier.vjp(x, act_type=act_type)[1]
    signs = np.sign(gradient(x, act_type=act_type).astype(float))
    for zero in (0.0, -0.0):
        assert_same_bits(pullback(np.full(2, zero, dtype)), (zero * signs).astype(dtype))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("act_type", ACTIVATIONS)
def test_the_gradient_from_above_may_be_infinite_or_nan(cpu_target, dtype, act_type):
    x = np.array([-0.25, -0.25, 1, 1], dtype)
    parameters = {"act_type": act_type, **({"gamma": 0.5} if act_type == "prelu" else {})}
    above = np.array([INF, NAN, -INF, NAN], dtype)
    result = rectifier.vjp(x, **parameters)[1](above)
    assert_same_bits(result[0] if act_type == "prelu" else result, above)


def test_every_pattern_of_16_bits_gives_nan_only_for_nan(cpu_target):
    patterns = np.arange(2**16, dtype=np.uint16)
    for dtype in DTYPES[:2]:
        x = patterns.view(dtype)
        with np.errstate(invalid="ignore"):  # signalling NaNs
            wide = x.astype(np.float64)
        for act_type in PLAIN:
            y = rectifier.leaky_relu(x, act_type=act_type).astype(np.float64)
            assert_same_bits(np.isnan(y), np.isnan(wide))
            dx = gradient(x, act_type=act_type).astype(np.float64)
            assert_same_bits(np.isnan(dx), np.isnan(wide) & (not ACTIVATIONS[act_type].is_leaky))
            assert not np.isinf(dx).any()
