"""Shapes of gamma: what MXNet 1.6.0 takes we line up alike, and what it refuses we take where NumPy broadcasts it."""

import itertools
import math

import numpy as np
import pytest
from mxnet_process import MXNetError

from rectifier import vjp
from ulp import assert_same_bits

DATA_SHAPES = (
    *((1,), (2,), (4,)),
    *((1, 1), (2, 3), (3, 2), (3, 3), (3, 1), (1, 3)),
    *((2, 3, 4), (3, 3, 3), (2, 2, 3), (4, 2, 2), (2, 1, 4), (1, 3, 1), (1, 1, 1)),
    *((2, 3, 4, 4), (3, 2, 1, 3), (2, 3, 2, 2, 1), (1, 2, 2, 3, 4)),
)
SIZES = (1, 2, 3, 4)


def gamma_shapes(data_shape):
    """Every shape of up to three dimensions from SIZES, and data's own with some dimensions cut or set to 1."""
    yield from itertools.chain.from_iterable(itertools.product(SIZES, repeat=n) for n in (1, 2, 3))
    own = (data_shape, (1,) * len(data_shape), data_shape[1:], (1, *data_shape[1:]), (*data_shape, 1), (1, *data_shape))
    yield from (shape for shape in own if len(shape) > 3)


def broadcasts(gamma_shape, data_shape):
    try:
        return np.broadcast_shapes(gamma_shape, data_shape) == data_shape
    except ValueError:
        return False


REFUSALS = {MXNetError: "Cannot broadcast gamma to data", ValueError: "`gamma` must align with axis 1"}


def unless_refused(gradients, data, gamma):
    """The results, or None for a refusal of the shape."""
    try:
        return gradients(data, gamma, act_type="prelu")
    except tuple(REFUSALS) as error:
        if REFUSALS[type(error)] not in str(error):
            raise
        return None


def ours(data, gamma, act_type="prelu"):
    value, pullback = vjp(data, gamma, act_type)
    d_data, d_gamma = pullback(np.ones_like(data))
    return {"output": value, "d_data": d_data, "d_gamma": d_gamma}


@pytest.mark.parametrize("data_shape", DATA_SHAPES, ids=str)
def test_every_shape_of_gamma(mxnet, data_shape):
    data = -np.arange(1.0, math.prod(data_shape) + 1, dtype=np.float32).reshape(data_shape)
    accepted = 0
    for gamma_shape in gamma_shapes(data_shape):
        gamma = np.arange(2.0, math.prod(gamma_shape) + 2, dtype=np.float32).reshape(gamma_shape)
        found = unless_refused(ours, data, gamma)
        theirs = unless_refused(mxnet.gradients, data, gamma)
        if theirs is None:
            assert (found is not None) == (broadcasts(gamma_shape, data_shape) or gamma.size == 1), gamma_shape
            continue
        accepted += 1
        assert found is not None, gamma_shape
        for name in theirs:  # small integers: every result is exact
            assert_same_bits(found[name], theirs[name])
    assert accepted >= 1


@pytest.mark.parametrize(
    ("data_shape", "gamma_shape", "axes"),
    [
        ((4,), (4,), (0,)),
        ((2, 3), (3,), (1,)),
        ((2, 3), (2,), (0,)),
        ((3, 3), (3,), (1,)),
        ((2, 3), (2, 3), (0, 1)),
        ((2, 3), (2, 1), (0, 1)),
        ((2, 3, 4), (3,), (1,)),
        ((2, 3, 4), (2,), (0,)),
        ((2, 3, 4), (2, 3), (0, 1)),
        ((2, 3, 4), (1, 3), (0, 1)),
        ((2, 3, 2, 2, 1), (2, 3), (0, 1)),
    ],
    ids=str,
)
def test_axes_that_mxnet_lines_gamma_up_with(mxnet, data_shape, gamma_shape, axes):
    data = -np.ones(data_shape, np.float32)
    gamma = np.arange(2.0, math.prod(gamma_shape) + 2, dtype=np.float32).reshape(gamma_shape)
    full = np.broadcast_to(np.expand_dims(gamma, tuple(set(range(data.ndim)) - set(axes))), data_shape)
    np.testing.assert_array_equal(mxnet.value(data, gamma, act_type="prelu"), -full)


@pytest.mark.parametrize("gamma_shape", [(4,), (3, 4), (3, 1), (2, 1, 1), (1, 3, 1), (2, 3, 4), (1, 1, 1)], ids=str)
def test_shapes_that_only_we_take(mxnet, gamma_shape):
    data, gamma = -np.ones((2, 3, 4), np.float32), np.ones(gamma_shape, np.float32)
    with pytest.raises(MXNetError, match=r"Cannot broadcast gamma to data\. gamma: \[.*\], data: \[2,3,4\]"):
        mxnet.value(data, gamma, act_type="prelu")
    assert ours(data, gamma)["d_gamma"].shape == gamma_shape


def test_gamma_without_dimensions(mxnet):
    data, gamma = -np.ones((2, 3), np.float32), np.array(0.5, np.float32)
    with pytest.raises(MXNetError, match="infer"):
        mxnet.gradients(data, gamma, act_type="prelu")
    theirs = mxnet.gradients(data, gamma, act_type="prelu", np_shape=True)
    for name, array in ours(data, gamma).items():
        assert_same_bits(np.asarray(array), theirs[name])
