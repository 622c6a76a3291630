"""The arrays of a cell: shared by all subjects, in the same place in memory."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import ml_dtypes
import numpy as np

from .cells import SHAPES, Case, Cell

Array = np.ndarray[Any, np.dtype[Any]]

ALIGNMENT = 64
_BLOCK = 2**20 + 7  # random values before they repeat


@dataclass(frozen=True)
class Arrays:
    """Inputs of a cell, and arrays of the right shape and layout for its results."""

    data: Array
    head: Array  # the gradient with respect to the output
    gamma: Array | None
    axis: int | None
    out: Array
    d_data: Array
    d_gamma: Array | None

    @property
    def gamma_shape(self) -> tuple[int, ...]:
        """Gamma's shape once it is lined up with the data."""
        assert self.gamma is not None
        if self.gamma.size == 1 or self.gamma.ndim == self.data.ndim:
            return self.gamma.shape
        axis = (1 if self.axis is None else self.axis) % self.data.ndim
        return tuple(size if i == axis else 1 for i, size in enumerate(self.data.shape))

    def contiguous(self) -> Arrays:
        """The same elements in C order: a view of transposed arrays, a copy of arrays with gaps."""
        axis = 1 if self.axis is None and self.gamma is not None else self.axis
        if self.data.T.flags.c_contiguous:
            whole = self.gamma is None or self.gamma.size == 1 or self.gamma.ndim == self.data.ndim
            other = None if whole or axis is None else self.data.ndim - 1 - axis % self.data.ndim
            gamma, d_gamma = (None if a is None else a.T for a in (self.gamma, self.d_gamma))
            return Arrays(self.data.T, self.head.T, gamma, other, self.out.T, self.d_data.T, d_gamma)
        data, head = np.ascontiguousarray(self.data), np.ascontiguousarray(self.head)
        return Arrays(data, head, self.gamma, self.axis, self.out, self.d_data, self.d_gamma)


class Buffers:
    """The memory of all cells with one dtype, size and layout."""

    def __init__(self, dtype: str, size: int, layout: str) -> None:
        self.dtype, self.size, self.layout = dtype, size, layout
        taken = 2 * size if layout == "every other" else size
        self.data, self.head = (random_values(taken, dtype, seed) for seed in (1, 2))
        self.out, self.d_data = (aligned(size, dtype) for _ in range(2))
        for array in (self.out, self.d_data):
            array.fill(0)  # so that no subject pays the first page faults

    @cached_property
    def full_gamma(self) -> tuple[Array, Array]:
        """A slope for each element, and its gradient."""
        d_gamma = aligned(self.size, self.dtype)
        d_gamma.fill(0)
        return random_values(self.size, self.dtype, 3), d_gamma

    def view(self, case: Case) -> Arrays:
        """The memory as the arrays of a case."""
        shape, axis = _shape_and_axis(case.gamma, self.size, self.layout)
        gamma = d_gamma = None
        if case.gamma == "full":
            gamma, d_gamma = (self._dense(a, shape) for a in self.full_gamma)
        elif case.gamma:
            channels = 1 if case.gamma == "shared" else SHAPES[self.size][1]
            gamma = np.linspace(0.05, 0.45, channels).astype(numpy_dtype(self.dtype))
            d_gamma = np.zeros_like(gamma)
        data, head = (self._given(a, shape) for a in (self.data, self.head))
        out, d_data = (self._dense(a, shape) for a in (self.out, self.d_data))
        return Arrays(data, head, gamma, axis, out, d_data, d_gamma)

    def _given(self, flat: Array, shape: tuple[int, ...]) -> Array:
        if self.layout == "every other":
            return flat.reshape(*shape[:-1], 2 * shape[-1])[..., ::2]
        return self._dense(flat, shape)

    def _dense(self, flat: Array, shape: tuple[int, ...]) -> Array:
        return flat.reshape(shape[::-1]).T if self.layout == "transposed" else flat.reshape(shape)


@lru_cache(maxsize=1)  # the largest take gigabytes
def _buffers(dtype: str, size: int, layout: str) -> Buffers:
    return Buffers(dtype, size, layout)


def arrays_for(cell: Cell) -> Arrays:
    """The arrays of a cell."""
    return _buffers(cell.dtype, cell.size, cell.layout).view(cell.case)


def needed_bytes(cell: Cell) -> int:
    """Roughly the memory that a cell takes: our arrays, and those that other libraries make."""
    return 16 * cell.nbytes


def numpy_dtype(name: str) -> np.dtype[Any]:
    """The dtype behind a name."""
    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)


def aligned(size: int, dtype: str) -> Array:
    """A flat array that begins on a cache line: where it lies must not differ from run to run."""
    wanted = numpy_dtype(dtype)
    raw = np.empty(size * wanted.itemsize + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size * wanted.itemsize].view(wanted)


def random_values(size: int, dtype: str, seed: int) -> Array:
    """Standard normal values; they repeat after a million."""
    array = aligned(size, dtype)
    block = np.random.default_rng(seed).standard_normal(min(size, _BLOCK), np.float32).astype(array.dtype)
    for start in range(0, size, block.size):
        part = array[start : start + block.size]
        part[...] = block[: part.size]
    return array


def _shape_and_axis(gamma: str, size: int, layout: str) -> tuple[tuple[int, ...], int | None]:
    """The data's shape, and the axis that gamma belongs to where the operator's own rule is not meant."""
    count, channels, height, width = SHAPES[size]
    channels_last = gamma == "NHWC"
    if layout == "transposed":
        rows = math.prod((count, height, width))
        return ((channels, rows), 0) if channels_last else ((rows, channels), None)
    return ((count, height, width, channels), -1) if channels_last else ((count, channels, height, width), None)
