"""Finds gelu where it is spelled out in arithmetic, by spelling it out anew and comparing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import NodeProto, numpy_helper

from .activations import gelu_in_arithmetic
from .builder import Builder, Tensor
from .tail import TAILS

__all__ = ["Gelus", "find_gelus"]

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass
class Gelus:
    """What was found: the input of each gelu by its output, and the outputs of the nodes within."""

    ends: dict[str, str] = field(default_factory=dict)
    inner: set[str] = field(default_factory=set)


def find_gelus(nodes: list[NodeProto], arrays: dict[str, Array]) -> Gelus:
    """The gelus among the nodes of a graph, whose constants are `arrays`."""
    makers = {node.output[0]: node for node in nodes}
    readers: dict[str, int] = {}
    for node in nodes:
        for name in node.input:
            readers[name] = readers.get(name, 0) + 1
    found = Gelus()
    for node in nodes:
        if node.op_type == "Where":
            for dtype in TAILS:
                _match(node, _Pattern(np.dtype(dtype)), makers, arrays, found)
    return found


class _Pattern:
    """The nodes of a gelu of this dtype."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        builder = Builder(9)
        self.end = gelu_in_arithmetic(builder, Tensor("x", None, dtype))
        self.makers = {node.output[0]: node for node in builder.nodes}
        self.arrays = {name: numpy_helper.to_array(tensor) for name, tensor in builder.initializers.items()}


def _match(
    node: NodeProto, pattern: _Pattern, makers: dict[str, NodeProto], arrays: dict[str, Array], found: Gelus
) -> None:
    """Enter the gelu that ends in this node, if one does."""
    bound: dict[str, str] = {}
    waiting = [(pattern.end, node.output[0])]
    while waiting:
        wanted, name = waiting.pop()
        if wanted in bound:
            if bound[wanted] != name:
                return
            continue
        bound[wanted] = name
        if wanted in pattern.arrays:
            if name not in arrays or not _same(pattern.arrays[wanted], arrays[name]):
                return
        elif wanted in pattern.makers:
            model, maker = pattern.makers[wanted], makers.get(name)
            if maker is None or maker.op_type != model.op_type or len(maker.input) != len(model.input):
                return
            waiting += zip(model.input, maker.input, strict=True)
    found.ends[node.output[0]] = bound["x"]
    found.inner |= {name for wanted, name in bound.items() if wanted in pattern.makers} - {node.output[0]}


def _same(left: Array, right: Array) -> bool:
    return left.dtype == right.dtype and left.shape == right.shape and left.tobytes() == right.tobytes()
