"""What stands in a `.params` file: the parts of its content, in order."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from .base import DTYPE_NUMBERS, dtype_number
from .params_array import MAGIC, SparseArray, header, write_shape

__all__ = ["LIST_MAGIC", "content"]

Array = np.ndarray[Any, np.dtype[Any]]
Value = Array | SparseArray | None

LIST_MAGIC = 0x112
_CPU = struct.pack("<ii", 1, 0)


def content(data: Mapping[str, Any] | Iterable[Any], np_shape: bool | None) -> Iterator[bytes | memoryview]:
    """The file's parts, once everything is checked."""
    names = list(data) if isinstance(data, Mapping) else []
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"`data` must have strings for names, got {name!r}")
    given = list(data.values() if isinstance(data, Mapping) else data)
    values = [_checked(value, names[i] if names else str(i)) for i, value in enumerate(given)]
    new = any(isinstance(value, np.ndarray) and (value.ndim == 0 or value.size == 0) for value in values)
    if np_shape is False and new:
        raise ValueError("`np_shape` must be True for arrays without dimensions or with a size of zero, got False")
    version = 3 if (new if np_shape is None else np_shape) else 2
    if version == 3 and any(isinstance(value, SparseArray) for value in values):
        raise ValueError("`data` must not mix sparse arrays with ones without dimensions or with a size of zero")
    return _parts(values, names, version)


def _checked(value: Any, name: str) -> Value:
    """The value as a little-endian array in C order."""
    if value is None or isinstance(value, SparseArray):
        return value
    array: Array = np.asarray(value)
    if array.dtype.newbyteorder("=") not in DTYPE_NUMBERS:
        known = ", ".join(str(dtype) for dtype in DTYPE_NUMBERS)
        raise TypeError(f"`data` must hold arrays of dtype {known}, got {array.dtype} for {name!r}")
    return np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")


def _parts(values: list[Value], names: list[str], version: int) -> Iterator[bytes | memoryview]:
    yield struct.pack("<QQQ", LIST_MAGIC, 0, len(values))
    for value in values:
        if isinstance(value, SparseArray):
            yield from value.parts(_CPU)
        elif value is None:
            # Version 3 has -1 where version 2 has 0 for the number of dimensions of an array without a shape.
            yield struct.pack("<Iii", MAGIC[version], 0, -1 if version == 3 else 0)
        else:
            yield header(version, 0) + write_shape(value.shape) + _CPU + struct.pack("<i", dtype_number(value.dtype))
            yield value.reshape(-1).view(np.uint8).data
    yield struct.pack("<Q", len(names))
    for name in names:
        text = name.encode("utf-8", "surrogateescape")
        yield struct.pack("<Q", len(text)) + text
