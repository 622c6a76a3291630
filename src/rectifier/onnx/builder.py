"""Nodes, constants and names of an ONNX graph that is being written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import NodeProto, helper

from .weights import Held, Weight

__all__ = ["Builder", "Shape", "Tensor", "element_type"]

Array = np.ndarray[Any, np.dtype[Any]]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Tensor:
    """A value in the graph: its name, and what is known of it; a size of -1 is unknown."""

    name: str
    shape: Shape | None
    dtype: np.dtype[Any]


def element_type(dtype: np.dtype[Any]) -> int:
    """ONNX's number of a dtype."""
    return helper.np_dtype_to_tensor_dtype(dtype)


class Builder:
    """Collects the nodes of a graph.

    Parameters
    ----------
    opset : int
        The version of ONNX's operators to write.
    exact : bool
        Whether activations are spelled out where that keeps digits which runtimes' own operators lose.
    keys : iterator of int, optional
        The keys of random nodes, in training; None in inference.
    """

    def __init__(self, opset: int, *, exact: bool = False, keys: Iterator[int] | None = None) -> None:
        self.opset = opset
        self.exact = exact
        self.keys = keys
        self.drawn: dict[str, int] = {}
        self.nodes: list[NodeProto] = []
        self.initializers: dict[str, Weight] = {}
        self._names: set[str] = set()
        self._constants: dict[tuple[Any, ...], str] = {}
        self._made: set[str] = set()
        self._renamed: dict[str, str] = {}
        self._reshaped: dict[str, tuple[str, Shape]] = {}
        self.scope = ""

    def unique(self, wanted: str) -> str:
        """The name, or where it is taken or empty the name and a number."""
        name, number = wanted or "unnamed", 0
        while name in self._names:
            number += 1
            name = f"{wanted}_{number}"
        self._names.add(name)
        return name

    def op(self, op_type: str, *inputs: str | Tensor, **attributes: Any) -> str:
        """Add a node of one output; the output's name."""
        return self.ops(op_type, 1, *inputs, **attributes)[0]

    def ops(self, op_type: str, count: int, *inputs: str | Tensor, **attributes: Any) -> list[str]:
        """Add a node of several outputs; their names."""
        outputs = [self.unique(f"{self.scope}/{op_type.lower()}") for _ in range(count)]
        names = [one.name if isinstance(one, Tensor) else one for one in inputs]
        self.nodes.append(helper.make_node(op_type, names, outputs, **attributes))
        self._made.update(outputs)
        return outputs

    def next_key(self) -> int:
        """The key of the next random node, which `drawn` remembers by the node's name."""
        assert self.keys is not None
        key, name = next(self.keys), self.scope
        while name in self.drawn:  # MXNet lets two nodes have one name
            name += "_"
        self.drawn[name] = key
        return key

    def constant(self, value: Any, dtype: np.dtype[Any] | type) -> str:
        """The name of a constant, which is written once for each value."""
        array = np.asarray(value, dtype)
        key = (array.tobytes(), array.shape, array.dtype.str)
        if key not in self._constants:
            label = str(array.item()) if array.ndim == 0 else "x".join(map(str, array.shape))
            self._constants[key] = self.initializer(f"constant_{array.dtype}_{label}", array)
        return self._constants[key]

    def initializer(self, name: str, array: Array) -> str:
        """Add an array under this name or one like it."""
        return self.weight(name, Held(array))

    def weight(self, name: str, weight: Weight) -> str:
        """As `initializer`, for an array that may still be in its file."""
        name = self.unique(name)
        self.initializers[name] = weight
        return name

    def reshaped(self, name: str, array: Array) -> str:
        """The name of a parameter in another shape: in the end its own, if nothing else reads it."""
        for new, (old, shape) in self._reshaped.items():
            if (old, shape) == (name, array.shape):
                return new
        new = self.initializer(f"{name}_slope", array)
        self._reshaped[new] = (name, array.shape)
        return new

    def rename(self, old: str, new: str) -> bool:
        """Give a node's output another name when the graph is finished; False if it has been given one, or has none."""
        if old in self._renamed or old not in self._made:
            return False
        self._renamed[old] = new
        return True

    def finished_nodes(self) -> list[NodeProto]:
        """The nodes, with the names that `rename` gave."""
        read = {name for node in self.nodes for name in node.input}
        for new, (old, _) in self._reshaped.items():
            if old not in read:
                read.add(old)
                self._renamed[new] = old
                self.initializers[old] = self.initializers.pop(new)
        for node in self.nodes:
            for i, name in enumerate(node.input):
                node.input[i] = self._renamed.get(name, name)
            for i, name in enumerate(node.output):
                node.output[i] = self._renamed.get(name, name)
            node.name = node.output[0]
        return self.nodes
