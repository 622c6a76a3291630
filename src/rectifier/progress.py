"""How far a long piece of work is, on a terminal."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["progress_bar"]


def progress_bar(size: int, name: str) -> Any:
    """A progress bar on a terminal: tqdm's if it is there."""
    if not sys.stderr.isatty():
        return _Percent(0)
    try:
        from tqdm import tqdm  # type: ignore[import-untyped]
    except ImportError:
        return _Percent(size)
    return tqdm(total=size, desc=name, unit="B", unit_scale=True, unit_divisor=1024)


class _Percent:
    """A count of percent, silent if there is nothing to count."""

    def __init__(self, size: int) -> None:
        self._size, self._done, self._shown = size, 0, -1

    def __enter__(self) -> _Percent:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown >= 0:
            print(file=sys.stderr)

    def update(self, count: int) -> None:
        self._done += count
        percent = 100 * self._done // self._size if self._size else -1
        if percent > self._shown:
            self._shown = percent
            print(f"\r{percent:3d} %", end="", file=sys.stderr, flush=True)
