"""Dask arrays, lazily: the C++ core on each chunk, in one task and on one thread."""

from __future__ import annotations

import copy
import functools
import itertools
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import dask.array as da
import numpy as np
from dask.base import is_dask_collection
from dask.core import flatten
from dask.layers import ArraySliceDep

from .. import _core
from ..gamma import gamma_axes
from ..parameters import Call
from ..parts import d_gamma_dtype, gamma_sums, index_steps, rounded_sums
from ..random import check_rng, key_from_rng
from .numpy import _aligned_gamma, _apply, _as_floats, _Layout, _result, _upstream

__all__ = ["check_rng", "draw_key", "forward", "from_numpy", "to_numpy", "vjp"]

Array = np.ndarray[Any, np.dtype[Any]]

# How many chunks' sums one task adds: part of the order of summation, which no setting of Dask's may change.
_SUMS_PER_TASK = 16

draw_key = key_from_rng
to_numpy = np.asarray


def from_numpy(array: Any) -> Any:
    """In two chunks along each axis, so that tests do not see the plainest case alone."""
    array = np.asarray(array)
    return da.from_array(array, chunks=tuple(max(1, -(-n // 2)) for n in array.shape))


def forward(call: Call, data: Any, gamma: Any, axis: Any, key: int | None, out: Any) -> Any:
    """The value of the operator."""
    _check_no_out(out)
    call, dtype, slopes = _operands(call, data, gamma, axis)
    return _lazily(call, dtype, data, None, slopes, key)


def vjp(call: Call, data: Any, gamma: Any, axis: Any, key: int | None, out: Any) -> tuple[Any, Callable[..., Any]]:
    """The value, and the function that takes a gradient of the output back to the inputs."""
    _check_no_out(out)
    call, dtype, slopes = _operands(call, data, gamma, axis)
    data = copy.copy(data)  # of the graph alone: the caller may assign to parts of theirs

    def pullback(d_out: Any, out: Any = None) -> Any:
        _check_no_out(out)
        g = _gradient_like(data, d_out)
        d_data = _lazily(call, dtype, data, g, slopes, key)
        return d_data if slopes is None else (d_data, _d_gamma(dtype, data, g, slopes, gamma))

    return _lazily(call, dtype, data, None, slopes, key), pullback


def _operands(call: Call, data: Any, gamma: Any, axis: Any) -> tuple[Call, np.dtype[Any], Any]:
    """The call and the dtype of its result, once all is checked, and gamma lined up with the data's axes and chunks."""
    dtype = _float_dtype("data", data)
    call = call.rounded(dtype == np.float64)
    if call.draws and any(map(math.isnan, data.shape)):
        raise ValueError(
            f"`data` must have known chunk sizes where rrelu draws a slope for each index, got shape {data.shape}; "
            f"`compute_chunk_sizes` finds them"
        )
    return call, dtype, _chunked_gamma(data, gamma, axis) if call.activation.has_gamma else None


def _lazily(call: Call, dtype: np.dtype[Any], data: Any, g: Any, slopes: Any, key: int | None) -> Any:
    """The value, or with `g` the gradient: one task for each chunk of the data."""
    axes = tuple(range(data.ndim))
    place, steps = (ArraySliceDep(data.chunks), index_steps(data.shape)) if call.draws else (None, ())
    operands = [(one, None if one is None else axes) for one in (data, g, slopes, place)]
    return da.blockwise(
        functools.partial(_compute, call, dtype, key, steps),
        axes,
        *itertools.chain(*operands),
        token=call.activation.name + ("" if g is None else "-gradient"),
        align_arrays=False,
        dtype=dtype,
        meta=np.empty((0,) * data.ndim, dtype),
    )


def _d_gamma(dtype: np.dtype[Any], data: Any, g: Any, slopes: Any, gamma: Any) -> Any:
    """Gamma's gradient: float64 sums of each chunk, added up in a tree that the chunks alone fix, and rounded once."""
    axes, summed = tuple(range(data.ndim)), tuple(axis for axis, n in enumerate(slopes.shape) if n == 1)
    rounded = d_gamma_dtype(dtype, slopes.dtype)
    sums = da.blockwise(
        functools.partial(_sum_chunk, dtype),
        axes,
        *itertools.chain(*((one, axes) for one in (data, g, slopes))),
        token="d_gamma-sums",
        align_arrays=False,
        adjust_chunks=dict.fromkeys(summed, 1),
        dtype=np.float64,
        meta=np.empty((0,) * data.ndim),
    )
    total = da.reduction(
        sums,
        chunk=_unchanged,
        combine=_added,
        aggregate=_added_and_rounded,
        axis=summed,
        keepdims=True,
        concatenate=False,
        split_every=_SUMS_PER_TASK,
        name="d_gamma",
        dtype=rounded,
        meta=np.empty((0,) * data.ndim, rounded),
    ).reshape(np.shape(gamma))
    return total.rechunk(gamma.chunks) if isinstance(gamma, da.Array) else total


# --- what runs in a task


@contextmanager
def _one_thread() -> Iterator[None]:
    """The scheduler runs as many tasks as it may use threads."""
    before = _core.limit_own_threads(1)
    try:
        yield
    finally:
        _core.limit_own_threads(before)


def _compute(
    call: Call,
    dtype: np.dtype[Any],
    key: int | None,
    steps: tuple[int, ...],
    data: Any,
    d_out: Any,
    gamma: Any,
    place: tuple[slice, ...] | None,
) -> Any:
    """The value on a chunk, or with `d_out` the gradient."""
    x = _floats("data", data, dtype)
    if place is not None and x.shape != tuple(cut.stop - cut.start for cut in place):
        raise ValueError(f"`data` must have chunks of the shapes that it states, got {x.shape} for {place}")
    first = 0 if place is None else sum(cut.start * step for cut, step in zip(place, steps, strict=True))
    g = None if d_out is None else _upstream(d_out, x.shape, dtype)
    slopes = None if gamma is None else _aligned_gamma(x, gamma, tuple(range(x.ndim)))
    y = _Layout(x).empty(x.shape, dtype)
    with _one_thread():
        _apply(call, y, x, g, slopes, key, first, steps or None)
    return _result(y, None)


def _sum_chunk(dtype: np.dtype[Any], data: Any, d_out: Any, gamma: Any) -> Array:
    x = _floats("data", data, dtype)
    with _one_thread():
        return gamma_sums(_upstream(d_out, x.shape, dtype), x, _aligned_gamma(x, gamma, tuple(range(x.ndim))))


def _unchanged(sums: Array, **_: Any) -> Array:
    return sums


def _added(sums: Any, **_: Any) -> Array:
    """The sum of the arrays in nested lists, one after the other."""
    first, *others = flatten([sums])
    total: Array = np.array(first)
    for one in others:
        total += one
    return total


def _added_and_rounded(sums: Any, dtype: np.dtype[Any], **_: Any) -> Array:
    with _one_thread():
        return rounded_sums(_added(sums), dtype)


def _floats(name: str, chunk: Any, dtype: np.dtype[Any]) -> Array:
    """The chunk in the dtype that the array states, whatever it really has."""
    with np.errstate(over="ignore"):
        return _as_floats(name, chunk).astype(dtype, copy=False)


# --- what is checked, and brought into chunks, while the graph is built


def _float_dtype(name: str, array: Any) -> np.dtype[Any]:
    """The dtype that the array's numbers are computed in."""
    meta = array._meta
    if not isinstance(meta, (np.ndarray, np.generic)):
        raise TypeError(
            f"`{name}` must be a Dask array of NumPy chunks, got chunks of "
            f"{type(meta).__module__}.{type(meta).__qualname__}"
        )
    return _as_floats(name, meta).dtype


def _dask_or_numpy(name: str, value: Any) -> Any:
    """The value as an array of Dask, or of NumPy: nothing lazy is computed."""
    if is_dask_collection(value) and not isinstance(value, da.Array):
        value, given = getattr(value, "data", None), value  # what xarray holds
        if not isinstance(value, da.Array):
            raise TypeError(f"`{name}` must be an array of Dask or NumPy, got {type(given).__name__}")
    if isinstance(value, da.Array):
        _float_dtype(name, value)
        return value
    return _as_floats(name, value)


def _gradient_like(data: Any, d_out: Any) -> Any:
    """The gradient of the output, in the data's chunks."""
    g = _dask_or_numpy("d_out", d_out)
    if g.ndim != data.ndim or not all(a == b or math.isnan(a + b) for a, b in zip(g.shape, data.shape, strict=True)):
        raise ValueError(f"`d_out` must have shape {data.shape}, got {g.shape}")
    if not isinstance(g, da.Array):
        g = da.from_array(
            g, chunks=tuple(n if math.isnan(sum(c)) else c for n, c in zip(g.shape, data.chunks, strict=True))
        )
    known = [not math.isnan(n + m) for n, m in zip(data.shape, g.shape, strict=True)]
    g = _rechunked(g, tuple(d if both else c for c, d, both in zip(g.chunks, data.chunks, known, strict=True)))
    if g.numblocks != data.numblocks:
        raise ValueError(
            f"`d_out` must have as many chunks as `data` where their sizes are unknown, "
            f"got {g.numblocks} and {data.numblocks}"
        )
    return g


def _rechunked(array: Any, chunks: Any) -> Any:
    """`rechunk`, which leaves an array without elements as it is."""
    return da.empty(array.shape, array.dtype, chunks=chunks) if 0 in array.shape else array.rechunk(chunks)


def _chunked_gamma(data: Any, gamma: Any, axis: Any) -> Any:
    """Gamma with as many axes as the data, and cut where the data are cut."""
    given = _dask_or_numpy("gamma", gamma)
    if any(map(math.isnan, given.shape)):
        raise ValueError(
            f"`gamma` must have known chunk sizes, got shape {given.shape}; `compute_chunk_sizes` finds them"
        )
    aligned = _aligned_shape(data.shape, given.shape, axis)
    chunks = tuple(1 if n == 1 else cuts for n, cuts in zip(aligned, data.chunks, strict=True))
    if isinstance(given, da.Array):
        return _rechunked(given.reshape(aligned), chunks)
    # A copy, which Dask itself has not always taken: the caller may change theirs before the graph is computed.
    return da.from_array(np.array(given).reshape(aligned), chunks=chunks)


def _aligned_shape(data_shape: Any, gamma_shape: tuple[int, ...], axis: Any) -> tuple[int, ...]:
    """`gamma_axes`, where the data's sizes are known or do not matter."""
    unknown = [axis for axis, n in enumerate(data_shape) if math.isnan(n)]
    found = set()
    for sizes in itertools.product((-1, *gamma_shape), repeat=len(unknown)):
        supposed = list(data_shape)
        for place, size in zip(unknown, sizes, strict=True):
            supposed[place] = size
        found.add(_or_none(gamma_axes, tuple(supposed), gamma_shape, axis))
    if len(found) > 1:
        raise ValueError(
            f"`gamma` must not depend on unknown chunk sizes of `data`, got gamma of shape {gamma_shape} for data "
            f"of shape {data_shape} with axis={axis}; `compute_chunk_sizes` finds them"
        )
    return found.pop() or gamma_axes(data_shape, gamma_shape, axis)


def _or_none(function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except (TypeError, ValueError):
        return None


def _check_no_out(out: Any) -> None:
    if out is not None:
        raise TypeError(f"`out` must be None for arrays of Dask, which are not written to, got {type(out).__name__}")
