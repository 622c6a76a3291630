"""MXNet's contexts: which device an array lives on."""

from __future__ import annotations

import threading
from importlib.util import find_spec
from types import TracebackType
from typing import ClassVar

__all__ = ["Context", "cpu", "cpu_pinned", "current_context", "gpu", "num_gpus"]


class Context:
    """A device: ``cpu(0)``, ``gpu(1)``.

    Parameters
    ----------
    device_type : {"cpu", "gpu", "cpu_pinned", "cpu_shared"} or Context
        The kind of device, or a context to copy.
    device_id : int, default 0
        Which one of its kind. All of the CPU's are the same memory.

    Raises
    ------
    KeyError
        If there is no such kind.

    Notes
    -----
    As a ``with`` block, the context is the one in which new arrays are made.

    Examples
    --------
    >>> from rectifier.mx import Context, cpu
    >>> Context("cpu", 0) == cpu()
    True
    """

    devtype2str: ClassVar[dict[int, str]] = {1: "cpu", 2: "gpu", 3: "cpu_pinned", 5: "cpu_shared"}
    devstr2type: ClassVar[dict[str, int]] = {name: number for number, name in devtype2str.items()}

    def __init__(self, device_type: str | Context, device_id: int = 0) -> None:
        self.device_typeid: int
        self.device_id: int
        if isinstance(device_type, Context):
            self.device_typeid, self.device_id = device_type.device_typeid, device_type.device_id
        else:
            self.device_typeid, self.device_id = self.devstr2type[device_type], int(device_id)
        self._before: list[Context] = []

    @property
    def device_type(self) -> str:
        """The kind of device, by name."""
        return self.devtype2str[self.device_typeid]

    def __hash__(self) -> int:
        return hash((self.device_typeid, self.device_id))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Context) and hash(self) == hash(other)

    def __repr__(self) -> str:
        return f"{self.device_type}({self.device_id})"

    def __enter__(self) -> Context:
        self._before.append(current_context())
        _state.context = self
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        _state.context = self._before.pop()


class _State(threading.local):
    context: Context | None = None


_state = _State()
_CPU = Context("cpu", 0)


def current_context() -> Context:
    """The context of the innermost ``with`` block, and ``cpu(0)`` outside of any."""
    return _state.context or _CPU


def cpu(device_id: int = 0) -> Context:
    """The CPU."""
    return Context("cpu", device_id)


def cpu_pinned(device_id: int = 0) -> Context:
    """The CPU, with memory that a GPU can read; here, the CPU."""
    return Context("cpu_pinned", device_id)


def gpu(device_id: int = 0) -> Context:
    """A GPU, by its number."""
    return Context("gpu", device_id)


def num_gpus() -> int:
    """How many GPUs can hold arrays: those that PyTorch sees, 0 without PyTorch."""
    if find_spec("torch") is None:
        return 0
    import torch

    return torch.cuda.device_count()
