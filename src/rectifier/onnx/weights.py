"""A model's arrays, read when they are needed: a file of parameters need not fit into memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

import numpy as np

from ..mx import params_file
from ..mx.params_file import ParamsFile

__all__ = ["Held", "Params", "Weight", "nbytes", "open_weights"]

Array = np.ndarray[Any, np.dtype[Any]]
Params = Mapping[str, Any] | str | os.PathLike[str] | None


class Weight(Protocol):
    """An array whose shape and dtype are known before it is read."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def read(self) -> Array:
        """The array."""

    def pieces(self) -> Iterator[Array]:
        """Its elements in C order, little-endian, some at a time."""


class Held:
    """An array in memory."""

    def __init__(self, array: Array) -> None:
        self._array = array
        self.shape: tuple[int, ...] = array.shape
        self.dtype: np.dtype[Any] = array.dtype.newbyteorder("=")

    def read(self) -> Array:
        return self._array

    def pieces(self) -> Iterator[Array]:
        yield np.asarray(self._array, self._array.dtype.newbyteorder("<"), order="C").reshape(-1)


class _Stored:
    """An array in a file of parameters."""

    def __init__(self, file: ParamsFile, place: int) -> None:
        self._file, self._place = file, place
        stored = file.arrays[place]
        if stored.shape is None:
            raise ValueError(f"`params` must hold arrays with shapes, got none for {file.names[place]!r}")
        self.shape: tuple[int, ...] = stored.shape
        self.dtype: np.dtype[Any] = stored.dtype

    def read(self) -> Array:
        value = self._file.read(self._place)
        assert isinstance(value, np.ndarray)
        return value

    def pieces(self) -> Iterator[Array]:
        return self._file.pieces(self._place)


def nbytes(weight: Weight) -> int:
    """How many bytes the elements take."""
    return int(np.prod(weight.shape, dtype=np.int64)) * weight.dtype.itemsize


@contextmanager
def open_weights(params: Params) -> Iterator[dict[str, Weight]]:
    """The arrays by the names of the graph's variables, without ``arg:`` and ``aux:``."""
    with ExitStack() as stack:
        if isinstance(params, (str, os.PathLike)):
            file = stack.enter_context(ParamsFile(params))
            if file.arrays and not file.names:
                raise ValueError("`params` must hold arrays with names, got a list")
            found: Mapping[str, Any] = {name: _Stored(file, i) for i, name in enumerate(file.names)}
        elif params is not None and not isinstance(params, Mapping):
            raise TypeError(f"`params` must be a mapping, a file or None, got {type(params).__name__}")
        else:
            found = {name: Held(_array(value)) for name, value in (params or {}).items()}
        arguments, states = params_file.split_names(found)
        yield {**arguments, **states}


def _array(value: Any) -> Array:
    """An array of NumPy's, from anything that has one: MXNet's NDArray has `asnumpy`."""
    return np.asarray(value.asnumpy() if hasattr(value, "asnumpy") else value)
