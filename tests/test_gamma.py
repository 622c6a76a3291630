"""gamma's rule: which elements each slope covers, by a table of shapes, and the errors of what does not fit."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest

import rectifier
from rectifier import reference
from rectifier.gamma import gamma_axes
from ulp import FORMATS, assert_same_bits, assert_within_ulp

DTYPES = list(FORMATS)

# (data, gamma, what MXNet 1.6.0's expand_shape gives, or None where it refuses, what gamma_axes gives)
SHAPES = [
    ((2, 3, 4, 5), (3,), (1, 3, 1, 1), (1, 3, 1, 1)),
    ((2, 3, 4, 5), (1,), (1, 1, 1, 1), (1, 1, 1, 1)),
    ((2, 3, 4, 5), (), (1, 1, 1, 1), (1, 1, 1, 1)),
    ((2, 3, 4, 5), (2, 3), (2, 3, 1, 1), (2, 3, 1, 1)),
    ((2, 3, 4, 5), (1, 3), (1, 3, 1, 1), (1, 3, 1, 1)),
    ((2, 3, 4, 5), (2, 1), (2, 1, 1, 1), (2, 1, 1, 1)),
    ((2, 3, 4, 5), (2,), (2, 1, 1, 1), (2, 1, 1, 1)),  # does not fit axis 1, so axis 0
    ((2, 3), (3,), (1, 3), (1, 3)),
    ((2, 3), (2,), (2, 1), (2, 1)),
    ((2, 3), (2, 3), (2, 3), (2, 3)),
    ((3, 3), (3,), (1, 3), (1, 3)),  # axis 1 comes first
    ((2, 3, 3), (3,), (1, 3, 1), (1, 3, 1)),  # C = W is axis 1
    ((2, 3, 2), (2,), (2, 1, 1), (2, 1, 1)),  # N = W is axis 0
    ((2, 3, 3), (2, 3), (2, 3, 1), (2, 3, 1)),
    ((7,), (7,), (7,), (7,)),
    ((7,), (1,), (1,), (1,)),
    ((7,), (), (1,), (1,)),
    ((), (), (), ()),
    ((0, 3, 4), (3,), (1, 3, 1), (1, 3, 1)),
    ((2, 0, 4), (0,), (1, 0, 1), (1, 0, 1)),
    ((0,), (0,), (0,), (0,)),
    # NumPy broadcasting, where MXNet refuses.
    ((2, 3, 4, 5), (5,), None, (1, 1, 1, 5)),
    ((2, 3, 4, 5), (4, 5), None, (1, 1, 4, 5)),
    ((2, 3, 4, 5), (3, 1, 1), None, (1, 3, 1, 1)),
    ((2, 3, 4, 5), (1, 3, 1, 1), None, (1, 3, 1, 1)),
    ((2, 3, 4, 5), (3, 4, 5), None, (1, 3, 4, 5)),
    ((2, 3, 4, 5), (2, 1, 4, 1), None, (2, 1, 4, 1)),
    ((2, 3, 4, 5), (2, 3, 4, 5), None, (2, 3, 4, 5)),
    ((2, 3, 4), (3, 1), None, (1, 3, 1)),
    ((3, 3, 4), (3, 1), (3, 1, 1), (3, 1, 1)),  # MXNet's rule comes first
    ((2, 3, 4, 5), (1, 1, 1, 1), None, (1, 1, 1, 1)),
    # One slope is shared, whatever its shape.
    ((), (1,), None, ()),
    ((7,), (1, 1), None, (1,)),
]

# (data, gamma, axis, result)
NAMED = [
    ((2, 3, 4, 5), (3,), 1, (1, 3, 1, 1)),
    ((2, 3, 4, 5), (5,), -1, (1, 1, 1, 5)),
    ((2, 3, 4, 5), (5,), 3, (1, 1, 1, 5)),
    ((2, 3, 4, 5), (4, 5), (2, 3), (1, 1, 4, 5)),
    ((2, 3, 4, 5), (3, 5), (1, -1), (1, 3, 1, 5)),
    ((2, 3, 4, 5), (2, 5), (-4, 3), (2, 1, 1, 5)),
    ((2, 3, 4, 5), (1, 5), (1, 3), (1, 1, 1, 5)),
    ((2, 3, 4, 5), (2, 3, 4, 5), (0, 1, 2, 3), (2, 3, 4, 5)),
    ((2, 3, 4, 5), (3,), (1,), (1, 3, 1, 1)),
    ((2, 3, 4, 5), (), 1, (1, 1, 1, 1)),
    ((2, 3, 4, 5), (1,), -1, (1, 1, 1, 1)),
    ((2, 3, 4, 5), (), (), (1, 1, 1, 1)),
    ((2, 3, 4, 5), (4,), np.int64(2), (1, 1, 4, 1)),
    ((7,), (7,), 0, (7,)),
    ((7,), (7,), -1, (7,)),
    # Where sizes coincide, the axis decides.
    ((2, 3, 4, 3), (3,), -1, (1, 1, 1, 3)),
    ((2, 3, 4, 3), (3,), 1, (1, 3, 1, 1)),
    ((3, 3, 3), (3,), 0, (3, 1, 1)),
    ((3, 3, 3), (3, 3), (1, 2), (1, 3, 3)),
]


def expand_shape(gamma, data):
    """MXNet 1.6.0's loop, from the last axis of data to the first."""
    result, left = [], list(gamma)
    for i in reversed(range(len(data))):
        fits = bool(left) and i <= 1 and left[-1] in (1, data[i])
        result.insert(0, left.pop() if fits else 1)
    return None if left else tuple(result)


@pytest.mark.parametrize(("data", "gamma", "mxnet", "expected"), SHAPES)
def test_the_table_of_shapes(data, gamma, mxnet, expected):
    assert expand_shape(gamma, data) == mxnet
    assert gamma_axes(data, gamma) == expected


@pytest.mark.parametrize(("data", "gamma", "axis", "expected"), NAMED)
def test_named_axes(data, gamma, axis, expected):
    assert gamma_axes(data, gamma, axis) == expected


def test_mxnet_s_rule_holds_for_every_small_shape():
    sizes = (1, 2, 3)
    datas = [(n, c, w) for n in sizes for c in sizes for w in sizes] + [(n, c) for n in sizes for c in sizes]
    gammas = [(), *((a,) for a in sizes), *((a, b) for a in sizes for b in sizes)]
    agreed = [gamma_axes(d, g) == expand_shape(g, d) for d in datas for g in gammas if expand_shape(g, d) is not None]
    assert len(agreed) > 200
    assert all(agreed)


def test_the_table_of_the_documentation():
    page = (Path(__file__).parents[1] / "docs" / "semantics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\([^|]*) \| (\([^|]*) \| ?([^|]*) \| ([^|]*) \|", page.replace("−", "-"), re.MULTILINE)
    assert len(rows) == 13
    for data, gammas, axis, expected in rows:
        for gamma in gammas.split(" or "):
            shapes = [ast.literal_eval(text) for text in (data, gamma, axis or "None")]
            if expected == "`ValueError`":
                with pytest.raises(ValueError, match="`gamma` must align"):
                    gamma_axes(*shapes)
            else:
                assert gamma_axes(*shapes) == ast.literal_eval(expected)


def random_pair(data_shape, gamma_shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=data_shape).astype(dtype), rng.normal(size=gamma_shape).astype(dtype)


def expected_value(x, gamma, aligned):
    """One product in the arithmetic type, and one rounding to x's own."""
    arithmetic = np.float64 if x.dtype == np.float64 else np.float32
    product = x.astype(arithmetic) * gamma.astype(arithmetic).reshape(aligned)
    return np.where(x > 0, x, product.astype(x.dtype))


ALL = [(d, g, None, e) for d, g, _, e in SHAPES] + NAMED


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("data", "gamma", "axis", "expected"), ALL)
def test_value_and_gradients_by_shape(dtype, data, gamma, axis, expected):
    x, slopes = random_pair(data, gamma, dtype)
    g = np.random.default_rng(1).normal(size=data).astype(dtype)
    y, pullback = rectifier.vjp(x, slopes, act_type="prelu", axis=axis)
    assert_same_bits(y, expected_value(x, slopes, expected))
    assert_same_bits(rectifier.leaky_relu(x, slopes, act_type="prelu", axis=axis), y)
    dx, d_gamma = pullback(g)
    arithmetic = np.float64 if dtype == np.float64 else np.float32
    scaled = g.astype(arithmetic) * slopes.astype(arithmetic).reshape(expected)
    assert_same_bits(dx, np.where(x > 0, g, scaled.astype(dtype)))
    # 120 terms at most: the order of a float64 sum matters in the last bits of float64 alone.
    exact = reference.d_gamma(g, x, gamma, axis)
    assert d_gamma.shape == gamma
    assert d_gamma.dtype == dtype
    tolerance = 2.0**-48 if dtype == np.float64 else 0.0
    assert_within_ulp(np.asarray(d_gamma), exact, 0.0, 0.501, dtype=dtype, absolute=tolerance)


def test_the_trap_of_equal_sizes():
    """Data whose channels stand last, with C = W: only `axis` can tell."""
    x = -np.ones((1, 3, 3), np.float32)
    gamma = np.array([1, 2, 3], np.float32)
    first, last = (rectifier.leaky_relu(x, gamma, "prelu", axis=axis) for axis in (1, -1))
    assert_same_bits(first[0], -np.repeat(gamma, 3).reshape(3, 3))
    assert_same_bits(last[0], -np.tile(gamma, 3).reshape(3, 3))
    assert_same_bits(rectifier.leaky_relu(x, gamma, "prelu"), first)
    _, d_gamma = rectifier.vjp(x, gamma, "prelu", axis=-1)[1](np.arange(9, dtype=np.float32).reshape(1, 3, 3))
    assert d_gamma.tolist() == [-9, -12, -15]
    _, d_gamma = rectifier.vjp(x, gamma, "prelu")[1](np.arange(9, dtype=np.float32).reshape(1, 3, 3))
    assert d_gamma.tolist() == [-3, -12, -21]


MISFIT = r"`gamma` must align with axis 1 and axis 0 of `data`, or broadcast against `data`, got gamma of shape "


@pytest.mark.parametrize(
    ("data", "gamma", "axis", "error", "message"),
    [
        ((2, 3, 4), (5,), None, ValueError, MISFIT + r"\(5,\) for data of shape \(2, 3, 4\); `axis` names other axes"),
        ((2, 3, 4), (3, 2), None, ValueError, MISFIT + r"\(3, 2\) for"),
        ((2, 3, 4), (1, 2, 3, 4), None, ValueError, MISFIT + r"\(1, 2, 3, 4\) for"),
        ((2, 3, 4), (0,), None, ValueError, MISFIT + r"\(0,\) for"),
        ((), (3,), None, ValueError, MISFIT + r"\(3,\) for data of shape \(\)"),
        (
            *((2, 3, 4), (2,), 1, ValueError),
            r"`gamma` must have size 1 or 3 along axis 1 of `data`, "
            r"got gamma of shape \(2,\) for data of shape \(2, 3, 4\) with axis=1",
        ),
        ((2, 3, 4), (3, 3), (1, -1), ValueError, r"size 1 or 4 along axis 2 of `data`, got gamma of shape \(3, 3\)"),
        (
            *((2, 3, 4), (3, 1, 1), 1, ValueError),
            r"`gamma` must have one dimension for each axis that `axis` names, "
            r"got gamma of shape \(3, 1, 1\) with axis=1",
        ),
        ((2, 3, 4), (3,), (1, 2), ValueError, r"one dimension for each axis that `axis` names.*axis=\(1, 2\)"),
        ((2, 3, 4), (3,), (), ValueError, r"one dimension for each axis that `axis` names.*axis=\(\)"),
        ((2, 3, 4), (3,), 3, ValueError, r"`axis` must lie between -3 and 2 for data with ndim 3, got 3"),
        ((2, 3, 4), (), -4, ValueError, r"`axis` must lie between -3 and 2 for data with ndim 3, got -4"),
        ((2, 3, 4), (3, 4), (1, 5), ValueError, r"`axis` must lie between -3 and 2 for data with ndim 3, got \(1, 5\)"),
        ((), (), 0, ValueError, r"`axis` must be None for data without dimensions, got 0"),
        ((2, 3, 4), (3, 2), (1, 0), ValueError, r"`axis` must name different axes in increasing order, got \(1, 0\)"),
        ((2, 3, 4), (3, 3), (1, 1), ValueError, r"`axis` must name different axes in increasing order, got \(1, 1\)"),
        ((2, 3, 4), (4, 4), (2, -1), ValueError, r"`axis` must name different axes in increasing order, got \(2, -1\)"),
        ((2, 3, 4), (3,), "1", TypeError, r"`axis` must be an integer or a tuple of integers, got '1'"),
        ((2, 3, 4), (3,), 1.0, TypeError, r"`axis` must be an integer or a tuple of integers, got 1\.0"),
        ((2, 3, 4), (3,), True, TypeError, r"`axis` must be an integer or a tuple of integers, got True"),
        ((2, 3, 4), (3,), np.True_, TypeError, r"`axis` must be an integer or a tuple of integers, got "),
        ((2, 3, 4), (3,), [1], TypeError, r"`axis` must be an integer or a tuple of integers, got \[1\]"),
        ((2, 3, 4), (3,), (1, None), TypeError, r"`axis` must be an integer or a tuple of integers, got None"),
        ((2, 3, 4), (3,), np.array(1.5), TypeError, r"`axis` must be an integer or a tuple of integers, got "),
    ],
)
def test_errors(data, gamma, axis, error, message):
    with pytest.raises(error, match=message):
        gamma_axes(data, gamma, axis)
    out = np.full(data, 7.0)
    for function in (rectifier.leaky_relu, rectifier.vjp):
        with pytest.raises(error, match=message):
            function(np.ones(data), np.ones(gamma), act_type="prelu", axis=axis, out=out)
    assert (out == 7).all()


def test_gamma_of_another_dtype_is_rounded_once_to_the_arithmetic_type():
    x = -np.ones((2, 2), np.float32)
    gamma = np.array([0.1, 1.0 + 2.0**-24 + 2.0**-50])
    assert_same_bits(rectifier.leaky_relu(x, gamma, "prelu"), np.array([-gamma.astype(np.float32)] * 2))
    half = np.array([-1.0, -2.0], np.float16)
    wide = np.array([0.3, 1 / 3])
    expected = (wide.astype(np.float32) * half.astype(np.float32)).astype(np.float16)
    assert_same_bits(rectifier.leaky_relu(half, wide, "prelu"), expected)
    assert_same_bits(rectifier.leaky_relu(x, [2, 3], "prelu"), np.array([[-2, -3]] * 2, np.float32))
