"""rrelu's slopes in Triton: the bits of every other back-end, wherever a call starts and however data lies."""

import numpy as np
import pytest

from golden import make_golden
from gpu_or_interpreter import TYPES, to_device, to_numpy, torch
from rectifier import _core, random
from rectifier.kernels import triton as kernels
from ulp import assert_same_bits

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("quiet_numpy")]

BOUNDS = [(0.125, 0.333999991), (-1.0, 1.0), (0.25, 0.25), (0.0, 1e-44), (1.0, 1.0000001), (-3e38, 3e38)]


def drawn(count, key, lower, upper, first=0):
    out = to_device(np.empty(count, np.float32))
    kernels.draw_slopes(out, key, lower, upper, first)
    return to_numpy(out)


@pytest.mark.parametrize("key", [0, 7, 2**31, 2**32 - 1, 2**63, 2**64 - 1])
@pytest.mark.parametrize("first", [0, 1, 2, 3, 5, 2**32 - 3, 2**34 - 2, 2**35 + 1, 2**63 + 3])
def test_the_bits_of_numpy(key, first):
    count = 1030 if first < 4 else 37
    assert_same_bits(drawn(count, key, 0.125, 0.3, first), random.slopes(first, count, key, 0.125, 0.3))


@pytest.mark.parametrize(("lower", "upper"), BOUNDS)
def test_the_map_to_the_bounds_is_one_fma_and_stays_below_upper(lower, upper):
    assert_same_bits(drawn(2000, 3, lower, upper), random.slopes(0, 2000, 3, lower, upper))


def test_another_key_draws_other_slopes():
    with pytest.raises(AssertionError, match="differ in their bits"):
        assert_same_bits(drawn(100, 3, 0.0, 1.0), drawn(100, 4, 0.0, 1.0))


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("layout", [(0, 1, 2, 3), (0, 2, 3, 1), (3, 2, 1, 0)])
@pytest.mark.parametrize("first", [0, 6])
def test_the_slope_belongs_to_the_place_in_c_order(name, layout, first):
    """Forward, backward, and backward by signs, for data in any memory order."""
    dtype, shape = make_golden.FORMATS[name][0], (2, 5, 3, 7)
    x, g = (np.random.default_rng(seed).standard_normal(shape).astype(dtype) for seed in (1, 2))
    back = np.argsort(layout).tolist()
    data, above = (to_device(a).permute(layout).contiguous().permute(back) for a in (x, g))
    bits = torch.zeros((x.size + 7) // 8, dtype=torch.uint8, device=data.device)
    kernels.pack_signs(bits, data)
    settings = {"key": 11, "lower": -0.5, "upper": 0.75, "first": first}
    for source, upstream, theirs in ((data, None, None), (data, above, g), (bits, above, g)):
        out = torch.empty_like(data)
        kernels.apply(0, out, source, upstream, **settings)
        expected = np.empty_like(x)
        _core.apply(0, expected, x, theirs, **settings)
        assert_same_bits(to_numpy(out), expected)


@pytest.mark.parametrize("whole", [(6, 8, 5), (3, 4, 1), (1, 1, 16)])
@pytest.mark.parametrize("part", [np.s_[1:, 2:5, :], np.s_[:, ::2, :1], np.s_[:1, :, 3:4]])
def test_a_part_has_the_slopes_that_it_has_in_the_whole(whole, part):
    """By the number of its first element and the steps between numbers."""
    x, g = (np.random.default_rng(seed).standard_normal(whole).astype(np.float32) for seed in (1, 2))
    expected = np.empty_like(x)
    numbers = np.arange(x.size).reshape(whole)
    if not numbers[part].size:
        return
    steps = tuple(s // numbers.itemsize for s in numbers[part].strides)
    settings = {"key": 5, "lower": -0.5, "upper": 0.75, "first": int(numbers[part].flat[0]), "steps": steps}
    data, above = to_device(np.ascontiguousarray(x[part])), to_device(np.ascontiguousarray(g[part]))
    bits = torch.zeros((data.numel() + 7) // 8, dtype=torch.uint8, device=data.device)
    kernels.pack_signs(bits, data)
    for source, upstream, theirs in ((data, None, None), (data, above, g), (bits, above, g)):
        out = torch.empty_like(data)
        kernels.apply(0, out, source, upstream, **settings)
        _core.apply(0, expected, x, theirs, key=5, lower=-0.5, upper=0.75)
        assert_same_bits(to_numpy(out), np.ascontiguousarray(expected[part]))


@pytest.mark.parametrize("out", [torch.empty(4, dtype=torch.float64), torch.empty(8)[::2], torch.empty(3, 4).T])
def test_errors_of_draw_slopes(out):
    with pytest.raises(ValueError, match=r"`out` must be a contiguous float32 tensor, got float(32|64) of shape"):
        kernels.draw_slopes(out, 1, 0.0, 1.0)


@pytest.mark.parametrize(
    "bits",
    [torch.empty(2, dtype=torch.uint8), torch.empty(1, dtype=torch.int8), torch.empty(2, dtype=torch.uint8)[::2]],
)
def test_errors_of_pack_signs(bits):
    data = torch.zeros(8 if bits.numel() == 2 else 9)
    with pytest.raises(
        ValueError, match=r"`bits` must be contiguous uint8, one bit for each of \d elements, got u?int8"
    ):
        kernels.pack_signs(bits, data)
