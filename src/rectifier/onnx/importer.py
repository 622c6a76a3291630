"""From an ONNX model of activations and basic arithmetic to a symbol and its parameters."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, numpy_helper, shape_inference

from ..mx.base import check_path
from ..mx.symbol import Group, Symbol, Variable
from .exporter import UnsupportedOperators
from .import_table import IMPORTERS, ImportedNode, constant_value, spelled_out
from .patterns import find_activations

__all__ = ["import_model"]

Array = np.ndarray[Any, np.dtype[Any]]


def import_model(
    model: ModelProto | str | os.PathLike[str],
) -> tuple[Symbol, dict[str, Array], dict[str, Array]]:
    """The graph of an ONNX model as a symbol.

    Parameters
    ----------
    model : onnx.ModelProto or path-like
        Of the activations that `export` writes, gelu below opset 20 included, and basic arithmetic.

    Returns
    -------
    symbol : Symbol
    arguments : dict of str to ndarray
        The parameters. A slope of PRelu of shape (C, 1, 1) has become MXNet's gamma of shape (C,).
    states : dict of str to ndarray
        Auxiliary states: none, for no operator here has any.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If the model fails ONNX's checker, or a parameter has no counterpart in MXNet; the message names the node.
    UnsupportedOperators
        If operators have no counterpart: all of them, with their nodes.

    Examples
    --------
    >>> from rectifier import mx
    >>> from rectifier.onnx import export, import_model
    >>> symbol = mx.sym.LeakyReLU(mx.sym.Variable("x"), act_type="gelu", name="act")
    >>> model = export(symbol, None, {"x": (2, 3)}, opset=9)
    >>> import_model(model)[0].attr_dict()
    {'act': {'act_type': 'gelu'}}
    """
    if not isinstance(model, ModelProto):
        check_path("model", model, "an onnx.ModelProto or ")
        try:
            model = onnx.load(os.fspath(model))
        except OSError:
            raise
        except Exception as error:  # protobuf's errors are of a type of its own
            raise ValueError(f"not an ONNX model: {error}") from None
    try:
        onnx.checker.check_model(model)
        model = shape_inference.infer_shapes(model)
    except (onnx.checker.ValidationError, shape_inference.InferenceError) as error:
        raise ValueError(f"not a valid ONNX model: {error}") from None
    return GraphImport(model).result()


class GraphImport:
    """The state of one import."""

    def __init__(self, model: ModelProto) -> None:
        self.graph = model.graph
        self.opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
        self.arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        self.shapes = {
            info.name: tuple(d.dim_value or -1 for d in info.type.tensor_type.shape.dim)
            for info in (*model.graph.input, *model.graph.value_info, *model.graph.output)
            if info.type.tensor_type.HasField("shape")
        }
        self._symbols: dict[str, Symbol] = {}
        self._gammas: dict[str, Symbol] = {}
        self._gamma_shapes: dict[str, tuple[int, ...]] = {}
        self.arguments: dict[str, Array] = {}
        self._found = find_activations(list(model.graph.node), self.arrays)

    def result(self) -> tuple[Symbol, dict[str, Array], dict[str, Array]]:
        nodes = self._nodes_to_read()
        self._refuse_unsupported(nodes)
        for node in nodes:
            self._read(node)
        outputs = [self.symbol(info.name) for info in self.graph.output]
        symbol = outputs[0] if len(outputs) == 1 else Group(outputs)
        used = set(symbol.list_inputs())
        return symbol, {name: array for name, array in self.arguments.items() if name in used}, {}

    def _nodes_to_read(self) -> list[NodeProto]:
        """The nodes that the outputs need, an activation that is spelled out counting as one."""
        makers = {node.output[0]: node for node in self.graph.node}
        needed: set[str] = set()
        waiting = [info.name for info in self.graph.output]
        while waiting:
            name = waiting.pop()
            if name in makers and name not in needed:
                needed.add(name)
                found = self._found.get(name)
                waiting += makers[name].input if found is None else found.inputs
        return [node for node in self.graph.node if node.output[0] in needed]

    def _refuse_unsupported(self, nodes: list[NodeProto]) -> None:
        missing: dict[str, list[str]] = {}
        for node in nodes:
            known = node.op_type in IMPORTERS and node.domain in ("", "ai.onnx")
            if not known and node.output[0] not in self._found:
                missing.setdefault(node.op_type, []).append(node.name or node.output[0])
        if missing:
            raise UnsupportedOperators(missing)

    def symbol(self, name: str) -> Symbol:
        """The symbol of a value; a parameter or an input becomes a variable."""
        if name not in self._symbols:
            if name in self.arrays:
                self.arguments[name] = self.arrays[name]
            self._symbols[name] = Variable(name)
        return self._symbols[name]

    def gamma(self, name: str, shape: tuple[int, ...]) -> Symbol:
        """The variable for a slope, under a name of its own where something else reads it in its own shape."""
        slope = self.arrays[name]
        readers = [node for node in self.graph.node if name in node.input]
        if shape == slope.shape:
            return self.symbol(name)
        alone = all(node.op_type == "PRelu" or self._is_within(node) for node in readers)
        own = name if alone and self._gamma_shapes.setdefault(name, shape) == shape else f"{name}_gamma"
        if own not in self._gammas:
            self._gammas[own] = Variable(own)
            self.arguments[own] = slope.reshape(shape)
        return self._gammas[own]

    def _is_within(self, node: NodeProto) -> bool:
        return any(node.output[0] in found.inner for found in self._found.values())

    def _read(self, proto: NodeProto) -> None:
        output = proto.output[0]
        name = output.removesuffix("_output")
        if proto.op_type == "Constant":
            self.arrays[output] = constant_value(proto)
            return
        found = self._found.get(output)
        names = list(proto.input) if found is None else found.inputs
        node = ImportedNode(proto, [self.symbol(each) for each in names], name, self)
        self._symbols[output] = IMPORTERS[proto.op_type](node) if found is None else spelled_out(node, found)
