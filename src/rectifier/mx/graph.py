"""A graph of operators: nodes, what leaves them, and the order in which MXNet visits them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

__all__ = ["Entry", "Node", "copy", "replace_variables", "walk"]


class Node:
    """A variable, or one call of an operator.

    Attributes
    ----------
    op : str or None
        The operator's name in files, or None for a variable.
    name : str
    attrs : dict of str to str
        The operator's parameters and the user's attributes, as files hold them.
    inputs : list of Entry
    outputs : int or None
        How many outputs the file says it has; None where no file said.
    control_deps : list of Node
        Nodes that have to run before it, whose outputs it does not read.
    subgraphs : list of list of Entry
        The bodies of control flow operators.
    """

    __slots__ = ("attrs", "control_deps", "inputs", "name", "op", "outputs", "subgraphs", "version")

    def __init__(
        self,
        op: str | None,
        name: str,
        attrs: Mapping[str, str] | None = None,
        inputs: Iterable[Entry] = (),
        outputs: int | None = None,
    ) -> None:
        self.op = op
        self.name = name
        self.attrs = dict(attrs or {})
        self.inputs = list(inputs)
        self.outputs = outputs
        self.control_deps: list[Node] = []
        self.subgraphs: list[list[Entry]] = []
        self.version = 0  # of a variable: how many operators that write to it have been composed

    @property
    def is_variable(self) -> bool:
        return self.op is None

    def __repr__(self) -> str:
        return f"<Node {self.name!r}: {self.op or 'variable'}>"


class Entry(NamedTuple):
    """One output of a node. The version counts the operators that write to a variable and come before."""

    node: Node
    output: int = 0
    version: int = 0


def walk(outputs: Iterable[Entry], inputs: Callable[[Node], list[Entry]] | None = None) -> Iterator[Node]:
    """The nodes that `outputs` need, each once, after what it needs itself: MXNet's order, depth first.

    `inputs` says which of a node's inputs it needs, if not all.
    """
    seen: set[int] = set()
    for head in outputs:
        if id(head.node) in seen:
            continue
        seen.add(id(head.node))
        stack = [(head.node, _needs(head.node, inputs))]
        while stack:
            node, rest = stack[-1]
            for needed in rest:
                if id(needed) not in seen:
                    seen.add(id(needed))
                    stack.append((needed, _needs(needed, inputs)))
                    break
            else:
                stack.pop()
                yield node


def _needs(node: Node, inputs: Callable[[Node], list[Entry]] | None) -> Iterator[Node]:
    yield from (entry.node for entry in (node.inputs if inputs is None else inputs(node)))
    yield from node.control_deps


def copy(outputs: Iterable[Entry]) -> list[Entry]:
    """The same graph of new nodes."""
    outputs = list(outputs)
    new: dict[int, Node] = {}
    for old in walk(outputs):
        node = Node(old.op, old.name, old.attrs, (), old.outputs)
        node.inputs = [Entry(new[id(entry.node)], entry.output, entry.version) for entry in old.inputs]
        node.control_deps = [new[id(needed)] for needed in old.control_deps]
        node.subgraphs = [copy(body) for body in old.subgraphs]
        node.version = old.version
        new[id(old)] = node
    return [Entry(new[id(entry.node)], entry.output, entry.version) for entry in outputs]


def replace_variables(outputs: list[Entry], given: Mapping[str, Entry]) -> list[Entry]:
    """Put entries in the place of the variables so named, in the nodes themselves; the new outputs."""
    found = {id(node): given[node.name] for node in walk(outputs) if node.is_variable and node.name in given}
    nodes = list(walk(outputs))
    for node in nodes:
        node.inputs = [found.get(id(entry.node), entry) for entry in node.inputs]
    return [found.get(id(entry.node), entry) for entry in outputs]
