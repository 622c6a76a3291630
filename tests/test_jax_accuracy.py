"""JAX: values and gradients over samples of every dtype, within the bound of the registry's row, compiled and eager.

The reference is the core in float64, which test_values.py holds to 2 ULP of float64 against 60 digits.
"""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from needed import needed
from rectifier import dispatch, leaky_relu, vjp
from rectifier.parameters import ACTIVATIONS
from ulp import ulp_errors

jax = needed("jax")
jnp = needed("jax.numpy")

ULP = next(row.ulp for row in dispatch.BACKENDS if row.module == "jax")
CASES = [("elu", 1.0), ("elu", 0.3), ("elu", -1.7), ("elu", 1e30), ("elu", 3e38), ("elu", 1e-20), ("selu", 0.25)]
CASES += [("gelu", 0.25), ("gelu_tanh", 0.25)]
# Where a formula changes, a result vanishes, or a derivative is zero.
THRESHOLDS = (
    -0.7517915,
    -0.7524614,
    -10.1,
    -0.34657,
    -1.0397,
    -5.5,
    -13.1,
    -14.75,
    -25.0,
    -87.33,
    -104.0,
    -1e-3,
    0.34657,
    5.5,
)


def sample(step: int) -> np.ndarray:
    """Every step-th finite normal float32, and the neighbourhoods of the thresholds."""
    words = np.arange(0, 2**32, step, dtype=np.uint64).astype(np.uint32)
    around = np.arange(-4000, 4000, dtype=np.int64)
    near = [(np.float32(t).view(np.uint32) + around).astype(np.uint32) for t in THRESHOLDS]
    x = np.concatenate([words, *near]).view(np.float32)
    return x[(np.abs(x) >= np.finfo(np.float32).tiny) & np.isfinite(x)]


def truth(x: np.ndarray, act_type: str, slope: float) -> tuple[np.ndarray, np.ndarray]:
    y, pullback = vjp(x.astype(np.float64), act_type=act_type, slope=float(np.float32(slope)))
    return y, pullback(np.ones(x.shape))


def assert_accurate(actual: np.ndarray, expected: np.ndarray, x: np.ndarray, bound: float) -> None:
    """At most `bound` ULP off on normal results; the others at most the least normal number, and of the right sign."""
    info = ml_dtypes.finfo(actual.dtype)
    normal = np.abs(expected) >= float(info.tiny)
    errors = np.where(normal, ulp_errors(actual, expected), 0.0)
    worst = np.argmax(errors)
    assert errors[worst] <= bound, f"{errors[worst]} ULP at {x[worst]!r}: {actual[worst]!r} for {expected[worst]!r}"
    small = actual[~normal].astype(np.float64)
    assert (np.abs(small) <= float(info.tiny)).all()
    assert (np.signbit(small) == np.signbit(expected[~normal])).all()


def test_the_check_fails_on_a_wrong_value():
    x = np.linspace(-3, -1, 5, dtype=np.float32)
    y, _ = truth(x, "gelu", 0.25)
    good = y.astype(np.float32)
    assert_accurate(good, y, x, 0.5)
    for wrong in (np.nextafter(good, np.float32(0)), np.full_like(good, np.nan)):
        with pytest.raises(AssertionError):
            assert_accurate(wrong, y, x, 0.5)
    with pytest.raises(AssertionError):
        assert_accurate(np.zeros(1, np.float32), np.array([-1e-60]), x[:1], 0.5)


@pytest.mark.parametrize(("act_type", "slope"), CASES)
def test_float32(act_type, slope):
    """Every 10,007th input, and 8,000 around each threshold; overflow, which elu with a slope like 1e30 has not."""
    x = sample(10_007)
    y, dx = truth(x, act_type, slope)
    finite = np.abs(y) <= np.finfo(np.float32).max  # selu of the greatest numbers overflows
    x, y, dx = x[finite], y[finite], dx[finite]

    def gradient(x):
        return jax.vjp(lambda x: leaky_relu(x, act_type=act_type, slope=slope), x)[1](jnp.ones_like(x))[0]

    assert_accurate(np.asarray(leaky_relu(jnp.asarray(x), act_type=act_type, slope=slope)), y, x, ULP["float32"])
    assert_accurate(np.asarray(jax.jit(gradient)(jnp.asarray(x))), dx, x, ULP["float32"])
    assert_accurate(np.asarray(gradient(jnp.asarray(x))), dx, x, ULP["float32"])


def test_the_worst_gradients_of_gelu_tanh():
    """Of all inputs between -10.4 and -2**-8, compiled; an unfused product with the distance makes some 4.15 ULP."""
    worst = (-0.62707049, -0.62676686, -3.14253688, -3.15279888, -0.34097981, -0.32693395, -0.7437978, -9.9041042)
    around = np.arange(-1000, 1000, dtype=np.int64)
    x = np.concatenate([(np.float32(t).view(np.uint32) + around).astype(np.uint32) for t in worst]).view(np.float32)
    gradient = jax.jit(jax.vmap(jax.grad(lambda x: leaky_relu(x, act_type="gelu_tanh"))))
    assert_accurate(np.asarray(gradient(jnp.asarray(x))), truth(x, "gelu_tanh", 0.25)[1], x, ULP["float32"])


@pytest.mark.parametrize("act_type", ["elu", "selu", "gelu", "gelu_tanh"])
def test_operations_one_by_one_are_as_accurate(act_type):
    """No product is fused with a sum then, as on a device without fused operations."""
    from rectifier.backends.jax_formulas import FORMULAS

    x = sample(100_003)
    y, dx = truth(x, act_type, 0.3)
    finite = np.abs(y) <= np.finfo(np.float32).max
    x, y, dx = x[finite], y[finite], dx[finite]
    slope = jnp.float32(0.3)
    with jax.disable_jit():
        value, gradient = jax.jvp(lambda x: FORMULAS[act_type](x, slope), (jnp.asarray(x),), (jnp.ones(x.shape, "f4"),))
    assert_accurate(np.asarray(value), y, x, ULP["float32"])
    assert_accurate(np.asarray(gradient), dx, x, ULP["float32"])


@pytest.mark.parametrize(
    ("act_type", "slope"), [("elu", 0.3), ("elu", 1e300), ("selu", 0.25), ("gelu", 0.25), ("gelu_tanh", 0.25)]
)
def test_float64(act_type, slope):
    rng = np.random.default_rng(5)
    root = ACTIVATIONS[act_type].root
    near = (root or -1.0) + rng.normal(size=5000) * np.exp(rng.uniform(-12, -4, 5000))
    x = np.concatenate([-np.exp(rng.uniform(-40, 6.6, 30_000)), np.exp(rng.uniform(-40, 6, 10_000)), near])
    y, pullback = vjp(x, act_type=act_type, slope=slope)
    dx = pullback(np.ones_like(x))
    far = np.ones(x.shape, bool) if root is None else np.abs(x - root) > 2.0**-4
    f = jax.jit(lambda x: leaky_relu(x, act_type=act_type, slope=slope))
    gradient = np.asarray(jax.jit(lambda x: jax.jvp(f, (x,), (jnp.ones_like(x),))[1])(x))
    # The reference itself is up to 2 ULP off.
    assert_accurate(np.asarray(f(jnp.asarray(x))), y, x, ULP["float64"] + 2)
    assert_accurate(gradient[far], dx[far], x[far], ULP["float64"] + 2)
    assert np.abs(gradient - dx)[~far].max(initial=0) <= 2.0**-52


@pytest.mark.parametrize("x64", [True, False])
def test_the_tails(x64):
    """Where jax.nn gives zero or NaN; true values by mpmath, 20 digits."""
    with jax.enable_x64(x64):
        elu, gelu = (lambda x: leaky_relu(x, act_type="elu", slope=1.0)), (lambda x: leaky_relu(x, act_type="gelu"))
        table = [
            (jax.grad(elu)(jnp.float32(-80)), 1.8048513878454153e-35),
            (gelu(jnp.float32(-12)), -2.1317785363540566e-32),
            (jax.grad(gelu)(jnp.float32(-12)), -2.5578955009434846e-31),
            (jax.grad(jax.grad(gelu))(jnp.float32(-12)), -3.0478650155930107e-30),
            (jax.grad(jax.grad(elu))(jnp.float32(-80)), 1.8048513878454153e-35),
        ]
        for actual, expected in table:
            assert actual.dtype == np.float32
            assert ulp_errors(np.asarray(actual), expected) <= 4, (actual, expected)


@pytest.mark.parametrize("act_type", ["leaky", "elu", "selu", "gelu", "gelu_tanh", "rrelu"])
def test_higher_derivatives_are_finite_everywhere(act_type):
    x = jnp.array([0.0, -0.0, 3e38, -3e38, jnp.inf, -jnp.inf, -88.0, 88.0, -14.8, 14.8, 1e-30, -1e20], jnp.float32)
    f = lambda x: leaky_relu(x, act_type=act_type)  # noqa: E731
    for _ in range(4):
        f = jax.grad(f)
        assert np.isfinite(np.asarray(jax.vmap(f)(x))).all()


def test_derivatives_of_gelu_tanh():
    """Without x64 too, by mpmath, 30 digits; next to the roots of the second derivative the error is absolute."""
    mpmath = pytest.importorskip("mpmath")
    x = np.concatenate([np.linspace(-9, 9, 201), [-0.75246143, -0.7524614, -1e-5]]).astype(np.float32)

    def value(t):
        return t / (1 + mpmath.exp(-mpmath.sqrt(8 / mpmath.pi) * (t + mpmath.mpf("0.044715") * t**3)))

    with mpmath.workdps(60):
        true = [np.array([float(mpmath.diff(value, mpmath.mpf(float(t)), n)) for t in x]) for n in range(3)]
    far = np.abs(true[2]) > np.abs(true[1])
    for x64 in (True, False):
        with jax.enable_x64(x64):
            f = lambda x: leaky_relu(x, act_type="gelu_tanh")  # noqa: E731
            found = [np.asarray(jax.vmap(g)(jnp.asarray(x))) for g in (f, jax.grad(f), jax.grad(jax.grad(f)))]
        assert found[0].dtype == np.float32
        assert ulp_errors(found[0], true[0]).max() <= ULP["float32"]
        assert ulp_errors(found[1], true[1]).max() <= ULP["float32"]
        assert ulp_errors(found[2], true[2])[far].max() <= 12
        assert np.abs(found[2] - true[2])[~far].max() <= 2.0**-22


def test_second_derivatives_of_gelu():
    """density(x) * (2 - x**2): by mpmath, 20 digits; next to its roots the error is absolute."""
    mpmath = pytest.importorskip("mpmath")
    x = np.linspace(-9, 9, 301, dtype=np.float32)
    found = np.asarray(jax.vmap(jax.grad(jax.grad(lambda x: leaky_relu(x, act_type="gelu"))))(jnp.asarray(x)))
    with mpmath.workdps(20):
        true = np.array([float(mpmath.npdf(float(t)) * (2 - mpmath.mpf(float(t)) ** 2)) for t in x])
    far = np.abs(np.abs(x) - np.sqrt(2)) > 0.1
    assert ulp_errors(found, true)[far].max() <= 8
    assert np.abs(found - true)[~far].max() <= 2.0**-23
