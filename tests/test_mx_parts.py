"""Parts and shapes of MXNet's arrays, and their ways in and out: as in MXNet 1.6.0."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, basic_indices

from mx_arrays import assert_array
from rectifier import mx
from torch_library import torch
from ulp import assert_same_bits

nd = mx.nd


@pytest.fixture
def x():
    return nd.array([[-1, 2, 3], [4, -5, 6]])


def test_shapes(x):
    assert x.reshape((3, -1)).shape == (3, 2)
    assert nd.reshape(x, shape=(6,)).shape == (6,)
    assert x.flatten().shape == (2, 3)
    assert x.expand_dims(0).squeeze().shape == (2, 3)
    assert x.swapaxes(0, 1).shape == x.transpose().shape == (3, 2)
    assert_array(x.clip(0, 1), [[0, 1, 1], [1, 0, 1]])
    assert_array(x.slice_axis(axis=1, begin=1, end=None), [[2, 3], [-5, 6]])
    assert_array(nd.concat(x, x, dim=0)[2:], x.asnumpy())
    assert nd.stack(x, x, axis=1).shape == (2, 2, 3)
    assert nd.concatenate([x, x]).shape == (4, 3)
    assert nd.ones((1, 3)).broadcast_to((2, 0)).shape == (2, 3)
    assert x.reshape_like(nd.zeros((6,))).shape == (6,)


@pytest.mark.parametrize(
    ("codes", "reverse", "expected"),
    [
        ((0, -1), False, (2, 12)),
        ((-2,), False, (2, 3, 4)),
        ((0, -2), False, (2, 3, 4)),
        ((-3, 4), False, (6, 4)),
        ((-3, -2), False, (6, 4)),
        ((-4, 1, 2, -2), False, (1, 2, 3, 4)),
        ((0, -4, 3, -1, 0), False, (2, 3, 1, 4)),
        ((-1, 0), True, (6, 4)),
        ((-3, 0), True, (6, 4)),
        ((2, -1, 0), True, (2, 3, 4)),
        ((-2, 1, 1), False, (2, 3, 4, 1, 1)),
    ],
)
def test_reshape_codes(codes, reverse, expected):
    array = nd.arange(24).reshape((2, 3, 4))
    assert array.reshape(codes, reverse=reverse).shape == expected
    assert array.reshape(*codes, reverse=reverse).shape == expected
    assert array.reshape(shape=codes, reverse=reverse).shape == expected


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ((5, 5), "the number of elements differs"),
        ((2, 3), "the number of elements differs"),
        ((0, 0, 0, 0), "a shape code must have a size to read"),
        ((-1, -1), "One and only one dim can be inferred"),
        ((-5,), "shape dim size must be >= -4, while received -5"),
        ((-4, -1, -1, -2), "Split dims cannot both be -1"),
        ((-4, 2, 2, -2), "Split dims 2, 2 do not divide original dim 2"),
    ],
)
def test_wrong_reshape_codes(codes, message):
    with pytest.raises(mx.MXNetError, match=message):
        nd.arange(24).reshape((2, 3, 4)).reshape(codes)


def test_reshape_refuses_other_keywords(x):
    with pytest.raises(TypeError, match="reshape takes the keywords `shape` and `reverse`, got foo"):
        x.reshape((6,), foo=1)


# --- parts


@pytest.mark.parametrize(
    ("part", "writes_through"),
    [
        (lambda x: x[0], True),
        (lambda x: x[0:1], True),
        (lambda x: x[0, 1], True),
        (lambda x: x[0, 1:], True),
        (lambda x: x[::2], True),
        (lambda x: x[None], True),
        (lambda x: x[...], True),
        (lambda x: x.reshape((3, 2)), True),
        (lambda x: x.detach(), True),
        (lambda x: x.as_in_context(mx.cpu()), True),
        (lambda x: x.astype("float32", copy=False), True),
        (lambda x: x[:, 1], False),
        (lambda x: x[0:2, 0:2], False),
        (lambda x: x[[0]], False),
        (lambda x: x[::-1], False),
        (lambda x: x.T, False),
        (lambda x: x.flatten(), False),
        (lambda x: x.copy(), False),
        (lambda x: nd.reshape(x, shape=(3, 2)), False),
    ],
)
def test_which_parts_are_views(x, part, writes_through):
    part(x)[:] = 9
    assert (x.asnumpy() == 9).any() == writes_through


def test_parts():
    x = nd.arange(24).reshape((2, 3, 4))
    assert_array(x[0, 1, 2], [6])
    assert_array(x[::-1, 0, 0], [12, 0])
    assert_array(x[1, ::-2, 3], [23, 15])
    assert_array(x[[0, 1], :, [1, 2]][1], [14, 18, 22])
    assert_array(x[nd.array([1, 0]), nd.array([0, 2])][0], [12, 13, 14, 15])
    assert x[None, 0].shape == (1, 3, 4)
    assert x[1:1].shape == (0, 3, 4)
    assert x[..., None].shape == (2, 3, 4, 1)
    assert_array(nd.array([3])[0], [3])


@pytest.mark.parametrize(
    ("key", "error", "message"),
    [
        (2, IndexError, "index 2 is out of bounds for axis 0 with size 2"),
        ((0, -4), IndexError, "index -4 is out of bounds for axis 1 with size 3"),
        ((0, 0, 0), IndexError, r"too many indices \(3\) for array with 2 dimensions"),
        (slice(5, None), IndexError, "Slicing start 5 exceeds limit of 2"),
        (slice(1, 9), IndexError, "Slicing stop 9 exceeds limit of 2"),
        ([0, 5], IndexError, "index 5 is out of bounds for axis 0 with size 2"),
        ((..., ...), IndexError, r"at most one \.\.\."),
        (("x",), ValueError, "does not support slicing with key x"),
        (1.5, ValueError, "does not support slicing with key 1.5"),
        (([0], slice(None, None, -1)), IndexError, "not have both arrays and slices with a negative step"),
    ],
)
def test_wrong_keys(x, key, error, message):
    with pytest.raises(error, match=message):
        x[key]
    with pytest.raises(error, match=message):
        x[key] = 1


def goes_beyond(key, shape):
    """Whether a slice names a place outside of its axis, which NumPy allows and MXNet does not."""
    parts = [part for part in (key if isinstance(key, tuple) else (key,)) if part is not None]
    if ... in parts:
        place = parts.index(...)
        parts[place : place + 1] = [slice(None)] * (len(shape) - len(parts) + 1)
    for part, size in zip(parts, shape, strict=False):
        if isinstance(part, slice):
            last = size - 1 if (part.step or 1) > 0 else size
            if part.start is not None and not -size <= part.start <= last:
                return True
            if part.stop is not None and not -size <= part.stop <= size:
                return True
    return False


@given(st.data())
def test_parts_are_those_of_numpy(data):
    shape = data.draw(array_shapes(max_dims=4, max_side=4))
    key = data.draw(basic_indices(shape, allow_newaxis=True))
    numbers = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    array = nd.array(numbers)
    if goes_beyond(key, shape):
        with pytest.raises(IndexError, match="exceeds limit"):
            array[key]
        return
    part = array[key]
    assert_array(part, np.atleast_1d(numbers[key]))
    array[key] = nd.array(-1 - np.atleast_1d(numbers[key]))
    numbers[key] = -1 - numbers[key]
    assert_array(array, numbers)


@given(st.data())
def test_gradients_of_parts_are_those_of_numpy(data):
    shape = data.draw(array_shapes(max_dims=3, max_side=4))
    key = data.draw(basic_indices(shape))
    array = nd.zeros(shape)
    array.attach_grad()
    if goes_beyond(key, shape):
        return
    with mx.autograd.record():
        part = array[key] * 3
    part.backward()
    expected = np.zeros(shape, np.float32)
    expected[key] = 3
    assert_array(array.grad, expected)


def test_assignment(x):
    x[0] = [7, 8, 9]
    x[:, 1] = nd.array([1, 2])
    x[1, 2] = np.float64(0.5)
    assert_array(x, [[7, 1, 9], [4, 2, 0.5]])
    x[::-1] = nd.array([[1, 2, 3], [4, 5, 6]])
    assert_array(x, [[4, 5, 6], [1, 2, 3]])
    x[[0, 1], [1, 2]] = 0
    assert_array(x, [[4, 0, 6], [1, 2, 0]])
    x[:] = nd.ones((1, 3), dtype="float64")
    assert_array(x, np.ones((2, 3)))


def test_wrong_assignment(x):
    with pytest.raises(ValueError, match=r"must broadcast to the shape of its place, \(3,\), got shape \(2,\)"):
        x[0] = nd.ones((2,))
    with pytest.raises(TypeError, match="does not support assignment with non-array-like object a"):
        x[0] = "a"


# --- in and out


def test_dlpack_shares_memory_both_ways(x):
    for tensor in (torch.from_dlpack(x), torch.utils.dlpack.from_dlpack(x.to_dlpack_for_read())):
        tensor[0, 0] = 9
        assert x[0, 0].asscalar() == 9
        tensor[0, 0] = -1
    back = nd.from_dlpack(torch.ones(2, dtype=torch.float64))
    assert_array(back, [1, 1], np.float64)
    source = np.zeros(3)
    array = nd.from_dlpack(source)
    source[1] = 4
    assert_array(array, [0, 4, 0], np.float64)
    assert_array(nd.from_dlpack(nd.to_dlpack_for_write(x)), x.asnumpy())
    assert_same_bits(np.from_dlpack(x), x.asnumpy())


def test_from_numpy():
    source = np.zeros((2, 2), np.float64)
    shared = nd.from_numpy(source)
    shared[0] = 1
    assert source[0, 0] == 1
    assert not source.flags.writeable
    assert nd.from_numpy(source.T, zero_copy=False).dtype is np.float64
    with pytest.raises(ValueError, match="must be contiguous in C order"):
        nd.from_numpy(np.zeros((2, 3)).T)


def test_copies(x):
    assert_array(pickle.loads(pickle.dumps(x)), x.asnumpy())
    assert_array(copy.deepcopy(x), x.asnumpy())
    assert_same_bits(np.asarray(x), x.asnumpy())
    assert np.asarray(x, np.float64).dtype == np.float64
    target = nd.zeros((2, 3), dtype="float64")
    assert x.copyto(target) is target
    assert target.sum().asscalar() == 9
    assert x.wait_to_read() is None
    assert nd.waitall() is None


def test_bfloat16():
    import ml_dtypes

    x = nd.array([-1, 2.5], dtype=ml_dtypes.bfloat16)
    assert x.dtype is ml_dtypes.bfloat16
    assert nd.LeakyReLU(x).asnumpy().tolist() == [-0.25, 2.5]


def test_files(tmp_path, x):
    path = tmp_path / "x.params"
    nd.save(path, {"arg:x": x, "aux:y": x.astype("int64")})
    loaded = nd.load(path)
    assert_array(loaded["arg:x"], x.asnumpy())
    assert loaded["aux:y"].dtype is np.int64
    nd.save(path, x)
    assert_array(nd.load(path)[0], x.asnumpy())
    assert_array(nd.load_frombuffer(path.read_bytes())[0], x.asnumpy())
    with pytest.raises(TypeError, match="`data` must be an NDArray, or a list or a dictionary of these, got int"):
        nd.save(path, [3])
    with pytest.raises(FileNotFoundError):
        nd.load(tmp_path / "nothing")
