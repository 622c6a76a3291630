"""Any shape, stride and alignment: the Triton kernels against the core on the same views."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from gpu_or_interpreter import on_the_device, to_device, to_numpy, torch
from rectifier import _core
from rectifier.kernels import triton as kernels
from rectifier.kernels.triton import gamma_gradient, launch, nest, verbs
from test_layouts import DTYPES, numbers
from ulp import assert_same_bits

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("quiet_numpy", "core_with_fma")]

SIZES = st.sampled_from([1, 2, 3, 5, 16, 33, 70])
SHAPES = st.lists(SIZES, max_size=4).map(tuple).filter(lambda s: np.prod(s, dtype=float) <= 3_000)
LAYOUTS = ["C", "permuted", "every other", "padded", "offset", "channels last", "repeated"]
CONSTANT = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def laid_out(a: np.ndarray, layout: str, seed: int):
    """The numbers as a tensor in a layout that torch has: steps are never negative."""
    tensor = to_device(a)
    if a.ndim == 0 or layout == "C":
        return tensor
    if layout in ("permuted", "channels last"):
        axes = np.random.default_rng(seed).permutation(a.ndim).tolist()
        if layout == "channels last":
            axes = [0, *range(2, a.ndim), 1] if a.ndim > 1 else [0]
        return tensor.permute(axes).contiguous().permute(np.argsort(axes).tolist())
    if layout == "repeated":
        return tensor[:1].expand(a.shape)
    if layout == "offset":
        room = torch.empty(a.size + 3, dtype=tensor.dtype, device=tensor.device)
        view = room[3:].view(a.shape)
    else:
        step = 2 if layout == "every other" else 1
        room = torch.zeros([step * n + 3 for n in a.shape], dtype=tensor.dtype, device=tensor.device)
        view = room[tuple(slice(1, 1 + step * n, step) for n in a.shape)]
    view.copy_(tensor)
    return view


@st.composite
def cases(draw):
    shape = draw(SHAPES)
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    arithmetic = np.float64 if dtype == np.float64 else np.float32
    kind = draw(st.sampled_from(["leaky", "elu", "selu", "gelu", "prelu", "rrelu", "signs", "rrelu by signs"]))
    keywords = {"formula": {"elu": 1, "selu": 2, "gelu": 3}.get(kind, 0), "slope": draw(st.sampled_from([0.25, -0.5]))}
    gamma = None
    if kind == "prelu":
        gamma_dtype = arithmetic if draw(st.booleans()) or dtype.itemsize != 2 else dtype
        gamma = numbers(1, tuple(n if draw(st.booleans()) else 1 for n in shape), gamma_dtype)
    if "rrelu" in kind:
        keywords.update(key=draw(st.integers(0, 2**64 - 1)), lower=0.125, upper=0.3)
        keywords["first"] = draw(st.sampled_from([0, 1, 2, 3, 4, 1001, 2**33 + 1, 2**62 + 7]))
    backward = "signs" in kind or draw(st.booleans())
    layouts = [draw(st.sampled_from(LAYOUTS)) for _ in range(4)]
    return shape, dtype, gamma, keywords, backward, "signs" in kind, layouts


def expected_of(x, g, gamma, keywords, signs):
    out = np.empty_like(x)
    data = x
    if signs:
        data = np.empty((x.size + 7) // 8, np.uint8)
        _core.pack_signs(data, x)
    formula = keywords["formula"]
    _core.apply(formula, out, data, g, gamma, **{k: v for k, v in keywords.items() if k != "formula"})
    return out


@given(cases(), st.integers(0, 99))
@CONSTANT
def test_any_layout(case, seed):
    shape, dtype, gamma, keywords, backward, signs, layouts = case
    x, g = numbers(seed, shape, dtype), numbers(seed + 1, shape, dtype)
    data, above = laid_out(x, layouts[0], seed), laid_out(g, layouts[1], seed)
    x, g = to_numpy(data).copy(), to_numpy(above).copy()
    out = laid_out(np.zeros(shape, dtype), layouts[2] if layouts[2] != "repeated" else "C", seed + 2)
    slopes = None if gamma is None else laid_out(gamma, layouts[3] if layouts[3] != "repeated" else "C", seed)
    expected = expected_of(x, g if backward else None, gamma, keywords, signs)
    if signs:
        bits = torch.zeros((x.size + 7) // 8, dtype=torch.uint8, device=data.device)
        kernels.pack_signs(bits, data)
        packed = np.zeros((x.size + 7) // 8, np.uint8)
        _core.pack_signs(packed, x)
        assert_same_bits(to_numpy(bits), packed)
        data = bits
    kernels.apply(out=out, data=data, d_out=above if backward else None, gamma=slopes, **keywords)
    if keywords["formula"] == 3:
        # gelu has bits of its own: those of the same numbers in one piece.
        flat = torch.empty(shape, dtype=out.dtype, device=out.device)
        kernels.apply(3, flat, data.contiguous(), above.contiguous() if backward else None)
        expected = to_numpy(flat)
    assert_same_bits(to_numpy(out), expected)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("gamma_shape", [(1, 5, 1, 1), (1, 1, 1, 41), (1, 5, 9, 41), (1, 5, 1, 41)])
@pytest.mark.parametrize("layout", ["C", "channels last", "padded"])
def test_slopes_along_rows_and_columns_of_several_tiles(gamma_shape, layout, dtype):
    x, g = numbers(1, (3, 5, 9, 41), dtype), numbers(2, (3, 5, 9, 41), dtype)
    gamma = numbers(3, gamma_shape, "float64" if dtype == "float64" else "float32")
    data, above = laid_out(x, layout, 1), laid_out(g, layout, 1)
    for upstream in (None, above):
        out = torch.empty_like(data)
        kernels.apply(0, out, data, upstream, to_device(gamma))
        assert_same_bits(to_numpy(out), expected_of(x, None if upstream is None else g, gamma, {"formula": 0}, False))


@given(SHAPES, st.sampled_from(DTYPES), st.sampled_from(LAYOUTS[:-1]), st.integers(0, 99))
@settings(CONSTANT, max_examples=12)
def test_in_place(shape, dtype, layout, seed):
    x, g = numbers(seed, shape, dtype), numbers(seed + 1, shape, dtype)
    data = laid_out(x, layout, seed)
    kernels.apply(1, data, data, slope=0.5)
    assert_same_bits(to_numpy(data), expected_of(x, None, None, {"formula": 1, "slope": 0.5}, False))
    above = laid_out(g, layout, seed)
    kernels.apply(0, above, laid_out(x, "C", seed), above, slope=-0.5)
    assert_same_bits(to_numpy(above), expected_of(x, g, None, {"formula": 0, "slope": -0.5}, False))


def test_what_lies_between_the_elements_stays():
    room = to_device(np.full((40, 30), 7, np.float32))
    view = room[1:35:3, 2:29:2]
    kernels.apply(0, view, torch.full_like(view, -2.0), slope=0.5)
    left = to_numpy(room).copy()
    left[1:35:3, 2:29:2] = 7
    assert (left == 7).all()
    assert (to_numpy(view) == -1).all()


@pytest.mark.parametrize("offset", range(5))
@pytest.mark.parametrize("length", [1, 1023, 1024, 1025, 4096, 4100])
def test_any_alignment_and_length(offset, length):
    x = numbers(length, (length + offset,), np.float32)
    data = to_device(x)[offset:]
    room = to_device(np.full(length + 8, 7, np.float32))
    out = room[offset : offset + length]
    kernels.apply(0, out, data, slope=0.3)
    expected = np.full(length + 8, 7, np.float32)
    _core.apply(0, expected[offset : offset + length], x[offset:], slope=0.3)
    assert_same_bits(to_numpy(room), expected)


@pytest.fixture
def everything_is_far(monkeypatch):
    """Take the path of 64-bit offsets for small arrays."""

    def clear():
        nest.plan_tiles.cache_clear()
        gamma_gradient.plan_gamma.cache_clear()

    for module in (nest, gamma_gradient, verbs):
        monkeypatch.setattr(module, "FAR", 1)
    clear()
    yield
    clear()


@pytest.mark.usefixtures("everything_is_far")
def test_offsets_of_64_bits():
    x, g = numbers(1, (6, 10, 7), np.float32), numbers(2, (6, 10, 7), np.float32)
    gamma = numbers(3, (1, 10, 1), np.float32)
    data, above = laid_out(x, "permuted", 5), laid_out(g, "padded", 5)
    out = torch.empty(x.shape, device=data.device)
    kernels.apply(0, out, data, above, to_device(gamma))
    assert_same_bits(to_numpy(out), expected_of(x, g, gamma, {"formula": 0}, False))
    sums = torch.empty(gamma.shape, device=data.device)
    kernels.gamma_pullback(None, sums, above, data, to_device(gamma))
    wanted = np.empty_like(gamma)
    _core.gamma_pullback(None, wanted, g, x, gamma)
    np.testing.assert_allclose(to_numpy(sums), wanted, rtol=1e-6)
    bits = torch.empty((x.size + 7) // 8, dtype=torch.uint8, device=data.device)
    kernels.pack_signs(bits, data)
    assert_same_bits(np.unpackbits(to_numpy(bits), bitorder="little")[: x.size], (x > 0).ravel().astype(np.uint8))


def test_arrays_beyond_32_bits_are_known_as_such():
    far = nest.plan_tiles((40, 3), ((1, 10**9), (3, 1), (0, 0), (0, 0), (3, 1)), False)
    near = nest.plan_tiles((40, 3), ((1, 10**6), (3, 1), (0, 0), (0, 0), (3, 1)), False)
    assert (far.wide, near.wide) == (True, False)
    strides = ((2**20, 1),) * 3 + ((1, 0),)
    assert gamma_gradient.plan_gamma((2**11, 2**20), (2**11, 1), strides).wide
    assert not gamma_gradient.plan_gamma((2**8, 2**20), (2**8, 1), strides).wide


def test_more_than_2_31_elements():
    if not on_the_device() or torch.cuda.mem_get_info()[0] < 2**34:
        pytest.skip("needs a GPU with 16 GiB of free memory")
    n = 2**31 + 1001
    x = torch.full((n,), -2.0, dtype=torch.bfloat16, device="cuda")
    kernels.apply(0, x, x, slope=0.25)
    assert bool((x == -0.5).all())
    wide = x[:: 2**20]
    kernels.apply(0, wide, wide, slope=0.5)
    assert bool((wide == -0.25).all())


def test_blocks_move_whole_words():
    assert launch.block_of(2) * 2 == launch.block_of(4) * 4 == launch.block_of(8) * 8 == 4 * 1024
