"""Finds activations that are spelled out in arithmetic, by spelling them out anew and comparing."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from onnx import NodeProto

from ..mx.graph import Node
from .activations import SPELLED_OUT
from .builder import Builder, Tensor
from .translators import Call

__all__ = ["Found", "find_activations"]

Array = np.ndarray[Any, np.dtype[Any]]
_DATA = "x"


class Found(NamedTuple):
    """An activation: its kind, the names of its input and of its slope, and the outputs of the nodes within."""

    kind: str
    data: str
    slope: str | None
    inner: frozenset[str]

    @property
    def inputs(self) -> list[str]:
        return [self.data] if self.slope is None else [self.data, self.slope]


class _Pattern(NamedTuple):
    """The nodes and constants of an activation."""

    kind: str
    end: str
    makers: dict[str, NodeProto]
    arrays: dict[str, Array]


def find_activations(nodes: list[NodeProto], arrays: dict[str, Array]) -> dict[str, Found]:
    """The activations among the nodes of a graph, whose constants are `arrays`, by the name of their output."""
    makers = {node.output[0]: node for node in nodes}
    result = {}
    for node in nodes:
        if node.op_type in ("Where", "Cast"):
            matches = (_match(node.output[0], pattern, makers, arrays) for pattern in _patterns())
            found = next((match for match in matches if match is not None), None)
            if found is not None:
                result[node.output[0]] = found
    return result


@cache
def _patterns() -> tuple[_Pattern, ...]:
    return tuple(
        _pattern(kind, spell, np.dtype(dtype))
        for kind, spell in SPELLED_OUT.items()
        for dtype in (np.float16, np.float32, np.float64)
    )


def _pattern(kind: str, spell: Callable[[Call, float], str], dtype: np.dtype[Any]) -> _Pattern:
    """The activation with NaN for its slope, which stands for any value."""
    builder = Builder(9)
    call = Call(builder, Node("LeakyReLU", kind), {}, (Tensor(_DATA, None, dtype),), lambda tensor: None)
    end = spell(call, float("nan"))
    makers = {node.output[0]: node for node in builder.nodes}
    arrays = {name: weight.read() for name, weight in builder.initializers.items()}
    return _Pattern(kind, end, makers, arrays)


def _match(output: str, pattern: _Pattern, makers: dict[str, NodeProto], arrays: dict[str, Array]) -> Found | None:
    """The activation of this pattern that ends in this output, or None."""
    bound: dict[str, str] = {}
    waiting = [(pattern.end, output)]
    slope = None
    while waiting:
        wanted, name = waiting.pop()
        if bound.setdefault(wanted, name) != name:
            return None
        if wanted in pattern.arrays:
            if np.isnan(pattern.arrays[wanted]).any():
                slope = name
            elif name not in arrays or not _same(pattern.arrays[wanted], arrays[name]):
                return None
        elif wanted in pattern.makers:
            model, maker = pattern.makers[wanted], makers.get(name)
            if maker is None or not _same_node(model, maker):
                return None
            waiting += zip(model.input, maker.input, strict=True)
    inner = frozenset(name for wanted, name in bound.items() if wanted in pattern.makers)
    return Found(pattern.kind, bound[_DATA], slope, inner)


def _same_node(model: NodeProto, maker: NodeProto) -> bool:
    same = model.op_type == maker.op_type and len(model.input) == len(maker.input)
    return same and list(model.attribute) == list(maker.attribute)


def _same(left: Array, right: Array) -> bool:
    return left.dtype == right.dtype and left.shape == right.shape and left.tobytes() == right.tobytes()
