"""The activations under JAX's conventions: the names, arguments and defaults of jax.nn, and modules for Flax NNX.

`rectifier.leaky_relu` takes JAX arrays too, with MXNet's names and defaults.

Each function takes an array, or what jax.numpy.asarray makes one of, also traced; so do slopes and bounds. Results have
the data's shape and dtype, never a weak one: float16, bfloat16, float32 or float64; integers and bools become JAX's
default float. The arithmetic is in float64 for float64 and in float32 for all else. Values and derivatives are at most
4 ULP off where they are normal numbers; on the CPU, XLA takes subnormal ones for zero. Everything may be jitted,
mapped, sharded and differentiated to any order. `PReLU` and `RReLU`, modules for Flax NNX, need flax.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .backends.jax import TRACED, as_floats, draw_key, words_of
from .backends.jax_random import draw_slopes
from .operator import leaky_relu as _operator
from .parameters import LOWER_BOUND, UPPER_BOUND, check_bounds, finite_as_float32

__all__ = ["elu", "gelu", "leaky_relu", "prelu", "rrelu", "rrelu_slopes", "selu"]


def leaky_relu(x: Any, negative_slope: Any = 0.01) -> jax.Array:
    """x > 0 ? x : negative_slope * x; the derivative at 0 is `negative_slope`, where jax.nn's is 1.

    Parameters
    ----------
    x : array_like
        The data.
    negative_slope : float or scalar array, default 0.01
        Any finite number.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> import rectifier.jax as rj
    >>> rj.leaky_relu(jnp.array([-2.0, 0.0, 3.0], jnp.float32), 0.25)
    Array([-0.5,  0. ,  3. ], dtype=float32)
    """
    return _call(x, "negative_slope", act_type="leaky", slope=negative_slope)


def elu(x: Any, alpha: Any = 1.0) -> jax.Array:
    """x > 0 ? x : alpha * (exp(x) - 1).

    Parameters
    ----------
    x : array_like
        The data.
    alpha : float or scalar array, default 1.0
        Any finite number.

    Examples
    --------
    >>> import jax, jax.numpy as jnp
    >>> import rectifier.jax as rj
    >>> print(jax.grad(rj.elu)(jnp.float32(-80.0)))  # jax.nn.elu gives 0
    1.8048513e-35
    """
    return _call(x, "alpha", act_type="elu", slope=alpha)


def selu(x: Any) -> jax.Array:
    """1.0507… * (x > 0 ? x : 1.6733… * (exp(x) - 1)) (Klambauer et al., arXiv:1706.02515).

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> import rectifier.jax as rj
    >>> rj.selu(jnp.array([-1.0, 1.0], jnp.float32))
    Array([-1.1113307,  1.050701 ], dtype=float32)
    """
    return _call(x, act_type="selu")


def gelu(x: Any, approximate: bool = False) -> jax.Array:
    """x * Phi(x), Phi the normal distribution function (Hendrycks and Gimpel, arXiv:1606.08415).

    Parameters
    ----------
    x : array_like
        The data.
    approximate : bool, default False
        Whether to take the approximation by tanh, `gelu_tanh`. jax.nn's default is True.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> import rectifier.jax as rj
    >>> print(rj.gelu(jnp.float32(-12.0)))  # jax.nn.gelu gives -0
    -2.1317785e-32
    """
    if not isinstance(approximate, (bool, np.bool_)):
        raise TypeError(f"`approximate` must be True or False, got {approximate!r}")
    return _call(x, act_type="gelu_tanh" if approximate else "gelu")


def prelu(x: Any, gamma: Any, axis: int | tuple[int, ...] | None = None) -> jax.Array:
    """x > 0 ? x : gamma * x, differentiable in `gamma`.

    Parameters
    ----------
    x : array_like
        The data.
    gamma : array_like
        The slopes. Data whose channels stand last, as JAX's mostly do, needs ``axis=-1``.
    axis : int or tuple of int, optional
        The axes of `x` that gamma's dimensions belong to. Without it, MXNet's rule holds: see `rectifier.leaky_relu`.

    Examples
    --------
    >>> import jax, jax.numpy as jnp
    >>> import rectifier.jax as rj
    >>> x, gamma = jnp.array([[-2.0, -4.0]], jnp.float32), jnp.array([0.5, 0.25], jnp.float32)
    >>> jax.grad(lambda gamma: rj.prelu(x, gamma, axis=-1).sum())(gamma)
    Array([-2., -4.], dtype=float32)
    """
    return _call(x, gamma=gamma, act_type="prelu", axis=axis)


def rrelu(x: Any, rng: Any = None, lower_bound: Any = LOWER_BOUND, upper_bound: Any = UPPER_BOUND) -> jax.Array:
    """x > 0 ? x : s * x, s uniform in [lower_bound, upper_bound) with an `rng`, and the middle of the two without.

    Parameters
    ----------
    x : array_like
        The data.
    rng : JAX key, int or None
        The key of the slopes. An integer from 0 to 2**64 - 1 gives the slopes that it gives in every other library.
    lower_bound, upper_bound : float or scalar array, default 0.125 and 0.333999991
        ``lower_bound <= upper_bound``.

    Notes
    -----
    The slope of an element depends on the key and on the element's index in the array that the function sees: the
    whole one under jit, sharded or not; one example under vmap, one shard under shard_map. There, split the key.

    Examples
    --------
    >>> import jax, jax.numpy as jnp
    >>> import rectifier.jax as rj
    >>> x = -jnp.ones(3, jnp.float32)
    >>> rj.rrelu(x, jax.random.key(0)).shape
    (3,)
    >>> rj.rrelu(x, 7)
    Array([-0.32451078, -0.2817818 , -0.14886306], dtype=float32)
    """
    bounds = {"lower_bound": lower_bound, "upper_bound": upper_bound}
    return _call(x, act_type="rrelu", training=rng is not None, rng=rng, **bounds)


def rrelu_slopes(
    shape: int | tuple[int, ...], rng: Any, lower_bound: Any = LOWER_BOUND, upper_bound: Any = UPPER_BOUND
) -> jax.Array:
    """The slopes, of float32, that `rrelu` draws for data of this shape; parameters as there.

    Examples
    --------
    >>> import rectifier.jax as rj
    >>> rj.rrelu_slopes((2,), 7)
    Array([0.32451078, 0.2817818 ], dtype=float32)
    """
    bounds = check_bounds(lower_bound, upper_bound, TRACED)
    for name, bound in zip(("lower_bound", "upper_bound"), bounds, strict=True):
        if not isinstance(bound, TRACED):
            finite_as_float32(name, bound)
    words = words_of(draw_key(rng), traced=False)
    lengths = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    drawn: jax.Array = _slopes(lengths, words, *(jnp.asarray(bound, np.float32) for bound in bounds))
    return drawn


_slopes = jax.jit(draw_slopes, static_argnums=0, inline=True)


def _call(x: Any, slope_name: str = "slope", **parameters: Any) -> jax.Array:
    """The operator, with its errors in the words of the function that was called."""
    try:
        result: jax.Array = _operator(as_floats("data", x), **parameters)
    except (TypeError, ValueError) as error:
        if type(error) not in (TypeError, ValueError):  # JAX has its own, which say what was traced where
            raise
        text = str(error).replace("`data`", "`x`").replace("`slope`", f"`{slope_name}`")
        raise type(error)(text) from None
    return result


_MODULES = ("PReLU", "RReLU")


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES])


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        try:
            from . import flax  # only those who use the modules need Flax
        except ModuleNotFoundError as error:
            if error.name != "flax":
                raise
            raise ImportError(f"{name} needs the package flax, which is not there: pip install flax") from None
        return getattr(flax, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
