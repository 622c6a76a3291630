"""A graph of MXNet's as a graph of torch.fx, whose nodes call modules."""

from __future__ import annotations

import keyword
import operator
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn

# Importing the modules enters their functions in the table.
from . import (  # noqa: F401
    torch_arithmetic,
    torch_arrays,
    torch_detection,
    torch_images,
    torch_indexing,
    torch_layers,
    torch_normalization,
    torch_pooling,
)
from .graph import Entry, Node, walk
from .operators import operator_of, parameters_of, visible_count
from .torch_table import FUNCTIONS, LAYERS, OWNERS, Values, fill

__all__ = ["Builder", "Operator", "name_of"]

_ATTRIBUTES = ("mxnet_names", "input_names", "output_names")
_META = "_user_preserved_attributes"  # what torch.fx keeps of a module's own attributes in a deep copy


class Operator(nn.Module):
    """One call of an operator of MXNet's that torch has no module for.

    Parameters
    ----------
    op : str
        MXNet's name of the operator.
    values : mapping of str to object
        Its parameters.
    owned : mapping of str to Tensor
        The model's parameters that follow the inputs, by the operator's names for them.
    on_a_device : bool
        Whether the function has no inputs, and gets an empty tensor that says where its result is wanted.
    """

    def __init__(
        self, op: str, values: Values, owned: Mapping[str, Tensor] | None = None, *, on_a_device: bool = False
    ) -> None:
        super().__init__()
        self.op, self.values, self.owned = op, dict(values), tuple(owned or ())
        fill(self, **(owned or {}))
        if on_a_device:
            self.register_buffer("place", torch.empty(0), persistent=False)
            self.owned = ("place",)

    def forward(self, *inputs: Tensor) -> Any:
        return FUNCTIONS[self.op]([*inputs, *(getattr(self, name) for name in self.owned)], self.values, self.training)

    def extra_repr(self) -> str:
        row = operator_of(self.op)
        defaults = {one.name: one.default for one in (row.parameters or ()) if not one.required} if row else {}
        told = (f"{k}={v!r}" for k, v in self.values.items() if k not in defaults or defaults[k] != v)
        return ", ".join((self.op, *told))


def name_of(node: Node) -> str:
    """The operator's first name."""
    assert node.op is not None
    row = operator_of(node.op)
    return row.name if row else node.op


class Builder:
    """Makes the graph of torch.fx, node by node."""

    def __init__(self, heads: list[Entry], tensors: dict[str, Tensor], free: tuple[str, ...]) -> None:
        self.heads, self.tensors, self.free = heads, tensors, free
        self.root, self.graph = nn.Module(), fx.Graph()
        self.known: dict[Entry, fx.Node] = {}
        self.whole: dict[int, fx.Node] = {}  # what a node returned, a tuple if it has several outputs
        self.layers: dict[Any, str] = {}  # nodes that do the same with the same parameters share a child
        self.problems: list[str] = []

    def module(self, states: set[str], output_names: tuple[str, ...]) -> fx.GraphModule:
        variables = {node.name: node for node in walk(self.heads) if node.is_variable}
        for name in self.free:
            self.known[_entry(variables[name])] = self.graph.placeholder(_legal(name))
        for node in walk(self.heads):
            if node.op is not None:
                self._add(node)
        results = [self._value(entry) for entry in self.heads]
        if self.problems:
            raise ValueError("these nodes cannot be had in PyTorch: " + "; ".join(self.problems))
        self.graph.output(results[0] if len(results) == 1 else tuple(results))
        result = fx.GraphModule(self.root, self.graph, class_name="MXNetGraph")
        attributes = dict(zip(_ATTRIBUTES, (self._names(result, states), self.free, output_names), strict=True))
        result.meta[_META] = attributes
        for name, value in attributes.items():
            setattr(result, name, value)
        return result

    def _names(self, module: nn.Module, states: set[str]) -> dict[str, str]:
        of = {id(tensor): f"{'aux' if name in states else 'arg'}:{name}" for name, tensor in self.tensors.items()}
        own = (*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False))
        return {key: of[id(tensor)] for key, tensor in own if id(tensor) in of}

    def _value(self, entry: Entry) -> fx.Node:
        entry = _entry(entry.node, entry.output)
        if entry not in self.known:
            if entry.node.is_variable:
                self.known[entry] = self.graph.get_attr(self._attribute(entry.node.name))
            else:
                if entry.output >= _returned(entry.node):
                    self.problems.append(
                        f"{entry.node.name} ({entry.node.op}): its output {entry.output} is for MXNet's own gradient"
                    )
                whole = self.whole[id(entry.node)]
                self.known[entry] = self.graph.call_function(operator.getitem, (whole, entry.output))
        return self.known[entry]

    def _attribute(self, variable: str) -> str:
        """The root's parameter that is this variable."""
        name = self._unused(variable)
        fill(self.root, **{name: self.tensors[variable]})
        return name

    def _add(self, node: Node) -> None:
        child, inputs = self._child(node, parameters_of(node))
        arguments = tuple(self._value(entry) for entry in inputs)
        result = self.graph.create_node("call_module", child, arguments, name=_legal(node.name))
        self.whole[id(node)] = result
        if _returned(node) == 1:
            self.known[_entry(node)] = result

    def _child(self, node: Node, values: dict[str, Any]) -> tuple[str, list[Entry]]:
        """The name of the child that computes a node, and those of the node's inputs that it is given."""
        op, tail = name_of(node), [entry.node.name for entry in node.inputs[1:]]
        owned = all(entry.node.is_variable and entry.node.name in self.tensors for entry in node.inputs[1:])
        key = (op, repr(values), *tail)
        if owned and tail and key in self.layers:
            return self.layers[key], node.inputs[:1]
        module: nn.Module = Operator(op, values, on_a_device=not node.inputs)
        inputs = node.inputs
        try:
            made = self._layer(op, values, [self.tensors[name] for name in tail]) if owned else None
            if made is not None:
                module, inputs = made, node.inputs[:1]
            elif op not in FUNCTIONS:
                raise ValueError("its parameters must be in `params`")
        except ValueError as error:
            self.problems.append(f"{node.name} ({node.op}): {error}")
        name = self._unused(node.name)
        self.root.add_module(name, module)
        if len(inputs) < len(node.inputs):
            self.layers[key] = name
        return name, inputs

    def _layer(self, op: str, values: dict[str, Any], tensors: list[Tensor]) -> nn.Module | None:
        made = LAYERS[op](values, tensors) if op in LAYERS else None
        row = operator_of(op)
        if made is None and tensors and op in OWNERS and row is not None:
            return Operator(op, values, dict(zip(row.input_names(values)[1:], tensors, strict=True)))
        return made

    def _unused(self, name: str) -> str:
        name = _legal(name)
        while hasattr(self.root, name) or hasattr(fx.GraphModule, name) or name in ("meta", *_ATTRIBUTES):
            name += "_"
        return name


def _returned(node: Node) -> int:
    """How many outputs the child for a node returns: those that a symbol has, and of rrelu only the value."""
    return 1 if node.op == "LeakyReLU" else visible_count(node)


def _entry(node: Node, output: int = 0) -> Entry:
    """Without its version."""
    return Entry(node, output)


def _legal(name: str) -> str:
    """A name of MXNet's as a name in Python."""
    name = re.sub(r"\W", "_", name)
    return f"_{name}" if not name or name[0].isdigit() or keyword.iskeyword(name) else name
