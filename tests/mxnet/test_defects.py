"""What MXNet 1.6.0 does wrong and we do not repeat: each with MXNet's result, ours, and the true one."""

import math
import re

import mpmath
import numpy as np
import pytest
from mxnet_process import MXNetDied, MXNetError, Oracle

from bounds import ULP
from rectifier import leaky_relu, rrelu_slopes, vjp
from ulp import assert_within_ulp, ulp_errors

LAMBDA = mpmath.mpf("1.0507009873554804934193349852946")
ALPHA = mpmath.mpf("1.6732632423543772848170429916717")
F32 = np.float32


def exact(function, x):
    """The true values in float64, for each x."""
    with mpmath.workdps(40):
        return np.array([float(function(mpmath.mpf(float(v)))) for v in np.ravel(x)]).reshape(np.shape(x))


def selu_gradient(x):
    return LAMBDA * (ALPHA * mpmath.exp(x) if x <= 0 else 1)


def gelu(x):
    return x * mpmath.erfc(-x / mpmath.sqrt(2)) / 2


def gelu_gradient(x):
    return mpmath.erfc(-x / mpmath.sqrt(2)) / 2 + x * mpmath.npdf(x)


def gradient(x, **parameters):
    return vjp(x, **parameters)[1](np.ones_like(x))


# selu's gradient


def test_selu_gradient_takes_the_scaled_output_for_the_unscaled(mxnet):
    x = np.array([-0.1, -1, -2, -3, -3.02, -3.03, -3.04, -5, -20, -88], F32)
    output, theirs = mxnet.value_and_gradient(x, act_type="selu")
    true = exact(selu_gradient, x)
    np.testing.assert_allclose(theirs, float(LAMBDA) * (float(ALPHA) + output), atol=3e-7)
    errors = theirs / true - 1
    assert errors[:2] == pytest.approx([-0.0053, -0.0872], abs=1e-4)
    assert np.sign(theirs).tolist() == [1] * 6 + [-1] * 4
    assert theirs[-1] == pytest.approx(-0.0891374, abs=1e-6)
    assert_within_ulp(gradient(x, act_type="selu"), true, bound=ULP["float32"], dtype=F32, inputs=x)


# float64


X64 = np.array([-0.1, -1 / 3, -math.pi, -7.7])


@pytest.mark.parametrize(
    ("parameters", "value"),
    [
        ({"act_type": "leaky", "slope": 0.1}, lambda x: 0.1 * x),
        ({"act_type": "rrelu", "lower_bound": 0.1, "upper_bound": 0.1}, lambda x: 0.1 * x),
        ({"act_type": "elu", "slope": 0.1}, lambda x: 0.1 * mpmath.expm1(x)),
        ({"act_type": "selu"}, lambda x: LAMBDA * ALPHA * mpmath.expm1(x)),
        ({"act_type": "gelu"}, gelu),
        ({"act_type": "prelu", "gamma": np.array([0.1])}, lambda x: 0.1 * x),
    ],
    ids=lambda p: p.get("act_type") if isinstance(p, dict) else "",
)
def test_float64_is_computed_in_float32(mxnet, parameters, value):
    true = exact(value, X64)
    theirs = mxnet.value(X64, **parameters)
    errors = abs(theirs / true - 1)[:3]
    assert errors.max() > 1e-9  # float64 would be good to 1e-15
    assert errors.max() < 2e-6
    assert_within_ulp(leaky_relu(X64, **parameters), true, bound=ULP["float64"], dtype=np.float64, inputs=X64)


def test_float64_overflows_and_underflows_as_float32_does(mxnet):
    x = np.array([-1e300, -1e-60, 1e300])
    assert mxnet.value(x, slope=0.5).tolist() == [-math.inf, 0, 1e300]
    assert leaky_relu(x, slope=0.5).tolist() == [-5e299, -5e-61, 1e300]
    np.testing.assert_array_equal(mxnet.value(x, act_type="gelu"), [math.nan, 0, math.inf])
    assert leaky_relu(x, act_type="gelu").tolist() == [0, -5e-61, 1e300]


# The branch of the gradient


@pytest.mark.parametrize(
    ("act_type", "true"), [("leaky", lambda x: -0.5), ("elu", lambda x: -0.5 * mpmath.exp(x))], ids=["leaky", "elu"]
)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_gradient_takes_its_branch_from_the_output(mxnet, act_type, true, dtype):
    x = np.array([-4, -1, -0.25], dtype)
    _, theirs = mxnet.value_and_gradient(x, act_type=act_type, slope=-0.5)
    assert theirs.tolist() == [1, 1, 1]
    ours = gradient(x, act_type=act_type, slope=-0.5)
    assert_within_ulp(ours, exact(true, x), bound=ULP[dtype], dtype=dtype, inputs=x)


def test_prelu_with_a_negative_gamma_is_right_in_mxnet(mxnet):
    x, gamma = np.array([[-1.0, 2.0]], F32), np.array([-0.5], F32)
    assert mxnet.gradients(x, gamma, act_type="prelu")["d_data"].tolist() == [[-0.5, 1.0]]


def test_elu_gradient_from_the_output_is_zero_in_the_tail(mxnet):
    x = np.array([-10, -16, -17.5, -20, -80], F32)
    _, theirs = mxnet.value_and_gradient(x, act_type="elu", slope=1.0)
    true = exact(mpmath.exp, x)
    assert (abs(theirs / true - 1) > [3e-4, 0.04, 0.9, 0.9, 0.9]).all()
    assert theirs[2:].tolist() == [0, 0, 0]
    assert_within_ulp(gradient(x, act_type="elu", slope=1.0), true, bound=ULP["float32"], dtype=F32, inputs=x)


# rrelu


def test_rrelu_crashes_in_training(mxnet_installed):
    x = np.array([[-1, 2], [3, -4]], F32)
    with Oracle() as oracle, pytest.raises(MXNetDied, match="Segmentation fault") as caught:
        oracle.gradients(x, act_type="rrelu", training=True)
    assert caught.value.returncode in (-6, 255)  # MXNet's handler of SIGSEGV calls exit; a race can make it SIGABRT
    ours = leaky_relu(x, act_type="rrelu", training=True, rng=5)
    np.testing.assert_array_equal(ours, np.where(x > 0, x, rrelu_slopes(x.shape, 5) * x))


def test_rrelu_leaves_its_mask_unwritten_in_inference(mxnet):
    x = np.array([[-1, 2], [3, -4]] * 50, F32)
    for _ in range(3):
        mask = mxnet.gradients(x, act_type="rrelu")["mask"]
        assert not np.isin(mask, F32([0.2295, 1])).any()


def test_rrelu_gradient_in_inference_is_the_output_in_place_of_the_slope(mxnet):
    x = np.array([-8, -1, -0.25, 0, 3], F32)
    output, theirs = mxnet.value_and_gradient(x, act_type="rrelu")
    np.testing.assert_array_equal(theirs, np.where(x > 0, 1, output))
    np.testing.assert_array_equal(gradient(x, act_type="rrelu"), np.where(x > 0, F32(1), F32(0.2295)))


# gelu


def test_gelu_loses_its_tail(mxnet):
    x = np.array([-3, -4, -5, -5.5, -5.8, -6.5, -10], F32)
    theirs, their_gradient = mxnet.value_and_gradient(x, act_type="gelu")
    true, true_gradient = exact(gelu, x), exact(gelu_gradient, x)
    assert (abs(theirs / true - 1) > [1e-6, 2e-4, 0.03, 0.5, 0.9, 0.9, 0.9]).all()
    assert theirs[4:].tolist() == [0, 0, 0]
    assert abs(their_gradient / true_gradient - 1).max() > 0.01
    assert_within_ulp(leaky_relu(x, act_type="gelu"), true, bound=ULP["float32"], dtype=F32, inputs=x)
    assert_within_ulp(gradient(x, act_type="gelu"), true_gradient, bound=ULP["float32"], dtype=F32, inputs=x)


def test_gelu_is_nan_at_infinity(mxnet):
    x = np.array([-math.inf, math.inf], F32)
    value, slope = mxnet.value_and_gradient(x, act_type="gelu")
    np.testing.assert_array_equal(value, [math.nan, math.inf])
    np.testing.assert_array_equal(slope, [math.nan, math.nan])
    assert leaky_relu(x, act_type="gelu").tolist() == [0, math.inf]
    assert gradient(x, act_type="gelu").tolist() == [0, 1]


# float16


def test_gamma_gradient_overflows_inside_in_float16(mxnet):
    x, head = np.array([[-300], [-300]], np.float16), np.array([[300], [-299]], np.float16)
    gamma = np.array([0.25], np.float16)
    assert np.isnan(mxnet.gradients(x, gamma, head, act_type="prelu")["d_gamma"]).all()
    assert vjp(x, gamma, act_type="prelu")[1](head)[1].tolist() == [-300]


def test_slope_is_rounded_to_float16(mxnet):
    x = -np.arange(1, 2000, dtype=np.float16)
    true = 0.3 * x.astype(np.float64)
    assert ulp_errors(mxnet.value(x, slope=0.3), true).max() > 0.8
    assert_within_ulp(leaky_relu(x, slope=0.3), true, bound=ULP["float16"], dtype=np.float16, inputs=x)


# Shapes, dtypes and parameters


@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0)], ids=str)
def test_empty_data_crashes(mxnet_installed, shape):
    data = np.zeros(shape, F32)
    with Oracle() as oracle, pytest.raises(MXNetDied) as caught:
        oracle.value(data, np_shape=True)
    assert caught.value.returncode == -8  # SIGFPE: a division by the number of elements
    assert leaky_relu(data).shape == shape


def test_data_without_dimensions_is_refused(mxnet):
    with pytest.raises(MXNetError, match=re.escape("index = 0 must be in range [0, 0)")):
        mxnet.value(np.array(-1, F32), np_shape=True)
    assert leaky_relu(np.array(-1, F32)) == F32(-0.25)


def test_integers_are_refused(mxnet):
    with pytest.raises(MXNetError, match="only support floating point types, not int32"):
        mxnet.value(np.array([-4, 4], np.int32))
    assert leaky_relu(np.array([-4, 4], np.int32)).tolist() == [-1, 4]


def test_gamma_of_another_dtype_is_refused(mxnet):
    data, gamma = np.array([-4, 4], F32), np.array([0.5])
    with pytest.raises(MXNetError, match="Type inconsistent, Provided = float64, inferred type = float32"):
        mxnet.value(data, gamma, act_type="prelu")
    assert leaky_relu(data, gamma, act_type="prelu").tolist() == [-2, 4]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"slope": math.nan}, "`slope` must be a finite number, got nan"),
        ({"slope": math.inf}, "`slope` must be a finite number, got inf"),
        ({"act_type": "rrelu", "lower_bound": 0.5, "upper_bound": 0.2}, "`lower_bound` must be at most `upper_bound`"),
    ],
    ids=str,
)
def test_mxnet_does_not_check_its_parameters(mxnet, parameters, message):
    x = np.array([-1, 1], F32)
    assert mxnet.value(x, **parameters)[1] == 1
    with pytest.raises(ValueError, match=message):
        leaky_relu(x, **parameters)


def test_mxnet_wants_gamma_with_prelu_alone(mxnet):
    x = np.array([-1, 1], F32)
    with pytest.raises(MXNetError, match="expects 2 inputs, but got 1"):
        mxnet.value(x, act_type="prelu")
    with pytest.raises(MXNetError, match="expects 1 inputs, but got 2"):
        mxnet.value(x, gamma=x)
