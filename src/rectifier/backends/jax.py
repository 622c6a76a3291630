"""JAX arrays, traced ones too: pure jax.numpy, which XLA fuses, shards and differentiates."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..gamma import gamma_axes
from ..parameters import Call, finite_as_float32
from ..random import check_rng as check_seed
from ..random import key_from_rng, middle_slope
from .jax_formulas import FORMULAS
from .jax_random import Words, draw_slopes

__all__ = ["TRACED", "as_floats", "check_rng", "draw_key", "forward", "from_numpy", "to_numpy", "vjp", "words_of"]

# Parameters of this type are taken as they are: their value may not be known before a program runs, traced or not.
TRACED = (jax.Array,)

_FLOATS = tuple(map(np.dtype, (np.float16, jnp.bfloat16, np.float32, np.float64)))

from_numpy = jnp.asarray
to_numpy = np.asarray


def check_rng(rng: Any) -> None:
    """Raise what `draw_key` raises."""
    if isinstance(rng, jax.Array):
        if not _is_one_key(rng):
            raise TypeError(f"`rng` must be one JAX key, got an array of shape {rng.shape} and dtype {rng.dtype}")
        return
    try:
        check_seed(rng)
    except TypeError as error:
        raise TypeError(str(error).replace("must be", "must be a JAX key,")) from None


def _is_one_key(array: Any) -> bool:
    """Whether an array is a key, or the words of one, as many as JAX's default generator takes."""
    if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        return bool(array.shape == ())
    try:
        return bool(jax.random.wrap_key_data(array).shape == ())
    except TypeError:
        return False


def draw_key(rng: Any) -> Any:
    """Where the slopes come from, checked. What a program under trace must not hold is drawn in `words_of` only."""
    check_rng(rng)
    return rng


def words_of(rng: Any, traced: bool) -> Words:
    """The key of the slopes."""
    if isinstance(rng, jax.Array):
        bits = jax.random.bits(rng, (2,), np.uint32)
        return Words(bits[0], bits[1])
    if traced and not isinstance(rng, (int, np.integer)):
        raise ValueError(
            f"`rng` must be a JAX key or an integer where JAX traces the call, which would use one draw for ever, "
            f"got {'None' if rng is None else type(rng).__name__}"
        )
    key = key_from_rng(rng)
    return Words(np.uint32(key & 0xFFFFFFFF), np.uint32(key >> 32))


def forward(call: Call, data: Any, gamma: Any, axis: Any, key: Any, out: Any) -> Any:
    """The value of the operator."""
    x, given = _operands(call, data, gamma, axis, key, out)
    return _activate(call.activation.name, call.draws, x, given)


def vjp(call: Call, data: Any, gamma: Any, axis: Any, key: Any, out: Any) -> tuple[Any, Callable[..., Any]]:
    """The value, and the function that takes a gradient of the output back to the inputs."""
    x, given = _operands(call, data, gamma, axis, key, out)
    name, has_gamma, gamma_shape = call.activation.name, call.activation.has_gamma, np.shape(gamma)

    def pullback(d_out: Any, out: Any = None) -> Any:
        _check_no_out(out)
        g = as_floats("d_out", d_out)
        if g.shape != x.shape:
            raise ValueError(f"`d_out` must have shape {x.shape}, got {g.shape}")
        dx, d_given = _pull(name, call.draws, has_gamma, x, given, g.astype(x.dtype))
        return (dx, d_given.reshape(gamma_shape)) if has_gamma else dx

    return _activate(name, call.draws, x, given), pullback


@functools.partial(jax.jit, static_argnums=(0, 1), inline=True)
# Of what it computes, a backward pass keeps the inputs alone.
@functools.partial(jax.checkpoint, static_argnums=(0, 1), prevent_cse=False)
def _activate(name: str, draws: bool, x: Any, given: Any) -> Any:
    arithmetic = _arithmetic(x.dtype)
    slope = draw_slopes(x.shape, *given) if draws else given
    slope = None if slope is None else slope.astype(arithmetic)
    return FORMULAS[name](x.astype(arithmetic), slope).astype(x.dtype)


@functools.partial(jax.jit, static_argnums=(0, 1, 2), inline=True)
def _pull(name: str, draws: bool, has_gamma: bool, x: Any, given: Any, g: Any) -> tuple[Any, Any]:
    if has_gamma:
        dx, d_gamma = jax.vjp(lambda *inputs: _activate(name, draws, *inputs), x, given)[1](g)
        return dx, d_gamma
    (dx,) = jax.vjp(lambda x: _activate(name, draws, x, given), x)[1](g)
    return dx, None


def _arithmetic(dtype: Any) -> Any:
    return np.dtype(np.float64 if dtype == np.float64 else np.float32)


def _operands(call: Call, data: Any, gamma: Any, axis: Any, key: Any, out: Any) -> tuple[Any, Any]:
    """The data, and what its formula's slope comes from: gamma, a number, or the key and the bounds; or None."""
    _check_no_out(out)
    x, activation = as_floats("data", data), call.activation
    arithmetic = _arithmetic(x.dtype)
    for name in ("slope", "lower_bound", "upper_bound"):
        value = getattr(call, name)
        if name in activation.reads and not isinstance(value, TRACED) and (arithmetic == np.float32 or name != "slope"):
            finite_as_float32(name, value)
    if activation.has_gamma:
        given = as_floats("gamma", gamma)
        return x, given.reshape(gamma_axes(x.shape, given.shape, axis))
    bounds = call.lower_bound, call.upper_bound
    if call.draws:
        return x, (words_of(key, isinstance(x, jax.core.Tracer)), *(jnp.asarray(bound, np.float32) for bound in bounds))
    if activation.is_random:
        return x, jnp.asarray(_middle(*bounds, arithmetic), arithmetic)
    return x, jnp.asarray(call.slope, arithmetic) if "slope" in activation.reads else None


def _middle(lower: Any, upper: Any, arithmetic: Any) -> Any:
    if isinstance(lower, TRACED) or isinstance(upper, TRACED):
        return 0.5 * jnp.asarray(lower, arithmetic) + 0.5 * jnp.asarray(upper, arithmetic)
    return middle_slope(lower, upper, arithmetic)


def as_floats(name: str, value: Any) -> Any:
    """The value as an array of one of the four float types."""
    try:
        array = jnp.asarray(value)
    except (TypeError, ValueError) as error:
        raise TypeError(f"`{name}` must be an array of real numbers, got {type(value).__name__}: {error}") from None
    if array.dtype in _FLOATS:
        return array
    if not jnp.issubdtype(array.dtype, jnp.integer) and array.dtype != np.bool_:
        raise TypeError(
            f"`{name}` must be of dtype float16, bfloat16, float32, float64, an integer or bool, got {array.dtype}"
        )
    return array.astype(jax.dtypes.canonicalize_dtype(float))


def _check_no_out(out: Any) -> None:
    if out is not None:
        raise TypeError(f"`out` must be None for JAX arrays, which nothing can write to, got {type(out).__name__}")
