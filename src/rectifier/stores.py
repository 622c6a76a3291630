"""Arrays in Zarr stores, read a part at a time as those in `.npy` files are."""

from __future__ import annotations

import itertools
import json
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from .files import Box, InputError, checked_dtype, chunk_boxes

__all__ = ["ArrayStore", "arrays_and_groups", "dimension_names", "group_of", "is_store", "zarr_library"]

Array = np.ndarray[Any, np.dtype[Any]]

_ARRAY, _GROUP, _EITHER = ".zarray", ".zgroup", "zarr.json"
# Where xarray keeps the names of the axes in format 2, which has no place for them.
_NAMES = "_ARRAY_DIMENSIONS"


class ArrayStore:
    """An array in a Zarr store, of which parts are read into memory.

    Parameters
    ----------
    path : path-like
        The store's folder or, for an array within a group, the folder in it.
    bfloat16 : bool
        Whether 2-byte void elements are bfloat16, which Zarr has no name for.

    Attributes
    ----------
    path : Path
    shape : tuple of int
    dtype : dtype
        As stored: its byte order may be foreign.
    fortran : bool
        False.
    chunks : tuple of int
        The shape of the parts that are written as one: shards where there are some.

    Raises
    ------
    InputError
        If there is no such array, it does not hold plain numbers, or a part of it is damaged.
    """

    fortran = False

    def __init__(self, path: str | os.PathLike[str], *, bfloat16: bool = False) -> None:
        self.path = Path(path)
        self.array = _opened(self.path)
        self.dtype = checked_dtype(self.path, self.array.dtype, bfloat16)
        self.shape = self.array.shape
        self.chunks: tuple[int, ...] = self.array.shards or self.array.chunks
        self._in_blosc = not self.array.shards and any("blosc" in repr(one).lower() for one in self.array.compressors)

    def __enter__(self) -> ArrayStore:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def reshape(self, shape: tuple[int, ...]) -> None:
        """Insert or drop axes of length 1, which changes nothing in the store."""
        assert [n for n in shape if n != 1] == [n for n in self.array.shape if n != 1]
        self.shape = shape

    def read(self, box: Box) -> Array:
        """The elements of a box. Axes of length 1 repeat along the box."""
        own = [slice(0, 1) if n == 1 else part for n, part in zip(self.shape, box, strict=True)]
        long = iter(part for n, part in zip(self.shape, own, strict=True) if n != 1)
        stored = tuple(slice(0, 1) if n == 1 else next(long) for n in self.array.shape)
        try:
            result = self._read(stored)
        except InputError:
            for chunk in chunk_boxes(self.array.shape, self.array.chunks, 1):  # which one?
                if all(a.start < b.stop and b.start < a.stop for a, b in zip(chunk, stored, strict=True)):
                    self._read(chunk)
            raise
        return result.view(self.dtype).reshape([part.stop - part.start for part in own])

    def _read(self, box: Box) -> Array:
        try:
            if self._in_blosc:
                self._check_lengths(box)
            with quiet():
                return np.asarray(self.array[box])
        except MemoryError:
            raise
        except Exception as error:  # each codec has its own
            place = ", ".join(f"{part.start}:{part.stop}" for part in box)
            raise InputError(f"{self.path} has a damaged chunk at [{place}]: {_words(error)}") from None

    def _check_lengths(self, box: Box) -> None:
        """Refuse chunks that were cut short: Blosc does not look, and reads what lies behind them."""
        touched = [range(part.start // n, -(-part.stop // n)) for part, n in zip(box, self.array.chunks, strict=True)]
        for place in itertools.product(*touched):
            try:
                with open(self.path / self.array.metadata.encode_chunk_key(place), "rb") as file:
                    length = int.from_bytes(file.read(16)[12:], "little")  # of all, as the chunk's own header has it
                    if os.fstat(file.fileno()).st_size < max(16, length):
                        raise ValueError("it was cut short")
            except FileNotFoundError:  # it is of the fill value
                continue


def is_store(path: str | os.PathLike[str]) -> bool:
    """Whether a path means a Zarr store or an array in one, by its name or by what is there."""
    path = Path(path)
    named = path.suffix != ".npy" and any(part.endswith(".zarr") for part in path.parts)
    return named or any(arrays_and_groups(path))


def arrays_and_groups(path: Path) -> tuple[bool, bool]:
    """Whether a folder holds an array of Zarr, and whether it holds a group."""
    kind = _metadata(path).get("node_type") if (path / _EITHER).is_file() else None
    return kind == "array" or (path / _ARRAY).is_file(), kind == "group" or (path / _GROUP).is_file()


def group_of(path: Path) -> int | None:
    """The format, 2 or 3, of the group that the folder of an array lies in, if it lies in one.

    Raises
    ------
    InputError
        If that folder is an array itself, or the group keeps a list of its arrays that would become wrong.
    """
    is_array, is_group = arrays_and_groups(path.parent)
    if is_array:
        raise InputError(f"cannot write {path}: {path.parent} is an array, not a group")
    for folder in path.parents if is_group else ():
        if not any(arrays_and_groups(folder)):
            break
        if (folder / ".zmetadata").is_file() or _metadata(folder).get("consolidated_metadata"):
            raise InputError(f"cannot write {path}: {folder} has consolidated metadata, which would become wrong")
    if not is_group:
        return None
    return 3 if (path.parent / _EITHER).is_file() else 2


def dimension_names(array: Any) -> list[str | None] | None:
    """The names of an array's axes, as Zarr or xarray keeps them."""
    names = getattr(array.metadata, "dimension_names", None) or array.attrs.get(_NAMES)
    return None if names is None else list(names)


def named_axes(names: list[str | None] | None, zarr_format: int) -> dict[str, Any]:
    """The arguments of `zarr.create_array` that give the axes their names."""
    if names is None:
        return {}
    return {"dimension_names": names} if zarr_format == 3 else {"attributes": {_NAMES: names}}


def zarr_library(path: str | os.PathLike[str]) -> ModuleType:
    """The package zarr, which a store needs."""
    try:
        import zarr

        found = zarr.__version__
    except ImportError:
        found = "none"
    if not found.split(".")[0].isdecimal() or int(found.split(".")[0]) < 3:
        raise InputError(
            f"{path} is a Zarr store, for which the package zarr must be there, version 3 or later, got {found}: "
            "pip install 'rectifier[zarr]'"
        )
    module: ModuleType = zarr
    return module


@contextmanager
def quiet() -> Iterator[None]:
    """Keep to ourselves what zarr warns of: types without a specification, which are ours to refuse."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _opened(path: Path) -> Any:
    zarr = zarr_library(path)
    try:
        os.stat(path)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    is_array, is_group = arrays_and_groups(path)
    if is_group and not is_array:
        members = [one.name for one in sorted(path.iterdir()) if any(arrays_and_groups(one))]
        shown = ", ".join(members[:10]) + (", ..." if len(members) > 10 else "")
        raise InputError(f"{path} is a group of Zarr; name an array in it ({shown or 'it has none'})")
    if not is_array:
        raise InputError(f"{path} is not an array of Zarr")
    try:
        with quiet():
            return zarr.open_array(str(path), mode="r")
    except Exception as error:  # as many kinds as there are ways to break JSON
        raise InputError(f"{path} has damaged metadata: {_words(error)}") from None


def _metadata(path: Path) -> dict[str, Any]:
    """A folder's zarr.json; what is not one counts as an array's, so that reading it says what is wrong."""
    try:
        found = json.loads((path / _EITHER).read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        found = None
    return found if isinstance(found, dict) and found.get("node_type") else {"node_type": "array"}


def _words(error: Exception) -> str:
    """What an exception says, in one line, with its kind where that says more."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
