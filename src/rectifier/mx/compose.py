"""Making nodes: an operator called on symbols, and a graph called on graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import attribute, graph, name
from .base import MXNetError, string_of
from .graph import Entry, Node
from .operators import HIDDEN_KEYS, Operator, is_plain, mutated_inputs, operator_of, parameters_of, visible_count
from .upgrade import hidden_key

__all__ = ["compose", "create", "hidden_or_same"]

Heads = list[Entry]


def create(
    called: str,
    row: Operator,
    inputs: Sequence[Heads],
    named: Mapping[str, Heads],
    values: Mapping[str, Any],
    given_name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Heads:
    """A node of the operator and what leaves it.

    Parameters
    ----------
    called : str
        The name or alias by which the user called the operator; automatic names come from it.
    inputs, named : the outputs of the symbols given by position and by name
    values : mapping
        Parameters and attributes, of any type that has a string.
    given_name : str or None
    attr : mapping of str to str or None
        The user's attributes.
    """
    attrs = {}
    for key, value in {**values, **attribute.current().get(attr)}.items():
        attrs[_stored_key(key, value)] = string_of(value)
    if row.count is not None and row.count not in attrs:
        attrs[row.count] = str(len(inputs) + len(named))
    node = Node(row.name, "", attrs)
    parameters_of(node)
    node.name = name.current().get(given_name, called.lower())
    _fill(node, row, inputs, named)
    return [Entry(node, i) for i in range(visible_count(node))]


def hidden_or_same(key: str) -> str:
    """The key under which MXNet stores an attribute."""
    return hidden_key(key) or key


def _stored_key(key: str, value: Any) -> str:
    hidden = hidden_or_same(key)
    if hidden == key and is_plain(key):
        for ending in HIDDEN_KEYS:
            if key.endswith("_" + ending):
                raise MXNetError(
                    f"`{key}` must be set on the variable: pass Variable(..., {ending}={value!r}) as the operator's "
                    f"{key[: -len(ending) - 1]}"
                )
    return hidden


def _fill(node: Node, row: Operator, inputs: Sequence[Heads], named: Mapping[str, Heads]) -> None:
    """Give a node its inputs; variables stand in for those that are missing."""
    names = row.input_names(parameters_of(node))
    if len(inputs) > len(names):
        raise MXNetError(f"{row.name} must have at most {len(names)} inputs ({', '.join(names)}), got {len(inputs)}")
    unknown = [key for key in named if key not in names[len(inputs) :]]
    if unknown:
        rest = ", ".join(names[len(inputs) :]) or "none"
        raise MXNetError(f"`{unknown[0]}` must be one of the inputs of {row.name} still free, which are {rest}")
    for i, head in enumerate(inputs):
        node.inputs.append(_single(head, names[i]))
    for key in names[len(inputs) :]:
        if key in named:
            node.inputs.append(_single(named[key], key))
        else:
            # A variable made here inherits the attributes of its operator.
            node.inputs.append(Entry(Node(None, f"{node.name}_{key}" if node.name else key, node.attrs)))
    _count_versions(node)
    for key, entry in zip(names, node.inputs, strict=True):
        if row.initial and key in row.initial and entry.node.is_variable:
            entry.node.attrs.setdefault("__init__", row.initial[key])


def _single(heads: Heads, key: str) -> Entry:
    if len(heads) != 1:
        raise MXNetError(f"`{key}` must be a symbol of one output, got one of {len(heads)}: take one by its index")
    return heads[0]


def _count_versions(node: Node) -> None:
    """Note which write to a variable each input sees."""
    node.inputs = [Entry(e.node, e.output, e.node.version if e.node.is_variable else e.version) for e in node.inputs]
    for i, entry in enumerate(node.inputs):
        if any(entry.node is written for written in mutated_inputs(node)):
            entry.node.version += 1
            node.inputs[i] = Entry(entry.node, entry.output, entry.node.version)


def compose(heads: Heads, inputs: Sequence[Heads], named: Mapping[str, Heads], given_name: str | None) -> Heads:
    """Put symbols in the place of variables, in the nodes themselves; the graph's new outputs."""
    if inputs and named:
        raise TypeError("inputs must be given either by position or by name, not both")
    nodes = list(graph.walk(heads))
    variables = [node.name for node in nodes if node.is_variable]
    first = heads[0].node
    if inputs and not (first.op is not None and not first.inputs):
        raise MXNetError(f"inputs of a graph must be given by name, which are {', '.join(variables)}")
    replacements = {key: _single(value, key) for key, value in named.items()}
    unknown = [key for key in named if key not in variables]
    if unknown:
        raise MXNetError(f"`{unknown[0]}` must be one of the graph's inputs, which are {', '.join(variables)}")
    if given_name:
        first.name = given_name
    heads = graph.replace_variables(heads, replacements)
    for node in nodes:
        if any(entry in replacements.values() for entry in node.inputs):
            _count_versions(node)
    return heads


def row_for_call(called: str) -> Operator | None:
    """The row of an operator that users can call by this name."""
    row = operator_of(called)
    return row if row is not None and called in row.callable_names else None
