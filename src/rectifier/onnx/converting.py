"""From MXNet's files to a file of ONNX, without holding the parameters: `convert`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from onnx import ValueInfoProto, helper

from ..mx.base import check_path
from ..mx.symbol import Symbol
from .exporter import DEFAULT_OPSET, translated
from .weights import Params
from .writing import LARGEST_FILE, ShowProgress, size_of, write

__all__ = ["Summary", "convert"]


@dataclass(frozen=True)
class Summary:
    """What `convert` wrote.

    Attributes
    ----------
    operators : dict of str to int
        How often the model has each of ONNX's operators, the most frequent first.
    parameters : int
        The number of elements of all parameters, ONNX's own small constants included.
    nbytes : int
        The size of all files.
    files : tuple of str
        The model, and the file of its arrays if it has one.
    inputs, outputs : tuple of (str, dtype, tuple of int or str or None)
        Names, dtypes and shapes.
    keys : dict of str to str
        rrelu's keys by node, where it draws.
    """

    operators: dict[str, int]
    parameters: int
    nbytes: int
    files: tuple[str, ...]
    inputs: tuple[tuple[str, np.dtype[Any], tuple[int | str | None, ...]], ...]
    outputs: tuple[tuple[str, np.dtype[Any], tuple[int | str | None, ...]], ...]
    keys: dict[str, str]


def convert(
    symbol: Symbol | str | os.PathLike[str],
    params: Params,
    shapes: Mapping[str, Sequence[int | str]],
    path: str | os.PathLike[str],
    opset: int = DEFAULT_OPSET,
    *,
    dtype: Any = np.float32,
    exact: bool = False,
    training: bool = False,
    rng: int | np.random.Generator | None = None,
    external_data: bool | None = None,
    progress: ShowProgress | None = None,
) -> Summary:
    """Write a network as a file of ONNX. Arrays in a `.params` file go from file to file, 16 MiB at a time.

    Parameters
    ----------
    symbol, params, opset, dtype, exact, training, rng
        As for `export`.
    shapes : mapping of str to sequence of int or str
        The shapes of all inputs. A variable that is neither here nor in `params` is an error.
    path : path-like
        Where to write the model; a file that is there is replaced whole or not at all.
    external_data : bool, optional
        Whether arrays of 1 KiB and more go to a file of their own, the path with ``.data`` at the end. By default where
        they take more than 1.9 GiB, since a file of ONNX cannot have 2.
    progress : callable, optional
        ``progress(nbytes)`` gives a context manager with a method ``update(count)``, such as tqdm's bars.

    Returns
    -------
    Summary

    Raises
    ------
    TypeError, ValueError, UnsupportedOperators
        As `export`. Nothing has been written then.
    OSError
        If a file cannot be read or written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from rectifier import mx
    >>> from rectifier.onnx import convert
    >>> symbol = mx.sym.LeakyReLU(mx.sym.Variable("data"), act_type="prelu", name="act")
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.onnx"
    >>> summary = convert(symbol, {"act_gamma": np.full(3, 0.25, np.float32)}, {"data": ("N", 3)}, path)
    >>> summary.operators, summary.parameters, summary.inputs
    ({'PRelu': 1}, 3, (('data', dtype('float32'), ('N', 3)),))
    """
    check_path("path", path)
    with translated(
        symbol, params, shapes, opset, dtype=dtype, exact=exact, training=training, rng=rng, every_input=True
    ) as (model, weights):
        external = size_of(weights) > LARGEST_FILE if external_data is None else external_data
        write(path, model, weights, external=external, progress=progress)
        files = (os.fspath(path), *((f"{os.fspath(path)}.data",) if external else ()))
        return Summary(
            dict(Counter(node.op_type for node in model.graph.node).most_common()),
            sum(prod(weight.shape) for weight in weights.values()),
            sum(os.path.getsize(file) for file in files),
            files,
            tuple(map(_described, model.graph.input)),
            tuple(map(_described, model.graph.output)),
            {entry.key.removeprefix("rectifier.rng."): entry.value for entry in model.metadata_props},
        )


def _described(info: ValueInfoProto) -> tuple[str, np.dtype[Any], tuple[int | str | None, ...]]:
    kind = info.type.tensor_type
    sizes = tuple(one.dim_value if one.HasField("dim_value") else (one.dim_param or None) for one in kind.shape.dim)
    return info.name, helper.tensor_dtype_to_np_dtype(kind.elem_type), sizes
