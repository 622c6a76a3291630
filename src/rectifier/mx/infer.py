"""Shapes and dtypes of a whole graph, from those that are known."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .array_rules import ARRAY_RULES
from .array_types import ARRAY_TYPE_RULES
from .base import DTYPES, MXNetError, dtype_number
from .graph import Entry, Node, walk
from .network_shapes import NETWORK_RULES
from .number_rules import NUMBER_RULES
from .operators import integers, mutated_inputs, operator_of, output_count, parameters_of, read_inputs
from .shape_rules import RULES, Shape, broadcast, merge, same
from .type_rules import TYPE_RULES, merge_types, same_type

if TYPE_CHECKING:
    from .symbol_type import Symbol

__all__ = ["Result", "known_types", "node_shapes", "node_types", "shapes", "types"]

Result = tuple[list[Any] | None, list[Any] | None, list[Any] | None]
T = TypeVar("T")
Rule = Callable[[Mapping[str, Any], list[T | None], list[T | None]], None]


_TYPE_RULES = {**TYPE_RULES, **ARRAY_TYPE_RULES}
# Of the operators that are not offered.
_ARRAY_RULES = {**ARRAY_RULES, **NUMBER_RULES}
_GRAPH_RULES = {**NETWORK_RULES, **_ARRAY_RULES}


class _Facts(Generic[T]):
    """What is known of each output of each node."""

    def __init__(self, outputs: list[Entry], merge: Callable[[T | None, T | None], T | None]) -> None:
        self._merge = merge
        self.nodes = list(walk(outputs))
        self._of = {id(node): [None] * output_count(node) for node in self.nodes}
        self._parameters = {id(node): parameters_of(node) for node in self.nodes if node.op is not None}

    def __getitem__(self, entry: Entry) -> T | None:
        known = self._of[id(entry.node)]
        return known[entry.output] if entry.output < len(known) else None

    def learn(self, entry: Entry, value: T | None) -> bool:
        """Add a fact; whether it was news."""
        known: list[Any] = self._of[id(entry.node)]
        if entry.output >= len(known):
            return False
        before = known[entry.output]
        known[entry.output] = self._merge(before, value)
        return bool(known[entry.output] != before)

    def spread(self, rule_of: Callable[[Node], Rule[T] | None]) -> None:
        """Apply the rules, forward and backward, until nothing new follows."""
        rules = [(node, rule) for node in self.nodes if _is_ruled(node) and (rule := rule_of(node)) is not None]
        news = True
        while news:
            news = sum(self._apply(node, rule) for node, rule in (*rules, *reversed(rules))) > 0

    def _apply(self, node: Node, rule: Rule[T]) -> bool:
        outputs = [Entry(node, i) for i in range(output_count(node))]
        ins, outs = [self[entry] for entry in node.inputs], [self[entry] for entry in outputs]
        try:
            rule(self._parameters[id(node)], ins, outs)
            news = [self.learn(*fact) for fact in zip((*node.inputs, *outputs), (*ins, *outs), strict=True)]
        except ValueError as error:
            raise MXNetError(f"{error} in node {node.name!r} (operator {node.op})") from None
        return any(news)


def shapes(symbol: Symbol, args: Sequence[Any], kwargs: Mapping[str, Any], *, partial: bool) -> Result:
    """What `Symbol.infer_shape` and `infer_shape_partial` return."""
    given = _by_name(symbol, args, kwargs, "shapes")
    for key, shape in given.items():
        if not isinstance(shape, tuple):
            raise TypeError(f"`{key}` must be a shape, a tuple, got {shape!r}")
    facts = node_shapes(symbol.outputs, {key: _known(shape) for key, shape in given.items()})
    complete = all(shape is not None and -1 not in shape for shape in _heads_and_variables(symbol, facts))
    return _result(symbol, facts, _legacy_shape, partial, complete, "shape", "(0 is an unknown size)")


def node_shapes(outputs: list[Entry], given: Mapping[str, Shape | None]) -> _Facts[Shape]:
    """The shapes of all outputs in a graph: ``node_shapes(...)[entry]``, None or with -1 where unknown."""
    facts: _Facts[Shape] = _Facts(outputs, merge)
    for node in facts.nodes:
        if node.is_variable:
            text = node.attrs.get("__shape__")
            shape = given.get(node.name)
            if shape is None and text is not None:
                shape = _declared(node, text)
            facts.learn(Entry(node), shape)
    facts.spread(_shape_rule)
    return facts


def _shape_rule(node: Node) -> Rule[Shape] | None:
    assert node.op is not None
    row = operator_of(node.op)
    if row is None or not row.offered:
        _check_counts(node)
        return _GRAPH_RULES.get(node.op)
    return RULES.get(node.op, broadcast if node.op.startswith("broadcast_") else same)


def _is_ruled(node: Node) -> bool:
    """What should have inputs and has none is left alone."""
    return bool(node.inputs) or node.op in _ARRAY_RULES


def _check_counts(node: Node) -> None:
    """Refuse inputs and outputs of another number than the rules read."""
    row = operator_of(node.op) if node.op in _ARRAY_RULES else None
    if row is None:
        return
    values = parameters_of(node)
    counts = len(row.input_names(values)), len(row.output_names(values))
    if (len(node.inputs), output_count(node)) != counts:
        raise MXNetError(
            f"there must be {counts[0]} inputs and {counts[1]} outputs, got {len(node.inputs)} and "
            f"{output_count(node)} in node {node.name!r} (operator {node.op})"
        )


def _declared(node: Node, text: str) -> Shape | None:
    try:
        return _known(integers(text))
    except ValueError as error:
        raise MXNetError(f"`__shape__` {error}, got {text!r}, in variable {node.name!r}") from None


def _known(shape: Sequence[int]) -> Shape | None:
    """A shape in MXNet's words, where 0 is an unknown size and () an unknown shape."""
    return tuple(int(size) if size > 0 else -1 for size in shape) or None


def _legacy_shape(shape: Shape | None) -> Shape:
    return () if shape is None else tuple(max(size, 0) for size in shape)


def types(symbol: Symbol, args: Sequence[Any], kwargs: Mapping[str, Any], *, partial: bool) -> Result:
    """What `Symbol.infer_type` and `infer_type_partial` return."""
    given = {key: dtype_number(dtype) for key, dtype in _by_name(symbol, args, kwargs, "dtypes").items()}
    facts = node_types(symbol.outputs, given)
    complete = all(number is not None for number in _heads_and_variables(symbol, facts))
    return _result(symbol, facts, _numpy_type, partial, complete, "dtype", "")


def node_types(outputs: list[Entry], given: Mapping[str, int]) -> _Facts[int]:
    """The dtypes of all outputs in a graph as MXNet's numbers: ``node_types(...)[entry]``, None where unknown."""
    facts: _Facts[int] = _Facts(outputs, merge_types)
    for node in facts.nodes:
        if node.is_variable:
            facts.learn(Entry(node), given.get(node.name, _declared_type(node)))
    facts.spread(_type_rule)
    return facts


def known_types(outputs: list[Entry], given: Mapping[str, int], default: int) -> dict[str, int]:
    """The dtypes of the variables that are read: those given, and `default` for those that nothing else decides."""
    known = dict(given)
    types = node_types(outputs, known)
    for node in walk(outputs, read_inputs):
        if node.is_variable and types[Entry(node)] is None:
            known[node.name] = default
            types = node_types(outputs, known)
    return known


def _type_rule(node: Node) -> Rule[int] | None:
    assert node.op is not None
    row = operator_of(node.op)
    _check_counts(node)
    known = (row is not None and row.offered) or node.op in _GRAPH_RULES
    return _TYPE_RULES.get(node.op, same_type if known else None)


def _declared_type(node: Node) -> int | None:
    text = node.attrs.get("__dtype__", "-1")
    if not text.lstrip("-").isdecimal() or (int(text) != -1 and int(text) not in DTYPES):
        raise MXNetError(f"`__dtype__` must be one of MXNet's numbers, got {text!r}, in variable {node.name!r}")
    return None if int(text) == -1 else int(text)


def _numpy_type(number: int | None) -> Any:
    return None if number is None else DTYPES[number].type


def _by_name(symbol: Symbol, args: Sequence[Any], kwargs: Mapping[str, Any], what: str) -> dict[str, Any]:
    """What the caller gave, by the argument's name, without what is unknown."""
    if args and kwargs:
        raise ValueError(f"{what} must be given either by position or by name, not both")
    names = symbol.list_arguments()
    if len(args) > len(names):
        raise MXNetError(f"at most {len(names)} {what} must be given ({', '.join(names)}), got {len(args)}")
    for key in kwargs:
        if key not in symbol.list_inputs():
            raise MXNetError(f"`{key}` must be one of the graph's inputs, which are {', '.join(names)}")
    given = kwargs or dict(zip(names, args, strict=False))
    return {key: value for key, value in given.items() if value is not None}


def _heads_and_variables(symbol: Symbol, facts: _Facts[T]) -> list[T | None]:
    return [facts[entry] for entry in (*symbol.outputs, *(Entry(node) for node in facts.nodes if node.is_variable))]


def _result(
    symbol: Symbol,
    facts: _Facts[T],
    shown: Callable[[T | None], Any],
    partial: bool,
    complete: bool,
    what: str,
    hint: str,
) -> Result:
    states = {id(state) for node in facts.nodes for state in mutated_inputs(node)}
    variables = [node for node in facts.nodes if node.is_variable]
    if not complete and not partial:
        unknown = [f"{node.name}: {shown(facts[Entry(node)])}" for node in variables if _is_unknown(facts[Entry(node)])]
        warnings.warn(
            f"the {what} of these inputs does not follow from what is given {hint}: {', '.join(unknown[:10])}",
            stacklevel=4,
        )
        return None, None, None
    lists = (
        [Entry(node) for node in variables if id(node) not in states],
        symbol.outputs,
        [Entry(node) for node in variables if id(node) in states],
    )
    arguments, outputs, auxiliary = ([shown(facts[entry]) for entry in entries] for entries in lists)
    return arguments, outputs, auxiliary


def _is_unknown(value: Any) -> bool:
    return value is None or (isinstance(value, tuple) and -1 in value)
