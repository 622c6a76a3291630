"""MXNet's symbols: graphs of the activations and basic arithmetic, to name, combine, print, save and load."""

from __future__ import annotations

import numbers
import os
from collections.abc import Callable, Iterable
from typing import Any

from . import attribute
from . import operator_table as _operator_table  # noqa: F401 - fills the table
from .arithmetic import binary
from .base import check_path, dtype_number
from .compose import row_for_call
from .graph import Entry, Node
from .operators import callable_names, is_plain
from .symbol_file import read_text
from .symbol_type import Symbol, call_operator, load_json

__all__ = [
    "Group",
    "LeakyReLU",
    "Symbol",
    "Variable",
    "hypot",
    "load",
    "load_json",
    "maximum",
    "minimum",
    "pow",
    "power",
    "var",
]

# MXNet's numbers of the ways to store an array.
_STORAGE_TYPES = {"default": 0, "row_sparse": 1, "csr": 2}


def var(
    name: str,
    attr: dict[str, str] | None = None,
    shape: tuple[int, ...] | None = None,
    lr_mult: float | None = None,
    wd_mult: float | None = None,
    dtype: Any = None,
    init: Any = None,
    stype: str | None = None,
    **kwargs: str,
) -> Symbol:
    """A symbol for an input or a parameter.

    Parameters
    ----------
    name : str
    attr : dict of str to str, optional
        Attributes.
    shape : tuple of int, optional
        0 is an unknown size.
    lr_mult, wd_mult : float, optional
        What an optimizer multiplies its learning rate and weight decay by; kept in the graph, and not used here.
    dtype : dtype, optional
    init : str or initializer, optional
        How the variable starts: a name, or an object with `dumps`.
    stype : {"default", "row_sparse", "csr"}, optional
        The storage type; kept in the graph.
    **kwargs : str
        Attributes whose names stand between double underscores.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another type or an attribute's name is not between double underscores.

    Examples
    --------
    >>> from rectifier import mx
    >>> mx.sym.Variable("x", shape=(0, 3), dtype="float16").attr_dict()
    {'x': {'__shape__': '(0, 3)', '__dtype__': '2'}}
    """
    if not isinstance(name, str):
        raise TypeError(f"`name` must be a string, got {name!r}")
    attrs = attribute.current().get(attr)
    for key, value in (("shape", shape), ("lr_mult", lr_mult), ("wd_mult", wd_mult)):
        if value is not None:
            attrs[f"__{key}__"] = str(value)
    if dtype is not None:
        attrs["__dtype__"] = str(dtype_number(dtype))
    if init is not None:
        attrs["__init__"] = init if isinstance(init, str) else init.dumps()
    if stype is not None:
        if stype not in _STORAGE_TYPES:
            raise ValueError(f"`stype` must be one of {', '.join(_STORAGE_TYPES)}, got {stype!r}")
        attrs["__storage_type__"] = str(_STORAGE_TYPES[stype])
    for key, text in kwargs.items():
        if is_plain(key):
            raise ValueError(f"`{key}` must stand between double underscores to be an attribute: __{key}__")
        attrs[key] = text
    result = Symbol([Entry(Node(None, name))])
    result._set_attr(**attrs)
    return result


Variable = var


def Group(symbols: Iterable[Symbol]) -> Symbol:
    """One symbol of the outputs of several.

    Examples
    --------
    >>> from rectifier import mx
    >>> x = mx.sym.Variable("x")
    >>> mx.sym.Group([x, mx.sym.LeakyReLU(x, act_type="rrelu", name="r")]).list_outputs()
    ['x', 'r_output', 'r_mask']
    """
    listed = list(symbols)
    if not listed or not all(isinstance(symbol, Symbol) for symbol in listed):
        raise TypeError(f"`symbols` must be a list of at least one symbol, got {listed!r:.60}")
    return Symbol([entry for symbol in listed for entry in symbol.outputs])


def load(fname: str | os.PathLike[str]) -> Symbol:
    """The symbol in a ``-symbol.json`` file of MXNet 0.8 to 1.9.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no such graph; the message gives the file, and the place or the node.
    """
    check_path("fname", fname)
    text = read_text(fname)
    try:
        return load_json(text)
    except ValueError as error:
        raise type(error)(f"{os.fspath(fname)}: {error}") from None


def LeakyReLU(
    data: Symbol | None = None,
    gamma: Symbol | None = None,
    act_type: str | None = None,
    slope: float | None = None,
    lower_bound: float | None = None,
    upper_bound: float | None = None,
    name: str | None = None,
    attr: dict[str, str] | None = None,
    out: object = None,
    **kwargs: Any,
) -> Symbol:
    """The symbol of one of the six activations.

    Parameters
    ----------
    data : Symbol, optional
        A variable named after the node stands in for it where it is missing.
    gamma : Symbol, optional
        The slopes of prelu; a variable ``<name>_gamma`` that starts at 0.25 where it is missing.
    act_type : {"leaky", "elu", "selu", "gelu", "prelu", "rrelu"}, default "leaky"
    slope : float, default 0.25
        Of leaky and elu.
    lower_bound, upper_bound : float, default 0.125 and 0.333999991
        Of rrelu.
    name : str, optional
        Of the node; ``leakyrelu0`` and so on where it is missing.
    attr : dict of str to str, optional
        Attributes, with names between double underscores.
    out
        For compatibility; has no effect, as in MXNet.

    Returns
    -------
    Symbol
        Of one output; of two, the second one the mask, for rrelu.

    Raises
    ------
    TypeError, MXNetError
        If an argument is of the wrong type or out of range.

    Examples
    --------
    >>> from rectifier import mx
    >>> y = mx.sym.LeakyReLU(mx.sym.Variable("x"), act_type="prelu", name="act")
    >>> y.attr_dict()["act_gamma"]["__init__"]
    '["Constant", {"value": 0.25}]'
    """
    given = {"act_type": act_type, "slope": slope, "lower_bound": lower_bound, "upper_bound": upper_bound}
    values = {key: value for key, value in given.items() if value is not None}
    return call_operator("LeakyReLU", data, gamma, name=name, attr=attr, out=out, **values, **kwargs)


def _two(both: str, scalar: str, plain: Callable[[Any, Any], Any], reverse: str | None = None) -> Callable[..., Any]:
    """A function of two symbols, a symbol and a number, or two numbers."""

    def function(left: Any, right: Any) -> Any:
        if isinstance(left, numbers.Real) and isinstance(right, numbers.Real):
            return plain(left, right)
        result = binary(call_operator, left, right, both, scalar, reverse)
        if result is NotImplemented:
            raise TypeError(f"inputs must be symbols or numbers, got {type(left).__name__} and {type(right).__name__}")
        return result

    return function


maximum = _two("_Maximum", "_MaximumScalar", max)
minimum = _two("_Minimum", "_MinimumScalar", min)
hypot = _two("_Hypot", "_HypotScalar", lambda x, y: (x * x + y * y) ** 0.5)
pow = power = _two("_Power", "_PowerScalar", lambda x, y: x**y, "_RPowerScalar")


def __getattr__(name: str) -> Callable[..., Symbol]:
    """The operators of the table, by their names."""
    if row_for_call(name) is None:
        offered = [*__all__, *(each for each in callable_names() if not each.startswith("_"))]
        raise AttributeError(
            f"module {__name__!r} has no attribute {name!r}: it covers the activations and basic arithmetic, "
            f"which are {', '.join(sorted(set(offered)))}; graphs with other operators can be loaded"
        )

    def operator(*args: Any, **kwargs: Any) -> Symbol:
        return call_operator(name, *args, **kwargs)

    operator.__name__ = operator.__qualname__ = name
    operator.__doc__ = f"The symbol of MXNet's operator {name}; see `rectifier.mx.symbol_type.call_operator`."
    return operator
