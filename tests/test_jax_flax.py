"""The modules for Flax NNX, and the functions of rectifier.jax beside jax.nn's."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import rectifier
from needed import needed
from rectifier import reference
from ulp import assert_same_bits

jax = needed("jax")
jnp = needed("jax.numpy")
functions = needed("rectifier.jax")

X = np.linspace(-3, 2, 24, dtype=np.float32).reshape(2, 3, 4)


@pytest.mark.parametrize(("name", "arguments"), [("leaky_relu", ()), ("leaky_relu", (0.2,)), ("elu", ()), ("selu", ())])
def test_names_and_defaults_are_those_of_jax_nn(name, arguments):
    ours, theirs = getattr(functions, name)(X, *arguments), getattr(jax.nn, name)(X, *arguments)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_gelu_is_exact_unless_an_approximation_is_asked_for():
    for approximate in (False, True):
        mine, theirs = functions.gelu(X, approximate), jax.nn.gelu(X, approximate=approximate)
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-7)


def test_rrelu_without_a_key_takes_the_middle():
    assert_same_bits(np.asarray(functions.rrelu(X, None, 0.25, 0.75)), rectifier.leaky_relu(X, slope=0.5))


def test_results_have_no_weak_type():
    assert not functions.elu(2.0).weak_type
    assert (functions.elu(2.0) * jnp.ones(1, jnp.bfloat16)).dtype == functions.elu(2.0).dtype


def test_slopes_alone():
    assert_same_bits(np.asarray(functions.rrelu_slopes(5, 7)), rectifier.rrelu_slopes(5, 7))
    with pytest.raises(ValueError, match="`upper_bound` must be finite as float32, got 1e\\+300"):
        functions.rrelu_slopes(5, 7, 0.0, 1e300)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: functions.elu("text"), "`x` must be an array of real numbers, got str"),
        (lambda: functions.gelu(None), "`x` must be an array of real numbers, got NoneType"),
        (lambda: functions.selu(1j), "`x` must be of dtype float16, bfloat16, float32, float64, an integer or bool"),
        (lambda: functions.leaky_relu(X, "a"), "`negative_slope` must be a number, got 'a'"),
        (lambda: functions.leaky_relu(X, 1e300), "`negative_slope` must be finite as float32, got 1e\\+300"),
        (lambda: functions.elu(X, float("nan")), "`alpha` must be a finite number, got nan"),
        (lambda: functions.gelu(X, "none"), "`approximate` must be True or False, got 'none'"),
        (lambda: functions.prelu(X, np.ones(7)), "`gamma` must align with axis 1 and axis 0 of `x`"),
    ],
)
def test_errors_name_the_functions_own_arguments(call, words):
    with pytest.raises((TypeError, ValueError), match=f"^{words}"):
        call()


def test_without_flax(monkeypatch):
    monkeypatch.setitem(sys.modules, "flax", None)
    monkeypatch.delitem(sys.modules, "rectifier.flax", raising=False)
    monkeypatch.delattr(rectifier, "flax", raising=False)
    with pytest.raises(ImportError, match="RReLU needs the package flax, which is not there: pip install flax"):
        functions.RReLU  # noqa: B018
    assert "RReLU" in dir(functions)


def test_wrong_arguments_of_modules():
    nnx = needed("flax.nnx")
    rngs = nnx.Rngs(0)
    for features in (2.5, True, "2"):
        with pytest.raises(TypeError, match=f"^`features` must be an integer or None, got {features!r}$"):
            functions.PReLU(features)
    with pytest.raises(ValueError, match="`features` must be 1 or more, got -1"):
        functions.PReLU(-1)
    with pytest.raises(TypeError, match="`init` must be a number, got 'x'"):
        functions.PReLU(init="x")
    with pytest.raises(TypeError, match="`param_dtype` must be a float type, got 'int32'"):
        functions.PReLU(param_dtype="int32")
    with pytest.raises(ValueError, match=r"`lower_bound` must be at most `upper_bound`, got 0.5 and 0.1"):
        functions.RReLU(0.5, 0.1, rngs=rngs)
    with pytest.raises(TypeError, match=r"`rngs` must be a flax.nnx.Rngs or RngStream, got int"):
        functions.RReLU(rngs=3)


def test_no_such_name():
    with pytest.raises(AttributeError, match=r"module 'rectifier.jax' has no attribute 'swish'"):
        functions.swish  # noqa: B018


@pytest.mark.parametrize(("features", "axis"), [(None, -1), (4, -1), (3, 1)])
def test_prelu_learns(features, axis):
    nnx = needed("flax.nnx")
    layer = functions.PReLU(features, axis=axis, init=0.5)
    assert_same_bits(np.asarray(layer(X)), rectifier.leaky_relu(X, slope=0.5))
    gradient = nnx.grad(lambda layer: layer(jnp.asarray(X)).sum())(layer).gamma[...]
    shape = () if features is None else (features,)
    expected = reference.d_gamma(np.ones_like(X), X, shape, None if features is None else axis)
    np.testing.assert_allclose(gradient, expected, rtol=1e-6)


def test_rrelu_draws_anew_for_each_call_in_training_only():
    nnx = needed("flax.nnx")
    layer = functions.RReLU(0.25, 0.75, rngs=nnx.Rngs(0))
    layer.eval()
    assert_same_bits(np.asarray(layer(X)), rectifier.leaky_relu(X, slope=0.5))
    layer.train()
    first, second = np.asarray(layer(X)), np.asarray(layer(X))
    assert (first != second).any()
    assert_same_bits(np.asarray(functions.RReLU(0.25, 0.75, rngs=nnx.Rngs(0))(X)), first)
    ratio = first[X < 0] / X[X < 0]
    assert ((ratio >= 0.2499) & (ratio < 0.7501)).all()
    assert_same_bits(np.asarray(layer(X, deterministic=True)), rectifier.leaky_relu(X, slope=0.5))
    jitted = nnx.jit(lambda layer, x: layer(x))
    assert (np.asarray(jitted(layer, X)) != np.asarray(jitted(layer, X))).any()
