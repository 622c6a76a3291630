"""A graph in words, as MXNet's `debug_str` has them."""

from __future__ import annotations

from collections.abc import Iterator

from .graph import Entry, Node, walk

__all__ = ["describe"]


def describe(outputs: list[Entry]) -> str:
    """The text for a graph."""
    first = outputs[0].node
    if len(outputs) == 1 and first.op is None:
        return f"Variable:{first.name}\n"
    lines = ["Symbol Outputs:"]
    lines += [f"\toutput[{i}]={entry.node.name}({entry.output})" for i, entry in enumerate(outputs)]
    for node in walk(outputs):
        lines += _node(node)
    return "\n".join(lines) + "\n"


def _node(node: Node) -> Iterator[str]:
    if node.op is None:
        yield f"Variable:{node.name}"
        return
    yield "-" * 20
    yield f"Op:{node.op}, Name={node.name}"
    yield "Inputs:"
    for i, entry in enumerate(node.inputs):
        version = f" version={entry.version}" if entry.node.is_variable else ""
        yield f"\targ[{i}]={entry.node.name}({entry.output}){version}"
    if node.attrs:
        yield "Attrs:"
        yield from (f"\t{key}={value}" for key, value in sorted(node.attrs.items()))
    if node.control_deps:
        yield "Control deps:"
        yield from (f"\tcdep[{i}]={needed.name}" for i, needed in enumerate(node.control_deps))
