"""One array in a `.params` file: where its parts stand, and what they say."""

from __future__ import annotations

import io
import math
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .base import DTYPES, dtype_number

__all__ = ["MAGIC", "Reader", "SparseArray", "StoredArray", "header", "write_shape"]

Array = np.ndarray[Any, np.dtype[Any]]
Shape = tuple[int, ...]

MAGIC = {1: 0xF993FAC8, 2: 0xF993FAC9, 3: 0xF993FACA}
_VERSION = {magic: version for version, magic in MAGIC.items()}

# The ways to store an array, by MXNet's numbers, and the names of the index arrays that each has.
_STORAGES = ("default", "row_sparse", "csr")
_INDEX_COUNT = (0, 1, 2)

# NumPy's own limit was 32 before its release 2.
_MAX_NDIM = 32


@dataclass(frozen=True)
class Part:
    """Elements that lie side by side in the file."""

    offset: int
    shape: Shape
    dtype: np.dtype[Any]

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class StoredArray:
    """An array's description in the file.

    Attributes
    ----------
    offset : int
        Where the description begins.
    version : int
        Of the format: 0 to 3.
    storage : {"default", "row_sparse", "csr"}
    shape : tuple of int or None
        None where the array was never given a shape.
    dtype : dtype
    data : Part or None
        The elements; of a sparse array the stored ones.
    indices : tuple of Part
        Of a row-sparse array the rows' numbers; of a CSR array where rows begin, and the columns' numbers.
    claimed : tuple of int
        Of a sparse array, the shape of `data` as the file has it. MXNet may write it before the array is computed, with
        a size of 0, and then takes it from the indices when it reads.
    """

    offset: int
    version: int
    storage: str
    shape: Shape | None
    dtype: np.dtype[Any]
    data: Part | None
    indices: tuple[Part, ...] = ()
    claimed: Shape = ()


@dataclass(frozen=True, eq=False)
class SparseArray:
    """A row-sparse or CSR array as its file holds it.

    Attributes
    ----------
    storage : {"row_sparse", "csr"}
    shape : tuple of int
    data : ndarray
        The stored rows, or the stored elements.
    indices : tuple of ndarray
        As for `StoredArray`.
    claimed : tuple of int or None
        As for `StoredArray`; None is the shape of `data`.
    """

    storage: str
    shape: Shape
    data: Array
    indices: tuple[Array, ...]
    claimed: Shape | None = None

    def parts(self, context: bytes) -> Iterator[bytes | memoryview]:
        """The array as version 2 of the format holds it."""
        claimed = self.data.shape if self.claimed is None else self.claimed
        yield header(2, _STORAGES.index(self.storage)) + write_shape(claimed) + write_shape(self.shape)
        yield context + struct.pack("<i", dtype_number(self.data.dtype))
        for index in self.indices:
            yield struct.pack("<i", dtype_number(index.dtype)) + write_shape(index.shape)
        for array in (self.data, *self.indices):
            yield np.ascontiguousarray(array).reshape(-1).view(np.uint8).data

    def dense(self) -> Array:
        """An ordinary array; a ValueError if the indices contradict the shape."""
        result: Array = np.zeros(self.shape, self.data.dtype)
        if self.storage == "row_sparse":
            rows = _ascending(self.indices[0], self.shape[0], "row")
            result[rows] = self.data
        else:
            starts, columns = self.indices
            counts = np.diff(starts)
            if starts[0] != 0 or starts[-1] != len(columns) or (counts < 0).any():
                raise ValueError(f"rows must begin at 0 and end at {len(columns)}, in increasing order")
            if len(columns) and not 0 <= columns.min() <= columns.max() < self.shape[1]:
                raise ValueError(f"columns must lie between 0 and {self.shape[1] - 1}")
            result[np.repeat(np.arange(len(counts)), counts), columns] = self.data
        return result


def _ascending(index: Array, size: int, what: str) -> Array:
    if len(index) and not (index[0] >= 0 and index[-1] < size and (np.diff(index) > 0).all()):
        raise ValueError(f"{what}s must be in increasing order between 0 and {size - 1}")
    return index


def header(version: int, storage: int) -> bytes:
    """The first words of an array."""
    return struct.pack("<Ii", MAGIC[version], storage)


def write_shape(shape: Shape) -> bytes:
    """A shape: the number of dimensions, and 64 bits for each."""
    return struct.pack(f"<i{len(shape)}q", len(shape), *shape)


class Reader:
    """Reads a file from front to back. Nothing is allocated that the file is too short to fill."""

    def __init__(self, file: io.BufferedIOBase, where: str) -> None:
        self._file = file
        self._where = where
        self._size = file.seek(0, os.SEEK_END)
        self.offset = file.seek(0)

    @property
    def left(self) -> int:
        """Bytes that have not been read."""
        return self._size - self.offset

    def error(self, problem: str, offset: int) -> ValueError:
        return ValueError(f"{self._where}: at byte {offset}: {problem}")

    def bytes(self, count: int, what: str) -> bytes:
        """The next bytes."""
        if count > self.left:
            raise self.error(f"{what} needs {count} bytes, but {self.left} are left", self.offset)
        self._file.seek(self.offset)
        result = self._file.read(count)
        self.offset += count
        return result

    def number(self, form: str, what: str) -> int:
        """The next number, of this form of the module `struct`."""
        (value,) = struct.unpack(form, self.bytes(struct.calcsize(form), what))
        return int(value)

    def text(self, what: str) -> str:
        """The next string. Bytes that are not UTF-8 survive until it is written again."""
        return self.bytes(self.number("<Q", what), what).decode("utf-8", "surrogateescape")

    def _shape(self, what: str, size_form: str = "q") -> Shape | None:
        """The next shape; None for an unknown one."""
        at = self.offset
        return self._sizes(self.number("<i", what), what, size_form, at)

    def _sizes(self, ndim: int, what: str, form: str, at: int) -> Shape | None:
        if ndim == -1:
            return None
        if not 0 <= ndim <= _MAX_NDIM:
            raise self.error(f"{what} must have 0 to {_MAX_NDIM} dimensions, got {ndim}", at)
        sizes = struct.unpack(f"<{ndim}{form}", self.bytes(ndim * struct.calcsize("<" + form), what))
        if any(size < 0 for size in sizes):
            raise self.error(f"{what} must have sizes of 0 and more, got {sizes}", at)
        return tuple(sizes)

    def _dtype(self, what: str) -> np.dtype[Any]:
        at = self.offset
        number = self.number("<i", what)
        if number not in DTYPES:
            raise self.error(f"{what} must have a dtype from 0 to {max(DTYPES)}, got {number}", at)
        return DTYPES[number]

    def array(self, what: str) -> StoredArray:
        """The next array's description. Its elements are passed over."""
        at = self.offset
        word = self.number("<I", what)
        version = _VERSION.get(word, 0)
        if version >= 2:
            return self._modern(version, what, at)
        shape = self._shape(what) if version == 1 else self._sizes(word, what, "I", at)
        return self._finish(at, version, 0, shape or None, (), what)

    def _modern(self, version: int, what: str, at: int) -> StoredArray:
        storage = self.number("<i", what)
        if not 0 <= storage < len(_STORAGES):
            raise self.error(f"{what} must be stored as 0, 1 or 2, got {storage}", at + 4)
        claimed = self._shape(f"{what}, its stored part,") if storage else ()
        shape = self._shape(what)
        if version == 2 and shape == ():
            shape = None
        return self._finish(at, version, storage, shape, claimed or (), what)

    def _finish(
        self, at: int, version: int, storage: int, shape: Shape | None, claimed: Shape, what: str
    ) -> StoredArray:
        name = _STORAGES[storage]
        if shape is None:
            return StoredArray(at, version, name, None, DTYPES[0], None)
        self.bytes(8, f"{what}, its device,")
        dtype = self._dtype(what)
        described = []
        for i in range(_INDEX_COUNT[storage]):
            label = f"{what}, index {i},"
            described.append((label, self._dtype(label), self._shape(label) or ()))
        data_shape = shape if storage == 0 else self._data_shape(name, shape, claimed, [d[1:] for d in described], at)
        data = self._part(data_shape, dtype, what)
        indices = tuple(self._part(sizes, kind, label) for label, kind, sizes in described)
        return StoredArray(at, version, name, shape, dtype, data, indices, claimed)

    def _part(self, shape: Shape, dtype: np.dtype[Any], what: str) -> Part:
        part = Part(self.offset, shape, dtype)
        if part.nbytes > self.left:
            raise self.error(
                f"{what} of shape {shape} and dtype {dtype} needs {part.nbytes} bytes, but {self.left} are left",
                self.offset,
            )
        self.offset += part.nbytes
        return part

    def _data_shape(
        self, storage: str, shape: Shape, claimed: Shape, indices: list[tuple[np.dtype[Any], Shape]], at: int
    ) -> Shape:
        """The shape of a sparse array's stored part, from its indices."""
        sizes = [size for _, size in indices]
        if storage == "row_sparse":
            data = (*sizes[0], *shape[1:])
            fits = len(sizes[0]) == 1
        else:
            data = sizes[1]
            fits = len(shape) == 2 and sizes[0] == (shape[0] + 1,) and len(data) == 1
        if math.prod(claimed) != 0:
            fits = fits and claimed == data
        if not fits or any(kind.kind not in "iu" for kind, _ in indices):
            raise self.error(
                f"a {storage} array of shape {shape} must have a stored part and indices that fit, "
                f"got shapes {claimed} and {sizes}",
                at,
            )
        return data

    def read(self, stored: StoredArray, *, dense: bool, limit: int) -> Array | SparseArray | None:
        """The array that is described so."""
        if stored.data is None or stored.shape is None:
            return None
        data = self._elements(stored.data)
        if stored.storage == "default":
            return data
        sparse = SparseArray(
            stored.storage, stored.shape, data, tuple(map(self._elements, stored.indices)), stored.claimed
        )
        if not dense:
            return sparse
        size = math.prod(stored.shape) * stored.dtype.itemsize
        if size > limit:
            raise self.error(
                f"a {stored.storage} array of shape {stored.shape} would take {size} bytes, more than `limit`, {limit}",
                stored.offset,
            )
        try:
            return sparse.dense()
        except ValueError as error:
            raise self.error(str(error), stored.offset) from None

    def pieces(self, part: Part, nbytes: int) -> Iterator[Array]:
        """The elements of a part, side by side in pieces of so many bytes."""
        total, step = math.prod(part.shape), max(1, nbytes // part.dtype.itemsize)
        for first in range(0, total, step):
            count = min(step, total - first)
            yield self._elements(Part(part.offset + first * part.dtype.itemsize, (count,), part.dtype))

    def _elements(self, part: Part) -> Array:
        self._file.seek(part.offset)
        buffer = np.empty(part.nbytes, np.uint8)
        view = buffer.data
        while view:
            count = self._file.readinto(view)
            if not count:
                raise self.error("the file has become shorter", part.offset)
            view = view[count:]
        if part.dtype.kind == "b":
            buffer = (buffer != 0).view(np.uint8)  # other bytes than 0 and 1 are no bools
        little = part.dtype if part.dtype.isbuiltin != 1 else part.dtype.newbyteorder("<")
        return buffer.view(little).astype(part.dtype, copy=False).reshape(part.shape)
