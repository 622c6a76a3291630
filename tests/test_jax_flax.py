"""The modules for Flax NNX, and the functions of rectifier.jax beside jax.nn's."""

from __future__ import annotations

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
