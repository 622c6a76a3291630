"""Graphs of earlier releases brought to the terms of 1.6.0, as that release does it on loading.

The source of the rules is `src/nnvm/legacy_json_util.cc` of MXNet 1.6.0.
"""

from __future__ import annotations

from .graph import Entry, Node, walk
from .operators import HIDDEN_KEYS, operator_of, parameters_of

__all__ = ["hidden_key", "upgrade"]


def upgrade(outputs: list[Entry], version: int) -> None:
    """Change the graph in place. `version` is 900 for 0.9.0 and 10600 for 1.6.0."""
    nodes = list(walk(outputs))
    if version < 10600:
        for node in nodes:
            _hide_attributes(node)
    if version < 900:
        for node in nodes:
            _add_missing_inputs(node)
    if version < 904:
        for node in nodes:
            _set_initial(node)
    if version < 905:
        for node in nodes:
            if node.op in ("argmax", "argmin") and node.attrs.get("axis") == "-1":
                del node.attrs["axis"]


def hidden_key(key: str) -> str | None:
    """The key between underscores under which MXNet keeps this attribute, or None where it keeps the key."""
    return f"__{key}__" if key in HIDDEN_KEYS else None


def _hide_attributes(node: Node) -> None:
    """Move the attributes that MXNet keeps between underscores, first out of the way of the operator's parameters."""
    moved = {key: value for key, value in node.attrs.items() if _ending(key) is not None}
    for key in moved:
        del node.attrs[key]
    for key, value in moved.items():
        ending = str(_ending(key))
        target = node if key == ending else _input_named(node, key[: -len(ending) - 1])
        if target is None:
            node.attrs[key] = value
        else:
            target.attrs[f"__{ending}__"] = value


def _ending(key: str) -> str | None:
    """``lr_mult`` of ``lr_mult`` and of ``weight_lr_mult``."""
    return next((hidden for hidden in HIDDEN_KEYS if key == hidden or key.endswith("_" + hidden)), None)


def _input_named(node: Node, name: str) -> Node | None:
    """The variable that is the operator's input of this name: ``weight`` of ``weight_lr_mult``."""
    row = operator_of(node.op) if node.op else None
    names = row.input_names(parameters_of(node)) if row else ()
    if name in names and names.index(name) < len(node.inputs):
        found = node.inputs[names.index(name)].node
        if found.is_variable:
            return found
    return None


def _add_missing_inputs(node: Node) -> None:
    """Before 0.9, files had no auxiliary states."""
    row = operator_of(node.op) if node.op else None
    if row is None:
        return
    names = row.input_names(parameters_of(node))
    for name in names[len(node.inputs) :]:
        node.inputs.append(Entry(Node(None, f"{node.name}_{name}" if node.name else name, node.attrs)))


def _set_initial(node: Node) -> None:
    """Before 0.9.4, variables had no initial values of their own."""
    row = operator_of(node.op) if node.op else None
    if row is None or not row.initial:
        return
    for name, entry in zip(row.input_names(parameters_of(node)), node.inputs, strict=False):
        if name in row.initial and entry.node.is_variable:
            entry.node.attrs.setdefault("__init__", row.initial[name])
