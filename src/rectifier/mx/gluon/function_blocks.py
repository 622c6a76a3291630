"""Blocks without parameters that call a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import nd, symbol
from .block import Block, HybridBlock

__all__ = ["Flatten", "HybridLambda", "Lambda"]


class Lambda(Block):
    """A function of arrays as a block.

    Parameters
    ----------
    function : callable or str
        The function, or its name in `mx.nd`.

    Examples
    --------
    >>> from rectifier import mx
    >>> mx.gluon.nn.Lambda(lambda x: 2 * x)(mx.nd.array([1.0])).asnumpy()
    array([2.], dtype=float32)
    """

    def __init__(self, function: Callable[..., Any] | str, prefix: str | None = None) -> None:
        super().__init__(prefix=prefix)
        self._function_name = _name_of(function)
        self._function = getattr(nd, function) if isinstance(function, str) else function

    def forward(self, *args: Any) -> Any:
        """What the function returns."""
        return self._function(*args)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._function_name})"


class HybridLambda(HybridBlock):
    """A function of `F`, which is `mx.nd` or `mx.sym`, and of inputs, as a block.

    Parameters
    ----------
    function : callable or str
        The function, or a name that `mx.nd` and `mx.sym` have in common, which gets the inputs alone.

    Examples
    --------
    >>> from rectifier import mx
    >>> layer = mx.gluon.nn.HybridLambda(lambda F, x: F.LeakyReLU(x, act_type="elu", slope=0.5))
    >>> layer(mx.nd.array([0.0, 2.0])).asnumpy()
    array([0., 2.], dtype=float32)
    """

    def __init__(self, function: Callable[..., Any] | str, prefix: str | None = None) -> None:
        super().__init__(prefix=prefix)
        self._function_name = _name_of(function)
        if isinstance(function, str):
            both = {nd: getattr(nd, function), symbol: getattr(symbol, function)}
            self._function: Callable[..., Any] = lambda F, *args: both[F](*args)
        else:
            self._function = function

    def hybrid_forward(self, F: Any, x: Any, *args: Any) -> Any:
        """What the function returns."""
        return self._function(F, x, *args)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._function_name})"


class Flatten(HybridBlock):
    """All axes but the first joined to one."""

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        """The input with two axes."""
        return F.Flatten(x)

    def __repr__(self) -> str:
        return type(self).__name__


def _name_of(function: Any) -> str:
    if not isinstance(function, str) and not callable(function):
        raise ValueError(f"`function` must be a function or the name of one, got {function!r}")
    return function if isinstance(function, str) else str(getattr(function, "__name__", function))
