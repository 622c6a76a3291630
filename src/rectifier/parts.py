"""The operator on a part of a larger array: the indices of its elements, and its share of gamma's gradient."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import _core
from .backends.numpy import _aligned_gamma

__all__ = ["d_gamma_dtype", "gamma_sums", "index_steps", "rounded_sums"]

Array = np.ndarray[Any, np.dtype[Any]]


def index_steps(shape: Sequence[int]) -> tuple[int, ...]:
    """How far the C-order index of an element goes with one step along each axis of an array of this shape."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def d_gamma_dtype(data_dtype: np.dtype[Any], gamma_dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype of gamma's gradient."""
    return _aligned_gamma(np.empty(0, data_dtype), np.empty(1, gamma_dtype), None).dtype


def gamma_sums(d_out: Array, data: Array, gamma: Array) -> Array:
    """The part's share of gamma's gradient, in float64; gamma has as many axes as the data."""
    sums = np.zeros(gamma.shape)
    if data.size:
        _core.gamma_pullback(None, sums, d_out, data, gamma)
    return sums


def rounded_sums(sums: Array, dtype: np.dtype[Any]) -> Array:
    """Float64 sums, rounded once to the dtype of gamma's gradient."""
    flat = np.ascontiguousarray(sums).reshape(-1)
    result = np.empty(flat.shape, dtype)
    if flat.size:
        # As the sum of one product, -1 times -sum: the core rounds float64 to each type in one step.
        _core.gamma_pullback(None, result, -flat, np.full_like(flat, -1.0), np.ones_like(flat))
    whole: Array = result.reshape(sums.shape)
    return whole
