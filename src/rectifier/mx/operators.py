"""What the package knows of MXNet's operators: inputs, outputs, parameters, shapes and dtypes, a row for each.

The facts are those of MXNet 1.6.0's operator registry. A row that is `offered` can be called by its name or one of its
aliases; the others are for graphs that MXNet made.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from .base import MXNetError
from .graph import Entry, Node

__all__ = [
    "HIDDEN_KEYS",
    "Operator",
    "Parameter",
    "callable_names",
    "is_plain",
    "literal_tuple",
    "mutated_inputs",
    "operator_of",
    "output_count",
    "output_name",
    "parameters_of",
    "read_inputs",
    "register",
    "visible_count",
]

Values = Mapping[str, Any]  # parsed parameters, or, where a row has no `parameters`, the strings of the graph
Names = tuple[str, ...]

# Attributes that MXNet stores between double underscores, whatever the operator.
HIDDEN_KEYS = ("ctx_group", "lr_mult", "wd_mult", "force_mirroring", "mirror_stage", "profiler_scope")

_MISSING = object()


class Parameter(NamedTuple):
    """One parameter of an operator: its name, how its string is read, and its default."""

    name: str
    read: Callable[[str], Any]
    default: Any = _MISSING

    @property
    def required(self) -> bool:
        return self.default is _MISSING


@dataclass(frozen=True)
class Operator:
    """A row of the table.

    Attributes
    ----------
    name : str
        The name in files.
    inputs : tuple of str, or callable
        The inputs' names; a callable gets the parameters.
    outputs : tuple of str, or callable
        The outputs' names.
    visible : int, callable or None
        How many outputs a symbol of this operator has; the rest is MXNet's own. None is all.
    parameters : tuple of Parameter or None
        None where the package does not read them.
    aliases : tuple of str
        Other names, in files and, where there are `parameters`, for callers.
    possible : tuple of str
        Where `inputs` is a callable: every input that there can be, in the order in which callers give them.
    count : str or None
        The parameter that holds the number of inputs, where that is free.
    mutated : tuple of int
        The inputs that it writes to: auxiliary states.
    initial : mapping of str to str
        ``__init__`` of the variables that are made for inputs that are not given.
    unread : tuple of int, or callable
        The inputs that the operator does not read in inference, such as labels.
    offered : bool
        Whether users can call it. Its parameters are then complete, and others in a graph are an error.
    """

    name: str
    inputs: Names | Callable[[Values], Names] = ("data",)
    outputs: Names | Callable[[Values], Names] = ("output",)
    visible: int | Callable[[Values], int] | None = None
    parameters: tuple[Parameter, ...] | None = None
    aliases: Names = ()
    possible: Names = ()
    count: str | None = None
    mutated: tuple[int, ...] = ()
    initial: Mapping[str, str] | None = None
    unread: tuple[int, ...] | Callable[[Values], tuple[int, ...]] = ()
    offered: bool = False

    def input_names(self, values: Values) -> Names:
        return self.inputs(values) if callable(self.inputs) else self.inputs

    def output_names(self, values: Values) -> Names:
        return self.outputs(values) if callable(self.outputs) else self.outputs

    def visible_outputs(self, values: Values) -> int:
        if self.visible is None:
            return len(self.output_names(values))
        return self.visible(values) if callable(self.visible) else self.visible

    @property
    def all_inputs(self) -> Names:
        """Every input that a call may name."""
        return self.possible if callable(self.inputs) else self.inputs

    @property
    def callable_names(self) -> Names:
        """The names under which users call it."""
        return (self.name, *self.aliases) if self.offered else ()


_rows: dict[str, Operator] = {}


def register(*rows: Operator) -> None:
    """Add rows to the table, under all their names."""
    for row in rows:
        for name in (row.name, *row.aliases):
            _rows[name] = row


def operator_of(name: str) -> Operator | None:
    """The row for this name or alias, or None."""
    return _rows.get(name)


def callable_names() -> list[str]:
    """Every name under which users call an operator, sorted."""
    return sorted(name for name, row in _rows.items() if row.offered)


def is_plain(key: str) -> bool:
    """Whether a key of a node's attributes is an operator's parameter, and not an attribute of the user's."""
    return not (key.startswith("__") and key.endswith("__"))


def parameters_of(node: Node) -> dict[str, Any]:
    """The parameters of a node, read and with defaults; the strings as they are where the table does not know them.

    Raises
    ------
    MXNetError
        If a parameter is unknown, missing or cannot be read; the text names the node.
    """
    assert node.op is not None
    row = operator_of(node.op)
    plain = {key: value for key, value in node.attrs.items() if is_plain(key)}
    if row is None or row.parameters is None:
        return plain
    where = f"in node {node.name!r} (operator {row.name})"
    result = {}
    for parameter in row.parameters:
        text = plain.pop(parameter.name, None)
        if text is not None:
            try:
                result[parameter.name] = parameter.read(text)
            except ValueError as error:
                raise MXNetError(f"`{parameter.name}` {error}, got {text!r} {where}") from None
        elif parameter.required:
            raise MXNetError(f"`{parameter.name}` must be given {where}")
        else:
            result[parameter.name] = parameter.default
    if plain and row.offered:
        known = ", ".join(parameter.name for parameter in row.parameters) or "none"
        raise MXNetError(f"`{next(iter(plain))}` must be one of the operator's parameters, which are {known}, {where}")
    return result


@lru_cache(maxsize=64)
def numbered(stem: str, count: int) -> Names:
    """``output0``, ``output1`` and so on."""
    return tuple(f"{stem}{i}" for i in range(count))


def number(text: str) -> float:
    """A float, as C reads one: a trailing f is allowed."""
    try:
        return float(text.removesuffix("f") if text[-2:-1].isdigit() else text)
    except ValueError:
        raise ValueError("must be a number") from None


def integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError("must be an integer") from None


def count(text: str) -> int:
    """A number of inputs; bounded, so that a file cannot ask for more than memory holds."""
    number = integer(text)
    if not 1 <= number < 2**16:
        raise ValueError("must be an integer from 1 to 65535")
    return number


def boolean(text: str) -> bool:
    """MXNet takes both words, whatever their case, and numbers."""
    lower = text.lower()
    if lower not in ("true", "false", "0", "1"):
        raise ValueError("must be True or False")
    return lower in ("true", "1")


def literal_tuple(text: str, what: str, kinds: tuple[type, ...]) -> tuple[Any, ...]:
    """A tuple or list of such values, or one of them, as Python writes them."""
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        raise ValueError(f"must be a tuple of {what}") from None
    values = value if isinstance(value, (tuple, list)) else (value,)
    if not all(type(one) in kinds for one in values):
        raise ValueError(f"must be a tuple of {what}")
    return tuple(values)


def integers(text: str) -> tuple[int, ...]:
    """A shape or a tuple: ``(2, 3)``, ``[2, 3]`` or one integer."""
    return literal_tuple(text.replace("L", ""), "integers", (int,))


def optional(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """A reader that takes ``None`` too."""
    return lambda text: None if text == "None" else read(text)


def choice(*names: str) -> Callable[[str], str]:
    """A reader of one of some words."""

    def read(text: str) -> str:
        if text not in names:
            raise ValueError(f"must be one of {', '.join(names)}")
        return text

    return read


def output_count(node: Node) -> int:
    """How many outputs a node has: what its file says, or else the table, or else one."""
    if node.outputs is not None or node.op is None:
        return node.outputs or 1
    row = operator_of(node.op)
    return 1 if row is None else len(row.output_names(parameters_of(node)))


def visible_count(node: Node) -> int:
    """How many of them a symbol of this node has."""
    row = operator_of(node.op) if node.op else None
    count = output_count(node)
    return count if row is None else min(count, row.visible_outputs(parameters_of(node)))


def output_name(entry: Entry) -> str:
    """The name of an output, as `list_outputs` gives it."""
    node = entry.node
    if node.op is None:
        return node.name
    row = operator_of(node.op)
    names = row.output_names(parameters_of(node)) if row else ()
    if entry.output < len(names):
        name = names[entry.output]
    else:
        name = "output" if output_count(node) == 1 else f"output{entry.output}"
    return f"{node.name}_{name}" if node.name else name


def read_inputs(node: Node) -> list[Entry]:
    """The inputs that inference reads: not labels, nor a gamma that counts as 1."""
    row = operator_of(node.op) if node.op else None
    if row is None or row.unread == ():
        return node.inputs
    places = row.unread(parameters_of(node)) if callable(row.unread) else row.unread
    return [entry for i, entry in enumerate(node.inputs) if i not in places]


def mutated_inputs(node: Node) -> list[Node]:
    """The variables that a node writes to: auxiliary states."""
    row = operator_of(node.op) if node.op else None
    places = row.mutated if row else ()
    return [node.inputs[i].node for i in places if i < len(node.inputs)]
