"""Which elements of `data` each element of prelu's `gamma` covers: MXNet's rule, NumPy broadcasting, or named axes."""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any

from .parameters import integer

__all__ = ["gamma_axes", "known_axes", "named_axes"]

Shape = tuple[int, ...]


def gamma_axes(data_shape: Shape, gamma_shape: Shape, axis: int | tuple[int, ...] | None = None) -> Shape:
    """The shape that lines `gamma` up with `data`, one dimension for each of data's.

    Parameters
    ----------
    data_shape, gamma_shape : tuple of int
        The shapes of the two arrays, of any number of dimensions.
    axis : int or tuple of int, optional
        The axes of `data` that the dimensions of `gamma` stand for, in increasing order; negative ones count from the
        end. Without it, MXNet's rule holds where it applies and NumPy broadcasting elsewhere.

    Returns
    -------
    tuple of int
        ``gamma.reshape(result)`` broadcasts against `data` without changing data's shape. Its length is
        ``len(data_shape)``.

    Raises
    ------
    TypeError
        If `axis` is neither an integer nor a tuple of integers.
    ValueError
        If `axis` names an axis that `data` does not have, one twice, or several out of order; if `gamma` does not fit.

    Notes
    -----
    A gamma of one element is shared by all of `data`. For any other, MXNet's rule (``expand_shape`` in
    ``leaky_relu-inl.h``, release 1.6.0) aligns the dimensions of gamma, from the last, with axis 1 and then axis 0 of
    `data`. Each has to be 1 or equal; one that does not fit axis 1 is tried on axis 0.

    Examples
    --------
    >>> gamma_axes((8, 3, 32, 32), (3,))
    (1, 3, 1, 1)
    >>> gamma_axes((8, 3, 32, 32), (8, 3))
    (8, 3, 1, 1)
    >>> gamma_axes((8, 3, 32, 32), (3, 1, 1))
    (1, 3, 1, 1)
    >>> gamma_axes((8, 32, 32, 3), (3,), axis=-1)
    (1, 1, 1, 3)
    """
    if axis is not None:
        return _by_axis(data_shape, gamma_shape, axis)
    if math.prod(gamma_shape) == 1:
        return (1,) * len(data_shape)
    found = _by_mxnet(data_shape, gamma_shape)
    if found is None:
        found = _by_broadcasting(data_shape, gamma_shape)
    if found is None:
        raise ValueError(
            f"`gamma` must align with axis 1 and axis 0 of `data`, or broadcast against `data`, "
            f"got gamma of shape {gamma_shape} for data of shape {data_shape}; `axis` names other axes"
        )
    return found


@functools.lru_cache(maxsize=256, typed=True)
def _remembered(data_shape: Shape, gamma_shape: Shape, axis: int | None) -> Shape:
    return gamma_axes(data_shape, gamma_shape, axis)


def known_axes(data_shape: Shape, gamma_shape: Shape, axis: Any) -> Shape:
    """`gamma_axes`, which costs more than a small call, remembered for the shapes of a training loop."""
    plain = axis is None or type(axis) is int
    return _remembered(data_shape, gamma_shape, axis) if plain else gamma_axes(data_shape, gamma_shape, axis)


def _fits(gamma_size: int, data_size: int) -> bool:
    # Not `in (1, data_size)`: traced by torch.compile, that does not find the number that a symbol stands for.
    return gamma_size == 1 or gamma_size == data_size


def _by_mxnet(data_shape: Shape, gamma_shape: Shape) -> Shape | None:
    result = [1] * len(data_shape)
    left = list(gamma_shape)
    for i in (1, 0):
        if left and i < len(data_shape) and _fits(left[-1], data_shape[i]):
            result[i] = left.pop()
    return None if left else tuple(result)


def _by_broadcasting(data_shape: Shape, gamma_shape: Shape) -> Shape | None:
    missing = len(data_shape) - len(gamma_shape)
    result = (1,) * missing + tuple(gamma_shape)
    fits = missing >= 0 and all(map(_fits, result, data_shape))
    return result if fits else None


def _by_axis(data_shape: Shape, gamma_shape: Shape, axis: int | tuple[int, ...]) -> Shape:
    axes = _checked_axes(axis, len(data_shape))
    if math.prod(gamma_shape) == 1:
        return (1,) * len(data_shape)
    if len(gamma_shape) != len(axes):
        raise ValueError(
            f"`gamma` must have one dimension for each axis that `axis` names, "
            f"got gamma of shape {gamma_shape} with axis={axis}"
        )
    result = [1] * len(data_shape)
    for size, i in zip(gamma_shape, axes, strict=True):
        if not _fits(size, data_shape[i]):
            raise ValueError(
                f"`gamma` must have size 1 or {data_shape[i]} along axis {i} of `data`, "
                f"got gamma of shape {gamma_shape} for data of shape {data_shape} with axis={axis}"
            )
        result[i] = size
    return tuple(result)


def named_axes(axis: Any) -> Shape:
    """The integers that `axis` names, whatever the data."""
    return tuple(
        integer("axis", one, "an integer or a tuple of integers")
        for one in (axis if isinstance(axis, tuple) else (axis,))
    )


def _checked_axes(axis: int | tuple[int, ...], ndim: int) -> Shape:
    axes = tuple(_place(index, ndim, axis) for index in named_axes(axis))
    if any(a >= b for a, b in itertools.pairwise(axes)):
        raise ValueError(f"`axis` must name different axes in increasing order, got {axis}")
    return axes


def _place(index: int, ndim: int, axis: object) -> int:
    if not -ndim <= index < ndim:
        if ndim == 0:
            raise ValueError(f"`axis` must be None for data without dimensions, got {axis}")
        raise ValueError(f"`axis` must lie between {-ndim} and {ndim - 1} for data with ndim {ndim}, got {axis}")
    return index % ndim
