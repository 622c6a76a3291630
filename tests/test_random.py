"""The generator: known answers, the map to slopes, its distribution, and the operator's slopes against it."""

import math
import re
from fractions import Fraction
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

import rectifier
from rectifier import _core
from rectifier import random as generator
from rectifier.parameters import LOWER_BOUND, UPPER_BOUND
from ulp import assert_same_bits

KEYS = [0, 7, 2**32, 0x299F31D0A4093822, 2**64 - 1]
FLOAT32_MAX = float(np.finfo(np.float32).max)
BOUNDS = [
    (LOWER_BOUND, UPPER_BOUND),
    (0.0, 1.0),
    (-1.0, 1.0),
    (-0.3, 0.1),
    (1.0, 1.0 + 2**-23),
    (1.0, 1.0 + 2**-20),
    (-FLOAT32_MAX, FLOAT32_MAX),
    (0.0, FLOAT32_MAX),
    (2**-40, 1.0),
    (0.0, 2.0**-140),
    (-(2.0**-149), 2.0**-149),
    (1e30, 1.0001e30),
    (-0.1, 1e9),
]


def words_of(number, count):
    return [number >> (32 * i) & 0xFFFFFFFF for i in range(count)]


# From kat_vectors of Random123, the library of the generator's authors.
@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_known_answers_of_random123(counter, key, expected):
    assert generator.philox(counter, key).tolist() == expected
    assert generator.philox([[counter, [1, 2, 3, 4]]], key)[0, 0].tolist() == expected


def philox_in_python_integers(counter, key):
    """The paper's definition, one round a line, as a second implementation."""
    (l0, r0, l1, r1), (k0, k1) = counter, key
    for _ in range(10):
        p0, p1 = 0xD2511F53 * l0, 0xCD9E8D57 * l1
        l0, r0, l1, r1 = p1 >> 32 ^ r0 ^ k0, p1 & 0xFFFFFFFF, p0 >> 32 ^ r1 ^ k1, p0 & 0xFFFFFFFF
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return [l0, r0, l1, r1]


def exact_slope(index, key, lower, upper):
    """The recipe of docs/semantics.md in rational numbers."""
    low, high = np.float32(lower), np.float32(upper)
    if low == high:
        return low
    word = philox_in_python_integers([*words_of(index // 4, 2), 0, 0], words_of(key, 2))[index % 4]
    step = np.float32((float(high) - float(low)) * 2.0**-24)
    exact = Fraction(word >> 8) * Fraction(float(step)) + Fraction(float(low))
    slope = nearest_float32(exact)
    return slope if slope < high else np.nextafter(high, low)


def nearest_float32(exact):
    """Round to nearest even from the fraction itself, never by way of float64."""
    if exact == 0:
        return np.float32(0)
    size = abs(exact)
    exponent = math.floor(math.log2(size.numerator) - math.log2(size.denominator))
    exponent += (size >= Fraction(2) ** (exponent + 1)) - (size < Fraction(2) ** exponent)
    unit = Fraction(2) ** (max(exponent, -126) - 23)
    return np.float32(math.copysign(float(round(size / unit) * unit), exact))


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("bounds", BOUNDS)
def test_slopes_against_rational_arithmetic(key, bounds):
    expected = np.array([exact_slope(i, key, *bounds) for i in range(3, 203)], np.float32)
    assert_same_bits(generator.slopes(3, 200, key, *bounds), expected)


@pytest.mark.parametrize("bounds", BOUNDS)
def test_the_operator_draws_the_same_bits(cpu_target, bounds):
    for key in KEYS:
        for count in (1, 3, 4, 31, 64, 1001):
            expected = generator.slopes(0, count, key, *bounds)
            assert_same_bits(rectifier.rrelu_slopes(count, key, *bounds), expected)
            assert_same_bits(rectifier.rrelu_slopes(count, key, *bounds, dtype=np.float64), expected.astype(float))


def test_the_float32_fma_rounds_once():
    """Sums that lie so close to a tie that rounding to float64 first would move them onto it."""
    b, c = np.float32(1 + 2**-23), np.float32(2.0**-60)
    a = (np.arange(2**23, 2**23 + 4000) | 1).astype(np.float32)
    for added in (c, -c, np.float32(2.0**-23), np.float32(-3.0)):
        expected = [nearest_float32(Fraction(float(x)) * Fraction(float(b)) + Fraction(float(added))) for x in a]
        assert_same_bits(generator._fma_float32(a, b, added), np.array(expected, np.float32))
    # A tie in float32 but for 2**-60: 1 + 2**-24 + 2**-60.
    tie = generator._fma_float32(np.array([1.0], np.float32), np.float32(1), np.float32(2**-24))
    assert tie == np.float32(1)
    assert exact_tie_breaks(2.0**-60) == np.float32(1 + 2**-23)
    assert exact_tie_breaks(-(2.0**-60)) == np.float32(1)


def exact_tie_breaks(nudge):
    """(1 + 2**-12)**2 = 1 + 2**-11 + 2**-24 is a tie in float32; the addend pushes it to one side."""
    a = np.array([1 + 2.0**-12], np.float32)
    return generator._fma_float32(a, a[0], np.float32(nudge))[0] - np.float32(2.0**-11)


def test_the_example_of_the_documentation():
    page = (Path(__file__).parents[1] / "docs" / "semantics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| `(\w{8})` \| `(0x\S+)` \| (\S+) \|$", page, re.MULTILINE)
    assert len(rows) == 5
    for i, word, slope, about in rows:
        index = int(i)
        assert generator._words(index, 1, 7) == int(word, 16)
        drawn = float(generator.slopes(index, 1, 7, LOWER_BOUND, UPPER_BOUND)[0])
        assert drawn == float.fromhex(slope)
        assert f"{drawn:.8f}" == about


def test_any_stretch_of_the_sequence_is_the_same():
    whole = generator.slopes(0, 1000, 7, 0.125, 0.25)
    for first, count in [(0, 0), (1, 1), (2, 5), (3, 996), (997, 3), (4, 8)]:
        assert_same_bits(generator.slopes(first, count, 7, 0.125, 0.25), whole[first : first + count])


def test_indices_beyond_32_bits():
    for first in (2**32 - 3, 2**34 - 2, 2**63 + 1, 2**64 - 5):
        expected = [exact_slope(first + i, 7, 0.125, 0.25) for i in range(5)]
        assert_same_bits(generator.slopes(first, 5, 7, 0.125, 0.25), np.array(expected, np.float32))


# Around whole registers and their multiples, and where the upper half of the counter changes.
@pytest.mark.parametrize("first", [0, 1, 2, 3, 2**34 - 66, 2**34 - 3, 2**34, 2**63 + 1])
def test_the_core_draws_any_stretch(cpu_target, first):
    for count in (1, 2, 3, 4, 5, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 129, 200):
        drawn = np.empty(count, np.float32)
        _core.draw_slopes(drawn, 7, 0.125, 0.25, first)
        assert_same_bits(drawn, generator.slopes(first, count, 7, 0.125, 0.25))


# Columns around one and two registers of each target, rows around one and two counters.
@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
@pytest.mark.parametrize("first", [0, 1, 2**34 - 3000])
@pytest.mark.parametrize("steps", [(1, 64), (1, 67), (67, 1), (3, 200), (200, 3), (-1, 70)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_tiles_across_the_index_have_its_slopes(cpu_target, dtype, first, steps, order):
    wide = np.dtype(np.float64 if dtype is np.float64 else np.float32)
    few = [(rows, cols) for rows in (4, 5, 8, 9) for cols in (7, 8, 9, 31, 32, 33, 47, 48, 49)]
    for shape in (*few, (1, 70), (3, 15), (4, 16), (33, 17), (35, 65), (66, 129), (9, 1041)):
        rows, cols = (np.arange(n) * step for n, step in zip(shape, steps, strict=True))
        places = first + 70 + rows[:, None] + cols
        least = int(places.min())
        slopes = generator.slopes(least, int(places.max()) - least + 1, 7, 0.125, 0.25)[places - least].astype(wide)
        data, head = np.random.default_rng(1).standard_normal((2, *shape)).astype(dtype)
        data, head = np.asarray(data, order=order), np.asarray(head, order=order)
        out, gradient = np.empty_like(data), np.empty_like(data)
        numbering = {"key": 7, "lower": 0.125, "upper": 0.25, "first": first + 70, "steps": steps}
        _core.apply(0, out, data, **numbering)
        _core.apply(0, gradient, data, head, **numbering)
        assert_same_bits(out, np.where(data > 0, data, (slopes * data.astype(wide)).astype(dtype)))
        assert_same_bits(gradient, np.where(data > 0, head, (slopes * head.astype(wide)).astype(dtype)))


def test_keys_and_indices_are_told_apart():
    some = [generator.slopes(first, 64, key, 0, 1).tobytes() for first in (0, 4, 2**34) for key in KEYS]
    assert len(set(some)) == len(some)


SAMPLE = 200_000


@pytest.mark.parametrize("key", [0, 1, 2**63])
def test_slopes_are_uniform(key):
    """Kolmogorov and Smirnov's test at 1 %, with fixed keys, and the share of each of the upper 8 bits."""
    slopes = np.sort(generator.slopes(0, SAMPLE, key, LOWER_BOUND, UPPER_BOUND).astype(float))
    uniform = (slopes - LOWER_BOUND) / (UPPER_BOUND - LOWER_BOUND)
    ranks = np.arange(SAMPLE)
    distance = max((uniform - ranks / SAMPLE).max(), ((ranks + 1) / SAMPLE - uniform).max())
    assert distance * math.sqrt(SAMPLE) < 1.63
    counts = np.bincount((uniform * 256).astype(int), minlength=256)
    chi_squared = ((counts - SAMPLE / 256) ** 2 / (SAMPLE / 256)).sum()
    assert abs(chi_squared - 255) < 3.3 * math.sqrt(2 * 255)


@pytest.mark.parametrize("lag", [1, 2, 3, 4, 5, 8, 64, 1024])
def test_neighbours_are_uncorrelated(lag):
    slopes = generator.slopes(0, SAMPLE, 7, -1, 1).astype(float)
    correlation = np.corrcoef(slopes[:-lag], slopes[lag:])[0, 1]
    assert abs(correlation) < 3.3 / math.sqrt(SAMPLE)


def test_neighbouring_keys_are_uncorrelated():
    one, other = (generator.slopes(0, SAMPLE, key, -1, 1).astype(float) for key in (7, 8))
    assert abs(np.corrcoef(one, other)[0, 1]) < 3.3 / math.sqrt(SAMPLE)


@pytest.mark.parametrize("bounds", BOUNDS)
def test_slopes_lie_in_the_half_open_interval(bounds):
    low, high = np.float32(bounds[0]), np.float32(bounds[1])
    slopes = generator.slopes(0, 100_000, 7, *bounds)
    assert (slopes >= low).all()
    assert (slopes < high).all()


def test_rounding_up_to_the_upper_bound_is_kept_below_it(monkeypatch):
    """With every bit of every word set, the map gives 2 - 2**-24, which rounds to 2."""
    monkeypatch.setattr(generator, "_words", lambda first, count, key: np.full(count, 2**32 - 1, np.uint32))
    assert_same_bits(generator.slopes(0, 1, 0, 1.0, 2.0), np.array([2 - 2.0**-23], np.float32))
    assert_same_bits(generator.slopes(0, 1, 0, -2.0, -1.0), np.array([-1 - 2.0**-24 * 2], np.float32))
    assert_same_bits(generator.slopes(0, 1, 0, 0.0, 1.0), np.array([1 - 2.0**-24], np.float32))


def test_equal_bounds_give_that_bound():
    for bound in (0.0, -0.3, 1e30):
        assert_same_bits(generator.slopes(0, 5, 7, bound, bound), np.full(5, bound, np.float32))
        assert_same_bits(rectifier.rrelu_slopes(5, 7, bound, bound), np.full(5, bound, np.float32))
    # Two bounds that are one in float32.
    assert_same_bits(generator.slopes(0, 5, 7, 0.1, 0.1 + 1e-12), np.full(5, 0.1, np.float32))


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
def test_rrelu_in_training_multiplies_by_the_slopes(cpu_target, dtype):
    x = np.random.default_rng(3).normal(size=(5, 7, 9)).astype(dtype)
    slopes = generator.slopes(0, x.size, 7, LOWER_BOUND, UPPER_BOUND).reshape(x.shape)
    with_slopes = (slopes * x.astype(slopes.dtype)) if x.dtype.itemsize < 4 else slopes * x
    expected = np.where(x > 0, x, with_slopes.astype(dtype))
    y, pullback = rectifier.vjp(x, act_type="rrelu", training=True, rng=7)
    assert_same_bits(y, expected)
    assert_same_bits(rectifier.leaky_relu(x, act_type="rrelu", training=True, rng=7), expected)
    g = np.random.default_rng(4).normal(size=x.shape).astype(dtype)
    scaled = (slopes * g.astype(slopes.dtype)) if x.dtype.itemsize < 4 else slopes * g
    assert_same_bits(pullback(g), np.where(x > 0, g, scaled.astype(dtype)))


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
@pytest.mark.parametrize("bounds", [(LOWER_BOUND, UPPER_BOUND), (-0.5, 0.25), (-0.3, 0.3), (0.1, 0.7)])
def test_rrelu_in_inference_is_leaky_with_the_middle_slope(dtype, bounds):
    x = np.random.default_rng(3).normal(size=100).astype(dtype)
    middle = generator.middle_slope(*bounds, dtype)
    assert middle.dtype == (np.float64 if dtype is np.float64 else np.float32)
    y, pullback = rectifier.vjp(x, None, "rrelu", 0.25, *bounds)
    leaky, leaky_pullback = rectifier.vjp(x, slope=float(middle))
    assert_same_bits(y, leaky)
    assert_same_bits(pullback(x), leaky_pullback(x))


def test_the_middle_slope_is_rounded_once():
    lower, upper = 0.1, 0.1 + 2.0**-26
    assert generator.middle_slope(lower, upper) == nearest_float32((Fraction(lower) + Fraction(upper)) / 2)
    assert generator.middle_slope(lower, upper, np.float64) == (lower + upper) / 2
    assert generator.middle_slope(FLOAT32_MAX, FLOAT32_MAX) == np.float32(FLOAT32_MAX)
    assert generator.middle_slope(-0.3, 0.3) == 0


def test_an_integer_is_the_key():
    for key in (0, 7, 2**64 - 1, np.uint64(2**64 - 1), np.int8(3), np.int64(2**62)):
        found = generator.key_from_rng(key)
        assert type(found) is int
        assert found == int(key)


def test_a_generator_gives_a_key_and_moves_on():
    rng, again = np.random.default_rng(5), np.random.default_rng(5)
    keys = [generator.key_from_rng(rng) for _ in range(50)]
    assert keys == again.integers(2**64, size=50, dtype=np.uint64).tolist()
    assert len(set(keys)) == 50
    assert max(keys) > 2**63
    x = -np.ones(100, np.float32)
    first, second = (rectifier.leaky_relu(x, act_type="rrelu", training=True, rng=rng) for _ in range(2))
    assert (first != second).any()


def test_none_is_fresh_entropy():
    keys = {generator.key_from_rng(None) for _ in range(50)}
    assert len(keys) == 50
    assert all(0 <= key < 2**64 for key in keys)
    assert max(keys) > 2**32


EXPECTED = r"`rng` must be an integer from 0 to 2\*\*64 - 1, a numpy\.random\.Generator or None, got "


@pytest.mark.parametrize("rng", [-1, 2**64, np.int32(-5)])
def test_integers_out_of_range(rng):
    with pytest.raises(ValueError, match=EXPECTED + str(rng)):
        generator.key_from_rng(rng)
    with pytest.raises(ValueError, match=EXPECTED + str(rng)):
        rectifier.rrelu_slopes(3, rng)


@pytest.mark.parametrize(
    ("rng", "name"),
    [
        (True, "bool"),
        (np.True_, "bool"),
        (1.0, "float"),
        ("7", "str"),
        (np.random.RandomState(1), "RandomState"),
        (np.array(7), "ndarray"),
        ([7], "list"),
        (np.random, "module"),
    ],
)
def test_anything_else_is_a_type_error(rng, name):
    with pytest.raises(TypeError, match=EXPECTED + name):
        generator.key_from_rng(rng)
    with pytest.raises(TypeError, match=EXPECTED + name):
        rectifier.leaky_relu([1.0], act_type="rrelu", training=True, rng=rng)
