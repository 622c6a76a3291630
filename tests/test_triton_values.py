"""Values and gradients of the Triton kernels: the core's bits where the formulas agree, the bounds for gelu."""

import math

import numpy as np
import pytest

import bounds
from golden import make_golden
from gpu_or_interpreter import TYPES, on_the_device, to_device, to_numpy, torch
from rectifier import _core
from rectifier.kernels import triton as kernels
from rectifier.kernels.triton import launch
from rectifier.parameters import ACTIVATIONS
from ulp import assert_same_bits, assert_within_ulp

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("quiet_numpy")]

DTYPES = {name: make_golden.FORMATS[name][0] for name in make_golden.FORMATS}
FORMULAS = {"leaky": 0, "elu": 1, "selu": 2, "gelu": 3}
SLOPES = [1.0, 0.25, 0.3, -0.5, 0.0, 3.0, 1e-30, -3e38]
SPECIAL = [0.0, -0.0, math.inf, -math.inf, math.nan, -1.0, 1.0, -1e-300, 1e-300, -1e300, 1e300]


@pytest.fixture(autouse=True)
def _core_with_fma(core_with_fma):
    pass


@pytest.fixture
def whole_arrays(monkeypatch):
    """One program for the whole array: results do not depend on the cut, and the interpreter saves time."""
    if not on_the_device():
        monkeypatch.setattr(launch, "BLOCK_BYTES", 2**19)


def by_triton(formula, x, g=None, slope=0.0):
    data = to_device(x)
    out = torch.empty_like(data)
    kernels.apply(FORMULAS[formula], out, data, None if g is None else to_device(g), slope=slope)
    return to_numpy(out)


def by_core(formula, x, g=None, slope=0.0):
    out = np.empty_like(x)
    _core.apply(FORMULAS[formula], out, x, g, slope=slope)
    return out


def patterns(dtype):
    """All 65,536 numbers of a 16-bit type."""
    return np.arange(2**16, dtype=np.uint16).view(dtype)


def around_thresholds(reach=40):
    """Every float32 next to a number where a formula changes, and a sample of all others."""
    middle = np.array([*make_golden.THRESHOLDS, 0.0, -14.36, -14.63, -4.5, 4.5], np.float32).view(np.int32)
    near = (middle[:, None] + np.arange(-reach, reach + 1, dtype=np.int32)).ravel()
    every = np.arange(0, 2**32, 80_021, dtype=np.uint32).view(np.int32)
    dense = np.linspace(-16, 8, 15_001).astype(np.float32).view(np.int32)
    return np.concatenate([near, every, dense]).view(np.float32)


def samples(name):
    if name in ("float16", "bfloat16"):
        return patterns(DTYPES[name])
    if name == "float32":
        return around_thresholds()
    return np.concatenate([np.linspace(-760, 20, 3_001), np.linspace(-40, 10, 4_001), make_golden.load(name, "gelu").x])


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("formula", ["leaky", "elu", "selu"])
@pytest.mark.usefixtures("whole_arrays")
def test_the_bits_of_the_core(name, formula):
    x = samples(name)
    g = np.resize(np.array([1.0, -0.75, 1.5], x.dtype), x.shape)
    for slope in (0.3, -0.5) if formula != "selu" else (0.0,):
        assert_same_bits(by_triton(formula, x, slope=slope), by_core(formula, x, slope=slope))
        assert_same_bits(by_triton(formula, x, g, slope), by_core(formula, x, g, slope))


@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("name", DTYPES)
def test_every_slope(name, slope):
    x = make_golden.load(name, "elu 1.0").x
    for formula in ("leaky", "elu"):
        assert_same_bits(by_triton(formula, x, slope=slope), by_core(formula, x, slope=slope))
        ones = np.ones_like(x)
        assert_same_bits(by_triton(formula, x, ones, slope), by_core(formula, x, ones, slope))


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("formula", FORMULAS)
def test_special_values(name, formula):
    """Signs of zero, infinities and NaN, of the data and of what comes from above."""
    x, g = (part.ravel() for part in np.meshgrid(np.array(SPECIAL).astype(DTYPES[name]), SPECIAL))
    g = g.astype(DTYPES[name])
    for slope in (0.25, -2.0, 0.0):
        for above in (None, g):
            ours, theirs = by_triton(formula, x, above, slope), by_core(formula, x, above, slope)
            if formula != "gelu":
                assert_same_bits(ours, theirs)
            special = ~np.isfinite(theirs.astype(float)) | (theirs == 0)
            assert_same_bits(ours[special], theirs[special])
            assert np.isfinite(ours[~special].astype(float)).all()


@pytest.mark.parametrize("name", DTYPES)
def test_gelu_against_mpmath(name):
    golden = make_golden.load(name, "gelu")
    y = by_triton("gelu", golden.x)
    assert_within_ulp(y, *golden.value, bounds.TRITON_ULP[name], dtype=DTYPES[name], inputs=golden.x)
    dx = by_triton("gelu", golden.x, np.ones_like(golden.x))
    hi, lo = golden.derivative
    near = np.zeros(dx.shape, bool)
    if name == "float64":
        near = np.abs(golden.x - ACTIVATIONS["gelu"].root) < bounds.ROOT_REACH
    for part, absolute in ((near, bounds.ROOT_ABSOLUTE), (~near, 0.0)):
        assert_within_ulp(dx[part], hi[part], lo[part], bounds.TRITON_ULP[name], absolute=absolute, dtype=DTYPES[name])


@pytest.mark.parametrize("name", ["float16", "bfloat16", "float32"])
@pytest.mark.usefixtures("whole_arrays")
def test_gelu_on_every_sixteen_bit_number_and_a_sample_of_float32(name):
    """Against the core in float64, which is within 1.1 ULP of float64."""
    x = samples(name)
    x = x[np.isfinite(x.astype(float))]
    wide = x.astype(np.float64)
    for ours, true in (
        (by_triton("gelu", x), by_core("gelu", wide)),
        (by_triton("gelu", x, np.ones_like(x)), by_core("gelu", wide, np.ones_like(wide))),
    ):
        assert_within_ulp(ours, true, 0.0, bounds.TRITON_ULP[name], dtype=DTYPES[name], inputs=x)


@pytest.mark.usefixtures("whole_arrays")
def test_gelu_of_float64_on_a_grid():
    x = np.concatenate([np.linspace(-38.7, -0.9, 2_001), np.linspace(-0.7, 9, 2_001), -(2.0 ** -np.arange(1.0, 60))])
    g = np.ones_like(x)
    for ours, theirs in ((by_triton("gelu", x), by_core("gelu", x)), (by_triton("gelu", x, g), by_core("gelu", x, g))):
        # The core's results are within 1.1 ULP themselves.
        assert_within_ulp(ours, theirs, 0.0, bounds.TRITON_ULP["float64"] + 1.1, dtype=x.dtype, inputs=x)


def test_a_wrong_formula_is_found():
    x = np.linspace(-3, 3, 101).astype(np.float32)
    with pytest.raises(AssertionError, match="differ in their bits"):
        assert_same_bits(by_triton("elu", x, slope=0.3), by_core("elu", x, slope=0.30001))
    wrong = by_triton("gelu", x)
    for _ in range(3):
        wrong = np.nextafter(wrong, np.float32(9))
    with pytest.raises(AssertionError, match="outside"):
        assert_within_ulp(wrong, by_core("gelu", x.astype(float)), 0.0, 2.0, dtype=x.dtype)


def test_empty_and_single():
    for name in TYPES:
        assert by_triton("gelu", np.empty((0, 3), DTYPES[name])).shape == (0, 3)
        x = np.array(-1.0, DTYPES[name])
        assert_same_bits(by_triton("elu", x, slope=0.5), by_core("elu", x, slope=0.5))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"formula": 4}, "`formula` must be a number from 0 to 3, got 4"),
        ({"data": torch.zeros(3)}, r"`data` must be float32 of shape \(2,\), got float32 of shape \(3,\)"),
        ({"data": torch.zeros(2, dtype=torch.float64)}, r"`data` must be float32 .*, got float64 of shape \(2,\)"),
        ({"d_out": torch.zeros(4)[::2].reshape(1, 2)}, r"`d_out` must be .*, got float32 of shape \(1, 2\)"),
        ({"gamma": torch.zeros(3)}, r"`gamma` must broadcast to \(2,\), got shape \(3,\)"),
        ({"gamma": torch.zeros(1, 2)}, r"`gamma` must broadcast to \(2,\), got shape \(1, 2\)"),
    ],
)
def test_errors(change, words):
    arguments = {"formula": 0, "out": torch.full((2,), 7.0), "data": torch.zeros(2), **change}
    with pytest.raises(ValueError, match=words):
        kernels.apply(**arguments)
    assert arguments["out"].tolist() == [7.0, 7.0]
