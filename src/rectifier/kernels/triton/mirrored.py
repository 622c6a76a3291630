"""Arrays that count backwards along some axes. A tensor cannot: torch 2.13 ends the process when DLPack brings one."""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["Mirrored"]


class Mirrored:
    """A tensor counted backwards along `axes`, as far as the verbs look at one."""

    def __init__(self, forward: torch.Tensor, axes: tuple[int, ...]) -> None:
        self.forward, self.axes = forward, axes
        # A view whose memory starts where the first element is.
        self.first = forward[tuple(slice(-1, None) if axis in axes else slice(None) for axis in range(forward.ndim))]

    def stride(self) -> tuple[int, ...]:
        return tuple(-step if axis in self.axes else step for axis, step in enumerate(self.forward.stride()))

    def is_contiguous(self) -> bool:
        return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.forward, name)
