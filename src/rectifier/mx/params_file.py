"""MXNet's `.params` files: arrays by name or in a list, read and written without MXNet.

The format is that of `src/ndarray/ndarray.cc` of MXNet 1.6.0: a header, the arrays, their names. Arrays come in four
forms, told by their first word: version 2 and 3 (the same, but that 3 allows sizes of zero and arrays without
dimensions), version 1 (dense only), and one without a number of its version (32-bit sizes, releases before 0.9.5).
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .base import check_path, replace_file
from .params_array import Reader, SparseArray, StoredArray
from .params_content import LIST_MAGIC, content

__all__ = ["DENSE_LIMIT", "ParamsFile", "join_names", "load", "load_frombuffer", "save", "save_tobuffer", "split_names"]

Array = np.ndarray[Any, np.dtype[Any]]
Value = Array | SparseArray | None

# How many bytes a sparse array may grow to: its file holds only a few of them.
DENSE_LIMIT = 1 << 30
# How much of an array `ParamsFile.pieces` reads at a time.
PIECE_BYTES = 1 << 24


class ParamsFile:
    """A `.params` file whose arrays are read one at a time.

    Parameters
    ----------
    source : path-like or bytes
        The file, or its content.

    Attributes
    ----------
    names : list of str
        The arrays' names; empty where the file holds a list.
    arrays : list of StoredArray
        Shape, dtype and place of each array. None of the data has been read.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no such file; the message gives the offset.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import numpy as np
    >>> from rectifier.mx.params_file import ParamsFile, save
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model-0000.params"
    >>> save(path, {"arg:act_gamma": np.full(3, 0.25, np.float32)})
    >>> with ParamsFile(path) as file:
    ...     print(file.arrays[0].shape, file.read("arg:act_gamma"))
    (3,) [0.25 0.25 0.25]
    """

    def __init__(self, source: str | os.PathLike[str] | bytes | bytearray | memoryview) -> None:
        if isinstance(source, (bytes, bytearray, memoryview)):
            self._file: io.BufferedIOBase = io.BytesIO(source)
            where = "parameters"
        else:
            check_path("source", source, "bytes or ")
            self._file = Path(source).open("rb")  # noqa: SIM115 - `close` closes it
            where = str(source)
        try:
            self._reader = Reader(self._file, where)
            self.arrays, self.names = _read_index(self._reader)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> ParamsFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def np_shape(self) -> bool:
        """Whether the file was written under NumPy's rules for shapes, which version 3 stands for."""
        return any(array.version == 3 for array in self.arrays)

    def read(self, which: int | str, *, dense: bool = True, limit: int = DENSE_LIMIT) -> Value:
        """One array.

        Parameters
        ----------
        which : int or str
            Its place or its name.
        dense : bool, default True
            Whether row-sparse and CSR arrays become ordinary ones; a `SparseArray` otherwise.
        limit : int
            How many bytes a sparse array may grow to.

        Returns
        -------
        ndarray, SparseArray or None
            None for the place of an array that was never given a shape.

        Raises
        ------
        KeyError, IndexError
            If there is no such array.
        ValueError
            If a sparse array's indices contradict its shape, or it would grow beyond `limit`.
        """
        return self._reader.read(self._stored(which), dense=dense, limit=limit)

    def pieces(self, which: int | str, nbytes: int = PIECE_BYTES, *, limit: int = DENSE_LIMIT) -> Iterator[Array]:
        """One array's elements in C order, some at a time, so that an array larger than memory can be copied.

        Parameters
        ----------
        which : int or str
            Its place or its name.
        nbytes : int
            How many bytes a piece has at most, and at least one element.
        limit : int
            How many bytes a sparse array may grow to; it comes in one piece.

        Yields
        ------
        ndarray, one dimension
            None at all for an array that was never given a shape.

        Raises
        ------
        KeyError, IndexError, ValueError
            As `read`.
        """
        stored = self._stored(which)
        if stored.storage == "default" and stored.data is not None:
            yield from self._reader.pieces(stored.data, nbytes)
        elif (whole := self._reader.read(stored, dense=True, limit=limit)) is not None:
            assert isinstance(whole, np.ndarray)
            yield whole.reshape(-1)

    def _stored(self, which: int | str) -> StoredArray:
        place = self.names.index(which) if isinstance(which, str) and which in self.names else which
        if isinstance(place, str):
            raise KeyError(place)
        return self.arrays[place]


def _read_index(reader: Reader) -> tuple[list[StoredArray], list[str]]:
    if reader.number("<Q", "the header") != LIST_MAGIC:
        raise reader.error(f"not a .params file, which begins with {LIST_MAGIC:#x}", 0)
    if reader.number("<Q", "the header") != 0:
        raise reader.error("the reserved word must be 0", 8)
    count = reader.number("<Q", "the number of arrays")
    arrays: list[StoredArray] = []
    while len(arrays) < count:
        arrays.append(reader.array(f"array {len(arrays)} of {count}"))
    at = reader.offset
    named = reader.number("<Q", "the number of names")
    if named not in (0, count):
        raise reader.error(f"there must be as many names as arrays, {count}, or none, got {named}", at)
    names: dict[str, None] = {}
    for i in range(named):
        at = reader.offset
        name = reader.text(f"name {i} of {named}")
        if name in names:
            raise reader.error(f"the name {name!r:.60} must not occur twice", at)
        names[name] = None
    if reader.left:
        raise reader.error(f"{reader.left} bytes follow the last name", reader.offset)
    return arrays, list(names)


def load(fname: str | os.PathLike[str], *, dense: bool = True, limit: int = DENSE_LIMIT) -> dict[str, Any] | list[Any]:
    """The arrays of a `.params` file of any release of MXNet.

    Parameters
    ----------
    fname : path-like
    dense, limit
        As for `ParamsFile.read`.

    Returns
    -------
    dict of str to ndarray, or list of ndarray
        Whichever was saved. Names are as in the file, with their ``arg:`` and ``aux:``; `split_names` sorts them.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no such file; the message gives the offset.
    """
    with ParamsFile(fname) as file:
        return _all(file, dense, limit)


def load_frombuffer(
    buf: bytes | bytearray | memoryview, *, dense: bool = True, limit: int = DENSE_LIMIT
) -> dict[str, Any] | list[Any]:
    """As `load`, from the content of a file."""
    if not isinstance(buf, (bytes, bytearray, memoryview)):
        raise TypeError(f"`buf` must be bytes, got {type(buf).__name__}")
    with ParamsFile(buf) as file:
        return _all(file, dense, limit)


def _all(file: ParamsFile, dense: bool, limit: int) -> dict[str, Any] | list[Any]:
    arrays = [file.read(i, dense=dense, limit=limit) for i in range(len(file.arrays))]
    return dict(zip(file.names, arrays, strict=True)) if file.names else arrays


def save(
    fname: str | os.PathLike[str],
    data: Mapping[str, Any] | Iterable[Any],
    *,
    np_shape: bool | None = None,
) -> None:
    """Write arrays as MXNet 1.6.0 writes them. A file that is there is replaced whole or not at all.

    Parameters
    ----------
    fname : path-like
    data : dict of str to array_like, or list of array_like
        float16, bfloat16, float32, float64, bool or integers; None and `SparseArray` are written as `load` gave them.
    np_shape : bool, optional
        Whether to write version 3 of the format, which MXNet 1.6 to 1.9 read under ``np_shape`` only. By default it is
        written where an array has no dimensions or a size of zero, which version 2 cannot hold.

    Raises
    ------
    TypeError
        If a value is of a dtype that the format does not have, or a name is not a string.
    ValueError
        If ``np_shape=False`` and an array needs version 3.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from rectifier.mx import params_file
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "list.params"
    >>> params_file.save(path, [[1.0, 2.0]])
    >>> params_file.load(path)
    [array([1., 2.])]
    """
    replace_file(fname, content(data, np_shape))


def save_tobuffer(data: Mapping[str, Any] | Iterable[Any], *, np_shape: bool | None = None) -> bytes:
    """As `save`, into memory: the content of a file."""
    return b"".join(content(data, np_shape))


def split_names(params: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arguments and auxiliary states, by the ``arg:`` and ``aux:`` of their names; a name with neither is an argument.

    Examples
    --------
    >>> split_names({"arg:w": 1, "aux:mean": 2})
    ({'w': 1}, {'mean': 2})
    """
    arguments: dict[str, Any] = {}
    states: dict[str, Any] = {}
    for name, value in params.items():
        target = states if name.startswith("aux:") else arguments
        target[name[4:] if name.startswith(("arg:", "aux:")) else name] = value
    return arguments, states


def join_names(arguments: Mapping[str, Any], states: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `split_names`, in the order in which MXNet saves a model.

    Examples
    --------
    >>> join_names({"w": 1}, {"mean": 2})
    {'arg:w': 1, 'aux:mean': 2}
    """
    result = {f"arg:{name}": value for name, value in arguments.items()}
    result.update({f"aux:{name}": value for name, value in states.items()})
    return result
