"""ONNX files written without a copy of the model in memory, above 2 GB in two files.

A file of ONNX is one message of Protocol Buffers, in which a field is a number, a length and its bytes, and fields may
come in any order (protobuf.dev/programming-guides/encoding). So the model goes out without its arrays first, and
the arrays follow one at a time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper

from ..files import InputError
from ..replacement import Replacement, publish_together
from .builder import element_type
from .weights import Weight, nbytes

__all__ = ["LARGEST_FILE", "Progress", "ShowProgress", "check", "fill", "size_of", "write"]

# A message has at most 2**31 - 1 bytes. The graph beside the arrays gets what is left.
LARGEST_FILE = 2**31 - 2**26
# Smaller arrays stay in the model also where the others go to a file of their own: shape inference reads some.
_SMALL = 1024
# Runtimes map arrays into memory by pages.
_PAGE = 4096

_GRAPH_IN_MODEL, _INITIALIZER_IN_GRAPH, _RAW_DATA_IN_TENSOR = 7, 5, 9


class Progress(Protocol):
    """What is told of bytes that have been written; tqdm's bars are such."""

    def update(self, count: int) -> Any: ...


ShowProgress = Callable[[int], AbstractContextManager[Progress]]


class _NoProgress:
    def update(self, count: int) -> None:
        pass


def size_of(weights: Mapping[str, Weight]) -> int:
    """The bytes of all arrays."""
    return sum(map(nbytes, weights.values()))


def check(model: ModelProto, weights: Mapping[str, Weight]) -> None:
    """ONNX's checker with full type and shape inference, on a model that has the large arrays as inputs."""
    trial = ModelProto()
    trial.CopyFrom(model)
    for name, weight in weights.items():
        if nbytes(weight) < _SMALL:
            trial.graph.initializer.append(_filled(name, weight))
        else:
            kind = element_type(weight.dtype)
            trial.graph.input.append(helper.make_tensor_value_info(name, kind, weight.shape))
    try:
        onnx.checker.check_model(trial, full_check=True)
    except onnx.shape_inference.InferenceError as error:  # such as parameters of integers
        raise ValueError(f"ONNX has no such model: {' '.join(str(error).split())}") from None


def fill(model: ModelProto, weights: Mapping[str, Weight]) -> ModelProto:
    """The model with its arrays."""
    model.graph.initializer.extend(_filled(name, weight) for name, weight in weights.items())
    return model


def write(
    path: str | os.PathLike[str],
    model: ModelProto,
    weights: Mapping[str, Weight],
    *,
    external: bool,
    progress: ShowProgress | None = None,
) -> None:
    """Write a model, and with `external` its large arrays to a file beside it; all of it or nothing.

    Raises
    ------
    OSError
        If a file cannot be written.
    """
    main = Replacement(path)
    beside = Replacement(f"{os.fspath(path)}.data") if external else None
    files = [main] if beside is None else [beside, main]
    try:
        for file in files:
            file.open()
        with (progress or _silent)(size_of(weights)) as shown:
            parts = _inline(weights) if beside is None else _external(weights, beside, shown)
            _write_model(main, model, parts, shown)
        for file in files:
            file.finish()
        publish_together(files)
    except InputError as error:
        raise OSError(str(error)) from None
    finally:
        for file in files:
            file.discard()


def _silent(size: int) -> AbstractContextManager[Progress]:
    return nullcontext(_NoProgress())


_Part = tuple[bytes, Weight | None]  # the beginning of an initializer, and the array that ends it, if it is in the file


def _inline(weights: Mapping[str, Weight]) -> list[_Part]:
    return [(_header(name, weight).SerializeToString(), weight) for name, weight in weights.items()]


def _external(weights: Mapping[str, Weight], file: Replacement, shown: Progress) -> list[_Part]:
    """Write the large arrays to their file. The model says where they stand."""
    parts: list[_Part] = []
    offset = 0
    for name, weight in weights.items():
        header, size = _header(name, weight), nbytes(weight)
        if size < _SMALL:
            parts.append((header.SerializeToString(), weight))
            continue
        gap = -offset % _PAGE
        file.write(np.zeros(gap, np.uint8))
        offset += gap
        header.data_location = TensorProto.EXTERNAL
        for key, value in (("location", file.path.name), ("offset", offset), ("length", size)):
            header.external_data.add(key=key, value=str(value))
        parts.append((header.SerializeToString(), None))
        for piece in weight.pieces():
            file.write(piece)
            shown.update(piece.nbytes)
        offset += size
    return parts


def _write_model(file: Replacement, model: ModelProto, parts: list[_Part], shown: Progress) -> None:
    graph = model.graph.SerializeToString()
    rest = ModelProto()
    rest.CopyFrom(model)
    rest.ClearField("graph")
    file.write_bytes(rest.SerializeToString())
    openings = []
    for header, weight in parts:
        data = b"" if weight is None else _opening(_RAW_DATA_IN_TENSOR, nbytes(weight))
        length = len(header) + len(data) + (0 if weight is None else nbytes(weight))
        openings.append(_opening(_INITIALIZER_IN_GRAPH, length) + header + data)
    data_length = sum(nbytes(weight) for _, weight in parts if weight is not None)
    file.write_bytes(_opening(_GRAPH_IN_MODEL, len(graph) + sum(map(len, openings)) + data_length) + graph)
    for opening, (_, weight) in zip(openings, parts, strict=True):
        file.write_bytes(opening)
        for piece in () if weight is None else weight.pieces():
            file.write(piece)
            shown.update(piece.nbytes)


def _header(name: str, weight: Weight) -> TensorProto:
    return TensorProto(name=name, dims=weight.shape, data_type=element_type(weight.dtype))


def _filled(name: str, weight: Weight) -> TensorProto:
    tensor = _header(name, weight)
    tensor.raw_data = b"".join(piece.tobytes() for piece in weight.pieces())
    return tensor


def _opening(field: int, length: int) -> bytes:
    """What stands before the bytes of a field: its number, its kind (2, of known length) and the length."""
    return bytes((*_varint(field << 3 | 2), *_varint(length)))


def _varint(number: int) -> Iterator[int]:
    """Seven bits to a byte, the lowest first; the eighth bit says that more follow."""
    while number > 127:
        yield number & 127 | 128
        number >>= 7
    yield number
