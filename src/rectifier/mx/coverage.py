"""The words for what is missing: PyTorch, or a name of MXNet's that is not here."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from typing import NoReturn

__all__ = ["need_torch", "unknown_name"]


def need_torch(what: str) -> None:
    """Say which extra to install, where PyTorch is missing."""
    if find_spec("torch") is None:
        raise ImportError(f"{what} keeps its numbers and its record in PyTorch: pip install 'rectifier[mx]'")


def unknown_name(module: str, name: str, covered: Iterable[str]) -> NoReturn:
    """Raise the error for a name that is not here; it says what is."""
    names = ", ".join(sorted({known for known in covered if not known.startswith("_")}))
    raise AttributeError(
        f"`{module}` has no `{name}`: it covers MXNet's LeakyReLU and the arithmetic around it, which are {names}"
    )
