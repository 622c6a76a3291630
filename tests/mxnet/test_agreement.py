"""Our results and MXNet 1.6.0's are the same up to rounding, outside the defects that `test_defects.py` lists.

A case's bound on the difference is a number of ULP of the larger result, plus an absolute amount where MXNet's formula
subtracts. The ULP are those of float32 for float64 data, unless said, because MXNet computes there in float32. Each
bound is the sum of both sides' errors:

    leaky, prelu, rrelu   0 in float16 and float32 where the slope is a number of the dtype: one product, rounded once.
                          Otherwise MXNet rounds the slope to float16, and adds the bounds of rrelu in float32: 2.
                          float64: slope, data and product are rounded to float32: 3.
    prelu's gradients     d_data is one product: 0. d_gamma: MXNet rounds each product, and the sum with a correction
                          for what each addition loses: 2 ULP of the sum of the sizes.
    elu, selu             4: expm1f is good to 1 ULP, the products add 1.5, ours is good to 1. float16: 2, for the slope
                          and the result. float64: 2 for constants of float32, but elu is computed in float64, so that
                          with slopes that are float32 numbers it is 4 ULP of float64.
    elu's gradient        MXNet's slope + y is wrong by the error of y, at most 4 ULP of the slope.
    gelu                  MXNet's 0.5 x (1 + erf) is wrong by 2**-24 |x|: erff and its argument are good to 2**-24 each.
                          The gradient has another term: 2**-23.
    gradients             MXNet rounds the derivative before it takes the product with the head: 1 more.
"""

import numpy as np
import pytest

from rectifier import leaky_relu, vjp
from ulp import assert_same_bits, ulp_exponent

DTYPES = ("float16", "float32", "float64")
SHAPES = ((1,), (57,), (19, 1), (1, 23), (11, 13), (5, 3, 7), (4, 1, 9), (2, 3, 4, 5), (1, 6, 1, 8), (2, 3, 2, 1, 4))
SLOPES = (0.0, 0.25, 0.3, 1.0, 1.75, -0.5)
RRELU_BOUNDS = ((0.125, 0.333999991), (0.1, 0.3), (0.0, 0.5), (-0.3, 0.1), (0.2, 0.2))
GAMMA_SHAPES = {1: ((1,), "N"), 2: ((1,), "C", "NC", "N1", "1C"), 3: ((1,), "C", "NC", "N1", (1, 1))}


def inputs(shape, dtype, bound=None):
    """Numbers of both signs and all magnitudes with zeros, infinities and NaN among them; at most `bound` in size."""
    generator = np.random.default_rng([*shape, np.dtype(dtype).itemsize])
    # Beyond these MXNet's float32 arithmetic overflows or underflows in float64.
    low, high = {"float16": (-7.5, 4.8), "float32": (-44, 38), "float64": (-30, 30)}[np.dtype(dtype).name]
    count = int(np.prod(shape))
    x = 10.0 ** generator.uniform(low, high, count)
    ordinary = generator.random(count) < 0.7
    x[ordinary] = generator.exponential(2.0, ordinary.sum())
    special = np.array([0.0, np.nan, np.inf])
    chosen = generator.random(count) < 0.15
    x[chosen] = generator.choice(special, chosen.sum())
    if bound is not None:
        x[x > bound] = 1.0
    return np.where(generator.random(count) < 0.3, x, -x).astype(dtype).reshape(shape)


def heads(shape, dtype):
    return np.random.default_rng(7).normal(size=shape).astype(dtype)


def assert_agree(ours, theirs, ulp, absolute=0.0, unit=None):
    """Assert one dtype and shape, NaN and infinities in the same places, the signs of zeros, and the bound.

    The bound is in ULP of the dtype `unit`, by default the one that MXNet computes in.
    """
    assert ours.dtype == theirs.dtype
    assert ours.shape == theirs.shape
    if ulp == 0:
        assert_same_bits(ours, theirs)
        return
    a, b = ours.astype(np.float64), theirs.astype(np.float64)
    finite = np.isfinite(a) & np.isfinite(b)
    np.testing.assert_array_equal(a[~finite], b[~finite])
    assert (np.signbit(a) == np.signbit(b))[(a == 0) & (b == 0)].all()
    with np.errstate(invalid="ignore", over="ignore"):
        size = np.where(finite, np.maximum(abs(a), abs(b)), 1.0)
        ulps = np.ldexp(1.0, ulp_exponent(size, unit or arithmetic(ours.dtype)))
        excess = np.where(finite, abs(a - b) - absolute, 0.0) / ulps
    worst = np.argmax(excess)
    assert excess.max() <= ulp, f"{excess.max()} ULP at {worst}: {a.flat[worst]!r}, MXNet {b.flat[worst]!r}"


@pytest.mark.parametrize("wrong", [[1.0, 1.0000005], [1.0, np.nan], [np.inf, 1.0]])
def test_assert_agree_finds_a_difference(wrong):
    a, b = np.array([[wrong[0]], [wrong[1]]], np.float32)
    assert_agree(a, a, 3)
    with pytest.raises(AssertionError):
        assert_agree(a, b, 3)
    with pytest.raises(AssertionError):
        assert_agree(np.float32([0.0]), np.float32([-0.0]), 3)
    with pytest.raises(AssertionError):
        assert_agree(np.float32([1]), np.float64([1]), 3)


def arithmetic(dtype):
    return "float16" if np.dtype(dtype) == np.float16 else "float32"


def by_dtype(dtype, float16, float32, float64):
    return {"float16": float16, "float32": float32, "float64": float64}[dtype]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("slope", SLOPES)
def test_leaky(mxnet, slope, dtype, shape):
    data, head = inputs(shape, dtype), heads(shape, dtype)
    theirs = mxnet.gradients(data, head=head, act_type="leaky", slope=slope)
    value, pullback = vjp(data, act_type="leaky", slope=slope)
    bound = by_dtype(dtype, 2 if slope == 0.3 else 0, 0, 3)
    assert_agree(value, theirs["output"], bound)
    if slope >= 0:  # below 0, MXNet takes the other branch: test_defects.py
        assert_agree(pullback(head), theirs["d_data"], bound)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("slope", SLOPES)
def test_elu(mxnet, slope, dtype, shape):
    data, head = inputs(shape, dtype), heads(shape, dtype)
    theirs = mxnet.gradients(data, head=head, act_type="elu", slope=slope)
    value, pullback = vjp(data, act_type="elu", slope=slope)
    in_double = dtype == "float64" and slope != 0.3
    unit = "float64" if in_double else arithmetic(dtype)
    bound = by_dtype(dtype, 2, 4, 4 if in_double else 2)
    assert_agree(value, theirs["output"], bound, unit=unit)
    if slope >= 0:
        ulps_of_slope = 4 * np.spacing(np.array(slope, unit)).astype(float)
        assert_agree(pullback(head), theirs["d_data"], 2, ulps_of_slope * abs(head.astype(np.float64)), unit)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_selu(mxnet, dtype, shape):
    data, head = inputs(shape, dtype), heads(shape, dtype)
    theirs = mxnet.gradients(data, head=head, act_type="selu")
    value, pullback = vjp(data, act_type="selu")
    assert_agree(value, theirs["output"], by_dtype(dtype, 2, 4, 2))
    positive = data > 0  # elsewhere MXNet is wrong: test_defects.py
    assert_agree(np.where(positive, pullback(head), head), np.where(positive, theirs["d_data"], head), 2)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_gelu(mxnet, dtype, shape):
    data, head = inputs(shape, dtype, bound=1e4), heads(shape, dtype)  # at infinity MXNet returns NaN
    theirs = mxnet.gradients(data, head=head, act_type="gelu")
    value, pullback = vjp(data, act_type="gelu")
    size = np.nan_to_num(abs(data.astype(np.float64)))
    assert_agree(value, theirs["output"], 2, 2.0**-24 * size)
    weight = abs(head.astype(np.float64))
    # The absolute error can leave a zero of either sign where the true value is small: no signs of zeros here.
    assert_agree(pullback(head) + 0, theirs["d_data"] + 0, 2, 2.0**-23 * weight)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bounds", RRELU_BOUNDS, ids=str)
def test_rrelu_in_inference(mxnet, bounds, dtype, shape):
    data = inputs(shape, dtype)
    lower, upper = bounds
    theirs = mxnet.value(data, act_type="rrelu", lower_bound=lower, upper_bound=upper)
    value = leaky_relu(data, act_type="rrelu", lower_bound=lower, upper_bound=upper)
    exact = (lower + upper) / 2 in (0.25, 0.5)
    assert_agree(value, theirs, by_dtype(dtype, 0 if exact else 2, 0 if lower in (0.125, 0.0) else 2, 3))


def gamma_shapes(shape):
    n, c = (*shape, 1)[:2]
    named = {"N": (n,), "C": (c,), "NC": (n, c), "N1": (n, 1), "1C": (1, c)}
    return dict.fromkeys(named.get(g, g) for g in GAMMA_SHAPES[min(len(shape), 3)])


@pytest.mark.parametrize(("shape", "gamma_shape"), [(s, g) for s in SHAPES for g in gamma_shapes(s)], ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_prelu(mxnet, dtype, shape, gamma_shape):
    data, head = inputs(shape, dtype, bound=30), heads(shape, dtype)
    data[np.isnan(data)] = -2.0  # gamma's gradient would be nothing but NaN
    gamma = np.random.default_rng(3).uniform(-0.5, 1.5, gamma_shape).astype(dtype)
    theirs = mxnet.gradients(data, gamma, head, act_type="prelu")
    value, pullback = vjp(data, gamma, act_type="prelu")
    d_data, d_gamma = pullback(head)
    assert_agree(value, theirs["output"], by_dtype(dtype, 0, 0, 3))
    assert_agree(d_data, theirs["d_data"], 0)
    _, pull = vjp(-abs(data.astype(np.float64)) * (data <= 0), gamma.astype(np.float64), act_type="prelu")
    total = abs(pull(abs(head.astype(np.float64)))[1])
    assert_agree(d_gamma + 0, theirs["d_gamma"] + 0, 2, 2 * np.finfo(dtype).eps * total, unit=dtype)


def test_prelu_data_of_no_negative_number_has_a_zero_gradient_for_gamma(mxnet):
    data, gamma = np.ones((2, 3), np.float32), np.full(3, 0.25, np.float32)
    d_gamma = vjp(data, gamma, act_type="prelu")[1](data)[1]
    assert_same_bits(d_gamma, mxnet.gradients(data, gamma, act_type="prelu")["d_gamma"])


@pytest.mark.parametrize("act_type", ["leaky", "elu", "selu", "gelu", "rrelu"])
def test_a_million_elements(mxnet, act_type):
    data = np.linspace(-4, 4, 1 << 20, dtype=np.float32).reshape(8, 16, -1)
    bound = {"leaky": 0, "rrelu": 0}.get(act_type, 4)
    absolute = 2.0**-22 if act_type == "gelu" else 0.0
    assert_agree(leaky_relu(data, act_type=act_type), mxnet.value(data, act_type=act_type), bound, absolute)
