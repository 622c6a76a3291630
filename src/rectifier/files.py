"""`.npy` files larger than memory, read a part at a time."""

from __future__ import annotations

import itertools
import math
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import ml_dtypes
import numpy as np
from numpy.lib import format as npy

__all__ = ["ArrayFile", "Box", "InputError", "boxes", "checked_dtype", "chunk_boxes", "file_name", "runs"]

Array = np.ndarray[Any, np.dtype[Any]]
Box = tuple[slice, ...]  # one slice for each axis, with start and stop, step 1

# Where a box is scattered over the file, one read covers up to this many bytes, gaps included.
_GATHERED_BYTES = 1 << 20
_BFLOAT16: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
_HEADER_READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


class InputError(Exception):
    """What is wrong with a file or an option, in one line."""


def file_name(text: str) -> str:
    """A file's name as a command takes it: `-` is standard input or output to many, and no file is meant by it."""
    if text in ("", "-"):
        raise InputError(f"a file's name must not be empty or -, got {text!r}: standard input and output are not used")
    return text


class ArrayFile:
    """An array in an `.npy` file, of which parts are read into memory.

    Parameters
    ----------
    path : path-like
        The file.
    bfloat16 : bool
        Whether 2-byte void elements are bfloat16, which the format has no name for.

    Attributes
    ----------
    path : Path
    shape : tuple of int
    dtype : dtype
        As stored: its byte order may be foreign.
    fortran : bool
        Whether the first axis is the one whose neighbours lie side by side.
    chunks : None
        As of an array that is not stored in chunks.

    Raises
    ------
    InputError
        If the file is not an `.npy` file of plain numbers, is shorter than its header says or cannot be read.
    """

    chunks = None

    def __init__(self, path: str | os.PathLike[str], *, bfloat16: bool = False) -> None:
        self.path = Path(path)
        self._file = _open_for_reading(self.path)
        try:
            header = _read_header(self.path, self._file)
            self.shape, fortran, dtype = header
            self._start = self._file.tell()
            self.dtype = checked_dtype(self.path, dtype, bfloat16)
            self._check_length()
        except BaseException:
            self._file.close()
            raise
        # An array that is both is written as C order by NumPy too.
        self.fortran = fortran and sum(n != 1 for n in self.shape) > 1 and 0 not in self.shape
        self._room = bytearray()

    def __enter__(self) -> ArrayFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def reshape(self, shape: tuple[int, ...]) -> None:
        """Insert or drop axes of length 1, which changes nothing in the file."""
        assert [n for n in shape if n != 1] == [n for n in self.shape if n != 1]
        self.shape = shape

    def read(self, box: Box) -> Array:
        """The elements of a box, valid until the next call. Axes of length 1 repeat along the box."""
        own = [slice(0, 1) if n == 1 else part for n, part in zip(self.shape, box, strict=True)]
        stored = [(part.start, part.stop) for part in (reversed(own) if self.fortran else own)]
        lengths = [stop - start for start, stop in stored]
        size = math.prod(lengths) * self.dtype.itemsize
        if len(self._room) < size:
            self._room = bytearray(size)
        result = np.frombuffer(self._room, self.dtype, math.prod(lengths)).reshape(lengths)
        if size:
            self._gather(result, stored)
        return result.T if self.fortran else result

    def _gather(self, target: Array, stored: list[tuple[int, int]]) -> None:
        """Fill target, C-contiguous or not, with a box given in the order of storage."""
        first, span = self._span(stored)
        if span == target.size and target.flags.c_contiguous:
            self._fill(target.reshape(-1).view(np.uint8).data, first)
        elif span * self.dtype.itemsize <= _GATHERED_BYTES or target.size == 1:
            flat = np.empty(span, self.dtype)
            self._fill(flat.view(np.uint8).data, first)
            target[...] = np.lib.stride_tricks.as_strided(flat, target.shape, self._strides())
        else:
            axis = next(k for k, (start, stop) in enumerate(stored) if stop - start > 1)
            start, stop = stored[axis]
            middle = (start + stop) // 2
            halves = np.split(target, [middle - start], axis=axis)
            for half, limits in zip(halves, [(start, middle), (middle, stop)], strict=True):
                self._gather(half, [*stored[:axis], limits, *stored[axis + 1 :]])

    def _strides(self) -> list[int]:
        shape = self.shape[::-1] if self.fortran else self.shape
        return [math.prod(shape[k + 1 :]) * self.dtype.itemsize for k in range(len(shape))]

    def _span(self, stored: list[tuple[int, int]]) -> tuple[int, int]:
        """The first element of a box, and how many lie from there to its last one."""
        steps = [stride // self.dtype.itemsize for stride in self._strides()]
        first = sum(start * step for (start, _), step in zip(stored, steps, strict=True))
        last = sum((stop - 1) * step for (_, stop), step in zip(stored, steps, strict=True))
        return first, last - first + 1

    def _fill(self, room: memoryview, first: int) -> None:
        try:
            self._file.seek(self._start + first * self.dtype.itemsize)
            while room:
                count = self._file.readinto(room)  # type: ignore[attr-defined]
                if not count:
                    raise InputError(f"{self.path} is truncated: it has become shorter while it was read")
                room = room[count:]
        except OSError as error:
            raise InputError(f"cannot read {self.path}: {error.strerror}") from None

    def _check_length(self) -> None:
        needed = self._start + math.prod(self.shape) * self.dtype.itemsize
        length = os.fstat(self._file.fileno()).st_size
        if length < needed:
            raise InputError(f"{self.path} is truncated: its header promises {needed} bytes, it has {length}")


def checked_dtype(path: Path, dtype: np.dtype[Any], bfloat16: bool) -> np.dtype[Any]:
    """The type of a file's elements, if they are real numbers."""
    if dtype.hasobject:
        raise InputError(f"{path} holds Python objects; it must hold numbers")
    if dtype == np.dtype("V2"):
        if not bfloat16:
            raise InputError(f"{path} holds 2-byte elements of unknown kind (V2); --dtype bfloat16 reads them")
        return _BFLOAT16
    if dtype.kind not in "biuf":
        raise InputError(f"{path} must hold floats, integers or bools, got {dtype}")
    return dtype


def boxes(shape: tuple[int, ...], most: int, *, fortran: bool = False) -> Iterator[Box]:
    """Cut an array into boxes of at most `most` elements, each in one piece in memory, in the order of storage."""
    if 0 in shape:
        return
    stored = shape[::-1] if fortran else shape
    axis = next((k for k in range(len(stored)) if math.prod(stored[k + 1 :]) <= most), 0)
    step = max(1, most // math.prod(stored[axis + 1 :]))
    whole = [slice(0, n) for n in stored[axis + 1 :]]
    for outer in np.ndindex(*stored[:axis]):
        for start in range(0, stored[axis] if stored else 1, step):
            part = [slice(start, min(start + step, stored[axis]))] if stored else []
            box = (*(slice(i, i + 1) for i in outer), *part, *whole)
            yield box[::-1] if fortran else box


def chunk_boxes(shape: tuple[int, ...], chunks: tuple[int, ...], most: int) -> Iterator[Box]:
    """Cut an array into boxes of whole chunks, in C order: of at most `most` elements where a chunk has no more."""
    if 0 in shape:
        return
    steps = list(chunks)
    for axis in reversed(range(len(shape))):
        steps[axis] *= max(1, most // math.prod(steps))
        if steps[axis] < shape[axis]:
            break
        steps[axis] = chunks[axis] * -(-shape[axis] // chunks[axis])
    for corner in itertools.product(*(range(0, n, step) for n, step in zip(shape, steps, strict=True))):
        yield tuple(slice(i, min(i + step, n)) for i, step, n in zip(corner, steps, shape, strict=True))


def runs(shape: tuple[int, ...], box: Box) -> Iterator[tuple[tuple[int, ...], int]]:
    """The parts of a box that lie in one piece in C order: the place of each in the box, and its first index in all."""
    lengths = [part.stop - part.start for part in box]
    axis = max((k for k, n in enumerate(shape) if lengths[k] < n), default=0)
    steps = [math.prod(shape[k + 1 :]) for k in range(len(shape))]
    start = sum(part.start * step for part, step in zip(box, steps, strict=True))
    for outer in np.ndindex(*lengths[:axis]):
        yield outer, start + sum(i * step for i, step in zip(outer, steps, strict=False))


def _open_for_reading(path: Path) -> BinaryIO:
    try:
        kind = os.stat(path).st_mode
        if not stat.S_ISREG(kind):
            raise InputError(f"cannot read {path}: not a regular file")
        return open(path, "rb", buffering=0)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None


def _read_header(path: Path, file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    try:
        magic = file.read(6)
        if magic[:4] == b"PK\x03\x04":
            raise InputError(f"{path} is an .npz archive; unpack it and name the .npy file inside")
        if magic != npy.MAGIC_PREFIX[:6]:
            raise InputError(f"{path} is not an .npy file")
        file.seek(0)
        version = npy.read_magic(file)
        if version not in _HEADER_READERS:
            raise InputError(f"{path} has .npy format version {version[0]}.{version[1]}; 1.0 and 2.0 are read")
        shape, fortran, dtype = _HEADER_READERS[version](file)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, EOFError, SyntaxError, TypeError) as error:
        raise InputError(f"{path} has a damaged header: {str(error).splitlines()[0]}") from None
    if any(n < 0 for n in shape):
        raise InputError(f"{path} has a damaged header: shape {shape}")
    return shape, fortran, dtype
