"""Symbols as JSON: written as MXNet 1.6.0 writes them, read as every release from 0.8 to 1.9 wrote them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .graph import Entry, Node, walk
from .operators import operator_of, output_count, parameters_of
from .upgrade import upgrade

__all__ = ["MXNET_VERSION", "graph_from_json", "graph_to_json", "read_text"]

# The release whose format is written; 10600 is 1.6.0.
MXNET_VERSION = 10600
# Releases before 0.9 wrote no version.
_UNKNOWN_VERSION = 800

_GRAPH_FIELDS = {"nodes", "arg_nodes", "heads", "node_row_ptr", "attrs"}
_NODE_FIELDS = {"op", "name", "inputs", "attrs", "attr", "param", "control_deps", "subgraphs", "backward_source_id"}
_SUBGRAPH_DEPTH = 32
# Bounds on outputs, far above what graphs have, so that a number in a file cannot fill the memory.
_MOST_OUTPUTS = 1 << 16
_MEAN_OUTPUTS = 16


def graph_to_json(outputs: list[Entry], *, np_shape: bool = False) -> str:
    """The text that MXNet 1.6.0 writes for the graph, byte for byte."""
    attrs: list[tuple[str, str]] = [("mxnet_version", f'["int", {MXNET_VERSION}]')]
    if np_shape:
        attrs.insert(0, ("is_np_shape", '["int", 1]'))
    return _graph(outputs, 0, attrs)


def _graph(outputs: list[Entry], level: int, attrs: list[tuple[str, str]] | None) -> str:
    nodes = list(walk(outputs))
    index = {id(node): i for i, node in enumerate(nodes)}
    pointers = [0]
    for node in nodes:
        pointers.append(pointers[-1] + output_count(node))
    fields = [
        ("nodes", _block("[]", [_node(node, index, level + 2) for node in nodes], level + 1)),
        ("arg_nodes", _list([str(i) for i, node in enumerate(nodes) if node.is_variable], level + 1)),
        ("node_row_ptr", _list([str(pointer) for pointer in pointers], level + 1)),
        ("heads", _entries(outputs, index, level + 1)),
    ]
    if attrs:
        fields.append(("attrs", _object(attrs, level + 1)))
    return _block("{}", [f'"{key}": {value}' for key, value in fields], level)


def _node(node: Node, index: dict[int, int], level: int) -> str:
    fields = [("op", _string("null" if node.op is None else node.op)), ("name", _string(node.name))]
    if node.attrs:
        # MXNet's order is that of the bytes of the keys.
        pairs = sorted(node.attrs.items(), key=lambda pair: pair[0].encode("utf-8", "surrogateescape"))
        fields.append(("attrs", _object([(key, _string(value)) for key, value in pairs], level + 1)))
    fields.append(("inputs", _entries(node.inputs, index, level + 1)))
    if node.control_deps:
        fields.append(("control_deps", _list([str(index[id(needed)]) for needed in node.control_deps], level + 1)))
    if node.subgraphs:
        bodies = [_graph(body, level + 2, None) for body in node.subgraphs]
        fields.append(("subgraphs", _block("[]", bodies, level + 1)))
    return _block("{}", [f'"{key}": {value}' for key, value in fields], level)


def _block(brackets: str, items: list[str], level: int) -> str:
    """Items on lines of their own. The space after each comma is MXNet's."""
    inner, outer = "  " * (level + 1), "  " * level
    return f"{brackets[0]}\n{inner}" + f", \n{inner}".join(items) + f"\n{outer}{brackets[1]}"


def _object(pairs: list[tuple[str, str]], level: int) -> str:
    items = [f"{_string(key)}: {value}" for key, value in pairs]
    return f"{{{items[0]}}}" if len(items) == 1 else _block("{}", items, level)


def _entries(entries: Iterable[Entry], index: dict[int, int], level: int) -> str:
    return _list([f"[{index[id(e.node)]}, {e.output}, {e.version}]" for e in entries], level)


def _list(items: list[str], level: int) -> str:
    """On one line up to ten items, as MXNet's writer decides."""
    return _block("[]", items, level) if len(items) > 10 else f"[{', '.join(items)}]"


_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})


def _string(text: str) -> str:
    return '"' + text.translate(_ESCAPES) + '"'


def read_text(path: str | os.PathLike[str]) -> str:
    """The text of a file. Bytes that are not UTF-8 survive until the text is written again."""
    return Path(path).read_bytes().decode("utf-8", "surrogateescape")


def graph_from_json(text: str) -> tuple[list[Entry], bool]:
    """The graph in a JSON text, brought to the terms of 1.6.0, and whether it was made under NumPy's shape rules.

    Raises
    ------
    ValueError
        If the text is not JSON of that form: the message gives the place in the text or the node.
    """
    data = _parsed(text)
    outputs = _read_graph(data, "", 0)
    attrs = _field(data, "attrs", dict, "", {})
    version = _graph_attribute(attrs, "mxnet_version", _UNKNOWN_VERSION)
    upgrade(outputs, version)
    _check_graph(outputs)
    return outputs, bool(_graph_attribute(attrs, "is_np_shape", 0))


def _parsed(text: str) -> Any:
    try:
        # MXNet writes control characters as they are, and no other escapes than those of `_ESCAPES`.
        return json.loads(text, strict=False, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise ValueError(f"not a symbol: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise ValueError("not a symbol: its JSON is nested too deeply") from None
    except ValueError as error:  # Python reads no integer of thousands of digits
        raise ValueError(f"not a symbol: {error}".partition(";")[0]) from None


def _check_graph(outputs: list[Entry]) -> None:
    """Check parameters and inputs of each node, and which outputs are read."""
    nodes = list(walk(outputs))
    read = [entry for node in nodes for entry in node.inputs] + outputs
    highest: dict[int, int] = {}
    for entry in read:
        highest[id(entry.node)] = max(entry.output, highest.get(id(entry.node), 0))
    for node in nodes:
        _check_operator(node)
        if node.op is not None and node.outputs is None and operator_of(node.op) is None:
            node.outputs = highest.get(id(node), 0) + 1  # an operator that nobody described
        if highest.get(id(node), 0) >= output_count(node):
            raise ValueError(
                f"not a symbol: output {highest[id(node)]} of node {node.name!r} is read, but there is none"
            )
        for body in node.subgraphs:
            _check_graph(body)


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def _check_operator(node: Node) -> None:
    """Refuse what no release of MXNet can have written: parameters or inputs that the operator does not have."""
    row = operator_of(node.op) if node.op else None
    if row is None:
        return
    values = parameters_of(node)
    if not row.offered:
        return
    names = row.input_names(values)
    if len(node.inputs) != len(names):
        raise ValueError(
            f"not a symbol: node {node.name!r}: {row.name} must have {len(names)} inputs ({', '.join(names)}), "
            f"got {len(node.inputs)}"
        )
    if node.outputs is not None and node.outputs != len(row.output_names(values)):
        raise ValueError(f"not a symbol: node {node.name!r}: {row.name} does not have {node.outputs} outputs")


def _graph_attribute(attrs: dict[str, Any], key: str, default: int) -> int:
    """A number of the graph's own attributes, which are ``[type, value]``."""
    value = attrs.get(key, ["int", default])
    if not (isinstance(value, list) and len(value) == 2 and type(value[1]) is int):
        raise ValueError(f'not a symbol: attribute {key!r} must be ["int", number], got {value!r:.60}')
    return value[1]


def _field(data: dict[str, Any], key: str, kind: type, where: str, default: Any = None) -> Any:
    """A field of a JSON object, of this type."""
    value = data.get(key, default)
    if not isinstance(value, kind):
        problem = "is missing" if key not in data else f"must be {_words(kind)}, got {value!r:.60}"
        raise ValueError(f"not a symbol: {where}{key!r} {problem}")
    return value


def _words(kind: type) -> str:
    words: dict[type, str] = {dict: "an object", list: "a list", str: "a string"}
    return words[kind]


def _read_graph(data: Any, where: str, depth: int) -> list[Entry]:
    if not isinstance(data, dict):
        raise ValueError(f"not a symbol: {where}the graph must be an object, got {data!r:.60}")
    _check_fields(data, _GRAPH_FIELDS, where)
    if depth > _SUBGRAPH_DEPTH:
        raise ValueError(f"not a symbol: {where}subgraphs are nested more than {_SUBGRAPH_DEPTH} deep")
    described = _field(data, "nodes", list, where)
    pointers = _field(data, "node_row_ptr", list, where, [])
    nodes = [_read_node(one, f"{where}node {i}: ", depth) for i, one in enumerate(described)]
    _count_outputs(pointers, nodes, where)
    for i, (node, one) in enumerate(zip(nodes, described, strict=True)):
        place = f"{where}node {i} ({node.name!r}): "
        node.inputs = [_read_entry(entry, nodes, f"{place}input {j} ") for j, entry in enumerate(one["inputs"])]
        deps = _field(one, "control_deps", list, place, [])
        node.control_deps = [nodes[_index(dep, nodes, f"{place}control dependency ")] for dep in deps]
        if node.is_variable and (node.inputs or node.control_deps):
            raise ValueError(f"not a symbol: {place}a variable must have no inputs")
    _check_order(nodes, where)
    for i in _field(data, "arg_nodes", list, where):
        if not nodes[_index(i, nodes, f"{where}'arg_nodes' ")].is_variable:
            raise ValueError(f"not a symbol: {where}'arg_nodes' must name variables, got node {i}")
    heads = _field(data, "heads", list, where)
    if not heads:
        raise ValueError(f"not a symbol: {where}'heads' must name at least one output")
    return [_read_entry(head, nodes, f"{where}head {i} ") for i, head in enumerate(heads)]


def _check_fields(data: dict[str, Any], known: set[str], where: str) -> None:
    for key in data:
        if key not in known:
            raise ValueError(f"not a symbol: {where}unknown field {key!r:.60}")


def _read_node(data: Any, where: str, depth: int) -> Node:
    if not isinstance(data, dict):
        raise ValueError(f"not a symbol: {where}must be an object, got {data!r:.60}")
    _check_fields(data, _NODE_FIELDS, where)
    name = _checked_text(_field(data, "name", str, where), where)
    op = _checked_text(_field(data, "op", str, where), where)
    if not op:
        raise ValueError(f"not a symbol: {where}'op' must be an operator's name, got ''")
    _field(data, "inputs", list, where)
    attrs: dict[str, str] = {}
    # Releases before 0.9 kept the operator's parameters in "param" and the user's attributes in "attr".
    for key in ("attrs", "attr", "param"):
        for name_of, value in _field(data, key, dict, where, {}).items():
            if not isinstance(value, str):
                raise ValueError(f"not a symbol: {where}{key} {name_of!r:.60} must be a string, got {value!r:.60}")
            attrs.setdefault(_checked_text(name_of, where), _checked_text(value, where))
    row = operator_of(op)
    node = Node(None if op == "null" else row.name if row else op, name, attrs)
    bodies = _field(data, "subgraphs", list, where, [])
    node.subgraphs = [_read_graph(body, f"{where}subgraph {i}: ", depth + 1) for i, body in enumerate(bodies)]
    return node


def _checked_text(text: str, where: str) -> str:
    """Refuse half a surrogate pair, which only an escape can make and no file can hold."""
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise ValueError(f"not a symbol: {where}{text!r:.60} has half of a surrogate pair") from None
    return text


def _index(value: Any, nodes: list[Node], where: str) -> int:
    if type(value) is not int or not 0 <= value < len(nodes):
        raise ValueError(f"not a symbol: {where}must be the number of a node, 0 to {len(nodes) - 1}, got {value!r:.60}")
    return value


def _read_entry(value: Any, nodes: list[Node], where: str) -> Entry:
    if not (isinstance(value, list) and len(value) in (2, 3) and all(type(i) is int and 0 <= i < 2**32 for i in value)):
        raise ValueError(f"not a symbol: {where}must be [node, output] or [node, output, version], got {value!r:.60}")
    if value[1] >= _MOST_OUTPUTS:
        raise ValueError(f"not a symbol: {where}must name an output below {_MOST_OUTPUTS}, got {value[1]}")
    return Entry(nodes[_index(value[0], nodes, where)], *value[1:])


def _check_order(nodes: list[Node], where: str) -> None:
    """Refuse cycles. MXNet writes every node after those that it reads, but reads any order."""
    state = dict.fromkeys(map(id, nodes), 0)
    for start in nodes:
        stack = [(start, False)]
        while stack:
            node, done = stack.pop()
            if done:
                state[id(node)] = 2
            elif state[id(node)] == 0:
                state[id(node)] = 1
                stack.append((node, True))
                for needed in [entry.node for entry in node.inputs] + node.control_deps:
                    if state[id(needed)] == 1:
                        raise ValueError(f"not a symbol: {where}node {node.name!r} is part of a cycle")
                    stack.append((needed, False))


def _count_outputs(pointers: list[Any], nodes: list[Node], where: str) -> None:
    """Take the number of each node's outputs from ``node_row_ptr``, which early releases did not write."""
    if not pointers:
        return
    if len(pointers) != len(nodes) + 1 or any(type(p) is not int or not 0 <= p < 2**32 for p in pointers):
        raise ValueError(f"not a symbol: {where}'node_row_ptr' must have {len(nodes) + 1} numbers")
    if pointers[-1] > len(nodes) * _MEAN_OUTPUTS + _MOST_OUTPUTS:
        raise ValueError(f"not a symbol: {where}'node_row_ptr' must count outputs, got {pointers[-1]} in all")
    for node, start, stop in zip(nodes, pointers, pointers[1:], strict=False):
        if stop <= start:
            raise ValueError(f"not a symbol: {where}'node_row_ptr' must increase, got {stop} after {start}")
        node.outputs = stop - start
