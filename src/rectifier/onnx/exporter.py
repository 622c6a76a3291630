"""From a symbol and its parameters to an ONNX model."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, ValueInfoProto, helper

from ..mx.base import DTYPES, dtype_number
from ..mx.graph import Entry, Node, walk
from ..mx.infer import known_types, node_shapes, node_types
from ..mx.operators import output_count, output_name, parameters_of, read_inputs
from ..mx.symbol import Symbol, load
from ..random import check_rng
from . import families as _families  # noqa: F401 - enters all translators in the table
from .builder import Builder, Tensor, element_type
from .random_nodes import node_keys
from .translators import TRANSLATORS, Call
from .weights import Params, Weight, open_weights
from .writing import LARGEST_FILE, check, fill, size_of, write

__all__ = ["DEFAULT_OPSET", "OLDEST_OPSET", "UnsupportedOperators", "export", "latest_opset", "translated"]

Array = np.ndarray[Any, np.dtype[Any]]

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
    if not isinstance(symbol, Symbol):
        symbol = load(symbol)
    _refuse_unsupported(symbol.outputs)
    with open_weights(params) as arrays:
        builder = Builder(opset, exact=exact, keys=node_keys(rng) if training else None)
        step = _Export(symbol, arrays, dict(shapes or {}), check_dtype(dtype), builder)
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
    """The dtype, or a ValueError if it is none of the activations'."""
    if np.dtype(dtype) not in (np.float16, np.float32, np.float64):
        raise ValueError(f"`dtype` must be float16, float32 or float64, got {np.dtype(dtype)}")
    return np.dtype(dtype)


def _refuse_unsupported(outputs: list[Entry]) -> None:
    missing: dict[str, list[str]] = {}
    for node in walk(outputs, read_inputs):
        if node.op is not None and node.op not in TRANSLATORS:
            missing.setdefault(node.op, []).append(node.name)
    if missing:
        raise UnsupportedOperators(missing)


def _untranslated(entry: Entry) -> str:
    return f"output {entry.output} of {entry.node.name!r} (operator {entry.node.op}) has no translation"


class _Export:
    """The steps of one export."""

    def __init__(
        self,
        symbol: Symbol,
        arrays: dict[str, Weight],
        shapes: dict[str, Sequence[int | str]],
        dtype: np.dtype[Any],
        builder: Builder,
    ) -> None:
        self._symbol = symbol
        self._arrays = arrays
        self._given = shapes
        self._b = builder
        self._nodes = list(walk(symbol.outputs, read_inputs))
        self._variables = list(dict.fromkeys(node.name for node in self._nodes if node.is_variable))
        self._check_names()
        known = {name: tuple(size if isinstance(size, int) else -1 for size in shape) for name, shape in shapes.items()}
        known.update({name: arrays[name].shape for name in self._variables if name in arrays})
        self._shapes = node_shapes(symbol.outputs, known)
        self._types = node_types(symbol.outputs, self._known_types(dtype))
        self._tensors: dict[tuple[int, int], Tensor] = {}
        self._parameters: dict[str, Weight] = {}
        self._problems: list[str] = []

    def _check_names(self) -> None:
        every = {node.name for node in walk(self._symbol.outputs) if node.is_variable}
        for name, shape in self._given.items():
            if name not in every or name in self._arrays:
                free = [other for other in self._variables if other not in self._arrays]
                raise ValueError(f"`shapes` must name inputs of the graph, which are {', '.join(free)}, got {name!r}")
            for size in shape:
                if isinstance(size, bool) or not isinstance(size, (int, str)) or (isinstance(size, int) and size < 1):
                    raise ValueError(f"`shapes` must have sizes of 1 and more, or names, got {size!r} for {name!r}")

    def refuse_free_inputs(self) -> None:
        """Raise a ValueError if the graph reads what is neither a parameter nor given a shape."""
        free = [name for name in self._variables if name not in self._arrays and name not in self._given]
        if free:
            raise ValueError(f"these are neither among the parameters nor inputs with a shape: {', '.join(free)}")

    def _known_types(self, dtype: np.dtype[Any]) -> dict[str, int]:
        """The dtypes of the parameters; that of an input which nothing else decides is `dtype`."""
        known = {name: dtype_number(self._arrays[name].dtype) for name in self._variables if name in self._arrays}
        return known_types(self._symbol.outputs, known, dtype_number(dtype))

    def _tensor(self, entry: Entry, name: str) -> Tensor:
        number = self._types[entry]
        if number is None:
            raise ValueError(f"the dtype of {name!r} does not follow from the parameters and `dtype`")
        return Tensor(name, self._shapes[entry], DTYPES[number])

    def model(self) -> ModelProto:
        """The finished model without its arrays."""
        b = self._b
        inputs = [name for name in self._variables if name not in self._arrays]
        taken = {name: b.unique(name) for name in inputs}
        outputs = self._output_names()
        for node in self._nodes:
            if node.is_variable:
                name = taken[node.name] if node.name in taken else self._parameter(node.name)
                self._tensors[id(node), 0] = self._tensor(Entry(node), name)
            else:
                self._translate(node, outputs)
        if self._problems:
            raise ValueError("; ".join(self._problems))
        heads = [self._head(i, entry, outputs) for i, entry in enumerate(self._symbol.outputs)]
        graph = helper.make_graph(
            b.finished_nodes(),
            self._symbol.name or "graph",
            [self._input(name) for name in inputs],
            heads,
        )
        imports = [helper.make_opsetid("", b.opset)]
        version = helper.find_min_ir_version_for(imports)
        model = helper.make_model(graph, opset_imports=imports, ir_version=version, producer_name="rectifier")
        helper.set_model_props(model, {f"rectifier.rng.{node}": str(key) for node, key in b.drawn.items()})
        return model

    def _parameter(self, name: str) -> str:
        """The tensor of a parameter, written once."""
        if name not in self._parameters:
            self._parameters[name] = self._arrays[name]
            self._b.weight(name, self._arrays[name])
        return name

    def _array_behind(self, tensor: Tensor) -> Array | None:
        weight = self._parameters.get(tensor.name)
        return None if weight is None else weight.read()

    def _output_names(self) -> dict[tuple[int, int], str]:
        """The names of the model's outputs, for those that a node makes; a second mention of one gets a copy."""
        names: dict[tuple[int, int], str] = {}
        for entry in self._symbol.outputs:
            if not entry.node.is_variable and (id(entry.node), entry.output) not in names:
                names[id(entry.node), entry.output] = self._b.unique(output_name(entry))
        return names

    def _translate(self, node: Node, outputs: dict[tuple[int, int], str]) -> None:
        assert node.op is not None
        self._b.scope = node.name or node.op
        inputs = self._inputs(node)
        shapes = tuple(self._shapes[Entry(node, i)] for i in range(output_count(node)))
        call = Call(self._b, node, parameters_of(node), inputs, self._array_behind, shapes)
        try:
            results = TRANSLATORS[node.op](call)
        except ValueError as error:  # go on, to find all
            self._problems.append(f"{error}, in node {node.name!r} (operator {node.op})")
            results = [""] * output_count(node)
        for i, name in enumerate(results[: output_count(node)]):
            wanted = outputs.get((id(node), i))
            final = name if wanted is None or not name else self._renamed(name, wanted)
            tensor = self._tensor(Entry(node, i), final)
            self._tensors[id(node), i] = tensor

    def _inputs(self, node: Node) -> tuple[Tensor, ...]:
        """Its tensors; those that it does not read have no name."""
        read = read_inputs(node)
        return tuple(self._input_of(node, entry) if entry in read else self._unread(entry) for entry in node.inputs)

    def _input_of(self, node: Node, entry: Entry) -> Tensor:
        tensor = self._tensors.get((id(entry.node), entry.output))
        if tensor is None:
            self._problems.append(f"{_untranslated(entry)}, which node {node.name!r} reads")
            return self._unread(entry)
        return tensor

    def _unread(self, entry: Entry) -> Tensor:
        number = self._types[entry]
        return Tensor("", self._shapes[entry], DTYPES[0 if number is None else number])

    def _renamed(self, name: str, wanted: str) -> str:
        """The same value under the name of an output of the model."""
        if not self._b.rename(name, wanted):
            self._b.rename(self._b.op("Identity", name), wanted)
        return wanted

    def _input(self, name: str) -> ValueInfoProto:
        node = next(node for node in self._nodes if node.is_variable and node.name == name)
        tensor = self._tensors[id(node), 0]
        if tensor.shape is None:
            raise ValueError(f"`shapes` must have the shape of input {name!r}, which does not follow from the others")
        sizes = list(self._given.get(name, tensor.shape))
        free = [size if size != -1 else f"{name}_{i}" for i, size in enumerate(sizes)]
        return helper.make_tensor_value_info(tensor.name, element_type(tensor.dtype), free)

    def _head(self, i: int, entry: Entry, outputs: dict[tuple[int, int], str]) -> ValueInfoProto:
        """An output of the model. ONNX wants a node behind each, and each once."""
        key = (id(entry.node), entry.output)
        if key not in self._tensors:
            raise ValueError(_untranslated(entry))
        tensor = self._tensors[key]
        earlier = [(id(other.node), other.output) for other in self._symbol.outputs[:i]]
        name = tensor.name
        if key not in outputs or key in earlier:
            name = self._renamed(tensor.name, self._b.unique(f"{tensor.name}_output"))
        shape = None if tensor.shape is None else [size if size != -1 else None for size in tensor.shape]
        return helper.make_tensor_value_info(name, element_type(tensor.dtype), shape)

    def weights(self) -> dict[str, Weight]:
        """The arrays of the finished model, without parameters that nothing reads in their own shape."""
        read = {name for node in self._b.nodes for name in node.input}
        return {name: weight for name, weight in self._b.initializers.items() if name in read}
