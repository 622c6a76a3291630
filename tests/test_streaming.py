"""Arrays from the size on at which results pass by the caches, against the definitions in plain NumPy."""

import math

import ml_dtypes
import numpy as np
import pytest

import rectifier
from ulp import assert_same_bits

STREAMED = 48 * 2**20 // 4  # floats
SLOPE = np.float32(0.3)
SHAPES = {
    "one row": (STREAMED + 5,),
    "just below": (STREAMED - 1,),
    "just there": (STREAMED,),
    "rows beyond a tile": (STREAMED // (3 * 2501) + 1, 3, 2501),
    "rows within a tile": (STREAMED // (5 * 300) + 1, 5, 300),
    "rows of whole lines": (STREAMED // (8 * 1024) + 1, 8, 1024),
    "short rows": (STREAMED // (6 * 70) + 1, 6, 70),
    "shorter rows": (STREAMED // (6 * 49) + 1, 6, 49),
}


@pytest.fixture(scope="module")
def memory():
    """Data and gradients whose products, and the sums of them, are exact in float64."""
    rng = np.random.default_rng(1)
    size = STREAMED + 1_000_000
    return [np.resize(rng.integers(-127, 128, 2**16 + 3).astype(np.float32) / 64, size) for _ in range(2)]


def place(shape, shift, dtype=np.float32):
    """An array that begins `shift` bytes behind a cache line, and the bytes that it lies in."""
    size = np.dtype(dtype).itemsize * int(np.prod(shape))
    raw = np.full(size + 128, 255, np.uint8)
    begin = -raw.ctypes.data % 64 + shift
    return raw[begin : begin + size].view(dtype).reshape(shape), raw


def assert_nothing_else_written(raw, result):
    before = result.ctypes.data - raw.ctypes.data
    assert (raw[:before] == 255).all()
    assert (raw[before + result.nbytes :] == 255).all()


def gammas(shape):
    """One slope for all; one for each row, and for each place in a row, where there are rows: with their axis."""
    yield np.full(1, SLOPE), 0
    for axis in range(1, len(shape)):
        yield np.linspace(0.25, 0.75, shape[axis], dtype=np.float32), axis


@pytest.mark.parametrize("shift", [0, 4])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_values_and_gradients(cpu_target, memory, shape, shift):
    data, head = (array[shift : shift + int(np.prod(shape))].reshape(shape) for array in memory)
    out, raw = place(shape, shift)
    for gamma, axis in gammas(shape):
        others = tuple(d for d in range(len(shape)) if gamma.size == 1 or d != axis)
        slopes = np.expand_dims(gamma, others) if gamma.size > 1 else gamma
        rectifier.leaky_relu(data, gamma, "prelu", axis=axis, out=out)
        assert_same_bits(out, np.where(data > 0, data, slopes * data))
        _, pullback = rectifier.vjp(data, gamma, "prelu", axis=axis)
        d_gamma = pullback(head, out=(out, np.empty_like(gamma)))[1]
        assert_same_bits(out, np.where(data > 0, head, slopes * head))
        total = np.where(data > 0, 0, head * data).sum(others, np.float64)
        assert_same_bits(d_gamma, total.astype(np.float32).reshape(gamma.shape))
    assert_nothing_else_written(raw, out)


def check_rows(memory, shape, shift, dtype=np.float32):
    """Values with a slope for each row; products are exact in the arithmetic type, and rounded once."""
    wide = np.float64 if dtype is np.float64 else np.float32
    data = memory[0][shift % 7 :][: int(np.prod(shape))].reshape(shape)
    gamma = np.linspace(-0.25, 0.75, shape[1]).astype(dtype)
    out, raw = place(shape, shift, dtype)
    rectifier.leaky_relu(data.astype(dtype), gamma, "prelu", axis=1, out=out)
    slopes = gamma.astype(wide).reshape(-1, 1)
    assert_same_bits(out, np.where(data > 0, data, slopes * data.astype(wide)).astype(dtype))
    assert_nothing_else_written(raw, out)


# Rows shorter than a register, as long as one and longer; about one tile and two; and beside their own neighbours.
@pytest.mark.parametrize("length", [15, 16, 17, 31, 2500, 8191, 8193, 16383, 16385, STREAMED // 6 + 1])
def test_rows_of_any_length(cpu_target, memory, length):
    count, channels = -(-STREAMED // length), 3 if length < STREAMED // 6 else 2
    check_rows(memory, (-(-count // channels), channels, length), 4)


@pytest.mark.parametrize("shift", range(0, 64, 4))
def test_rows_that_begin_anywhere_in_a_line(cpu_target, memory, shift):
    check_rows(memory, (STREAMED // (300 * 49) + 1, 300, 49), shift)


@pytest.mark.parametrize("length", [49, 2501])
@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_rows_of_other_types(cpu_target, memory, dtype, length):
    size = 48 * 2**20 // np.dtype(dtype).itemsize
    numbers = [np.resize(memory[0], size + 60_000)]
    check_rows(numbers, (size // (5 * length) + 1, 5, length), 6 * np.dtype(dtype).itemsize, dtype)


def check_gradients(memory, shape, shift, dtype=np.float32, place_of=None):
    """Gradients with a slope for each row, into an array of their own or where the data or its gradient is."""
    wide = np.float64 if dtype is np.float64 else np.float32
    data, head = (array[shift % 7 :][: math.prod(shape)].reshape(shape) for array in memory)
    gamma = np.linspace(-0.25, 0.75, shape[1]).astype(wide)
    out, raw = place(shape, shift, dtype)
    arrays = {"data": data, "gradient": head}
    for name, array in arrays.items():
        if name == place_of:
            out[...] = array
            arrays[name] = out
        else:
            arrays[name] = array.astype(dtype)
    _, pullback = rectifier.vjp(arrays["data"], gamma, "prelu", axis=1)
    d_gamma = pullback(arrays["gradient"], out=(out, np.empty_like(gamma)))[1]
    pulled = gamma.reshape(-1, 1) * head.astype(wide)
    assert_same_bits(out, np.where(data > 0, head, pulled).astype(dtype))
    assert_same_bits(d_gamma, np.where(data > 0, 0, head * data).sum((0, 2), np.float64).astype(wide))
    assert_nothing_else_written(raw, out)


# Rows of few bytes, and about as many as have a lane for each element, as are summed at once, as a block of sums has
# and as a task has; all rows of a block in one task, and parts of them.
@pytest.mark.parametrize("length", [1, 3, 63, 64, 65, 1023, 1025, 4095, 4097, 5625, 65535, 65537, 2**17 + 1])
@pytest.mark.parametrize("channels", [3, 100])
def test_gradients_of_rows_of_any_length(cpu_target, memory, length, channels):
    check_gradients(memory, (-(-STREAMED // (channels * length)), channels, length), 20)


@pytest.mark.parametrize("shift", range(0, 64, 4))
def test_gradients_that_begin_anywhere_in_a_line(cpu_target, memory, shift):
    check_gradients(memory, (STREAMED // (7 * 2501) + 1, 7, 2501), shift)


@pytest.mark.parametrize("length", [49, 197, 4099])
@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_gradients_of_rows_of_other_types(cpu_target, memory, dtype, length):
    size = 48 * 2**20 // np.dtype(dtype).itemsize
    numbers = [np.resize(array, size + 1_000_000) for array in memory]
    check_gradients(numbers, (size // (70 * length) + 1, 70, length), 6 * np.dtype(dtype).itemsize, dtype)


@pytest.mark.parametrize("place_of", ["data", "gradient"])
@pytest.mark.parametrize("length", [49, 197, 2501, 5001])
def test_gradients_of_rows_take_the_place_of_what_they_are_made_of(cpu_target, memory, length, place_of):
    check_gradients(memory, (STREAMED // (70 * length) + 1, 70, length), 12, place_of=place_of)


@pytest.mark.parametrize("count", [1, 3, 16])
@pytest.mark.parametrize("length", [49, 197, 2501, 5001])
def test_gradients_of_rows_on_any_number_of_threads(threads, memory, length, count):
    rectifier.set_num_threads(count)
    check_gradients(memory, (STREAMED // (70 * length) + 1, 70, length), 36)


@pytest.mark.parametrize("shifts", [(0, 0), (0, 4), (4, 0)])
def test_a_slope_for_each_element(cpu_target, memory, shifts):
    shape = (STREAMED + 5,)
    data, head, gamma = (array[shift : shift + shape[0]] for array, shift in zip(memory * 2, range(3), strict=False))
    (out, raw), (d_gamma, d_raw) = (place(shape, shift) for shift in shifts)
    rectifier.leaky_relu(data, gamma, "prelu", out=out)
    assert_same_bits(out, np.where(data > 0, data, gamma * data))
    _, pullback = rectifier.vjp(data, gamma, "prelu")
    pullback(head, out=(out, d_gamma))
    assert_same_bits(out, np.where(data > 0, head, gamma * head))
    assert_same_bits(d_gamma, np.where(data > 0, 0, 0 + head * data))
    assert_nothing_else_written(raw, out)
    assert_nothing_else_written(d_raw, d_gamma)


@pytest.mark.parametrize("target", ["data", "gradient"])
def test_the_gradient_may_take_the_place_of_what_it_is_made_of(cpu_target, memory, target):
    data, head = (array[: STREAMED + 5] for array in memory)
    gamma = np.full(1, SLOPE)
    expected = np.where(data > 0, head, SLOPE * head)
    total = np.where(data > 0, 0, head * data).sum(dtype=np.float64)
    place_of = {"data": data.copy(), "gradient": head.copy()}
    _, pullback = rectifier.vjp(place_of["data"], gamma, "prelu")
    result = pullback(place_of["gradient"], out=(place_of[target], np.empty_like(gamma)))
    assert_same_bits(result[0], expected)
    assert_same_bits(result[1], np.array([total], np.float32))
