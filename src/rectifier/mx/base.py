"""What the parts of `rectifier.mx` share: the error and the numbers of MXNet's dtypes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import MappingProxyType
from typing import Any

import ml_dtypes
import numpy as np

from ..files import InputError
from ..replacement import Replacement

__all__ = [
    "DTYPES",
    "DTYPE_NUMBERS",
    "MXNetError",
    "check_path",
    "check_sizes",
    "dtype_number",
    "replace_file",
    "replacing",
    "string_of",
]


class MXNetError(ValueError):
    """What MXNet's own library refuses; also a `ValueError`, so that code that never heard of MXNet can catch it."""


# mshadow's `TypeFlag`, with the types that MXNet 1.6 to 1.9 added; 9 to 11 (int16 and unsigned) came with 2.0.
DTYPES: Mapping[int, np.dtype[Any]] = MappingProxyType(
    {
        0: np.dtype(np.float32),
        1: np.dtype(np.float64),
        2: np.dtype(np.float16),
        3: np.dtype(np.uint8),
        4: np.dtype(np.int32),
        5: np.dtype(np.int8),
        6: np.dtype(np.int64),
        7: np.dtype(np.bool_),
        8: np.dtype(np.int16),
        9: np.dtype(np.uint16),
        10: np.dtype(np.uint32),
        11: np.dtype(np.uint64),
        12: np.dtype(ml_dtypes.bfloat16),
    }
)
DTYPE_NUMBERS: Mapping[np.dtype[Any], int] = MappingProxyType({dtype: number for number, dtype in DTYPES.items()})


def dtype_number(dtype: Any) -> int:
    """MXNet's number of a dtype that NumPy understands."""
    wanted = dtype
    with suppress(TypeError):
        wanted = np.dtype(dtype).newbyteorder("=")
        if wanted in DTYPE_NUMBERS:
            return DTYPE_NUMBERS[wanted]
    raise TypeError(f"`dtype` must be one of {', '.join(map(str, DTYPE_NUMBERS))}, got {wanted}")


def check_path(name: str, path: object, others: str = "") -> None:
    """Raise a TypeError unless it is a file's name; `others` are the words for what else the caller takes."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"`{name}` must be {others}a file's name, got {type(path).__name__}")


def check_sizes(name: str, shape: Iterable[Any]) -> None:
    """Raise unless the shape of an input has sizes that an exported model can have."""
    if isinstance(shape, str) or not isinstance(shape, Iterable):
        raise TypeError(f"`shapes` must hold sequences of sizes and names, got {shape!r} for {name!r}")
    for size in shape:
        right = size >= 1 if isinstance(size, int) else isinstance(size, str) and size
        if not right or isinstance(size, bool):
            raise ValueError(f"`shapes` must have sizes of 1 and more, or names, got {size!r} for {name!r}")


def string_of(value: object) -> str:
    """An operator's parameter as the string that a graph holds: Python's `str`, and the bare number for NumPy's."""
    return str(value.item() if isinstance(value, np.integer) else value)


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Replacement]:
    """A file to write to that takes its place, whole, when the context ends, and not at all after an exception.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    file = Replacement(path)
    try:
        file.open()
        yield file
        file.finish()
        file.publish()
    except InputError as error:
        raise OSError(str(error)) from None
    finally:
        file.discard()


def replace_file(path: str | os.PathLike[str], parts: Iterable[bytes | memoryview]) -> None:
    """Write a file of these parts; one that is there is replaced whole or not at all, as by `replacing`."""
    with replacing(path) as file:
        for part in parts:
            file.write(np.frombuffer(part, np.uint8))
