"""Automatic names, as MXNet gives them: a hint and a number that counts up."""

from __future__ import annotations

import threading
from types import TracebackType

__all__ = ["NameManager", "Prefix", "current"]


class NameManager:
    """Gives names within a ``with`` block: counters of its own begin at 0 there.

    Examples
    --------
    >>> from rectifier import mx
    >>> with mx.name.NameManager():
    ...     x = mx.sym.Variable("x")
    ...     print(mx.sym.LeakyReLU(x), mx.sym.LeakyReLU(x), x + 1)
    <Symbol leakyrelu0> <Symbol leakyrelu1> <Symbol _plusscalar0>
    """

    def __init__(self) -> None:
        self._counter: dict[str, int] = {}
        self._outer: list[NameManager] = []

    def get(self, name: str | None, hint: str) -> str:
        """The name itself, or where it is None or empty the hint and the next number."""
        if name:
            return name
        number = self._counter.get(hint, 0)
        self._counter[hint] = number + 1
        return f"{hint}{number}"

    def __enter__(self) -> NameManager:
        self._outer.append(current())
        _state.manager = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _state.manager = self._outer.pop()


class Prefix(NameManager):
    """Puts a prefix before every name, given or automatic.

    Examples
    --------
    >>> from rectifier import mx
    >>> with mx.name.Prefix("net_"):
    ...     print(mx.sym.LeakyReLU(name="a"), mx.sym.LeakyReLU())
    <Symbol net_a> <Symbol net_leakyrelu0>
    """

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self._prefix = prefix

    def get(self, name: str | None, hint: str) -> str:
        """The name that `NameManager` would give, behind the prefix."""
        return self._prefix + super().get(name, hint)


_state = threading.local()


def current() -> NameManager:
    """The manager of the innermost ``with`` block of this thread, or the thread's own."""
    if not hasattr(_state, "manager"):
        _state.manager = NameManager()
    manager: NameManager = _state.manager
    return manager
