"""JAX's transformations: jit, grad, jvp, vmap, hessian, scan; traced parameters; what a backward pass keeps."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import rectifier
from needed import needed
from rectifier import leaky_relu, reference, vjp
from rectifier.backends.jax_formulas import FORMULAS
from ulp import assert_same_bits, ulp_errors

jax = needed("jax")
jnp = needed("jax.numpy")

X = np.linspace(-3, 2, 24, dtype=np.float32).reshape(2, 3, 4)
NAMES = list(FORMULAS)


def operator(act_type, **parameters):
    """The operator as a function of the data alone."""
    if act_type == "prelu":
        parameters["gamma"] = jnp.array([0.1, 0.2, 0.3], jnp.float32)
    if act_type == "rrelu":
        parameters |= {"training": True, "rng": 5}
    return functools.partial(leaky_relu, act_type=act_type, **parameters)


def slopes_of(act_type):
    """What multiplies the second branch, as reference.py wants it."""
    named = {"prelu": np.array([0.1, 0.2, 0.3], np.float32).reshape(3, 1), "rrelu": rectifier.rrelu_slopes(X.shape, 5)}
    return named.get(act_type, 0.25)


@pytest.mark.parametrize("act_type", NAMES)
def test_first_derivatives_agree_in_every_mode(act_type):
    f, x = operator(act_type), jnp.asarray(X)
    expected = reference.derivative(X, act_type, slopes_of(act_type))
    grad = jax.grad(lambda x: f(x).sum())(x)
    assert ulp_errors(np.asarray(grad), expected).max() <= 4
    # XLA fuses products and sums in some modes, which moves the last bits of gelu_tanh's longer sums.
    between = 3 if act_type == "gelu_tanh" else 1
    for found in (
        jax.jit(jax.grad(lambda x: f(x).sum()))(x),
        jax.jvp(f, (x,), (jnp.ones_like(x),))[1],
        jax.vjp(f, x)[1](jnp.ones_like(x))[0],
        jax.linearize(f, x)[1](jnp.ones_like(x)),
    ):
        assert ulp_errors(np.asarray(found), expected).max() <= 4
        assert ulp_errors(np.asarray(found), np.asarray(grad, np.float64)).max() <= between


def curvature_of_gelu_tanh(t):
    """Of t / (1 + exp(-v)), v = root * (t + 0.044715 * t**3)."""
    root = np.sqrt(8 / np.pi)
    s = 1 / (1 + np.exp(-root * (t + 0.044715 * t**3)))
    first, second = root * (1 + 0.134145 * t * t), root * 0.26829 * t
    return s * (1 - s) * (2 * first + t * (second + first * first * (1 - 2 * s)))


@pytest.mark.parametrize("act_type", NAMES)
def test_vmap_hessian_and_scan(act_type):
    f, x = operator(act_type), jnp.asarray(X)
    y = np.asarray(f(x))
    if act_type not in ("prelu", "rrelu"):  # theirs depends on the other axes
        np.testing.assert_allclose(jax.vmap(jax.vmap(f, 1, 1))(x), y, rtol=1e-6)
    _, scanned = jax.lax.scan(lambda carry, _: (carry, f(carry)), x, None, length=3)
    np.testing.assert_allclose(scanned, np.stack([y] * 3), rtol=1e-6)
    through = jax.grad(lambda x: jax.lax.scan(lambda c, _: (f(c), None), x, None, length=4)[0].sum())(x)
    assert np.isfinite(np.asarray(through)).all()
    hessian = jax.hessian(lambda x: f(x).sum())(x).reshape(24, 24)
    second = {"gelu": lambda t: np.exp(-t * t / 2) / np.sqrt(2 * np.pi) * (2 - t * t)}
    second["elu"] = lambda t: np.where(t > 0, 0, 0.25 * np.exp(t))
    second["selu"] = lambda t: np.where(t > 0, 0, 1.7580993408473766 * np.exp(t))
    second["gelu_tanh"] = curvature_of_gelu_tanh
    expected = second.get(act_type, np.zeros_like)(X.ravel().astype(np.float64))
    np.testing.assert_allclose(hessian, np.diag(expected), rtol=1e-5, atol=1e-7)


def test_parameters_may_be_static_or_traced():
    x = jnp.asarray(X)
    plain = np.asarray(leaky_relu(x, act_type="elu", slope=0.3))
    static = jax.jit(leaky_relu, static_argnames=("act_type", "slope", "training", "axis"))
    traced = jax.jit(leaky_relu, static_argnames=("act_type", "training", "axis"))
    for f in (static, traced):
        assert_same_bits(np.asarray(f(x, act_type="elu", slope=0.3)), plain)
    assert_same_bits(np.asarray(leaky_relu(x, act_type="elu", slope=jnp.float32(0.3))), plain)
    bounds = {"lower_bound": 0.25, "upper_bound": 0.75}
    for training in (False, True):
        keywords = {"act_type": "rrelu", "training": training, "rng": 9 if training else None}
        expected = leaky_relu(X, **keywords, **bounds)
        f = jax.jit(lambda low, high, keywords=keywords: leaky_relu(x, lower_bound=low, upper_bound=high, **keywords))
        assert_same_bits(np.asarray(f(0.25, 0.75)), expected)


def test_gradients_of_parameters():
    x = jnp.asarray(X)
    ones = np.ones_like(X, np.float64)
    below = np.where(X > 0, 0, X).astype(np.float64)
    assert jax.grad(lambda s: leaky_relu(x, slope=s).sum())(0.3) == pytest.approx(below.sum(), rel=1e-6)
    elu = jax.grad(lambda s: leaky_relu(x, act_type="elu", slope=s).sum())(0.3)
    assert elu == pytest.approx(np.expm1(below).sum(), rel=1e-6)
    slopes = rectifier.rrelu_slopes(X.shape, 3, 0.0, 1.0).astype(np.float64)
    draw = {"act_type": "rrelu", "training": True, "rng": 3}
    low, high = jax.grad(
        lambda low, high: leaky_relu(x, lower_bound=low, upper_bound=high, **draw).sum(), argnums=(0, 1)
    )(0.0, 1.0)
    assert high == pytest.approx((below * slopes).sum(), rel=1e-5)
    assert low == pytest.approx((below * (ones - slopes)).sum(), rel=1e-5)


@pytest.mark.parametrize("value", [jnp.ones(2), jnp.array(True), jnp.array(1j)], ids=str)
def test_a_parameter_is_one_real_number(value):
    with pytest.raises(TypeError, match="`slope` must be a number, got an array of shape"):
        leaky_relu(jnp.asarray(X), slope=value)
    with pytest.raises(TypeError, match="`slope` must be a number, got Array"):
        leaky_relu(X, slope=jnp.float32(0.5))


def test_bfloat16_parameters_are_numbers_too():
    assert leaky_relu(jnp.float32(-2), slope=jnp.bfloat16(0.5)) == -1


@pytest.mark.parametrize("act_type", NAMES)
def test_a_backward_pass_keeps_the_inputs_alone(act_type):
    """No derivative, mask or slope is stored: what the pullback holds has the data's type and is the data itself."""
    x = jnp.asarray(X, jnp.float16)
    _, pullback = jax.vjp(operator(act_type), x)
    kept = [leaf for leaf in jax.tree_util.tree_leaves(pullback) if getattr(leaf, "size", 0) >= x.size]
    assert all(leaf.dtype == np.float16 for leaf in kept)
    assert len(kept) <= 1


def test_gamma_gradient_without_float64():
    """Sums in float32, whose products are not of halves: 65,536 terms of one size keep five digits."""
    with jax.enable_x64(False):
        x, g = jnp.full(2**16, -0.1, jnp.bfloat16), jnp.full(2**16, 0.3, jnp.bfloat16)
        _, pullback = vjp(x, gamma=jnp.float32(0.25), act_type="prelu")
        _, d_gamma = pullback(g)
        exact = float(x[0]) * float(g[0]) * 2**16
        assert d_gamma.dtype == np.float32
        assert d_gamma == pytest.approx(exact, rel=1e-5)


def test_gamma_gradient_by_axis():
    rng = np.random.default_rng(3)
    x, g = (rng.integers(-8, 8, size=(4, 3, 5)).astype(np.float32) for _ in range(2))
    gamma = jnp.array([0.5, 0.25, 1.0, 0.125, 2.0], jnp.float32)
    found = jax.grad(lambda gamma: (leaky_relu(jnp.asarray(x), gamma, "prelu", axis=-1) * g).sum())(gamma)
    assert_same_bits(np.asarray(found), reference.d_gamma(g, x, (5,), -1).astype(np.float32))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_without_float64(dtype):
    """The same bits as with it."""
    x = X.astype(np.float32)
    for act_type in NAMES:
        with jax.enable_x64(True):
            with_it = np.asarray(operator(act_type)(jnp.asarray(x, dtype)))
        with jax.enable_x64(False):
            without = np.asarray(operator(act_type)(jnp.asarray(x, dtype)))
        assert_same_bits(without, with_it)


def test_what_jax_arrays_cannot_do():
    x = jnp.asarray(X)
    with pytest.raises(TypeError, match="`out` must be None for JAX arrays, which nothing can write to, got ndarray"):
        leaky_relu(x, out=np.empty_like(X))
    _, pullback = vjp(x)
    with pytest.raises(TypeError, match="`out` must be None for JAX arrays"):
        pullback(x, out=np.empty_like(X))
    with pytest.raises(TypeError, match="`gamma` must be an array of real numbers, got object"):
        leaky_relu(x, gamma=object(), act_type="prelu")


def test_a_sum_of_products_has_no_zero_times_infinity():
    """A parameter without a tangent adds no term: infinite data keep their gradients and signs."""
    x = jnp.array([-jnp.inf, -0.0, jnp.inf], jnp.float32)
    _, tangent = jax.jvp(lambda x: leaky_relu(x, slope=jnp.float32(-0.5)), (x,), (jnp.zeros(3, jnp.float32),))
    assert_same_bits(np.asarray(tangent), np.array([-0.0, -0.0, 0.0], np.float32))
