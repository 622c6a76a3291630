"""Modules for Flax NNX, under the names that `rectifier.jax` has for them."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from . import jax as functions
from .backends.jax import TRACED
from .parameters import LOWER_BOUND, SLOPE, UPPER_BOUND, check_bounds, finite, integer

__all__ = ["PReLU", "RReLU"]


class PReLU(nnx.Module):
    """x > 0 ? x : gamma * x with a learnt gamma (He et al., arXiv:1502.01852).

    Parameters
    ----------
    features : int or None
        How many slopes: one for each channel, or None for one that all share.
    axis : int, default -1
        The axis of the channels.
    init : float, default 0.25
        What gamma starts at.
    param_dtype : dtype, default float32
        Of gamma.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> import rectifier.jax as rj
    >>> layer = rj.PReLU(2)
    >>> layer(jnp.array([[-4.0, 2.0]], jnp.float32))
    Array([[-1.,  2.]], dtype=float32)
    """

    def __init__(
        self, features: int | None = None, *, axis: int = -1, init: float = SLOPE, param_dtype: Any = jnp.float32
    ) -> None:
        shape = () if features is None else (_checked_features(features),)
        if not jnp.issubdtype(param_dtype, jnp.floating):
            raise TypeError(f"`param_dtype` must be a float type, got {param_dtype!r}")
        self.axis = axis
        self.gamma = nnx.Param(jnp.full(shape, finite("init", init, TRACED), param_dtype))

    def __call__(self, x: Any) -> jax.Array:
        gamma = self.gamma[...]
        return functions.prelu(x, gamma, axis=self.axis if gamma.ndim else None)


def _checked_features(features: Any) -> int:
    number = integer("features", features, "an integer or None")
    if number < 1:
        raise ValueError(f"`features` must be 1 or more, got {features!r}")
    return number


class RReLU(nnx.Module):
    """x > 0 ? x : s * x with random slopes while training, and their middle otherwise (Xu et al., arXiv:1505.00853).

    ``module.train()`` and ``module.eval()`` switch, as for flax.nnx.Dropout.

    Parameters
    ----------
    lower_bound, upper_bound : float, default 0.125 and 0.333999991
        Slopes are uniform in [lower_bound, upper_bound).
    deterministic : bool, default False
        Whether to use the middle.
    rng_collection : str, default "rrelu"
        The stream of keys in `rngs`.
    rngs : flax.nnx.Rngs or RngStream
        Where keys come from; a new one for each call.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> import rectifier.jax as rj
    >>> layer = rj.RReLU(0.25, 0.75, rngs=nnx.Rngs(0))
    >>> layer.eval()
    >>> layer(jnp.array([-4.0], jnp.float32))
    Array([-2.], dtype=float32)
    """

    def __init__(
        self,
        lower_bound: float = LOWER_BOUND,
        upper_bound: float = UPPER_BOUND,
        *,
        deterministic: bool = False,
        rng_collection: str = "rrelu",
        rngs: nnx.Rngs | nnx.RngStream,
    ) -> None:
        self.lower_bound, self.upper_bound = check_bounds(lower_bound, upper_bound, TRACED)
        if not isinstance(rngs, (nnx.Rngs, nnx.RngStream)):
            raise TypeError(f"`rngs` must be a flax.nnx.Rngs or RngStream, got {type(rngs).__name__}")
        self.deterministic = deterministic
        self.rngs = (rngs[rng_collection] if isinstance(rngs, nnx.Rngs) else rngs).fork()

    def __call__(self, x: Any, *, deterministic: bool | None = None) -> jax.Array:
        fixed = self.deterministic if deterministic is None else deterministic
        return functions.rrelu(x, None if fixed else self.rngs(), self.lower_bound, self.upper_bound)
