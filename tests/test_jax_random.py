"""JAX: rrelu's slopes, the bits of rectifier.random without 64-bit types, and keys."""

from __future__ import annotations

import numpy as np
import pytest

import rectifier
import rectifier.random
from needed import needed
from rectifier import leaky_relu
from ulp import assert_same_bits

jax = needed("jax")
jnp = needed("jax.numpy")
drawing = needed("rectifier.backends.jax_random")
functions = needed("rectifier.jax")

LIMITS = [(0.125, 0.333999991), (-1, 1), (0, 1), (-1, 0), (0.5, 0.5), (1e-30, 1), (-3e38, 3e38), (1, 1 + 2**-23)]
LIMITS += [(0, 0), (1e-20, 1e-19), (-1e-12, 1), (2**-24, 1), (100, 101), (-0.333, -0.125), (-1, 2**-30), (0.1, 0.3)]
MINUS = -np.ones(1000, np.float32)


def words(key: int) -> drawing.Words:
    return drawing.Words(np.uint32(key & 0xFFFFFFFF), np.uint32(key >> 32))


@pytest.mark.parametrize("x64", [True, False])
@pytest.mark.parametrize(("lower", "upper"), LIMITS)
def test_millions_of_slopes_have_numpys_bits(lower, upper, x64):
    """200,003 for each pair of bounds, twice; bounds drawn at random follow below."""
    key = 0x9E3779B97F4A7C15
    with jax.enable_x64(x64):
        found = functions.rrelu_slopes((200_003,), key, lower, upper)
    assert_same_bits(np.asarray(found), rectifier.random.slopes(0, 200_003, key, lower, upper))


def test_bounds_of_every_size():
    rng = np.random.default_rng(0)
    for _ in range(100):
        lower, upper = sorted(rng.normal(size=2) * np.exp(rng.normal(size=2) * 8))
        key = int(rng.integers(2**64, dtype=np.uint64))
        found = functions.rrelu_slopes((10_007,), key, lower, upper)
        assert_same_bits(np.asarray(found), rectifier.random.slopes(0, 10_007, key, lower, upper))


def test_known_answers():
    """Of Random123, for counters whose upper words are zero; one with all bits set by rectifier.random."""
    zero = jnp.zeros((), np.uint32)
    found = drawing.philox(drawing.Words(zero, zero), words(0))
    assert [int(word) for word in found] == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    full = jnp.uint32(0xFFFFFFFF)
    found = drawing.philox(drawing.Words(full, full), words(2**64 - 1))
    expected = rectifier.random.philox([0xFFFFFFFF, 0xFFFFFFFF, 0, 0], [0xFFFFFFFF] * 2)
    assert [int(word) for word in found] == expected.tolist()


def test_indices_beyond_32_bits():
    """The end of an array of 2**36 elements, which XLA never makes."""
    shape, key = (2**20, 2**16), 7
    end = jax.jit(lambda: drawing.draw_slopes(shape, words(key), jnp.float32(0.125), jnp.float32(0.334))[-2:, -5:])
    first = [row * 2**16 + 2**16 - 5 for row in (2**20 - 2, 2**20 - 1)]
    expected = [rectifier.random.slopes(i, 5, key, 0.125, 0.334) for i in first]
    assert_same_bits(np.asarray(end()), np.stack(expected))


@pytest.mark.parametrize("x64", [False, True])
def test_shapes_with_symbols(x64):
    """As jax.export has them: a program for any lengths, which draws what one for these lengths draws."""
    export = needed("jax.export")
    with jax.enable_x64(x64):
        shape = export.symbolic_shape("n, 3, 2*m")
        draw = jax.jit(lambda x: leaky_relu(x, act_type="rrelu", training=True, rng=7))
        exported = export.export(draw)(jax.ShapeDtypeStruct(shape, np.float32))
        for lengths in ((5, 3, 4), (1, 3, 2), (70, 3, 38)):
            x = np.full(lengths, -1, np.float32)
            assert_same_bits(np.asarray(exported.call(x)), leaky_relu(x, act_type="rrelu", training=True, rng=7))
        # More than 2**32 elements, of which the last are asked for.
        symbols = export.symbolic_shape("a, b")
        words = jax.jit(lambda x: jnp.stack(drawing.index_words((x.shape[0], 2**17, x.shape[1])))[:, -1, -1, -1])
        exported = export.export(words)(jax.ShapeDtypeStruct(symbols, np.bool_))
        low, high = np.asarray(exported.call(np.zeros((2**3, 2**14), bool))).tolist()
        assert low + 2**32 * high == 2**34 - 1


def test_a_jax_key_draws_a_key_of_64_bits():
    key = jax.random.key(3)
    low, high = (int(word) for word in jax.random.bits(key, (2,), np.uint32))
    found = leaky_relu(jnp.asarray(MINUS), act_type="rrelu", training=True, rng=key)
    assert_same_bits(np.asarray(found), -rectifier.rrelu_slopes(1000, low | high << 32))
    jitted = jax.jit(lambda key: leaky_relu(jnp.asarray(MINUS), act_type="rrelu", training=True, rng=key))
    assert_same_bits(np.asarray(jitted(key)), np.asarray(found))
    assert_same_bits(np.asarray(functions.rrelu(MINUS, jax.random.PRNGKey(3))), np.asarray(found))
    assert (np.asarray(jitted(jax.random.key(4))) != np.asarray(found)).any()


@pytest.mark.parametrize("generator", ["threefry2x32", "rbg", "unsafe_rbg"])
def test_keys_of_every_generator_old_and_new(generator):
    draw = jax.jit(lambda key: leaky_relu(jnp.asarray(MINUS), act_type="rrelu", training=True, rng=key))
    with jax.default_prng_impl(generator):
        new, old = jax.random.key(5), jax.random.PRNGKey(5)
        assert_same_bits(np.asarray(draw(old)), np.asarray(draw(new)))
        with pytest.raises(TypeError, match=r"`rng` must be one JAX key, got an array of shape \(3,\)"):
            draw(jnp.zeros(3, np.uint32))
    assert_same_bits(
        np.asarray(draw(new)), np.asarray(leaky_relu(jnp.asarray(MINUS), act_type="rrelu", training=True, rng=new))
    )


def test_vmap_draws_by_the_key():
    x = jnp.asarray(MINUS).reshape(4, 250)
    keys = jax.random.split(jax.random.key(0), 4)
    apart = jax.vmap(functions.rrelu)(x, keys)
    assert_same_bits(np.asarray(apart), np.stack([np.asarray(functions.rrelu(x[i], keys[i])) for i in range(4)]))
    same = np.asarray(jax.vmap(lambda x: functions.rrelu(x, 5))(x))
    assert_same_bits(same, np.stack([-rectifier.rrelu_slopes(250, 5)] * 4))


def test_the_gradient_draws_the_same_slopes():
    slopes = rectifier.rrelu_slopes(1000, 11)
    gradient = jax.grad(lambda x: functions.rrelu(x, 11).sum())(jnp.asarray(MINUS))
    assert_same_bits(np.asarray(gradient), slopes)


@pytest.mark.parametrize("rng", [None, np.random.default_rng(1)], ids=["None", "Generator"])
def test_a_traced_call_wants_a_key(rng):
    f = jax.jit(lambda x: leaky_relu(x, act_type="rrelu", training=True, rng=rng))
    with pytest.raises(ValueError, match="`rng` must be a JAX key or an integer where JAX traces the call"):
        f(jnp.asarray(MINUS))


@pytest.mark.parametrize(
    "rng",
    [
        jax.random.split(jax.random.key(0), 3),
        jnp.zeros(2),
        jnp.zeros(2, np.int32),
        jnp.uint32(7),
        jnp.zeros(3, np.uint32),
    ],
    ids=str,
)
@pytest.mark.parametrize("training", [True, False])
def test_what_is_no_key(rng, training):
    with pytest.raises(TypeError, match="`rng` must be one JAX key, got an array of shape"):
        leaky_relu(jnp.asarray(MINUS), act_type="rrelu", training=training, rng=rng)


def test_other_types_of_rng():
    with pytest.raises(TypeError, match="`rng` must be a JAX key, an integer from 0 to 2\\*\\*64 - 1, a numpy"):
        leaky_relu(jnp.asarray(MINUS), act_type="rrelu", rng="seed")
