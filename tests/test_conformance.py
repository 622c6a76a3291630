"""Every promise, on every back-end in the registry. The first line of a test names its promise in docs/backends.md.

A back-end takes part by its row in `rectifier.dispatch.BACKENDS` and by `from_numpy` and `to_numpy` of its module.
"""

from __future__ import annotations

import importlib
import re
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
import pytest

import bounds
import rectifier
from golden import make_golden
from needed import needed
from rectifier import dispatch, leaky_relu, reference, vjp
from test_errors import CALLS
from test_errors import X as ERRORS_X
from test_gamma import NAMED, SHAPES
from test_special_values import CASES as SPECIAL_CASES
from test_special_values import IDS, expected_at
from test_special_values import X as SPECIAL
from ulp import FORMATS, assert_same_bits, assert_within_ulp

DTYPES = list(FORMATS)
CASES = make_golden.CASES
ONE_PRODUCT: list[dict[str, Any]] = [
    {"act_type": "leaky", "slope": 0.3},
    {"act_type": "prelu", "gamma": np.float32(0.1)},
    {"act_type": "rrelu"},
    {"act_type": "rrelu", "training": True, "rng": 2**63 + 11},
    {"act_type": "rrelu", "training": True, "rng": 5, "lower_bound": -1.0, "upper_bound": 2.0},
]


class Library(NamedTuple):
    """A back-end under test: what its row promises, and the way to its arrays and back."""

    row: dispatch.Backend
    module: Any

    def array(self, values: Any) -> Any:
        return self.module.from_numpy(np.asarray(values))

    def numpy(self, array: Any) -> np.ndarray:
        assert dispatch.backend_of(array) is self.module, f"a result of type {type(array)}"
        return np.asarray(self.module.to_numpy(array))

    def gradient(self, x: np.ndarray, g: Any = None, **parameters: Any) -> Any:
        """Of the data, as a NumPy array; for prelu gamma's too."""
        _, pullback = vjp(self.array(x), **parameters)
        result = pullback(self.array(np.ones_like(x) if g is None else g))
        return tuple(map(self.numpy, result)) if isinstance(result, tuple) else self.numpy(result)

    def lowest(self, dtype: Any) -> float:
        """Below it, numbers may count as zero."""
        if not self.row.flushes:
            return 0.0
        # Halves are computed in float32, where their subnormal numbers are normal.
        return float(ml_dtypes.finfo(np.float32 if dtype == np.float16 else dtype).tiny)


@pytest.fixture(params=dispatch.BACKENDS, ids=lambda row: row.module)
def xp(request: pytest.FixtureRequest) -> Library:
    """Each back-end; one whose library is missing is a visible skip, and an error in CI unless it needs hardware."""
    row = request.param
    needed(row.library, row.hardware)
    library = Library(row, importlib.import_module(f"rectifier.backends.{row.module}"))
    try:
        library.numpy(library.array(np.ones(1, np.float32)))
    except Exception as error:
        if not row.hardware:
            raise
        pytest.skip(f"{row.hardware} is missing: {error}")
    return library


def parameters_of(case: str) -> dict[str, Any]:
    act_type, _, slope = case.partition(" ")
    return {"act_type": act_type, "slope": float(slope)} if slope else {"act_type": act_type}


def assert_conforms(xp: Library, actual: np.ndarray, hi: np.ndarray, lo: Any, x: np.ndarray, absolute: float = 0.0):
    """Within the bound of the row; a result too small for the back-end may be zero, but of the right sign."""
    assert actual.shape == hi.shape
    bound, lowest = xp.row.ulp[str(x.dtype)], xp.lowest(x.dtype)
    flushed = (np.abs(hi) < lowest) & (actual == 0) & (np.signbit(actual.astype(float)) == np.signbit(hi))
    kept = ~flushed & ~((np.abs(x) < lowest) & (x != 0))
    lo = np.broadcast_to(lo, hi.shape)[kept]
    assert_within_ulp(actual[kept], hi[kept], lo, bound, dtype=x.dtype, inputs=x[kept], absolute=absolute)


def ordinary(xp: Library, dtype: Any, shape: tuple[int, ...], seed: int = 1) -> np.ndarray:
    """Numbers of every size whose products with slopes around one are normal."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape) * 2.0 ** rng.integers(-8, 4, size=shape)
    return x.astype(dtype)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_values(xp: Library, dtype: Any, case: str):
    """Values are within the bound of true values, by 60 digits."""
    golden = make_golden.load(str(dtype), case)
    y = xp.numpy(leaky_relu(xp.array(golden.x), **parameters_of(case)))
    assert_conforms(xp, y, *golden.value, golden.x)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_gradients(xp: Library, dtype: Any, case: str):
    """Gradients are within the bound of true derivatives, by 60 digits."""
    golden = make_golden.load(str(dtype), case)
    dx = xp.gradient(golden.x, **parameters_of(case))
    root = rectifier.parameters.ACTIVATIONS[parameters_of(case)["act_type"]].root
    near = np.zeros(golden.x.shape, bool)
    if dtype == np.float64 and root is not None:
        near = np.abs(golden.x - root) < bounds.ROOT_REACH
    hi, lo = golden.derivative
    for part, absolute in ((near, bounds.ROOT_ABSOLUTE), (~near, 0.0)):
        assert_conforms(xp, dx[part], hi[part], lo[part], golden.x[part], absolute)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", [d for d in DTYPES if d.itemsize == 2], ids=str)
def test_every_number_of_16_bits(xp: Library, dtype: Any, case: str):
    """16-bit types: every input is within the bound."""
    words = np.arange(2**16, dtype=np.uint16)
    x = words[words & 0x7FFF <= np.array(np.inf, dtype).view(np.uint16)].view(dtype)  # NaN is among the special values
    wide, parameters = x.astype(np.float64), parameters_of(case)
    if "slope" in parameters:
        parameters["slope"] = float(np.float32(parameters["slope"]))
    y, pullback = vjp(wide, **parameters)
    assert_conforms(xp, xp.numpy(leaky_relu(xp.array(x), **parameters)), y, 0.0, x)
    assert_conforms(xp, xp.gradient(x, **parameters), pullback(np.ones_like(wide)), 0.0, x)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("parameters", "functions"), SPECIAL_CASES, ids=IDS)
def test_special_values(xp: Library, dtype: Any, parameters: Any, functions: Any):
    """Zeros with their sign, infinities and NaN come out as documented."""
    x = np.array(SPECIAL[:-1], dtype)
    values, gradients = expected_at(x, functions)
    parameters = {k: np.asarray(v, dtype) if k == "gamma" else v for k, v in parameters.items()}
    y = xp.numpy(leaky_relu(xp.array(x), **parameters))
    assert_same_bits(y, values.astype(dtype))
    dx = xp.gradient(x, **parameters)
    dx = dx[0] if isinstance(dx, tuple) else dx
    assert_conforms(xp, dx, gradients, 0.0, x)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("parameters", ONE_PRODUCT, ids=lambda p: " ".join(map(str, p.values())))
def test_one_product_has_the_same_bits(xp: Library, dtype: Any, parameters: dict[str, Any]):
    """leaky, prelu and rrelu give NumPy's bits, in the gradient of the data too."""
    x, g = ordinary(xp, dtype, (7, 13, 5)), ordinary(xp, dtype, (7, 13, 5), 2)
    y, pullback = vjp(x, **parameters)
    expected = pullback(g)
    actual = xp.gradient(x, g, **parameters)
    if isinstance(actual, tuple):
        actual, expected = actual[0], expected[0]
    assert_same_bits(xp.numpy(leaky_relu(xp.array(x), **parameters)), y)
    assert_same_bits(actual, expected)


@pytest.mark.parametrize("shape", [(0,), (1,), (3,), (4, 5), (2, 3, 1, 7), (1000, 33)], ids=str)
@pytest.mark.parametrize("limits", [(0.125, 0.333999991), (-1.0, 1.0), (0.0, 1e-20), (1.0, 1.0 + 2.0**-23)], ids=str)
def test_slopes(xp: Library, shape: tuple[int, ...], limits: tuple[float, float]):
    """The slopes of rrelu are NumPy's for the same key, bit for bit."""
    lower, upper = limits
    keywords = {"act_type": "rrelu", "training": True, "lower_bound": lower, "upper_bound": upper}
    for key in (0, 7, 2**64 - 1):
        slopes = rectifier.rrelu_slopes(shape, key, lower, upper)
        drawn = xp.numpy(leaky_relu(xp.array(np.full(shape, -1.0, np.float32)), rng=key, **keywords))
        assert_same_bits(drawn, -slopes)


def test_a_generator_gives_its_key_and_moves_on(xp: Library):
    """`rng=numpy.random.Generator` draws one key where slopes are drawn, and none elsewhere."""
    x = -np.ones(9, np.float32)
    ours, reference_rng = np.random.default_rng(3), np.random.default_rng(3)
    leaky_relu(xp.array(x), act_type="rrelu", rng=ours)
    for _ in range(2):
        y = xp.numpy(leaky_relu(xp.array(x), act_type="rrelu", training=True, rng=ours))
        key = int(reference_rng.integers(2**64, dtype=np.uint64))
        assert_same_bits(y, -rectifier.rrelu_slopes(9, key))
    fresh = [xp.numpy(leaky_relu(xp.array(x), act_type="rrelu", training=True)) for _ in range(2)]
    assert (fresh[0] != fresh[1]).any()


# One of each way to line up.
FITTING = {
    (data, found, axis is None): (data, gamma, axis, found)
    for data, gamma, axis, found in [*((data, gamma, None, found) for data, gamma, _, found in SHAPES), *NAMED]
}


@pytest.mark.parametrize(("data", "gamma", "axis", "aligned"), FITTING.values(), ids=str)
def test_gamma(xp: Library, data: Any, gamma: Any, axis: Any, aligned: Any):
    """gamma covers what MXNet's rule, NumPy's or `axis` says; its gradient has its shape."""
    rng = np.random.default_rng(4)
    x, g = (rng.integers(-8, 8, size=data).astype(np.float32) for _ in range(2))
    slopes = rng.integers(1, 9, size=gamma).astype(np.float32) / 8
    expected = np.where(x > 0, x, slopes.reshape(aligned) * x)
    parameters = {"gamma": xp.array(slopes), "act_type": "prelu", "axis": axis}
    assert_same_bits(xp.numpy(leaky_relu(xp.array(x), **parameters)), expected)
    dx, d_gamma = xp.gradient(x, g, **parameters)
    assert_same_bits(dx, np.where(x > 0, g, slopes.reshape(aligned) * g))
    # Whole numbers: every sum is exact.
    expected_sums = reference.d_gamma(g, x, gamma, axis)
    assert (d_gamma == expected_sums).all()
    assert (d_gamma.shape, d_gamma.dtype) == (gamma, np.float32)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_gamma_gradient(xp: Library, dtype: Any):
    """gamma's gradient is summed in float64 and rounded once."""
    x, g = ordinary(xp, dtype, (100, 4, 250)), ordinary(xp, dtype, (100, 4, 250), 2)
    gamma = np.full(4, 0.25, dtype)
    _, d_gamma = xp.gradient(x, g, gamma=xp.array(gamma), act_type="prelu")
    terms = np.where(x > 0, 0, g.astype(np.longdouble) * x.astype(np.longdouble))
    exact, size = terms.sum((0, 2)), np.abs(terms).sum((0, 2))
    error = np.abs(d_gamma.astype(np.longdouble) - exact)
    assert d_gamma.dtype == dtype
    half_ulp = 0.5 * float(ml_dtypes.finfo(dtype).eps)
    assert (error <= half_ulp * np.abs(exact) + 32 * np.finfo(np.float64).eps * size).all()


def test_half_products_do_not_overflow(xp: Library):
    """A sum of products that float16 cannot hold is right where the sum fits."""
    x, g = np.full(2, -300, np.float16), np.array([300, -299], np.float16)
    _, d_gamma = xp.gradient(x, g, gamma=xp.array(np.float16(0.5)), act_type="prelu")
    assert d_gamma == -300


@pytest.mark.parametrize("act_type", rectifier.parameters.ACTIVATIONS)
@pytest.mark.parametrize(
    ("dtype", "shape"), [*((dtype, (2, 1, 3)) for dtype in DTYPES), *((DTYPES[2], s) for s in [(), (0,), (3, 0, 2)])]
)
def test_shape_and_dtype(xp: Library, dtype: Any, act_type: str, shape: tuple[int, ...]):
    """Results have the data's shape and dtype, without dimensions and without elements too."""
    x = np.full(shape, -1.5, dtype)
    parameters: dict[str, Any] = {"act_type": act_type, "training": act_type == "rrelu", "rng": 1}
    if act_type == "prelu":
        parameters["gamma"] = np.float64(0.25)
    y = xp.numpy(leaky_relu(xp.array(x), **parameters))
    dx = xp.gradient(x, **parameters)
    dx = dx[0] if isinstance(dx, tuple) else dx
    assert (y.shape, y.dtype, dx.shape, dx.dtype) == (shape, dtype) * 2


def test_a_pullback_serves_twice_and_inputs_stay(xp: Library):
    """A pullback may be called again; neither it nor the operator changes an input."""
    x = ordinary(xp, np.float32, (4, 6))
    before = x.copy()
    for act_type in rectifier.parameters.ACTIVATIONS:
        extra = {"gamma": xp.array(np.full(6, 0.5, np.float32))} if act_type == "prelu" else {}
        data, head = xp.array(x), xp.array(np.full_like(x, 2.0))
        _, pullback = vjp(data, act_type=act_type, **extra)
        once, again = (pullback(head) for _ in range(2))
        for a, b in zip(*((r if isinstance(r, tuple) else (r,)) for r in (once, again)), strict=True):
            assert_same_bits(xp.numpy(a), xp.numpy(b))
        assert_same_bits(xp.numpy(data), before)
        assert_same_bits(xp.numpy(head), np.full_like(x, 2.0))


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int16", "int32", "int64"])
def test_whole_numbers_become_floats(xp: Library, dtype: str):
    """Integers and bools become floats."""
    x = np.array([0, 1, 1]).astype(dtype) if dtype in ("bool", "uint8") else np.array([-3, 0, 2]).astype(dtype)
    y = xp.numpy(leaky_relu(xp.array(x)))
    assert y.dtype.kind == "f"
    assert (y == np.where(x > 0, x, 0.25 * x.astype(float))).all()


PARAMETER_ERRORS = [row for row in CALLS if "out" not in row[0]]


@pytest.mark.parametrize("function", [leaky_relu, vjp])
@pytest.mark.parametrize(("keywords", "error", "words"), PARAMETER_ERRORS, ids=range(len(PARAMETER_ERRORS)))
def test_errors_of_parameters(xp: Library, function: Any, keywords: Any, error: Any, words: str):
    """A bad argument is a TypeError or ValueError that names it first, in backticks."""
    with pytest.raises(error) as caught:
        function(xp.array(ERRORS_X), **keywords)
    assert type(caught.value) is error
    names = re.findall(r"`(\w+)`", words) or re.findall(r"`(\w+)`", str(caught.value))
    assert re.match(rf"`{names[0]}` must ", str(caught.value)), caught.value


def test_errors_of_arrays(xp: Library):
    """Data of another kind and gradients of another shape are refused."""
    with pytest.raises(TypeError, match="`data` must be of dtype float16, bfloat16, float32, float64"):
        leaky_relu(xp.array(np.ones(3, np.complex64)))
    _, pullback = vjp(xp.array(ERRORS_X))
    with pytest.raises(ValueError, match=r"`d_out` must have shape \(2, 3\), got \(3,\)"):
        pullback(xp.array(np.ones(3, np.float32)))
