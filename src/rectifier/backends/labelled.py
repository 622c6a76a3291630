"""Objects of pandas and xarray: their arrays go to the arrays' own back-end, and the results get the labels back."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from ..parameters import Call
from .numpy import check_rng

__all__ = ["check_rng", "draw_key", "forward", "vjp"]


def draw_key(rng: Any) -> Any:
    """The key is drawn by the back-end of the array inside."""
    return rng


def forward(call: Call, data: Any, gamma: Any, axis: Any, key: Any, out: Any) -> Any:
    """The value of the operator."""
    backend, *inputs = _unwrapped(call, data, gamma, axis, key)
    return _labelled(data, backend.forward(call, *inputs, out))


def vjp(call: Call, data: Any, gamma: Any, axis: Any, key: Any, out: Any) -> tuple[Any, Callable[..., Any]]:
    """The value, and the function that takes a gradient of the output back to the inputs."""
    backend, *inputs = _unwrapped(call, data, gamma, axis, key)
    y, pull = backend.vjp(call, *inputs, out)

    def pullback(d_out: Any, out: Any = None) -> Any:
        _check_labels(data, d_out)
        found = pull(_array_of(d_out), out)
        if isinstance(found, tuple):
            return _labelled(data, found[0]), found[1] if not _has_dims(gamma) else _labelled(
                _ordered(data, gamma), found[1]
            )
        return _labelled(data, found)

    return _labelled(data, y), pullback


def _unwrapped(call: Call, data: Any, gamma: Any, axis: Any, key: Any) -> tuple[ModuleType, Any, Any, Any, Any]:
    from ..dispatch import backend_of  # which imports this module

    array = _array_of(data)
    backend = backend_of(array)
    if axis is None and _has_dims(gamma) and _has_dims(data) and set(gamma.dims) <= set(data.dims):
        gamma = _ordered(data, gamma)
        axis = tuple(data.dims.index(dim) for dim in gamma.dims)
    return backend, array, _array_of(gamma), axis, backend.draw_key(key) if call.draws else None


def _has_dims(value: Any) -> bool:
    return hasattr(value, "dims") and hasattr(value, "transpose")


def _ordered(data: Any, gamma: Any) -> Any:
    """An xarray gamma with its dimensions in the order that they have in the data."""
    return gamma.transpose(*(dim for dim in data.dims if dim in gamma.dims))


def _array_of(value: Any) -> Any:
    """What is inside: xarray's may be an array of any library."""
    if _has_dims(value):
        return value.data
    return value.to_numpy() if hasattr(value, "to_numpy") and hasattr(value, "index") else value


def _labelled(like: Any, array: Any) -> Any:
    if _has_dims(like):
        return like.copy(data=array)
    labels = {"index": like.index, **({"columns": like.columns} if array.ndim == 2 else {"name": like.name})}
    return type(like)(array, copy=False, **labels)


def _check_labels(data: Any, d_out: Any) -> None:
    """Labels of the gradient, if it has any, stand in the order of the data's."""
    for kind in ("dims", "index", "columns"):
        ours, theirs = getattr(data, kind, None), getattr(d_out, kind, None)
        if theirs is None or ours is None or callable(theirs):
            continue
        if len(ours) != len(theirs) or any(a != b for a, b in zip(ours, theirs, strict=True)):
            raise ValueError(f"`d_out` must have the {kind} of `data`, got {list(theirs)}")
