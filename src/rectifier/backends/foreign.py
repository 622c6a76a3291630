"""Arrays of any other library that lie in CPU memory: by DLPack to the core, and back where that needs no copy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..parameters import Call
from . import numpy as core

__all__ = ["check_rng", "draw_key", "forward", "vjp"]

check_rng, draw_key = core.check_rng, core.draw_key

_IN_CPU_MEMORY = (1, 3)  # kDLCPU, and kDLCUDAHost, pinned memory


def forward(call: Call, data: Any, gamma: Any, axis: Any, key: Any, out: Any) -> Any:
    """The value of the operator."""
    y = core.forward(call, _imported("data", data), _imported("gamma", gamma), axis, key, out)
    return _exported(y, data, out)


def vjp(call: Call, data: Any, gamma: Any, axis: Any, key: Any, out: Any) -> tuple[Any, Callable[..., Any]]:
    """The value, and the function that takes a gradient of the output back to the inputs."""
    y, pull = core.vjp(call, _imported("data", data), _imported("gamma", gamma), axis, key, out)

    def pullback(d_out: Any, out: Any = None) -> Any:
        found = pull(_imported("d_out", d_out), out)
        if not isinstance(found, tuple):
            return _exported(found, data, out)
        return tuple(_exported(a, data, o) for a, o in zip(found, out or (None, None), strict=True))

    return _exported(y, data, out), pullback


def _imported(name: str, value: Any) -> Any:
    """The array as NumPy's, without a copy where DLPack or the array itself allows it."""
    if isinstance(value, (np.ndarray, np.generic)) or not hasattr(value, "__dlpack__"):
        return value
    try:
        if value.__dlpack_device__()[0] not in _IN_CPU_MEMORY:
            raise BufferError("it lies on another device")
        return np.from_dlpack(value)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        try:
            # What DLPack has no word for in NumPy, such as bfloat16, may still convert by __array__.
            array = np.asarray(value)
        except Exception:
            array = np.empty(0, object)
        if array.dtype == object:
            raise TypeError(
                f"`{name}` must be an array in CPU memory that NumPy can read, got {type(value).__name__}: {error}"
            ) from None
        return array


def _exported(result: Any, like: Any, out: Any) -> Any:
    """The result as an array of the data's library, or NumPy's where that would take a copy."""
    if out is not None or not hasattr(like, "__array_namespace__"):
        return result
    try:
        return like.__array_namespace__().asarray(np.asarray(result), copy=False, device=getattr(like, "device", None))
    except (BufferError, RuntimeError, TypeError, ValueError, NotImplementedError):
        return result
