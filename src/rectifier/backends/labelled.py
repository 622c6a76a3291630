"""Objects of pandas and xarray: their arrays go to the arrays' own back-end, and the results get the labels back."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from ..parameters import Call
from .numpy import check_rng, float_dtype

__all__ = ["check_rng", "draw_key", "forward", "vjp"]


def draw_key(rng: Any) -> Any:
    """The key is drawn by the back-end of the array inside."""
    return rng


def forward(call: Call, data: Any, gamma: Any, axis: Any, key: Any, out: Any) -> Any:
    """The value of the operator."""
    gamma, axis = _lined_up(data, gamma, axis)
    backend, *inputs = _unwrapped(call, data, gamma, axis, key)
    return _labelled(data, backend.forward(call, *inputs, out))


def vjp(call: Call, data: Any, gamma: Any, axis: Any, key: Any, out: Any) -> tuple[Any, Callable[..., Any]]:
    """The value, and the function that takes a gradient of the output back to the inputs."""
    gamma, axis = _lined_up(data, gamma, axis)
    backend, *inputs = _unwrapped(call, data, gamma, axis, key)
    y, pull = backend.vjp(call, *inputs, out)

    def pullback(d_out: Any, out: Any = None) -> Any:
        _check_labels("d_out", data, d_out)
        found = pull(_array_of(d_out), out)
        if isinstance(found, tuple):
            return _labelled(data, found[0]), _labelled(gamma, found[1]) if _has_dims(gamma) else found[1]
        return _labelled(data, found)

    return _labelled(data, y), pullback


def _lined_up(data: Any, gamma: Any, axis: Any) -> tuple[Any, Any]:
    """Gamma, and the axes that its names stand for, in the data's order; `axis` has the last word."""
    labels = getattr(gamma, "index", None)
    if hasattr(data, "columns") and labels is not None and not callable(labels):
        columns, labels = list(data.columns), list(labels)
        if labels != columns and len(set(labels)) == len(labels) and set(labels) == set(columns):
            raise ValueError(f"`gamma` must have its labels in the order of the columns of `data`, got {labels}")
    if axis is not None or not (_has_dims(gamma) and _has_dims(data)):
        return gamma, axis
    if not set(gamma.dims) <= set(data.dims):
        raise ValueError(
            f"`gamma` must have dims that `data` has, {list(data.dims)}, got {list(gamma.dims)}; `axis` names others"
        )
    gamma = gamma.transpose(*(dim for dim in data.dims if dim in gamma.dims))
    _check_coordinates("gamma", data, gamma)
    return gamma, tuple(data.dims.index(dim) for dim in gamma.dims)


def _unwrapped(call: Call, data: Any, gamma: Any, axis: Any, key: Any) -> tuple[ModuleType, Any, Any, Any, Any]:
    from ..dispatch import backend_of  # which imports this module

    array = _array_of(data)
    backend = backend_of(array)
    return backend, array, _array_of(gamma), axis, backend.draw_key(key) if call.draws else None


def _has_dims(value: Any) -> bool:
    return hasattr(value, "dims") and hasattr(value, "transpose")


def _array_of(value: Any) -> Any:
    """What is inside: xarray's may be an array of any library."""
    if _has_dims(value):
        return value.data
    return _numbers_of(value) if hasattr(value, "to_numpy") and hasattr(value, "index") else value


def _numbers_of(value: Any) -> Any:
    """The numbers of pandas' object. Of its nullable ones, and of bools beside floats, `to_numpy` may make objects."""
    array = value.to_numpy()
    if array.dtype != object:
        return array
    columns = list(value.dtypes) if array.ndim == 2 else [value.dtype]
    dtypes = [getattr(dtype, "numpy_dtype", dtype) for dtype in columns]
    if not all(isinstance(dtype, np.dtype) and dtype.kind in "biuf" for dtype in dtypes):
        return array  # which the array's back-end refuses
    return value.to_numpy(float_dtype("data", np.result_type(*dtypes)), na_value=np.nan)


def _labelled(like: Any, array: Any) -> Any:
    if _has_dims(like):
        return like.copy(data=array)
    labels = {"index": like.index, **({"columns": like.columns} if array.ndim == 2 else {"name": like.name})}
    return type(like)(array, copy=False, **labels).__finalize__(like)


def _check_labels(name: str, data: Any, other: Any) -> None:
    """Labels, if there are any, stand in the order of the data's."""
    for kind in ("dims", "index", "columns"):
        ours, theirs = getattr(data, kind, None), getattr(other, kind, None)
        if theirs is None or ours is None or callable(theirs):
            continue
        if len(ours) != len(theirs) or any(a != b for a, b in zip(ours, theirs, strict=True)):
            raise ValueError(f"`{name}` must have the {kind} of `data`, got {list(theirs)}")
    if _has_dims(data) and _has_dims(other):
        _check_coordinates(name, data, other)


def _check_coordinates(name: str, data: Any, other: Any) -> None:
    for dim in other.dims:
        ours, theirs = data.indexes.get(dim), other.indexes.get(dim)
        # A length of 1 is repeated, and another length is the array's back-end's to refuse.
        if ours is not None and theirs is not None and len(ours) == len(theirs) and not ours.equals(theirs):
            raise ValueError(f"`{name}` must have the coordinates of `data` along {dim!r}, got {list(theirs)}")
