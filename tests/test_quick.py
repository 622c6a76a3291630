"""`vjp` on the quick path: the bits, layouts and refusals of the general path, which a slope of NumPy's type takes."""

from __future__ import annotations

import gc
import itertools
import weakref
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from rectifier import _core, reference, vjp
from rectifier.parameters import ACTIVATIONS
from ulp import assert_same_bits

RNG = np.random.default_rng(8)
DTYPES = (np.float16, ml_dtypes.bfloat16, np.float32, np.float64)
SHAPES = ((1,), (7,), (3, 4), (2, 3, 5), (1, 4, 1, 3), (5, 8, 25, 25))
GENERAL = np.float64(0.25)  # not a plain float


def gammas(shape: tuple[int, ...]) -> list[tuple[tuple[int, ...], int | None]]:
    """Shapes of gamma that the quick path takes, with the axis."""
    by_axis = [((n,), axis) for axis, n in enumerate(shape)] + [((shape[-1],), -1)]
    by_rule = [((shape[1],), None)] if len(shape) > 1 else []
    return [((1,), None), (shape, None), *by_rule, *by_axis]


def variants() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [{"act_type": name} for name in ACTIVATIONS if name != "prelu"]
    return [*found, {"act_type": "rrelu", "training": True, "rng": 11}]


def values(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    return RNG.standard_normal(shape).astype(dtype)


def is_quick(pullback: Any) -> bool:
    return isinstance(pullback, _core.Pullback)


def steps(array: np.ndarray) -> list[int]:
    return [step for step, size in zip(array.strides, array.shape, strict=True) if size > 1]


def assert_both_paths_agree(x: np.ndarray, given: bool, **keywords: Any) -> None:
    g = values(x.shape, x.dtype)
    out = np.empty_like(x) if given else None
    y, pullback = vjp(x, out=out, **keywords)
    expected, general = vjp(x, slope=GENERAL, **keywords)
    assert is_quick(pullback)
    assert not is_quick(general)
    assert y is out or out is None
    assert_same_bits(y, expected)
    assert steps(y) == steps(expected)
    gamma = keywords.get("gamma")
    if gamma is None:
        d_out = np.empty_like(x) if given else None
        d_x, wanted = pullback(g, out=d_out), general(g)
        assert d_x is d_out or d_out is None
        assert_same_bits(d_x, wanted)
        assert steps(d_x) == steps(wanted)
        return
    pair = (np.empty_like(x), np.empty_like(gamma)) if given else None
    results, wanted = pullback(g, out=pair), general(g)
    assert pair is None or all(a is b for a, b in zip(results, pair, strict=True))
    for a, b in zip(results, wanted, strict=True):
        assert_same_bits(a, b)
        assert steps(a) == steps(b)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("given", [True, False])
def test_bits_and_layout(dtype: Any, given: bool) -> None:
    for shape, keywords in itertools.product(SHAPES, variants()):
        x = values(shape, dtype)
        assert_both_paths_agree(x, given, **keywords)
        assert_both_paths_agree(x.T, given, **keywords)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("given", [True, False])
def test_prelu(dtype: Any, given: bool) -> None:
    kinds = [dtype] if np.dtype(dtype).itemsize > 2 else [dtype, np.float32]
    for shape, kind in itertools.product(SHAPES, kinds):
        for gamma_shape, axis in gammas(shape):
            gamma = values(gamma_shape, kind)
            assert_both_paths_agree(values(shape, dtype), given, gamma=gamma, axis=axis, act_type="prelu")


@pytest.mark.parametrize("given", [True, False])
def test_a_slope_for_each_element_in_another_order_of_memory(given: bool) -> None:
    for shape in SHAPES:
        x, gamma, g = (values(shape, np.float32).T for _ in range(3))
        assert_both_paths_agree(x, given, gamma=gamma, act_type="prelu")
        for slope in (0.25, GENERAL):
            _, d_gamma = vjp(x, gamma, "prelu", slope=slope)[1](g)
            assert steps(d_gamma) == steps(gamma)
            assert_same_bits(d_gamma, np.where(x > 0, np.float32(0), g * x))


def test_gradient_is_the_definition_s() -> None:
    x, g, gamma = (values(shape, np.float64) for shape in ((6, 4, 3), (6, 4, 3), (4,)))
    _, pullback = vjp(x, gamma, "prelu")
    d_x, d_gamma = pullback(g)
    below = np.where(x > 0, 0, g * x)
    np.testing.assert_array_equal(d_x, np.where(x > 0, g, gamma[:, None] * g))
    np.testing.assert_allclose(d_gamma, below.sum((0, 2)), rtol=1e-14)
    _, pullback = vjp(x, act_type="elu", slope=0.5)
    np.testing.assert_allclose(pullback(g), g * reference.derivative(x, "elu", slope=0.5), rtol=1e-14)


@pytest.mark.parametrize("act_type", ["leaky", "elu", "prelu"])
def test_arguments_of_a_pullback_that_are_not_plain(act_type: str) -> None:
    x, g = values((3, 4), np.float32), values((3, 4), np.float32)
    gamma = np.linspace(0.1, 0.4, 4, dtype=np.float32) if act_type == "prelu" else None
    _, pullback = vjp(x, gamma, act_type)
    expected = pullback(g)

    def check(result: Any) -> None:
        pair = gamma is not None
        for a, b in zip(result if pair else (result,), expected if pair else (expected,), strict=True):
            assert_same_bits(np.asarray(a), b)

    assert is_quick(pullback)
    check(pullback(g.tolist()))
    check(pullback(g.astype(np.float64)))
    check(pullback(np.asfortranarray(g)))
    room = np.concatenate([np.zeros(1, np.float32), g.ravel()])
    shifted = room[:12].reshape(3, 4)
    check(pullback(room[1:].reshape(3, 4), out=shifted if gamma is None else (shifted, None)))
    for wrong in (g[:2], g.astype(complex), None):
        with pytest.raises((TypeError, ValueError), match="`d_out` must "):
            pullback(wrong)
    for wrong in (g[:2].copy(), g.astype(np.float64), "out"):
        with pytest.raises((TypeError, ValueError), match="`out` must "):
            pullback(g, out=wrong if gamma is None else (wrong, None))
    if gamma is not None:
        d_gamma = np.empty(8, np.float32)[::2]
        check(pullback(g, out=(None, d_gamma)))
        with pytest.raises(TypeError, match="`out` must be a pair of arrays"):
            pullback(g, out=g)
        with pytest.raises(ValueError, match="`out` must be two arrays apart"):
            pullback(g, out=(room[:12].reshape(3, 4), room[:4]))


def test_calls_that_the_general_path_takes() -> None:
    x = values((4, 4), np.float32)
    gamma = np.ones(4, np.float32)
    room = np.empty(16, np.float32).reshape(4, 4)
    for keywords in (
        {"slope": -0.25},  # the sign of the output does not tell the branch
        {"act_type": "rrelu", "training": True, "lower_bound": -0.1, "rng": 1},
        {"act_type": "elu", "out": x},  # what is kept would be overwritten
        {"act_type": "prelu", "gamma": room[0], "out": room},
        {"act_type": "elu", "out": np.asfortranarray(room)},  # the gradient has the layout of the output
        {"act_type": "prelu", "gamma": gamma[None, :, None]},
        {"act_type": "rrelu", "training": True},
    ):
        try:
            _, pullback = vjp(x, **keywords)  # type: ignore[arg-type]
        except ValueError:
            assert "gamma" in keywords
            continue
        assert not is_quick(pullback)
        assert pullback(x) is not None


def test_input_whose_shape_has_changed() -> None:
    x = values((4, 6), np.float32)
    _, pullback = vjp(x, np.linspace(0, 1, 6, dtype=np.float32), "prelu")
    x.resize((8, 3), refcheck=False)
    with pytest.raises(ValueError, match="must "):
        pullback(np.ones((8, 3), np.float32))


def test_what_a_pullback_keeps() -> None:
    for act_type, keeps_output in (("leaky", True), ("elu", False)):
        x = values((8,), np.float32)
        y, pullback = vjp(x, act_type=act_type)
        seen = weakref.ref(x), weakref.ref(y)
        del x, y
        gc.collect()
        assert [ref() is None for ref in seen] == [keeps_output, not keeps_output]
        assert pullback(np.ones(8, np.float32)).shape == (8,)
