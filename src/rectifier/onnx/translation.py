"""A graph of MXNet's as ONNX's: a walk over its nodes, each translated by the table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, ValueInfoProto, helper

from ..mx.base import DTYPES, check_sizes, dtype_number
from ..mx.graph import Entry, Node, walk
from ..mx.infer import known_types, node_shapes, node_types
from ..mx.operators import output_count, output_name, parameters_of, read_inputs
from ..mx.symbol import Symbol
from . import families as _families  # noqa: F401 - enters all translators in the table
from .builder import Builder, Tensor, element_type
from .translators import TRANSLATORS, Call
from .weights import Weight

__all__ = ["Translation", "unsupported"]

Array = np.ndarray[Any, np.dtype[Any]]


def unsupported(outputs: list[Entry]) -> dict[str, list[str]]:
    """The names of the nodes that have no translation, by operator."""
    missing: dict[str, list[str]] = {}
    for node in walk(outputs, read_inputs):
        if node.op is not None and node.op not in TRANSLATORS:
            missing.setdefault(node.op, []).append(node.name)
    return missing


class Translation:
    """A graph that is being translated: ask for `model`, and then for `weights`."""

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
            check_sizes(name, shape)

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


def _untranslated(entry: Entry) -> str:
    return f"output {entry.output} of {entry.node.name!r} (operator {entry.node.op}) has no translation"
