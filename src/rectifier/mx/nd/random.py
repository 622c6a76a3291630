"""``mx.nd.random``: random numbers from the generator that `mx.random.seed` sets; not those that MXNet would give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..context import Context
from ..coverage import unknown_name
from ..random import draw
from .array import NDArray
from .creation import array

__all__ = ["normal", "randn", "uniform"]

Shape = int | Sequence[int]


def uniform(
    low: float = 0,
    high: float = 1,
    shape: Shape = 1,
    dtype: Any = None,
    ctx: Context | None = None,
    out: NDArray | None = None,
) -> NDArray:
    """Numbers drawn evenly from [low, high).

    Examples
    --------
    >>> from rectifier import mx
    >>> mx.random.seed(3)
    >>> mx.nd.random.uniform(-1, 1, shape=(2, 3)).shape
    (2, 3)
    """
    return _drawn("uniform", low, high, shape, dtype, ctx, out)


def normal(
    loc: float = 0,
    scale: float = 1,
    shape: Shape = 1,
    dtype: Any = None,
    ctx: Context | None = None,
    out: NDArray | None = None,
) -> NDArray:
    """Numbers drawn from the normal distribution."""
    return _drawn("normal", loc, scale, shape, dtype, ctx, out)


def randn(*shape: int, loc: float = 0, scale: float = 1, dtype: Any = None, ctx: Context | None = None) -> NDArray:
    """Numbers drawn from the normal distribution, in an array of the sizes given."""
    return normal(loc, scale, shape or 1, dtype, ctx)


def _drawn(
    method: str, first: float, second: float, shape: Shape, dtype: Any, ctx: Context | None, out: NDArray | None
) -> NDArray:
    if out is not None:
        out[:] = draw(method, first, second, out.shape)
        return out
    dtype = "float32" if dtype in (None, "None") else dtype
    return array(draw(method, first, second, shape), ctx, dtype)


def __getattr__(name: str) -> Any:
    unknown_name("mx.nd.random", name, __all__)
