"""The operator on the arrays of files, piece by piece, with the bits that it gives on the whole."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Any

import numpy as np

from .backends.numpy import BFLOAT16, _aligned_gamma, _apply, _as_floats
from .files import ArrayFile, Box, InputError, boxes, chunk_boxes
from .gamma import gamma_axes
from .operator import _check
from .parameters import LOWER_BOUND, SLOPE, UPPER_BOUND
from .parts import d_gamma_dtype, gamma_sums, index_steps, rounded_sums
from .stores import ArrayStore, is_store

__all__ = ["PiecewiseOperator"]

Array = np.ndarray[Any, np.dtype[Any]]

# Enough for every thread and for the disk, little enough for three such pieces to stay far below 300 MB.
_PIECE_BYTES = 1 << 24


def _opened(files: ExitStack, path: str, bfloat16: bool) -> ArrayFile | ArrayStore:
    if is_store(path):
        return files.enter_context(ArrayStore(path, bfloat16=bfloat16))
    return files.enter_context(ArrayFile(path, bfloat16=bfloat16))


class PiecewiseOperator:
    """The value of the operator on a file's array, or its gradient, in pieces.

    Parameters
    ----------
    data : path-like
        The `.npy` file, or the array in a Zarr store, with the data.
    gamma, d_out : path-like, optional
        Files with prelu's gamma, and with the gradient of the output. Given that, the pieces are the data's gradient.
    bfloat16 : bool
        Whether files with 2-byte void elements hold bfloat16.
    sum_gamma : bool
        Whether gamma's gradient is wanted too.
    act_type, slope, lower_bound, upper_bound, training, rng, axis
        As in `rectifier.leaky_relu`.

    Raises
    ------
    InputError
        If a file cannot be read.
    TypeError, ValueError
        As `rectifier.leaky_relu`, before anything is computed.
    """

    def __init__(
        self,
        data: str,
        gamma: str | None = None,
        act_type: str = "leaky",
        slope: float = SLOPE,
        lower_bound: float = LOWER_BOUND,
        upper_bound: float = UPPER_BOUND,
        *,
        training: bool = False,
        rng: int | None = None,
        axis: int | tuple[int, ...] | None = None,
        d_out: str | None = None,
        sum_gamma: bool = False,
        bfloat16: bool = False,
    ) -> None:
        # A path is no array of any library: the back-end is NumPy's.
        call, _, self.key = _check(data, gamma, act_type, slope, lower_bound, upper_bound, training, rng, axis)
        # What makes the same operator in another process, wherever that works.
        self.arguments: dict[str, Any] = {
            "data": os.path.abspath(data),
            "gamma": None if gamma is None else os.path.abspath(gamma),
            "act_type": act_type,
            "slope": slope,
            "lower_bound": lower_bound,
            "upper_bound": upper_bound,
            "training": training,
            "rng": rng if self.key is None else self.key,
            "axis": axis,
            "d_out": None if d_out is None else os.path.abspath(d_out),
            "sum_gamma": sum_gamma,
            "bfloat16": bfloat16,
        }
        with ExitStack() as files:
            self._data = _opened(files, data, bfloat16)
            if bfloat16 and self._data.dtype != BFLOAT16:
                raise InputError(
                    f"{data} holds {self._data.dtype}; --dtype bfloat16 is for elements of unknown kind (V2)"
                )
            self._gamma, self._d_out = (
                None if path is None else _opened(files, path, bfloat16) for path in (gamma, d_out)
            )
            nothing = _as_floats("data", np.empty(0, self._data.dtype))
            self.shape, self.dtype, self.fortran = self._data.shape, nothing.dtype, self._data.fortran
            self._call = call.rounded(self.dtype == np.float64)
            self._check_d_out()
            self._sums = self._prepare_gamma(nothing, axis, sum_gamma)
            self._files = files.pop_all()

    def __enter__(self) -> PiecewiseOperator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.close()

    @property
    def sums_gamma(self) -> bool:
        """Whether gamma's gradient is wanted too."""
        return self._sums is not None

    @property
    def stores(self) -> tuple[ArrayStore | None, ArrayStore | None]:
        """The stores that data and gamma are in; None where it is none."""
        data, gamma = (one if isinstance(one, ArrayStore) else None for one in (self._data, self._gamma))
        return data, gamma

    def boxes(self, chunks: tuple[int, ...] | None = None) -> list[Box]:
        """How the array is cut into pieces: along the output's chunks and, where both fit, the data's.

        This depends on shapes and chunks alone, as does the order of gamma's sums.
        """
        most, read = _PIECE_BYTES // self.dtype.itemsize, self._data.chunks
        if chunks is None and read is None:
            return list(boxes(self.shape, most, fortran=self.fortran))
        if chunks is not None and read is not None:
            both = tuple(min(math.lcm(a, b), -(-n // a) * a) for a, b, n in zip(chunks, read, self.shape, strict=True))
            chunks = both if math.prod(both) <= most else chunks
        return list(chunk_boxes(self.shape, chunks or read or (), most))

    def pieces(self, chunks: tuple[int, ...] | None = None) -> Iterator[tuple[Box, Array]]:
        """Each box with its piece, which is valid until the next."""
        for box in self.boxes(chunks):
            piece, part = self.compute(box)
            self.add(box, part)
            yield box, piece

    def compute(self, box: Box) -> tuple[Array, Array | None]:
        """The piece of a box, and its part of gamma's gradient if that is wanted."""
        x = _as_floats("data", self._data.read(box))  # memory of our own, so that the result takes its place
        g = None if self._d_out is None else self._upstream(self._d_out.read(box))
        slopes, part, steps = None, None, index_steps(self.shape)
        if self._gamma is not None:
            slopes = _aligned_gamma(x, self._gamma.read(box), tuple(range(x.ndim)))
        if g is not None and slopes is not None and self._sums is not None:
            part = gamma_sums(g, x, slopes)
        first = sum(cut.start * step for cut, step in zip(box, steps, strict=True))
        _apply(self._call, x, x, g, slopes, self.key, first, steps)
        return x, part

    def add(self, box: Box, part: Array | None) -> None:
        """Add a box's part of gamma's gradient to the others."""
        if part is not None:
            assert self._sums is not None
            covered = tuple(slice(0, 1) if n == 1 else cut for n, cut in zip(self._sums.shape, box, strict=True))
            self._sums[covered] += part

    def d_gamma(self) -> Array:
        """The gradient of gamma, after all pieces: float64 sums, rounded once."""
        assert self._sums is not None
        assert self._gamma is not None
        return rounded_sums(self._sums, self._d_gamma_dtype).reshape(self._gamma_shape)

    def _check_d_out(self) -> None:
        if self._d_out is None:
            return
        _as_floats("d_out", np.empty(0, self._d_out.dtype))
        if self._d_out.shape != self.shape:
            raise InputError(f"{self._d_out.path} must have the data's shape {self.shape}, got {self._d_out.shape}")

    def _prepare_gamma(self, nothing: Array, axis: int | tuple[int, ...] | None, sum_gamma: bool) -> Array | None:
        """Line gamma up with the data, and make room for its gradient."""
        if self._gamma is None:
            return None
        self._gamma_shape = self._gamma.shape
        self._d_gamma_dtype = d_gamma_dtype(nothing.dtype, self._gamma.dtype)
        self._gamma.reshape(gamma_axes(self.shape, self._gamma_shape, axis))
        return np.zeros(self._gamma.shape) if sum_gamma else None

    def _upstream(self, d_out: Array) -> Array:
        g = _as_floats("d_out", d_out)
        with np.errstate(over="ignore"):
            return g.astype(self.dtype, copy=False)
