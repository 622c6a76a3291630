"""MXNet's global generator, ``mx.random``: the source of rrelu's keys."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from .coverage import unknown_name

__all__ = ["draw", "next_key", "seed"]

_lock = threading.Lock()
_generator = np.random.default_rng(0)  # as in MXNet, a program that sets no seed repeats itself


def seed(seed_state: int, ctx: Any = "all") -> None:
    """Set the state of the generator behind rrelu and the functions of `mx.nd.random`.

    Parameters
    ----------
    seed_state : int
        Any integer; 32 bits of it count, as in MXNet.
    ctx : Context or "all"
        Read by no one: there is one generator for all devices, and one seed gives the same slopes on each.

    Raises
    ------
    ValueError
        If `seed_state` is not an integer.

    Notes
    -----
    The numbers are not those of MXNet, whose generators depend on device and thread, and whose rrelu crashes.

    Examples
    --------
    >>> from rectifier import mx
    >>> mx.random.seed(7)
    """
    global _generator
    if isinstance(seed_state, bool) or not isinstance(seed_state, (int, np.integer)):
        raise ValueError(f"`seed_state` must be int, got {seed_state!r}")
    with _lock:
        _generator = np.random.default_rng(int(seed_state) % 2**32)


def next_key() -> int:
    """The key of the next call of rrelu in training: 64 bits from the generator."""
    with _lock:
        return int(_generator.integers(2**64, dtype=np.uint64))


def draw(method: str, *arguments: Any) -> Any:
    """What a method of the generator returns."""
    with _lock:
        return getattr(_generator, method)(*arguments)


def __getattr__(name: str) -> Any:
    """``mx.random.uniform`` is ``mx.nd.random.uniform``."""
    from .nd import random as arrays

    if name in arrays.__all__:
        return getattr(arrays, name)
    return unknown_name("mx.random", name, ["seed", *arrays.__all__])
