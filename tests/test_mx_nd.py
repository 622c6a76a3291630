"""`rectifier.mx.nd`: arrays and arithmetic as in MXNet 1.6.0. The expected values and texts are MXNet's own."""

import numpy as np
import pytest

from mx_arrays import assert_array
from rectifier import mx
from torch_library import torch

nd = mx.nd


@pytest.fixture
def x():
    return nd.array([[-1, 2, 3], [4, -5, 6]])


# --- making arrays


def test_arrays_are_float32_unless_told_otherwise():
    assert_array(nd.array(np.array([1, 2], np.int64)), [1, 2])
    assert_array(nd.array([1, 2], dtype="int32"), [1, 2], np.int32)
    assert_array(nd.array(nd.array([1], dtype="float16")), [1], np.float16)
    assert_array(nd.zeros(2), [0, 0])
    assert_array(nd.ones((1, 2), dtype="float64"), [[1, 1]], np.float64)
    assert_array(nd.full((2,), 7), [7, 7])
    assert_array(nd.empty((1,)), [0])
    assert_array(nd.arange(3), [0, 1, 2])
    assert_array(nd.arange(0, 2, 0.5, repeat=2), [0, 0, 0.5, 0.5, 1, 1, 1.5, 1.5])
    assert_array(nd.array([300], dtype="uint8"), [44], np.uint8)


def test_a_new_array_has_memory_of_its_own():
    source = np.ones(2, np.float32)
    array = nd.array(source)
    source[:] = 5
    assert_array(array, [1, 1])


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (lambda: nd.array([[-1, 2, 3], [4, -5, 6]]), "\n[[-1.  2.  3.]\n [ 4. -5.  6.]]\n<NDArray 2x3 @cpu(0)>"),
        (lambda: nd.array([1, 2], dtype="int32"), "\n[1 2]\n<NDArray 2 @cpu(0)>"),
        (lambda: nd.array(3), "\n3.0\n<NDArray  @cpu(0)>"),
        (lambda: nd.array([1], ctx=mx.cpu(1)), "\n[1.]\n<NDArray 1 @cpu(1)>"),
    ],
)
def test_repr(array, text):
    assert repr(array()) == str(array()) == text


def test_attributes(x):
    assert (x.shape, x.size, x.ndim, x.dtype, x.stype) == ((2, 3), 6, 2, np.float32, "default")
    assert x.context == x.ctx == mx.cpu(0)
    assert len(x) == 2
    assert [row.shape for row in x] == [(3,), (3,)]
    assert nd.array([3]).asscalar() == np.float32(3)
    assert x.T.shape == (3, 2)
    assert bool(nd.array([1.0]))
    assert not bool(nd.array([]))
    assert hash(x) != hash(x.copy())


def test_an_array_has_no_truth_value_and_no_scalar(x):
    with pytest.raises(ValueError, match="truth value of an NDArray with multiple elements is ambiguous"):
        bool(x)
    with pytest.raises(ValueError, match="not a scalar"):
        x.asscalar()
    with pytest.raises(TypeError, match="without axes"):
        len(nd.array(1))


def test_wrong_sources():
    with pytest.raises(TypeError, match=r"`source_array` must be an array of numbers, got .*: "):
        nd.array([[1], [2, 3]])
    with pytest.raises(mx.MXNetError, match=r"`dtype` must be one of float32, .*, got uint16"):
        nd.zeros((2,), dtype="uint16")
    with pytest.raises(mx.MXNetError, match="`shape` must be sizes of 0 and above"):
        nd.zeros((2, -1))
    for wrong in ("a", None, (2, 1.5)):
        with pytest.raises(TypeError, match="`shape` must be an integer or a tuple of integers, got "):
            nd.zeros(wrong)
    with pytest.raises(TypeError, match=r"`dtype` must be one of float32, .*, got 'x'"):
        nd.array([1], dtype="x")
    with pytest.raises(TypeError, match="`ctx` must be a Context, got 'cpu'"):
        nd.zeros((2,), ctx="cpu")
    with pytest.raises(mx.MXNetError, match="`infer_range` must be False"):
        nd.arange(3, infer_range=True)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there():
    with pytest.raises(mx.MXNetError, match=r"`ctx` must be a device that PyTorch has, got gpu\(0\)"):
        nd.zeros((2,), ctx=mx.gpu())


def test_contexts():
    assert mx.current_context() == mx.cpu() == mx.Context("cpu", 0) == mx.Context(mx.cpu())
    assert mx.cpu(1) != mx.cpu(0)
    with mx.Context("cpu", 2):
        assert nd.zeros((1,)).context == mx.cpu(2)
        with mx.cpu(3):
            assert mx.current_context() == mx.cpu(3)
        assert mx.current_context() == mx.cpu(2)
    assert mx.current_context() == mx.cpu(0)
    assert (mx.gpu(1).device_type, mx.gpu(1).device_id, mx.gpu(1).device_typeid) == ("gpu", 1, 2)
    assert len({mx.cpu(), mx.cpu(0), mx.cpu_pinned()}) == 2
    with pytest.raises(KeyError):
        mx.Context("tpu")


# --- arithmetic


def test_arithmetic_keeps_the_dtype():
    i = nd.array([1, 2], dtype="int32")
    assert_array(i + 1.5, [2, 3], np.int32)
    assert_array(i / 2, [0, 1], np.int32)
    assert_array(nd.array([7, -7], dtype="int32") / 2, [3, -3], np.int32)
    assert_array(nd.array([7, -7], dtype="int32") % 4, [3, 1], np.int32)
    assert_array(nd.array([2, 3], dtype="int32") ** -1, [0, 0], np.int32)
    assert_array(nd.array([0.1], dtype="float16") * 0.3, [0.03], np.float16)
    assert_array(nd.array([250], dtype="uint8") + 10, [4], np.uint8)
    assert_array(np.float32(2) * nd.array([1]), [2])


def test_arithmetic(x):
    assert_array(1 - x, [[2, -1, -2], [-3, 6, -5]])
    assert_array(5 % x, [[0, 1, 2], [1, 0, 5]])
    assert_array(x % 0, np.zeros((2, 3)))
    assert_array(2**x, [[0.5, 4, 8], [16, 0.03125, 64]])
    assert_array(-x, [[1, -2, -3], [-4, 5, -6]])
    assert_array(abs(x), [[1, 2, 3], [4, 5, 6]])
    assert_array(2 / nd.array([4.0]), [0.5])
    assert_array(x + nd.ones((2, 1)), [[0, 3, 4], [5, -4, 7]])
    assert_array(nd.add(x, 1)[0], [0, 3, 4])
    assert nd.add(1, 2) == 3
    assert_array(nd.add_n(x, x, x)[0], [-3, 6, 9])


def test_comparisons_are_numbers(x):
    assert_array(x > 0, [[0, 1, 1], [1, 0, 1]])
    assert_array(
        1 < x,  # noqa: SIM300 - the reflected operator
        [[0, 1, 1], [1, 0, 1]],
    )
    assert_array(x == x, np.ones((2, 3)))
    assert_array(nd.array([1, 2], dtype="int32") != 1, [0, 1], np.int32)
    assert_array(nd.array([np.nan]) == nd.array([np.nan]), [0])
    assert_array(nd.greater(1, x), [[1, 0, 0], [0, 1, 0]])


def test_the_left_one_counts_where_two_are_equal_and_nan_stays():
    a, b = nd.array([np.nan, 1, 0.0]), nd.array([1, np.nan, -0.0])
    assert_array(nd.maximum(a, b), [np.nan, np.nan, 0.0])
    assert_array(nd.minimum(b, a), [np.nan, np.nan, -0.0])


def test_in_place(x):
    y = x
    y += 1
    y *= 2
    y -= nd.ones((2, 1))
    y /= 2
    y %= 4
    assert_array(x, [[3.5, 2.5, 3.5], [0.5, 3.5, 2.5]])
    row = x[0]
    row += 1
    assert_array(x[0], [4.5, 3.5, 4.5])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: x + np.ones((2, 3)), TypeError, "type <class 'numpy.ndarray'> not supported"),
        (lambda x: np.ones((2, 3)) + x, TypeError, "type <class 'numpy.ndarray'> not supported"),
        (lambda x: x == None, TypeError, "type <class 'NoneType'> not supported"),  # noqa: E711
        (lambda x: "a" * x, TypeError, "type <class 'str'> not supported"),
        (lambda x: nd.add("a", x), TypeError, "type <class 'str'> not supported"),
        (lambda x: x // 2, TypeError, "unsupported operand"),
        (lambda x: x + nd.ones((2,)), mx.MXNetError, r"must match the size .* in operator broadcast_add"),
        (lambda x: x + nd.ones((2, 3), dtype="float64"), mx.MXNetError, "at 1-th input: expected float32, got float64"),
        (lambda x: nd.elemwise_add(x, nd.ones((1, 3))), mx.MXNetError, r"expected \[2, 3\], got \[1, 3\]"),
        (lambda x: nd.add_n(x, nd.ones((1, 3))), mx.MXNetError, r"expected \[2, 3\], got \[1, 3\]"),
        (lambda x: x.sum(axis=2), mx.MXNetError, r"Reduction axis 2 Exceeds input dimensions \[2, 3\]"),
        (lambda x: x.transpose((0, 0)), mx.MXNetError, "duplicate dims"),
        (lambda x: x.astype("complex64"), mx.MXNetError, "`dtype` must be one of"),
        (lambda x: x.copyto(3), TypeError, "`other` must be an NDArray or a Context, got int"),
        (lambda x: x.copyto(nd.zeros((3,))), mx.MXNetError, r"`other` must have shape \(2, 3\), got \(3,\)"),
        (lambda x: x.tostype("csr"), mx.MXNetError, "`stype` must be 'default', got 'csr'"),
        (lambda x: nd.exp(x, foo=1), mx.MXNetError, "`foo` must be one of the operator's parameters"),
        (lambda x: nd.exp(x, x), TypeError, r"exp takes at most 1 arguments \(data\), got 2"),
        (lambda x: nd.exp(1.0), TypeError, "`data` must be an NDArray, got float, in exp"),
        (lambda x: nd.elemwise_add(x), mx.MXNetError, "Operator elemwise_add expects 2 inputs, but got 1 instead"),
    ],
)
def test_refusals(x, call, error, message):
    with pytest.raises(error, match=message):
        call(x)


def test_reductions(x):
    assert_array(x.sum(), [9])
    assert_array(x.sum(axis=1), [4, 5])
    assert_array(x.sum(axis=1, exclude=True), [3, -3, 9])
    assert_array(x.sum(axis=(0, 1), keepdims=True), [[9]])
    assert_array(nd.sum(x, 0), [3, -3, 9])
    assert_array(x.mean(), [1.5])
    assert_array(nd.array([1, 2], dtype="int32").mean(), [1], np.int32)
    assert_array(x.max(), [6])
    assert_array(x.min(axis=1, keepdims=True), [[-1], [-5]])
