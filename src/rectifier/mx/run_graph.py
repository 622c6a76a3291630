"""Running a graph on tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from . import compute
from .base import MXNetError
from .graph import Entry, Node, walk
from .operators import parameters_of

__all__ = ["graph_values"]


def graph_values(heads: Sequence[Entry], variables: Mapping[str, Tensor], training: bool) -> list[Tensor]:
    """The tensors of a graph's outputs, from those of its variables."""
    known: dict[int, tuple[Tensor, ...]] = {}
    for node in walk(heads):
        if node.op is None:
            known[id(node)] = (variables[node.name],)
        else:
            inputs = [known[id(entry.node)][entry.output] for entry in node.inputs]
            known[id(node)] = _node_values(node, inputs, training)
    return [known[id(entry.node)][entry.output] for entry in heads]


def _node_values(node: Node, inputs: list[Tensor], training: bool) -> tuple[Tensor, ...]:
    assert node.op is not None
    try:
        return compute.apply(node.op, inputs, parameters_of(node), training)
    except MXNetError as error:
        raise MXNetError(f"Error in operator {node.name}: {error}") from error
