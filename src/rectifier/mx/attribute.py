"""Attributes for all symbols that are made within a block."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from types import TracebackType

__all__ = ["AttrScope", "current"]


class AttrScope:
    """Gives attributes to every symbol made within a ``with`` block; blocks add up.

    Raises
    ------
    ValueError
        If a value is not a string.

    Examples
    --------
    >>> from rectifier import mx
    >>> with mx.AttrScope(__layout__="NCHW"):
    ...     x = mx.sym.Variable("x")
    >>> x.attr("__layout__")
    'NCHW'
    """

    def __init__(self, **kwargs: str) -> None:
        for key, value in kwargs.items():
            if not isinstance(value, str):
                raise ValueError(f"`{key}` must be a string, got {value!r}")
        self._given = kwargs
        self._attrs = dict(kwargs)
        self._outer: list[AttrScope] = []

    def get(self, attr: Mapping[str, str] | None) -> dict[str, str]:
        """The block's attributes and over them those of `attr`."""
        return {**self._attrs, **(attr or {})}

    def __enter__(self) -> AttrScope:
        outer = current()
        self._outer.append(outer)
        self._attrs = {**outer._attrs, **self._given}
        _state.scope = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _state.scope = self._outer.pop()


_state = threading.local()


def current() -> AttrScope:
    """The innermost block of this thread, or one without attributes."""
    if not hasattr(_state, "scope"):
        _state.scope = AttrScope()
    scope: AttrScope = _state.scope
    return scope
