"""How the operator is called: inputs of every kind, out=, defaults, pullbacks, and gradients by high precision."""

from __future__ import annotations

import array
import inspect
from typing import Any

import ml_dtypes
import mpmath
import numpy as np
import pytest

import rectifier
from bounds import ULP
from golden import make_golden
from rectifier import LeakyReLU, leaky_relu, rrelu_slopes, vjp
from rectifier.parameters import ACTIVATIONS
from ulp import assert_same_bits, assert_within_ulp

PLAIN = [name for name in ACTIVATIONS if name != "prelu"]
X = np.random.default_rng(5).standard_normal((4, 6, 5)).astype(np.float32)


def parts(gradient: Any) -> tuple[np.ndarray, ...]:
    """A pullback's result as a tuple, for any activation."""
    return tuple(np.asarray(part) for part in (gradient if isinstance(gradient, tuple) else (gradient,)))


def test_names_and_defaults() -> None:
    assert LeakyReLU is leaky_relu
    defaults = {name: p.default for name, p in inspect.signature(leaky_relu).parameters.items()}
    assert list(defaults) == [
        "data", "gamma", "act_type", "slope", "lower_bound", "upper_bound", "training", "rng", "axis", "out",
    ]  # fmt: skip
    assert (defaults["slope"], defaults["lower_bound"], defaults["upper_bound"]) == (0.25, 0.125, 0.333999991)
    assert inspect.signature(vjp).parameters.keys() == defaults.keys()
    assert_same_bits(leaky_relu(X, None, "elu", 0.5), leaky_relu(X, act_type="elu", slope=0.5))


@pytest.mark.parametrize("act_type", PLAIN)
@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.int16, np.uint16, np.int32, np.int64, np.uint64])
def test_integers_follow_numpy(act_type: str, dtype: Any) -> None:
    x = np.array([0, 1, 2, 3]).astype(dtype)
    wanted = np.sqrt(x).dtype
    y, pullback = vjp(x, act_type=act_type)
    assert_same_bits(y, leaky_relu(x.astype(wanted), act_type=act_type))
    assert pullback(np.ones(4, wanted)).dtype == wanted


@pytest.mark.parametrize("act_type", PLAIN)
def test_lists_scalars_and_buffers(act_type: str) -> None:
    expected = leaky_relu(np.array([-1.5, 2.0]), act_type=act_type)
    for data in ([-1.5, 2.0], (-1.5, 2.0), array.array("d", [-1.5, 2.0]), memoryview(np.array([-1.5, 2.0]))):
        assert_same_bits(leaky_relu(data, act_type=act_type), expected)
    for data in (-1.5, np.float64(-1.5), np.array(-1.5)):
        y, pullback = vjp(data, act_type=act_type)
        assert type(y) is np.float64
        assert y == expected[0]
        assert type(pullback(1.0)) is np.float64
    assert type(leaky_relu(np.float32(2), act_type=act_type)) is np.float32
    out = np.zeros(())
    assert leaky_relu(-1.5, act_type=act_type, out=out) is out
    assert out == expected[0]


class Speaks:
    """An array of another library."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return X


def test_arrays_of_other_kinds() -> None:
    assert_same_bits(leaky_relu(Speaks()), leaky_relu(X))
    big_endian = X.astype(">f4")
    assert_same_bits(leaky_relu(big_endian), leaky_relu(X))
    off = np.frombuffer(b"\0" + X.tobytes(), np.uint8)[1:].view(np.float32).reshape(X.shape)
    assert not off.flags.aligned
    assert_same_bits(leaky_relu(off, act_type="gelu"), leaky_relu(X, act_type="gelu"))

    class Sub(np.ndarray):
        pass

    assert type(leaky_relu(X.view(Sub))) is np.ndarray


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 3, 2)])
@pytest.mark.parametrize("act_type", ACTIVATIONS)
def test_empty(act_type: str, shape: tuple[int, ...]) -> None:
    x = np.zeros(shape, np.float32)
    gamma = np.ones(1, np.float32) if act_type == "prelu" else None
    y, pullback = vjp(x, gamma=gamma, act_type=act_type, training=True, rng=1)
    assert y.shape == shape
    d = pullback(x)
    if act_type == "prelu":
        assert d[1].tolist() == [0.0]
        d = d[0]
    assert d.shape == shape


@pytest.mark.parametrize("act_type", ACTIVATIONS)
def test_in_place_and_overlapping_out(act_type: str) -> None:
    keywords: dict[str, Any] = {"act_type": act_type, "training": True, "rng": 3}
    if act_type == "prelu":
        keywords["gamma"] = np.float32(-0.75)
    x = np.random.default_rng(2).standard_normal(5000).astype(np.float32)
    expected, pullback = vjp(x, **keywords)
    gradient = pullback(x)
    same = x.copy()
    y, pullback = vjp(same, out=same, **keywords)
    assert y is same
    assert_same_bits(same, expected)
    again = pullback(x)
    for a, b in zip(parts(again), parts(gradient), strict=True):
        assert_same_bits(a, b)
    for shift in (-7, -1, 1, 16, 1000):
        room = np.zeros(7000, np.float32)
        room[1000:6000] = x
        out = room[1000 + shift : 6000 + shift]
        assert leaky_relu(room[1000:6000], out=out, **keywords) is out
        assert_same_bits(out, expected)
    room = x.copy()
    leaky_relu(room, out=room[::-1], **keywords)
    assert_same_bits(room[::-1], expected)


def test_gradient_in_place_of_its_upstream() -> None:
    for act_type in ACTIVATIONS:
        gamma = np.linspace(-1, 1, 6, dtype=np.float32) if act_type == "prelu" else None
        y, pullback = vjp(X, gamma=gamma, act_type=act_type)
        expected, g = pullback(X[::-1].copy()), X[::-1].copy()
        if act_type == "prelu":
            d_x, d_gamma = pullback(g, out=(g, None))
            assert_same_bits(d_gamma, expected[1])
            expected = expected[0]
        else:
            d_x = pullback(g, out=g)
        assert d_x is g
        assert_same_bits(g, expected)
        assert_same_bits(y, leaky_relu(X, gamma=gamma, act_type=act_type))


def test_gamma_that_overlaps_out() -> None:
    x = -np.ones((3, 3), np.float32)
    gamma = np.array([1, 2, 3], np.float32)
    room = np.concatenate([gamma, np.zeros(6, np.float32)])
    y, pullback = vjp(x, gamma=room[:3], act_type="prelu", out=room.reshape(3, 3))
    assert y.tolist() == [[-1, -2, -3]] * 3
    assert pullback(np.ones((3, 3), np.float32))[0].tolist() == [[1, 2, 3]] * 3


def test_read_only_and_unchanged_inputs() -> None:
    x, gamma, g = X.copy(), np.linspace(-1, 1, 6, dtype=np.float32), X[::-1].copy()
    for a in (x, gamma, g):
        a.flags.writeable = False
    for act_type in ACTIVATIONS:
        _, pullback = vjp(x, gamma=gamma if act_type == "prelu" else None, act_type=act_type, training=True, rng=1)
        pullback(g)
    assert_same_bits(x, X)
    assert_same_bits(g, X[::-1].copy())


@pytest.mark.parametrize("act_type", ACTIVATIONS)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_pullback_can_be_called_again(act_type: str, sign: int) -> None:
    gamma = sign * np.linspace(0.1, 1, 6, dtype=np.float32) if act_type == "prelu" else None
    keywords: dict[str, Any] = {"slope": 0.5 * sign, "lower_bound": 0.125 * sign, "training": True}
    _, pullback = vjp(X, gamma=gamma, act_type=act_type, rng=np.random.default_rng(1), **keywords)
    first = pullback(X)
    for _ in range(3):
        again = pullback(X)
        for a, b in zip(parts(first), parts(again), strict=True):
            assert_same_bits(a, b)


def test_upstream_of_another_dtype() -> None:
    _, pullback = vjp(X, act_type="elu")
    assert_same_bits(pullback(X.astype(np.float64)), pullback(X))
    assert_same_bits(pullback(np.ones(X.shape, int)), pullback(np.ones(X.shape, np.float32)))


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
@pytest.mark.parametrize("bounds", [(0.125, 0.333999991), (-0.5, 0.25), (0.3, 0.3)])
def test_rrelu_in_inference_is_leaky_with_the_middle_slope(dtype: Any, bounds: tuple[float, float]) -> None:
    x = X.astype(dtype)
    y, pullback = vjp(x, act_type="rrelu", lower_bound=bounds[0], upper_bound=bounds[1])
    wanted, back = vjp(x, slope=(bounds[0] + bounds[1]) / 2)
    assert_same_bits(y, wanted)
    assert_same_bits(pullback(x), back(x))


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
def test_rrelu_draws_by_logical_index(dtype: Any) -> None:
    slopes = rrelu_slopes(X.shape, 99)
    assert_same_bits(rrelu_slopes(X.shape, 99, dtype=np.float64), slopes.astype(np.float64))
    x = -np.ones(X.shape, dtype)
    for view in (x, np.asfortranarray(x), x[::-1]):
        y = leaky_relu(view, act_type="rrelu", training=True, rng=99)
        assert_same_bits(y, (-slopes).astype(dtype))


def test_generators_move_on_and_none_is_fresh() -> None:
    rng, twin = np.random.default_rng(4), np.random.default_rng(4)
    first, second = (leaky_relu(-np.ones(9), act_type="rrelu", training=True, rng=rng) for _ in range(2))
    assert (first != second).any()
    assert_same_bits(first, leaky_relu(-np.ones(9), act_type="rrelu", training=True, rng=twin))
    leaky_relu(X, act_type="rrelu", rng=twin)  # inference draws nothing
    assert_same_bits(second, leaky_relu(-np.ones(9), act_type="rrelu", training=True, rng=twin))
    assert (rrelu_slopes(9, None) != rrelu_slopes(9, None)).any()


@pytest.mark.parametrize(
    ("act_type", "slope"),
    [
        (row.name, slope)
        for row in ACTIVATIONS.values()
        if not row.has_gamma and not row.is_random
        for slope in ([0.25, 1.0, -0.5, 0.0, 3.0] if "slope" in row.reads else [0.25])
    ],
)
def test_gradient_is_the_slope_of_the_value(act_type: str, slope: float, cpu_target: str) -> None:
    """A difference quotient in 80 digits has 40 right ones: an independent derivative."""
    x = np.concatenate([np.linspace(-30, 8, 77), [-1e-3, 1e-3, -1e-9, -0.7, -0.8]])
    x = x[x != 0]
    exact_value, _ = make_golden.functions(ACTIVATIONS[act_type], slope)
    with mpmath.workdps(80):
        h = mpmath.mpf(10) ** -40

        def quotient(at: float) -> mpmath.mpf:
            high, low = (exact_value(mpmath.mpf(at) + k * h) for k in (1, -1))
            return (high - low) / (2 * h)

        exact = [quotient(float(at)) for at in x]
        hi = np.array([float(e) for e in exact])
        unit = np.spacing(np.abs(hi))
        lo = np.array([float((e - mpmath.mpf(h)) / mpmath.mpf(u)) for e, h, u in zip(exact, hi, unit, strict=True)])
    derivative = vjp(x, act_type=act_type, slope=slope)[1](np.ones_like(x))
    assert_within_ulp(derivative, hi, lo, ULP["float64"], dtype=np.float64, inputs=x)


def test_show_config(capsys: pytest.CaptureFixture[str]) -> None:
    facts = rectifier.show_config(mode="dicts")
    assert facts is not None
    assert facts["cpu_target"] in facts["cpu_targets"]
    assert facts["version"] == rectifier.__version__
    assert rectifier.show_config() is None
    assert f"num_threads: {rectifier.get_num_threads()}" in capsys.readouterr().out
