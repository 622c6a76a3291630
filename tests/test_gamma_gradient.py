"""gamma's gradient: sums in float64, rounded once, against exact sums in rational numbers."""

import math
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

import rectifier
from ulp import BFLOAT16, FORMATS, assert_same_bits, ulp_exponent

DTYPES = list(FORMATS)


def gamma_gradient(g, x, gamma, **keywords):
    return np.asarray(rectifier.vjp(x, gamma, act_type="prelu", **keywords)[1](g)[1])


def exact_sum(g, x):
    """Over x <= 0, in rational numbers."""
    terms = (Fraction(float(a)) * Fraction(float(b)) for a, b in zip(g.ravel(), x.ravel(), strict=True) if not b > 0)
    return sum(terms, Fraction(0))


def rounded_once(exact, dtype):
    """A fraction to the nearest number of `dtype`, ties to even, by way of no other type."""
    unit = Fraction(2) ** int(ulp_exponent(np.float64(exact), dtype))
    return np.array(float(round(exact / unit) * unit)).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("count", [1, 15, 16, 17, 100, 1000, 4099])
def test_sums_that_float64_holds_are_rounded_once(cpu_target, dtype, count):
    """Products and sums of these numbers are whole multiples of 2**-10 below 2**53."""
    rng = np.random.default_rng(count)
    x, g = ((rng.integers(-127, 128, size=(count,)) / 32.0).astype(dtype) for _ in range(2))
    exact = exact_sum(g, x)
    assert_same_bits(gamma_gradient(g, x, np.ones((), dtype)), rounded_once(exact, dtype))
    columns = np.stack([x, x[::-1], -x], axis=1), np.stack([g, g[::-1], g], axis=1)
    expected = [rounded_once(exact_sum(columns[1][:, i], columns[0][:, i]), dtype) for i in range(3)]
    assert_same_bits(gamma_gradient(columns[1], columns[0], np.ones(3, dtype)), np.array(expected, dtype))


@pytest.mark.parametrize(("dtype", "bits"), [(np.dtype(np.float16), 11), (BFLOAT16, 8), (np.dtype(np.float32), 24)])
def test_a_sum_next_to_a_tie_is_not_rounded_twice(cpu_target, dtype, bits):
    """1 + 2**-bits is a tie; 2**-44 more decides it, and would be lost in float32 on the way to 16 bits."""
    pairs = [(1.0, -1.0), (2.0**-12, -(2.0 ** (12 - bits))), (2.0**-22, -(2.0**-22))]
    g, x = (np.array(part, dtype) for part in zip(*pairs, strict=True))
    assert exact_sum(g, x) == -(1 + Fraction(2) ** -bits + Fraction(2) ** -44)
    expected = np.array(-(1 + 2.0 ** (1 - bits)), dtype)
    assert_same_bits(gamma_gradient(g, x, np.ones((), dtype)), expected)
    g[2] = -g[2]
    assert_same_bits(gamma_gradient(g, x, np.ones((), dtype)), np.array(-1, dtype))


def test_products_beyond_the_type_cancel_without_overflow(cpu_target):
    """Halves: each product is above 65504, their sum is not."""
    x = np.full(2, -300, np.float16)
    g = np.array([300, -299], np.float16)
    assert gamma_gradient(g, x, np.float16(0.5)) == -300
    greatest = np.float16(65504)
    many = np.full(1001, -greatest)
    signs = np.where(np.arange(1001) % 2, -greatest, greatest)
    assert gamma_gradient(signs / greatest, many, np.float16(0.5)) == -65504
    with_overflow = gamma_gradient(np.full(1001, greatest), many, np.float16(0.5))
    assert_same_bits(with_overflow, np.array(-np.inf, np.float16))


def test_float32_products_beyond_the_type_cancel_without_overflow(cpu_target):
    x = np.array([-3e38, -3e38, -1.0], np.float32)
    g = np.array([3e38, -3e38, 7.0], np.float32)
    assert gamma_gradient(g, x, np.float32(0.5)) in (0.0, -7.0)
    assert gamma_gradient(g[:2], x[:2], np.float32(0.5)) == 0
    x, g = np.array([-1e30, -1e30, -1.0], np.float32), np.array([1.0, -1.0, 2.0**-10], np.float32)
    assert gamma_gradient(g[:2], x[:2], np.float32(0.5)) == 0
    tiny = np.full(4, 2.0**-149, np.float32)
    assert_same_bits(gamma_gradient(tiny, -tiny, np.float32(0.5)), np.array(-0.0, np.float32))


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32], ids=["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("layout", ["shared", "channels first", "channels last"])
def test_a_million_terms(dtype, layout):
    """fsum gives the exact sum of the products, which are exact in float64."""
    rng = np.random.default_rng(11)
    x = -np.abs(rng.normal(size=(4, 10, 25_000))) * np.exp2(rng.integers(-6, 6, size=(4, 10, 25_000)))
    x, g = x.astype(dtype), rng.normal(size=x.shape).astype(dtype)
    axis, over = {"shared": (None, (0, 1, 2)), "channels first": (1, (0, 2)), "channels last": (2, (0, 1))}[layout]
    gamma = np.ones(() if axis is None else x.shape[axis], dtype)
    actual = gamma_gradient(g, x, gamma, **({} if axis is None else {"axis": axis}))
    terms = g.astype(np.float64) * x.astype(np.float64)
    rows = np.moveaxis(terms, axis, 0).reshape(x.shape[axis], -1) if axis is not None else terms.reshape(1, -1)
    exact = np.array([math.fsum(row) for row in rows]).reshape(gamma.shape)
    error = np.abs(actual.astype(np.float64) - exact)
    half_ulp = np.ldexp(0.5, ulp_exponent(exact, dtype))
    assert (error <= half_ulp + len(rows[0]) * 2.0**-53 * np.abs(terms).sum(axis=over)).all()
    if dtype != np.float32:
        # The sum's own error is far below a half's last place, so that all but ties are rounded right.
        assert (error <= 0.5001 / 0.5 * half_ulp).all()


def test_float64_sums_keep_to_the_bound_of_any_order(cpu_target):
    rng = np.random.default_rng(12)
    x, g = -np.abs(rng.normal(size=3000)), rng.normal(size=3000) * 10.0 ** rng.integers(-8, 8, size=3000)
    actual = Fraction(float(gamma_gradient(g, x, np.float64(0.5))))
    error = abs(actual - exact_sum(g, x))
    size = sum(Fraction(abs(float(a * b))) for a, b in zip(g, x, strict=True))
    assert error <= Fraction(3000) * size / 2**53


def test_every_cpu_target_gives_the_same_bits():
    rng = np.random.default_rng(13)
    x, g = rng.normal(size=(2, 3, 17, 5, 11))
    before = rectifier._core.cpu_target()
    try:
        for dtype in DTYPES:
            for gamma_shape, axis in [((), None), ((17,), None), ((11,), -1), ((3, 17), None), ((5, 11), (2, 3))]:
                found = []
                for target in rectifier._core.cpu_targets():
                    rectifier._core.set_cpu_target(target)
                    gamma = np.ones(gamma_shape, dtype)
                    found.append(gamma_gradient(g.astype(dtype), x.astype(dtype), gamma, axis=axis))
                for other in found[1:]:
                    assert_same_bits(other, found[0])
    finally:
        rectifier._core.set_cpu_target(before)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_special_values_in_the_sum(cpu_target, dtype):
    one = np.ones((), dtype)

    def of(x, g):
        return gamma_gradient(np.array(g, dtype), np.array(x, dtype), one)

    # What is not covered leaves no trace, a product of inf and 0 or NaN included.
    assert of([1.0, np.inf, 2.0], [np.inf, 0.0, np.nan]) == 0
    assert of([-np.inf, -1.0], [1.0, 1.0]) == -np.inf
    assert np.isnan(of([-np.inf], [0.0]))
    assert np.isnan(of([0.0], [np.inf]))
    assert np.isnan(of([np.nan, 1.0], [1.0, 1.0]))
    assert np.isnan(of([-1.0, 1.0], [np.nan, 1.0]))
    assert of([0.0, -0.0, 0.0], [1.0, 5.0, -1.0]) == 0


def test_empty_data_gives_zeros():
    for shape, gamma, axis in [((0, 3, 4), (3,), None), ((2, 0), (0,), None), ((0,), (), None), ((3, 0), (3,), 0)]:
        x = np.ones(shape, np.float32)
        d_gamma = gamma_gradient(x, x, np.ones(gamma, np.float32), axis=axis)
        assert_same_bits(d_gamma, np.zeros(gamma, np.float32))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("own", [True, False], ids=["gamma of data's type", "gamma of the arithmetic type"])
@pytest.mark.parametrize("shape", [(1,), (3, 7), (2, 3, 5), (4, 9, 11, 13)], ids=str)
def test_a_slope_for_each_element_in_any_layout(cpu_target, dtype, own, shape):
    """Dense arrays take a loop of their own; the bits are those of the sums of one term that others go through."""
    rng = np.random.default_rng(3)
    x, g = (rng.standard_normal(shape).astype(dtype) for _ in range(2))
    gamma = rng.uniform(-1, 1, shape).astype(dtype if own or dtype == np.float64 else np.float32)
    edges = np.array([0.0, -0.0, np.nan, np.inf, -np.inf], dtype)
    for array, step in ((x, 3), (g, 4)):
        flat = array.reshape(-1)
        flat[::step] = np.resize(edges, flat[::step].shape)
    with np.errstate(invalid="ignore", over="ignore"):
        wide_g, wide_x = g.astype(np.float64), x.astype(np.float64)
        expected = (np.where(x > 0, 0.0, wide_g * wide_x) + 0.0).astype(gamma.dtype)
    for layout in (np.asarray, np.asfortranarray, lambda a: np.repeat(a, 2, axis=-1)[..., ::2]):
        d_x, d_gamma = rectifier.vjp(layout(x), layout(gamma), "prelu")[1](layout(g))
        assert_same_bits(d_gamma, expected)
        assert_same_bits(d_x, rectifier.vjp(x, gamma, "prelu")[1](g)[0])


def every_other(array):
    return np.repeat(array, 2, axis=-1)[..., ::2]


def padded_columns(array):
    wide = np.zeros((array.shape[1], array.shape[0] + 3), array.dtype)
    wide[:, : array.shape[0]] = array.T
    return wide[:, : array.shape[0]].T


LAYOUTS = {
    "transposed": np.asfortranarray,
    "every other": every_other,
    "transposed, padded": padded_columns,
    "transposed, backwards": lambda a: np.asfortranarray(a[::-1])[::-1],
}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("axis", [None, 0, 1], ids=["shared", "rows", "columns"])
# Around what is turned at once: 4 and 8 items in a square, 16 lanes, 2048 elements, blocks of 4096 and runs of them,
# rows of 512 and of a quarter of the room.
@pytest.mark.parametrize(
    "shape",
    [
        (3, 4),
        (7, 9),
        (65, 8),
        (15, 16),
        (33, 32),
        (129, 48),
        (130, 64),
        (300, 31),
        (9, 512),
        (17, 528),
        (19, 2048),
        (18, 4096),
        (2, 4112),
        (21, 8192),
    ],
    ids=str,
)
def test_layouts_with_sums_that_are_exact(cpu_target, dtype, layout, axis, shape):
    """Sums of these products are whole multiples of 2**-10 below 2**53, in whatever order."""
    rng = np.random.default_rng(shape[0])
    x, g = ((rng.integers(-127, 128, size=shape) / 32.0).astype(dtype) for _ in range(2))
    gamma = np.full(() if axis is None else shape[axis], 0.5, dtype)
    over = (0, 1) if axis is None else 1 - axis
    exact = np.where(x > 0, 0.0, g.astype(np.float64) * x.astype(np.float64)).sum(axis=over)
    expected = np.array([rounded_once(Fraction(float(e)), dtype) for e in exact.ravel()]).reshape(gamma.shape)
    d_x, d_gamma = rectifier.vjp(layout(x), gamma, "prelu", axis=axis)[1](layout(g))
    assert_same_bits(d_gamma, expected)
    assert_same_bits(np.ascontiguousarray(d_x), np.where(x > 0, g, g * dtype.type(0.5)))
    # In place: the data's gradient over the upstream one.
    head = layout(g)
    again = rectifier.vjp(layout(x), gamma, "prelu", axis=axis)[1](head, out=(head, None))
    assert_same_bits(again[1], expected)
    assert_same_bits(np.ascontiguousarray(head), np.where(x > 0, g, g * dtype.type(0.5)))


@pytest.mark.parametrize("axis", [0, 1, 2, 3, (0, 1), (1, 3), (0, 3)], ids=str)
# One block and more, of short rows, rows and blocks that follow each other; 1 to 65 kept elements and groups of them.
@pytest.mark.parametrize(
    "shape",
    [(2, 1, 7, 5), (10, 16, 25, 25), (33, 15, 7, 7), (90, 17, 5, 9), (2, 65, 70, 3), (3, 5, 60, 70), (9, 61, 13, 16)],
    ids=str,
)
def test_tasks_of_several_threads_with_sums_that_are_exact(threads, shape, axis):
    rng = np.random.default_rng(shape[1])
    x, g = (rng.integers(-127, 128, size=shape) / 32.0 for _ in range(2))
    kept = (axis,) if isinstance(axis, int) else axis
    gamma = rng.integers(1, 9, size=[shape[a] for a in kept]) / 8.0
    exact = np.where(x > 0, 0.0, g * x).sum(axis=tuple(a for a in range(4) if a not in kept))
    spread = gamma.reshape([n if a in kept else 1 for a, n in enumerate(shape)])
    for count in (1, 2, 3):
        rectifier.set_num_threads(count)
        d_x, d_gamma = rectifier.vjp(x, gamma, "prelu", axis=axis)[1](g)
        assert_same_bits(d_gamma, exact)
        assert_same_bits(d_x, np.where(x > 0, g, spread * g))


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("axis", [None, 0, 1], ids=["shared", "rows", "columns"])
@pytest.mark.parametrize(
    "shape",
    [
        (33, 32),
        (130, 64),
        (300, 31),
        (17, 528),
        (9000, 16),
        (5000, 24),
        (70, 1008),
        (35, 4096),
        (7, 4112),
        (70, 1001),
        # Runs of 5 blocks, in pieces of 4.
        (10_300, 64),
        (20_000, 33),
    ],
    ids=str,
)
def test_the_order_of_the_sums_is_that_of_the_shape(cpu_target, layout, axis, shape):
    rng = np.random.default_rng(shape[0])
    x, g = rng.standard_normal((2, *shape))
    gamma = np.full(() if axis is None else shape[axis], 0.5)
    expected = rectifier.vjp(x, gamma, "prelu", axis=axis)[1](g)
    actual = rectifier.vjp(layout(x), gamma, "prelu", axis=axis)[1](layout(g))
    assert_same_bits(actual[1], expected[1])
    assert_same_bits(np.ascontiguousarray(actual[0]), expected[0])


# Rows across memory of at least a block: bands of 32 rows, of 8 at least, whose blocks end in the next row; ranges of
# columns from 16 blocks on.
@pytest.mark.parametrize("across", ["both", "data", "upstream"])
@pytest.mark.parametrize("dtype", [np.float16, BFLOAT16, np.float32, np.float64], ids=lambda d: np.dtype(d).name)
@pytest.mark.parametrize(
    "shape", [(7, 4096), (8, 4096), (9, 4097), (32, 8192), (33, 8191), (65, 5003), (9, 139_264), (10, 65_541)], ids=str
)
def test_long_rows_across_memory(cpu_target, threads, shape, dtype, across):
    x, g = np.random.default_rng(shape[1]).standard_normal((2, *shape)).astype(dtype)
    slope = np.asarray(0.25, dtype)
    expected = rectifier.vjp(x, slope, "prelu")[1](g)
    if across != "upstream":
        x = np.asfortranarray(x)
    if across != "data":
        g = np.asfortranarray(g)
    for count in (1, 2, 5):
        rectifier.set_num_threads(count)
        actual = rectifier.vjp(x, slope, "prelu")[1](g)
        assert_same_bits(actual[1], expected[1])
        assert_same_bits(np.ascontiguousarray(actual[0]), expected[0])


@pytest.mark.parametrize(
    ("shape", "axis"), [((2, 40, 5000), 0), ((3, 2, 40, 4500), 1), ((2, 3, 2, 33, 4200), 2)], ids=str
)
def test_long_rows_across_memory_with_several_slopes(cpu_target, threads, shape, axis):
    x, g = np.random.default_rng(8).standard_normal((2, *shape)).astype(np.float32)
    gamma = np.linspace(0.1, 0.9, shape[axis], dtype=np.float32)
    expected = rectifier.vjp(x, gamma, "prelu", axis=axis)[1](g)
    x, g = (np.ascontiguousarray(a.swapaxes(-1, -2)).swapaxes(-1, -2) for a in (x, g))
    for count in (1, 2, 5):
        rectifier.set_num_threads(count)
        actual = rectifier.vjp(x, gamma, "prelu", axis=axis)[1](g)
        assert_same_bits(actual[1], expected[1])
        assert_same_bits(np.ascontiguousarray(actual[0]), expected[0])


@pytest.mark.parametrize("shape", [(98_400, 64), (99_001, 65)], ids=str)
def test_the_order_from_48_mib_on(shape):
    """Where the data's gradient is stored past the caches."""
    x, g = np.random.default_rng(6).random((2, *shape)) - 0.5
    expected = rectifier.vjp(x, 0.5, "prelu")[1](g)
    actual = rectifier.vjp(np.asfortranarray(x), 0.5, "prelu")[1](np.asfortranarray(g))
    assert_same_bits(actual[1], expected[1])
    assert_same_bits(np.ascontiguousarray(actual[0]), expected[0])


@pytest.mark.parametrize("layout", ["contiguous", "reversed", "every other"])
@pytest.mark.parametrize("dtype", [BFLOAT16, np.dtype(np.float32)], ids=str)
def test_a_product_too_small_for_a_float_keeps_its_sign(cpu_target, dtype, layout):
    """As the sums in float64 do, where such a product is not zero."""
    rng = np.random.default_rng(5)
    count = 10_000
    x = -(rng.integers(128, 256, count) * 2.0**-80).astype(dtype)
    g = (rng.integers(-255, 256, count) * 2.0 ** -rng.integers(64, 88, count)).astype(dtype)
    exact = [exact_sum(b, a) for a, b in zip(x[:, None], g[:, None], strict=True)]
    expected = np.array([np.copysign(rounded_once(term, dtype), -1 if term < 0 else 1) for term in exact], dtype)
    steps = {"contiguous": slice(None), "reversed": slice(None, None, -1), "every other": slice(None, None, 2)}[layout]
    assert_same_bits(gamma_gradient(g[steps], x[steps], np.ones_like(x)[steps]), expected[steps])
    zero = expected == 0
    assert np.count_nonzero(zero & np.signbit(expected)) > 500
    assert np.any(~zero)
