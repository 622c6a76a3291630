"""The type `Symbol`: what can be asked of a graph."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from . import graph, infer
from .arithmetic import Arithmetic
from .base import replace_file
from .compose import compose, create, row_for_call
from .graph import Entry, walk
from .known_operators import FLUENT
from .operators import Operator, visible_count
from .print_graph import describe
from .symbol_file import graph_from_json, graph_to_json
from .symbol_names import Named

__all__ = ["Symbol", "call_operator", "load_json"]


class Symbol(Named, Arithmetic):
    """A graph, seen as its outputs. Symbols come from `Variable`, from operators, or from a file.

    Attributes
    ----------
    outputs : list of rectifier.mx.graph.Entry
        The graph itself: `rectifier.mx.graph.walk(outputs)` gives its nodes in order.

    Examples
    --------
    >>> from rectifier import mx
    >>> x = mx.sym.Variable("x")
    >>> y = mx.sym.LeakyReLU(x, act_type="prelu", name="act") * 2 + 1
    >>> y.list_arguments()
    ['x', 'act_gamma']
    >>> y.infer_shape(x=(8, 3, 32, 32))
    ([(8, 3, 32, 32), (3,)], [(8, 3, 32, 32)], [])
    """

    def __init__(self, outputs: list[Entry], *, np_shape: bool = False) -> None:
        self.outputs = outputs
        self._np_shape = np_shape

    # --- one symbol as several

    def __len__(self) -> int:
        return len(self.outputs)

    def __iter__(self) -> Iterator[Symbol]:
        return (Symbol([entry]) for entry in self.outputs)

    def __getitem__(self, index: int | str | slice) -> Symbol:
        """The output at a place, or of a name; several for a slice."""
        if isinstance(index, slice):
            chosen = self.outputs[index]
            if not chosen:
                raise IndexError(f"the slice must leave an output, got {index} of {len(self)} outputs")
            return Symbol(chosen)
        if isinstance(index, str):
            index = self._place(index)
        if isinstance(index, bool) or not isinstance(index, int):
            raise TypeError(f"`index` must be an integer, a slice or the name of an output, got {index!r}")
        if not 0 <= index < len(self):
            raise IndexError(f"`index` must lie between 0 and {len(self) - 1}, got {index}")
        return Symbol([self.outputs[index]])

    def _place(self, name: str) -> int:
        names = self.list_outputs()
        if names.count(name) != 1:
            found = "several outputs" if name in names else "none"
            raise ValueError(f"`index` must be the name of one output, got {name!r}, the name of {found}")
        return names.index(name)

    def get_internals(self) -> Symbol:
        """A symbol of the outputs of every node, variables included."""
        return Symbol([Entry(node, i) for node in walk(self.outputs) for i in range(visible_count(node))])

    def get_children(self) -> Symbol | None:
        """A symbol of what the output nodes read, each node once; None for variables."""
        nodes = {id(entry.node): entry.node for entry in self.outputs}.values()
        inputs = [entry for node in nodes for entry in node.inputs]
        return Symbol(inputs) if inputs else None

    def __repr__(self) -> str:
        if self.name is not None:
            return f"<{type(self).__name__} {self.name}>"
        names = ", ".join(entry.node.name for entry in self.outputs)
        return f"<{type(self).__name__} group [{names}]>"

    # --- composition

    def __call__(self, *args: Symbol, name: str | None = None, **kwargs: Symbol) -> Symbol:
        """A copy of the graph in which symbols stand for variables, by the variables' names.

        Examples
        --------
        >>> from rectifier import mx
        >>> x, z = mx.sym.Variable("x"), mx.sym.Variable("z")
        >>> mx.sym.LeakyReLU(x, name="a")(x=z + 1, name="b").list_arguments()
        ['z']
        """
        for given in (*args, *kwargs.values()):
            if not isinstance(given, Symbol):
                raise TypeError(f"inputs must be symbols, got {type(given).__name__}")
        copied = graph.copy(self.outputs)
        named = {key: given.outputs for key, given in kwargs.items()}
        return Symbol(compose(copied, [given.outputs for given in args], named, name))

    def __copy__(self) -> Symbol:
        return Symbol(graph.copy(self.outputs), np_shape=self._np_shape)

    def __deepcopy__(self, memo: object) -> Symbol:
        return self.__copy__()

    def __reduce__(self) -> tuple[Any, ...]:
        return load_json, (self.tojson(),)

    def _call(self, operator: str, *inputs: Any, **values: Any) -> Symbol:
        return call_operator(operator, *inputs, **values)

    def __getattr__(self, name: str) -> Any:
        """The operators that MXNet offers as methods: ``x.exp()`` is ``mx.sym.exp(x)``."""
        if name in FLUENT and row_for_call(name) is not None:
            return lambda *args, **kwargs: call_operator(name, self, *args, **kwargs)
        offered = ", ".join(sorted(each for each in FLUENT if row_for_call(each) is not None))
        raise AttributeError(
            f"a symbol has no attribute {name!r} here; the operators that are its methods are {offered}"
        )

    def astype(self, dtype: Any) -> Symbol:
        """The symbol converted to another dtype."""
        return call_operator("cast", self, dtype=dtype)

    # --- shapes and dtypes

    def infer_shape(self, *args: tuple[int, ...] | None, **kwargs: tuple[int, ...]) -> infer.Result:
        """The shapes of arguments, outputs and auxiliary states that follow from those given.

        Parameters
        ----------
        *args, **kwargs : tuple of int
            Shapes in the order of `list_arguments`, None where unknown, or by name; 0 is an unknown size.

        Returns
        -------
        arguments, outputs, states : lists of tuple, or three times None, with a warning, where something stays unknown

        Raises
        ------
        MXNetError
            If shapes contradict each other; the text names the node.
        """
        return infer.shapes(self, args, kwargs, partial=False)

    def infer_shape_partial(self, *args: tuple[int, ...] | None, **kwargs: tuple[int, ...]) -> infer.Result:
        """As `infer_shape`, with 0 for a size that stays unknown and () for a shape."""
        return infer.shapes(self, args, kwargs, partial=True)

    def infer_type(self, *args: Any, **kwargs: Any) -> infer.Result:
        """The dtypes, as NumPy's scalar types, of arguments, outputs and states; as `infer_shape` otherwise."""
        return infer.types(self, args, kwargs, partial=False)

    def infer_type_partial(self, *args: Any, **kwargs: Any) -> infer.Result:
        """As `infer_type`, with None for what stays unknown."""
        return infer.types(self, args, kwargs, partial=True)

    # --- execution

    def eval(self, ctx: Any = None, **kwargs: Any) -> Any:
        """The outputs for these arrays, a list of NDArray."""
        return _binding().evaluate(self, ctx, **kwargs)

    def bind(self, ctx: Any, args: Any, *others: Any, **kwargs: Any) -> Any:
        """An `Executor` over the arrays `args`; see `rectifier.mx.binding.bind`."""
        return _binding().bind(self, ctx, args, *others, **kwargs)

    def simple_bind(self, ctx: Any, *others: Any, **kwargs: Any) -> Any:
        """An `Executor` over new arrays of the given shapes; see `rectifier.mx.binding.simple_bind`."""
        return _binding().simple_bind(self, ctx, *others, **kwargs)

    # --- text and files

    def tojson(self) -> str:
        """The graph as JSON, as MXNet 1.6.0 writes it."""
        return graph_to_json(self.outputs, np_shape=self._np_shape)

    def save(self, fname: str | os.PathLike[str]) -> None:
        """Write `tojson` to a file, which is replaced whole or not at all."""
        replace_file(fname, [self.tojson().encode("utf-8", "surrogateescape")])

    def debug_str(self) -> str:
        """The graph in words."""
        return describe(self.outputs)


def _binding() -> Any:
    return importlib.import_module(".binding", __package__)


def load_json(json_str: str) -> Symbol:
    """The symbol in a JSON text of MXNet 0.8 to 1.9.

    Raises
    ------
    ValueError
        If the text is no such graph; the message gives the place or the node.

    Examples
    --------
    >>> from rectifier import mx
    >>> x = mx.sym.LeakyReLU(mx.sym.Variable("x"), name="act")
    >>> mx.sym.load_json(x.tojson())
    <Symbol act>
    """
    if not isinstance(json_str, str):
        raise TypeError(f"`json_str` must be a string, got {type(json_str).__name__}")
    outputs, np_shape = graph_from_json(json_str)
    return Symbol(outputs, np_shape=np_shape)


def call_operator(
    called: str,
    *args: Any,
    name: str | None = None,
    attr: dict[str, str] | None = None,
    out: object = None,
    **kwargs: Any,
) -> Symbol:
    """The symbol of an operator, called by one of its names.

    Parameters
    ----------
    called : str
        A name or an alias in the table of operators.
    *args : Symbol or parameter
        Inputs in order, and after them parameters in order.
    name : str, optional
        Of the node; automatic if it is not given.
    attr : dict of str to str, optional
        Attributes, with names between double underscores.
    out
        For compatibility; has no effect, as in MXNet.
    **kwargs : Symbol, parameter or attribute

    Raises
    ------
    TypeError, MXNetError
        If an input is no symbol, or a parameter is unknown or out of range.
    """
    row = row_for_call(called)
    if row is None:
        raise AttributeError(f"{called!r} is no operator that can be called here")
    listed: list[Any]
    named: dict[str, Any]
    if row.count is not None:
        listed, named, values = list(args), {}, kwargs
    else:
        listed, (named, values) = [], _by_name(called, row, args, kwargs)
    for key, given in (*enumerate(listed), *named.items()):
        if not isinstance(given, Symbol):
            raise TypeError(f"`{key}` must be a symbol, got {given!r}, in {called}")
    if "dtype" in values:
        values["dtype"] = np.dtype(values["dtype"]).name
    heads = {key: given.outputs for key, given in named.items()}
    return Symbol(create(called, row, [given.outputs for given in listed], heads, values, name, attr))


def _by_name(
    called: str, row: Operator, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Inputs and parameters by name; None stands for an input that is not given."""
    assert row.parameters is not None
    order = (*row.all_inputs, *(parameter.name for parameter in row.parameters))
    if len(args) > len(order):
        raise TypeError(f"{called} takes at most {len(order)} arguments ({', '.join(order)}), got {len(args)}")
    given = dict(zip(order, args, strict=False))
    twice = next((key for key in kwargs if key in given), None)
    if twice is not None:
        raise TypeError(f"`{twice}` must be given once, by position or by name, in {called}")
    given.update(kwargs)
    named = {k: v for k, v in given.items() if isinstance(v, Symbol) or (k in row.all_inputs and v is not None)}
    values = {k: v for k, v in given.items() if k not in named and k not in row.all_inputs}
    return named, values
