"""From a symbol and its parameters to an ONNX model."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto

from ..mx.base import check_path
from ..mx.symbol import Symbol, load
from ..random import check_rng
from .builder import Builder
from .random_nodes import node_keys
from .translation import Translation, unsupported
from .weights import Params, Weight, open_weights
from .writing import LARGEST_FILE, check, fill, size_of, write

__all__ = ["DEFAULT_OPSET", "OLDEST_OPSET", "UnsupportedOperators", "export", "latest_opset", "translated"]

OLDEST_OPSET = 9
DEFAULT_OPSET = 17


class UnsupportedOperators(ValueError):
    """A graph has operators that have no translation.

    Attributes
    ----------
    nodes : dict of str to list of str
        The names of the nodes, by operator.
    """

    def __init__(self, nodes: Mapping[str, list[str]]) -> None:
        self.nodes = dict(nodes)
        listed = "; ".join(f"{op} ({', '.join(names)})" for op, names in nodes.items())
        super().__init__(f"these operators have no translation: {listed}")


def latest_opset() -> int:
    """The latest version of ONNX's operators that the installed package `onnx` knows."""
    return int(onnx.defs.onnx_opset_version())


def export(
    symbol: Symbol | str | os.PathLike[str],
    params: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    shapes: Mapping[str, Sequence[int | str]] | None = None,
    opset: int = DEFAULT_OPSET,
    *,
    dtype: Any = np.float32,
    exact: bool = False,
    training: bool = False,
    rng: int | np.random.Generator | None = None,
    path: str | os.PathLike[str] | None = None,
) -> ModelProto:
    """An ONNX model that computes what the symbol computes in inference.

    Parameters
    ----------
    symbol : Symbol or path-like
        The graph, or a ``-symbol.json`` file.
    params : mapping of str to array_like, or path-like, optional
        Arrays by the names of the graph's variables, with or without ``arg:`` and ``aux:``; or a `.params` file.
        Variables that are not here become inputs of the model.
    shapes : mapping of str to sequence of int or str, optional
        The inputs' shapes; a string names a size that is free, such as the batch's.
    opset : int, default 17
        The version of ONNX's operators, from 9 on.
    dtype : dtype, default float32
        Of inputs whose dtype nothing else decides: float16, float32 or float64.
    exact : bool, default False
        Whether elu, selu and gelu are spelled out so that they keep their relative accuracy in the tails, also where
        ONNX has an operator for them. In float64, and gelu below opset 20, they are in any case.
    training : bool, default False
        Whether rrelu draws its slopes, as in training. All other operators compute what they do in inference.
    rng : int, numpy.random.Generator or None
        With `training`, where the slopes come from: each run of the model draws those of `rectifier.leaky_relu` with
        the same key. Nodes after the first have keys of their own; see `node_keys`. The model's metadata hold them.
    path : path-like, optional
        Where to write the model as well; a file that is there is replaced whole or not at all.

    Returns
    -------
    onnx.ModelProto
        Has passed ONNX's checker with full type and shape inference. Inputs and outputs have MXNet's names.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, or shapes or dtypes do not fit together. Settings that
        have no translation are named all at once, with their nodes.
    UnsupportedOperators
        If operators have no translation: all of them, with their nodes. Nothing has been written then.

    Notes
    -----
    prelu's slope of shape (C,) is written as (C, 1, 1) for data of four dimensions, since ONNX aligns shapes from the
    last axis. rrelu is LeakyRelu with the middle of its bounds, unless it draws. Labels, and whatever else inference
    does not read, do not become inputs.

    Examples
    --------
    >>> import numpy as np
    >>> from rectifier import mx
    >>> from rectifier.onnx import export
    >>> symbol = mx.sym.LeakyReLU(mx.sym.Variable("data"), act_type="prelu", name="act")
    >>> model = export(symbol, {"act_gamma": np.full(3, 0.25, np.float32)}, {"data": ("N", 3, 8, 8)})
    >>> [node.op_type for node in model.graph.node], list(model.graph.initializer[0].dims)
    (['PRelu'], [3, 1, 1])
    """
    if path is not None:
        check_path("path", path)
    with translated(symbol, params, shapes, opset, dtype=dtype, exact=exact, training=training, rng=rng) as done:
        model, weights = done
        external = size_of(weights) > LARGEST_FILE
        if external and path is None:
            raise ValueError(f"`path` must be given for a model of {size_of(weights)} bytes, got None")
        if path is not None:
            write(path, model, weights, external=external)
        return onnx.load(path, load_external_data=False) if external else fill(model, weights)


@contextmanager
def translated(
    symbol: Symbol | str | os.PathLike[str],
    params: Params,
    shapes: Mapping[str, Sequence[int | str]] | None,
    opset: int,
    *,
    dtype: Any = np.float32,
    exact: bool = False,
    training: bool = False,
    rng: int | np.random.Generator | None = None,
    every_input: bool = False,
) -> Iterator[tuple[ModelProto, dict[str, Weight]]]:
    """A checked model without its arrays, and the arrays, which may be read as long as the context lasts.

    With `every_input`, all that the graph reads must be a parameter or have a shape.
    """
    check_opset(opset)
    check_rng(rng)
    if shapes is not None and not isinstance(shapes, Mapping):
        raise TypeError(f"`shapes` must be a mapping or None, got {type(shapes).__name__}")
    for name, value in (("exact", exact), ("training", training)):
        if not isinstance(value, (bool, np.bool_)):
            raise TypeError(f"`{name}` must be True or False, got {value!r}")
    if not isinstance(symbol, Symbol):
        check_path("symbol", symbol, "a Symbol or ")
        symbol = load(symbol)
    missing = unsupported(symbol.outputs)
    if missing:
        raise UnsupportedOperators(missing)
    with open_weights(params) as arrays:
        builder = Builder(opset, exact=exact, keys=node_keys(rng) if training else None)
        step = Translation(symbol, arrays, dict(shapes or {}), check_dtype(dtype), builder)
        if every_input:
            step.refuse_free_inputs()
        model, weights = step.model(), step.weights()
        check(model, weights)
        yield model, weights


def check_opset(opset: int) -> None:
    """Raise a ValueError if it cannot be written."""
    if not isinstance(opset, int) or not OLDEST_OPSET <= opset <= latest_opset():
        raise ValueError(f"`opset` must be an integer from {OLDEST_OPSET} to {latest_opset()}, got {opset!r}")


def check_dtype(dtype: Any) -> np.dtype[Any]:
    """The dtype, or an error if it is none of the activations'."""
    try:
        wanted = np.dtype(dtype)
    except TypeError:
        raise TypeError(f"`dtype` must be float16, float32 or float64, got {dtype!r}") from None
    if wanted not in (np.float16, np.float32, np.float64):
        raise ValueError(f"`dtype` must be float16, float32 or float64, got {wanted}")
    return wanted
