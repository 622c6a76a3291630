"""prelu's backward pass in Triton: dx bit for bit, dgamma summed in float64 in one order and rounded once."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from gpu_or_interpreter import to_device, to_numpy, torch
from rectifier import _core
from rectifier.kernels import triton as kernels
from rectifier.kernels.triton import gamma_gradient
from rectifier.kernels.triton.gamma_gradient import plan_gamma
from rectifier.kernels.triton.nest import c_order
from test_gamma_gradient import exact_sum, rounded_once
from test_layouts import DTYPES, numbers
from test_triton_layouts import LAYOUTS, SHAPES, laid_out
from ulp import BFLOAT16, FORMATS, assert_same_bits

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("quiet_numpy")]


def pullback(g, x, gamma, d_gamma_dtype=None, wants_dx=True):
    """The two gradients for tensors or arrays."""
    g, x, gamma = (a if isinstance(a, torch.Tensor) else to_device(a) for a in (g, x, gamma))
    dx = torch.empty_like(x) if wants_dx else None
    sums = torch.empty(gamma.shape, dtype=d_gamma_dtype or gamma.dtype, device=x.device)
    kernels.gamma_pullback(dx, sums, g, x, gamma)
    return (None if dx is None else to_numpy(dx)), to_numpy(sums)


@st.composite
def cases(draw):
    shape = draw(SHAPES)
    gamma_shape = tuple(n if draw(st.booleans()) else 1 for n in shape)
    return shape, gamma_shape, np.dtype(draw(st.sampled_from(DTYPES))), [draw(st.sampled_from(LAYOUTS)) for _ in "123"]


def positions(shape, gamma_shape, strides):
    """Where each element lies: a row for each element of gamma, with the elements that it covers in C order."""
    at = sum(np.arange(n).reshape([-1 if a == axis else 1 for a in range(len(shape))]) * strides[axis]
             for axis, n in enumerate(shape))  # fmt: skip
    kept = [axis for axis, n in enumerate(gamma_shape) if n == shape[axis]]
    reduced = [axis for axis in range(len(shape)) if axis not in kept]
    return at.transpose(kept + reduced).reshape(math.prod(gamma_shape[axis] for axis in kept), -1)


SHAPES_WITH_RUNS = [
    ((4, 3, 8, 8), (1, 3, 1, 1), 16), ((4, 3, 6, 6), (1, 3, 1, 1), 4), ((4, 3, 7, 7), (1, 3, 1, 1), 1),
    ((2, 4, 16), (1, 4, 1), 16), ((2, 4, 16), (1, 1, 16), 1), ((64, 32), (1, 1), 16), ((3, 8), (3, 1), 8),
    ((5, 3, 2, 24), (1, 3, 2, 1), 8),
]  # fmt: skip


@pytest.mark.parametrize(("shape", "gamma_shape", "run"), SHAPES_WITH_RUNS)
def test_what_the_compiler_is_told_of_neighbours_is_so(shape, gamma_shape, run):
    dense = c_order(shape)
    for strides in (dense, c_order(tuple(n + (n > 1) for n in shape)), dense[::-1], tuple(2 * s for s in dense)):
        gamma_strides = tuple(0 if n == 1 else 1 for n in gamma_shape)
        plan = plan_gamma(shape, gamma_shape, (dense, strides, dense, gamma_strides))
        assert strides != dense or plan.run == run
        assert plan.lanes % plan.run == 0
        for steps in (dense, strides):
            at = positions(shape, gamma_shape, steps)
            at = at[:, : at.shape[1] // plan.run * plan.run].reshape(len(at), -1, plan.run)
            assert (at[:, :, 0] % plan.run == 0).all()
            assert (at - at[:, :, :1] == np.arange(plan.run)).all()


@given(cases(), st.integers(0, 99))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_layout(case, seed):
    shape, gamma_shape, dtype, layouts = case
    arithmetic = np.float64 if dtype == np.float64 else np.float32
    gamma = numbers(seed + 2, gamma_shape, arithmetic)
    data, above = (laid_out(numbers(seed + i, shape, dtype), layouts[i], seed) for i in range(2))
    x, g = to_numpy(data).copy(), to_numpy(above).copy()
    dx, sums = pullback(above, data, laid_out(gamma, layouts[2] if layouts[2] != "repeated" else "C", seed))
    expected_dx, expected = np.empty_like(x), np.empty_like(gamma)
    _core.gamma_pullback(expected_dx, expected, g, x, gamma)
    assert_same_bits(dx, expected_dx)
    scale = np.abs(g.astype(float) * x).sum()
    np.testing.assert_allclose(
        sums, expected, rtol=2.0**-23 if arithmetic == np.float32 else 2.0**-50, atol=scale * 2e-16
    )
    # The order is that of the shapes: in one piece, the same bits.
    assert_same_bits(pullback(g, x, gamma)[1], sums)


@pytest.mark.parametrize("dtype", FORMATS, ids=str)
@pytest.mark.parametrize("count", [1, 17, 1000, 4099, 40_001])
def test_sums_that_float64_holds_are_rounded_once(dtype, count):
    rng = np.random.default_rng(count)
    x, g = ((rng.integers(-127, 128, size=(count,)) / 32.0).astype(dtype) for _ in range(2))
    wanted = rounded_once(exact_sum(g, x), dtype)
    assert_same_bits(pullback(g, x, np.ones(1, dtype))[1][0], wanted[()])
    columns = np.stack([x, x], axis=1), np.stack([g, -g], axis=1)
    both = pullback(columns[1], columns[0], np.ones((1, 2), dtype), wants_dx=False)[1]
    assert_same_bits(both[0], np.array([wanted, rounded_once(exact_sum(-g, x), dtype)], dtype))


@pytest.mark.parametrize(("dtype", "bits"), [(np.dtype(np.float16), 11), (BFLOAT16, 8), (np.dtype(np.float32), 24)])
def test_a_sum_next_to_a_tie_is_not_rounded_twice(dtype, bits):
    pairs = [(1.0, -1.0), (2.0**-12, -(2.0 ** (12 - bits))), (2.0**-22, -(2.0**-22))]
    g, x = (np.array(part, dtype) for part in zip(*pairs, strict=True))
    ones = np.ones(1, dtype)
    assert_same_bits(pullback(g, x, ones)[1], np.array([-(1 + 2.0 ** (1 - bits))], dtype))
    g[2] = -g[2]
    assert_same_bits(pullback(g, x, ones)[1], np.array([-1], dtype))
    assert_same_bits(pullback(-g, x, ones)[1], np.array([1], dtype))


def test_products_beyond_the_type_cancel_without_overflow():
    x, g = np.full(2, -300, np.float16), np.array([300, -299], np.float16)
    assert pullback(g, x, np.ones(1, np.float16))[1] == -300
    x, g = np.array([-3e38, -3e38], np.float32), np.array([3e38, -3e38], np.float32)
    assert pullback(g, x, np.ones(1, np.float32))[1] == 0


def order_of_sums(x, g):
    """The documented order, in NumPy: float64 throughout."""
    terms = np.where(x > 0, 0.0, g.astype(float) * x.astype(float))
    lanes = min(64, 1 << (len(terms) - 1).bit_length())
    steps = 16 if len(terms) > lanes else 1
    blocks = -(-len(terms) // (lanes * steps))
    room = np.zeros(blocks * lanes * steps)
    room[: len(terms)] = terms
    sums = np.zeros((blocks, lanes))
    for step in range(steps):
        sums += room.reshape(blocks, steps, lanes)[:, step]
    sums = sums.ravel()
    sums = np.concatenate([sums, np.zeros((1 << (len(sums) - 1).bit_length()) - len(sums))])
    while len(sums) > 1:
        sums = sums[::2] + sums[1::2]
    return sums[0]


@pytest.mark.parametrize("count", [1, 3, 64, 65, 1024, 1025, 5000, 40_003])
def test_the_order_is_the_documented_one(count):
    """In float64, where another order shows."""
    x, g = numbers(count, (count,), np.float64), numbers(count + 1, (count,), np.float64)
    assert_same_bits(pullback(g, x, np.ones(1))[1][0], order_of_sums(x, g))
    across = pullback(np.stack([g, g], 1), np.stack([x, x], 1), np.ones((1, 2)))[1]
    assert_same_bits(across[0, 1], order_of_sums(x, g))
    if count == 5000:
        assert order_of_sums(x[::-1], g[::-1]) != order_of_sums(x, g)


def test_a_third_stage(monkeypatch):
    """Many chunks of few elements: the second stage runs until one sum is left."""
    x, g = numbers(1, (17_000,), np.float64), numbers(2, (17_000,), np.float64)
    monkeypatch.setattr(gamma_gradient, "SUMS", 64)
    gamma_gradient.plan_gamma.cache_clear()
    from rectifier.kernels.triton import verbs

    monkeypatch.setattr(verbs, "FOLD", 4)
    assert_same_bits(pullback(g, x, np.ones(1))[1][0], order_of_sums(x, g))
    gamma_gradient.plan_gamma.cache_clear()


def test_in_place_and_gradients_of_other_types_and_layouts():
    x, g = numbers(1, (4, 6, 5), np.float16), numbers(2, (4, 6, 5), np.float16)
    gamma = numbers(3, (1, 6, 1), np.float32)
    expected_dx, expected = np.empty_like(x), np.empty((1, 6, 1), np.float16)
    _core.gamma_pullback(expected_dx, expected, g, x, gamma.astype(np.float32))
    above, room = to_device(g), to_device(np.zeros((1, 6, 3), np.float16))
    kernels.gamma_pullback(above, room[:, :, 1:2], above, to_device(x), to_device(gamma))
    assert_same_bits(to_numpy(above), expected_dx)
    assert_same_bits(to_numpy(room[:, :, 1:2].contiguous()), expected)
    assert not to_numpy(room)[:, :, ::2].any()


def test_empty_data_gives_zero():
    sums = to_device(np.ones((1, 3), np.float32))
    kernels.gamma_pullback(None, sums, *(torch.empty((0, 3), device=sums.device) for _ in "12"), sums.clone())
    assert to_numpy(sums).tolist() == [[0, 0, 0]]


def test_errors():
    x, gamma = torch.zeros(2, 3), torch.zeros(1, 3)
    with pytest.raises(ValueError, match=r"`d_gamma` must have gamma's shape \(1, 3\), got \(3,\)"):
        kernels.gamma_pullback(None, torch.zeros(3), x, x, gamma)
    with pytest.raises(ValueError, match=r"`gamma` must broadcast to \(2, 3\), got shape \(3,\)"):
        kernels.gamma_pullback(None, torch.zeros(3), x, x, torch.zeros(3))
    with pytest.raises(ValueError, match=r"`d_out` must be float32 of shape \(2, 3\), got float32 of shape \(6,\)"):
        kernels.gamma_pullback(None, gamma, torch.zeros(6), x, gamma)
