"""An element's result depends on its value and the parameters alone: not on layout, position, threads or chunks."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings

import rectifier
from rectifier import _core, leaky_relu, vjp
from rectifier.parameters import ACTIVATIONS
from ulp import assert_same_bits

DTYPES = [np.float16, ml_dtypes.bfloat16, np.float32, np.float64]
SIZES = st.sampled_from([1, 2, 3, 5, 16, 17, 33, 64, 100])
SHAPES = st.lists(SIZES, min_size=0, max_size=4).map(tuple).filter(lambda s: np.prod(s, dtype=float) <= 50_000)
LAYOUTS = ["C", "permuted", "every other", "reversed", "padded", "offset"]


def numbers(seed: int, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype).reshape(shape)


def laid_out(a: np.ndarray, layout: str, seed: int) -> np.ndarray:
    """The same values in another layout."""
    if a.ndim == 0 or layout == "C":
        return a
    if layout == "permuted":
        axes = np.random.default_rng(seed).permutation(a.ndim)
        return np.ascontiguousarray(a.transpose(axes)).transpose(np.argsort(axes))
    if layout == "reversed":
        return np.ascontiguousarray(a[(slice(None, None, -1),) * a.ndim])[(slice(None, None, -1),) * a.ndim]
    if layout == "offset":
        flat = np.empty(a.size + 3, a.dtype)
        view = flat[3:].reshape(a.shape)
    else:
        step = 2 if layout == "every other" else 1
        room = np.zeros([step * n + 3 for n in a.shape], a.dtype)
        view = room[tuple(slice(1, 1 + step * n, step) for n in a.shape)]
    view[...] = a
    return view


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    shape = draw(SHAPES)
    act_type = draw(st.sampled_from(list(ACTIVATIONS)))
    keywords: dict[str, Any] = {"act_type": act_type}
    if act_type in ("leaky", "elu"):
        keywords["slope"] = draw(st.sampled_from([0.25, -0.5, 0.0, 1.0, -2.0]))
    if act_type == "rrelu":
        keywords.update(training=draw(st.booleans()), rng=draw(st.integers(0, 2**64 - 1)))
        keywords["lower_bound"] = draw(st.sampled_from([0.125, -0.5, 0.0]))
    if act_type == "prelu":
        gamma_shape = tuple(n if draw(st.booleans()) else 1 for n in shape)
        gamma = laid_out(numbers(1, gamma_shape, draw(st.sampled_from(DTYPES))), draw(st.sampled_from(LAYOUTS)), 1)
        keywords.update(gamma=gamma, axis=tuple(range(len(shape))) if shape else None)
    layouts = [draw(st.sampled_from(LAYOUTS)) for _ in range(4)]
    return {"shape": shape, "dtype": draw(st.sampled_from(DTYPES)), "keywords": keywords, "layouts": layouts}


@settings(max_examples=400)
@given(case=cases(), seed=st.integers(0, 2**32 - 1), n=st.integers(1, 4))
def test_layout_and_threads_do_not_matter(case: dict[str, Any], seed: int, n: int) -> None:
    keywords, in_layout, g_layout, out_layout, dx_layout = case["keywords"], *case["layouts"]
    x, g = (numbers(seed + k, case["shape"], case["dtype"]) for k in range(2))
    before = rectifier.get_num_threads()
    try:
        rectifier.set_num_threads(1)
        y, pullback = vjp(x, **keywords)
        expected = pullback(g)
        rectifier.set_num_threads(n)
        out = laid_out(np.zeros_like(x), out_layout, seed)
        result, pullback = vjp(laid_out(x, in_layout, seed), out=out, **keywords)
        assert result is out
        assert_same_bits(out, np.asarray(y))
        dx = laid_out(np.zeros_like(x), dx_layout, seed)
        upstream = laid_out(g, g_layout, seed + 1)
        if keywords["act_type"] == "prelu":
            _, d_gamma = pullback(upstream, out=(dx, None))
            assert_same_bits(np.asarray(d_gamma), np.asarray(expected[1]))
            expected = expected[0]
        else:
            assert pullback(upstream, out=dx) is dx
        assert_same_bits(dx, np.asarray(expected))
    finally:
        rectifier.set_num_threads(before)


@pytest.mark.parametrize("act_type", [name for name in ACTIVATIONS if name != "prelu"])
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)
def test_any_slice_gives_the_same_bits(act_type: str, dtype: Any, cpu_target: str) -> None:
    x = numbers(5, (700,), dtype)
    y, pullback = vjp(x, act_type=act_type)
    d = pullback(x)
    for first in range(70):
        for n in (1, 2, 7, 15, 16, 17, 63, 64, 65, 200, 630):
            piece, back = vjp(x[first : first + n], act_type=act_type)
            assert_same_bits(piece, y[first : first + n])
            assert_same_bits(back(x[first : first + n]), d[first : first + n])


@pytest.mark.parametrize("act_type", ["leaky", "gelu", "prelu"])
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)
def test_any_place_of_the_result_gives_the_same_bits(act_type: str, dtype: Any, cpu_target: str) -> None:
    x, gamma = numbers(5, (1100,), dtype), numbers(6, (1100,), dtype)
    keywords: dict[str, Any] = {"act_type": act_type}
    expected, pullback = vjp(x, gamma if act_type == "prelu" else None, **keywords)
    gradients = pullback(x)
    size = x.dtype.itemsize
    for n in (1, 17, 255, 256, 257, 319, 320, 1000):
        rooms = np.full((3, n * size + 128), 7, np.uint8)
        for offset in range(0, 64, size):
            starts = [-room.ctypes.data % 64 + offset for room in rooms]
            y, d_x, d_gamma = (
                room[start : start + n * size].view(dtype) for room, start in zip(rooms, starts, strict=True)
            )
            if act_type == "prelu":
                keywords["gamma"] = gamma[:n]
            _, pullback = vjp(x[:n], out=y, **keywords)
            assert_same_bits(y.copy(), expected[:n])
            if act_type == "prelu":
                pullback(x[:n], out=(d_x, d_gamma))
                assert_same_bits(d_gamma.copy(), gradients[1][:n])
                assert_same_bits(d_x.copy(), gradients[0][:n])
            else:
                pullback(x[:n], out=d_x)
                assert_same_bits(d_x.copy(), gradients[:n])
            for room, start in zip(rooms, starts, strict=True):
                room[start : start + n * size] = 7
        assert (rooms == 7).all()


@pytest.mark.parametrize("n", [2**k + d for k in (9, 10, 13, 16, 17, 18) for d in (-1, 0, 1)])
@pytest.mark.parametrize("act_type", ["leaky", "gelu", "rrelu"])
def test_sizes_around_every_threshold(act_type: str, n: int, cpu_target: str, threads: None) -> None:
    x = numbers(n, (n,), np.float32)
    keywords = {"training": True, "rng": 3} if act_type == "rrelu" else {}
    rectifier.set_num_threads(3)
    y, pullback = vjp(x, act_type=act_type, **keywords)
    rows = x.reshape(-1, 1)[:, [0, 0]]
    assert_same_bits(y[-1000:], leaky_relu(x, act_type=act_type, **keywords)[-1000:])
    rectifier.set_num_threads(1)
    assert_same_bits(leaky_relu(x, act_type=act_type, **keywords), y)
    if act_type != "rrelu":
        assert_same_bits(leaky_relu(rows, act_type=act_type)[:, 1], y)
    assert_same_bits(pullback(x), vjp(x, act_type=act_type, **keywords)[1](x))


@pytest.mark.parametrize("gamma_dtype", DTYPES[:3], ids=lambda d: np.dtype(d).name)
@pytest.mark.parametrize("dtype", DTYPES[:2], ids=lambda d: np.dtype(d).name)
def test_a_slope_for_each_16_bit_element(dtype: Any, gamma_dtype: Any, cpu_target: str) -> None:
    sizes = [1, *(2**k + d for k in (4, 6, 8, 10, 13, 19) for d in (-1, 0, 1))]
    if gamma_dtype == dtype:
        sizes.append((48 << 20) // 2 + 37)  # streamed
    for n in sizes:
        x, gamma = (np.resize(numbers(k, (5003 + k,), d), n) for k, d in ((1, dtype), (2, gamma_dtype)))
        # A product in float32, and one rounding to 16 bits.
        wide = np.where(x > 0, 1, gamma.astype(np.float32)) * x.astype(np.float32)
        if n < 2**20:
            rows = np.stack([x, x, x])
            assert_same_bits(leaky_relu(rows, gamma, "prelu", axis=-1), np.stack([wide.astype(dtype)] * 3))
        assert_same_bits(leaky_relu(x, gamma, "prelu", axis=0), wide.astype(dtype))
        assert_same_bits(leaky_relu(x[::-1], gamma[::-1], "prelu", axis=0), wide.astype(dtype)[::-1])


def test_streamed_results_are_the_same_bits(cpu_target: str, threads: None) -> None:
    n = 2**24 + 5
    x = np.resize(numbers(1, (4099,), np.float32), n + 3)
    small = leaky_relu(x[:4099], act_type="elu")
    for first in range(3):
        y = leaky_relu(x[first : first + n], act_type="elu")
        assert_same_bits(y[:1000], small[first : first + 1000])
        assert_same_bits(y[-4099:], np.resize(small, n + first)[-4099:])


def test_streamed_results_across_the_index(cpu_target: str, threads: None) -> None:
    rows = np.resize(numbers(2, (4099,), np.float32), (12, 2**20 + 32))
    keywords = {"act_type": "rrelu", "training": True, "rng": 5}
    to = np.empty_like(rows)
    line = -to.ctypes.data % 64 // 4
    for first in (line, line + 1):  # rows that begin on a line of memory, and rows that do not
        x, out = (array[:, first : first + 2**20].T for array in (rows, to))
        assert x.nbytes >= 48 << 20
        assert_same_bits(leaky_relu(x, out=out, **keywords), leaky_relu(np.ascontiguousarray(x), **keywords))


@pytest.mark.parametrize("act_type", ["leaky", "prelu", "rrelu"])
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)
def test_products_are_the_same_on_every_target(act_type: str, dtype: Any) -> None:
    x, g = numbers(8, (6, 50, 40), dtype), numbers(9, (6, 50, 40), dtype)
    keywords: dict[str, Any] = {"act_type": act_type}
    if act_type == "prelu":
        keywords["gamma"] = numbers(3, (50,), np.float32)
    if act_type == "rrelu":
        keywords.update(training=True, rng=11)
    before = _core.cpu_target()
    results = []
    for target in _core.cpu_targets():
        _core.set_cpu_target(target)
        y, pullback = vjp(x, **keywords)
        d = pullback(g)
        results.append([y, *(d if isinstance(d, tuple) else (d,))])
    _core.set_cpu_target(before)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert_same_bits(np.asarray(a), np.asarray(b))


def test_results_have_the_layout_of_the_data() -> None:
    x = numbers(1, (4, 5, 6), np.float32)
    for axes in [(0, 1, 2), (2, 0, 1), (1, 2, 0), (2, 1, 0)]:
        view = x.transpose(axes)
        y, pullback = vjp(view, act_type="elu")
        assert y.strides == view.strides
        assert pullback(view).strides == view.strides


def test_more_than_two_to_the_31_elements() -> None:
    # float16, one element repeated by strides of 0 as input: 4 GiB of output and no more.
    n = 2**31 + 10
    x = np.lib.stride_tricks.as_strided(np.array([-1.0], np.float16), (n,), (0,))
    y = leaky_relu(x)
    assert y[-1] == np.float16(-0.25)
    assert y[2**31 + 1] == np.float16(-0.25)
    assert y[:: 2**20].tolist() == [-0.25] * (n // 2**20 + 1)
