"""A symbol and its parameters as a module of PyTorch: `rectifier.mx.to_torch`, and the arrays back: `from_torch`."""

from __future__ import annotations

import keyword
import operator
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from . import (
    graph,
    params_file,
    torch_arithmetic,
    torch_arrays,
    torch_indexing,
    torch_layers,
    torch_normalization,
    torch_pooling,
)
from .graph import Entry, Node, walk
from .operators import mutated_inputs, operator_of, parameters_of, read_inputs, visible_count
from .symbol import Symbol, load
from .torch_table import FUNCTIONS, LAYERS, OWNERS, Values, fill

__all__ = ["Operator", "from_torch", "to_torch"]

# Importing these enters their functions in the table.
_ENTERED = (torch_arithmetic, torch_arrays, torch_indexing, torch_layers, torch_normalization, torch_pooling)

_ATTRIBUTES = ("mxnet_names", "input_names", "output_names")
_META = "_user_preserved_attributes"  # what torch.fx keeps of a module's own attributes in a deep copy


class Operator(nn.Module):
    """One call of an operator of MXNet's that torch has no module for.

    Parameters
    ----------
    op : str
        MXNet's name of the operator.
    values : mapping of str to object
        Its parameters.
    owned : mapping of str to Tensor
        The model's parameters that follow the inputs, by the operator's names for them.
    """

    def __init__(self, op: str, values: Values, owned: Mapping[str, Tensor] | None = None) -> None:
        super().__init__()
        self.op, self.values, self.owned = op, dict(values), tuple(owned or ())
        fill(self, **(owned or {}))

    def forward(self, *inputs: Tensor) -> Any:
        return FUNCTIONS[self.op]([*inputs, *(getattr(self, name) for name in self.owned)], self.values, self.training)

    def extra_repr(self) -> str:
        row = operator_of(self.op)
        defaults = {one.name: one.default for one in (row.parameters or ()) if not one.required} if row else {}
        told = (f"{k}={v!r}" for k, v in self.values.items() if k not in defaults or defaults[k] != v)
        return ", ".join((self.op, *told))


def to_torch(
    symbol: Symbol | str | os.PathLike[str],
    params: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    inputs: Sequence[str] | None = None,
) -> fx.GraphModule:
    """A PyTorch module that computes what the symbol computes, and that can be trained.

    Parameters
    ----------
    symbol : Symbol or path-like
        The graph, or a ``-symbol.json`` file.
    params : mapping of str to array_like, or path-like, optional
        Arrays by the names of the graph's variables, with or without ``arg:`` and ``aux:``; or a `.params` file. They
        are copied, and those that the graph does not read are left out.
    inputs : sequence of str, optional
        The variables that `forward` takes, in this order. By default they are all that `params` does not hold, in the
        order of ``symbol.list_inputs()``. Labels of output operators, which only gradients read, are no inputs.

    Returns
    -------
    torch.fx.GraphModule
        ``module(*inputs)``, or by name, gives the output; of a symbol with several, a tuple. ``print(module.code)``
        shows the graph. Each node is a child that has the node's name: convolutions, deconvolutions, ``Linear``,
        ``Embedding`` and common pooling are torch's classes or subclasses, the activations are those of
        `rectifier.torch`, and the rest are `Operator`. Its attributes:

        ``mxnet_names`` : dict of str to str
            The names in a `.params` file, ``arg:`` and ``aux:`` included, by the keys of ``state_dict()``.
        ``input_names``, ``output_names`` : tuple of str
            As in the symbol.

    Raises
    ------
    ValueError
        If operators or settings are not supported: all of them, with their nodes. If arrays do not fit their operator,
        or a variable is neither in `params` nor in `inputs`.

    Notes
    -----
    ``train()`` and ``eval()`` decide on Dropout, BatchNorm and rrelu. In training BatchNorm updates its moving
    statistics as MXNet does, with the variance divided by n. gamma is a buffer of ones where ``fix_gamma`` is true.
    A variable that several nodes read is one parameter. SoftmaxOutput and its kin give their predictions, without a
    gradient of their own: add a loss.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from rectifier import mx
    >>> net = mx.sym.LeakyReLU(mx.sym.Variable("data"), act_type="prelu", name="act") * 2
    >>> module = mx.to_torch(net, {"act_gamma": np.full(3, 0.25, np.float32)})
    >>> module(torch.tensor([[-1.0, 2.0, -4.0]])).tolist()
    [[-0.5, 4.0, -2.0]]
    >>> module.mxnet_names
    {'act.weight': 'arg:act_gamma'}
    """
    if not isinstance(symbol, Symbol):
        symbol = load(symbol)
    heads = _without_labels(symbol.outputs)
    _refuse_unsupported(heads)
    arrays = read_params(params)
    free = _free_variables(heads, arrays, inputs)
    states = {state.name for node in walk(heads) for state in mutated_inputs(node)}
    tensors = _tensors(heads, {k: v for k, v in arrays.items() if k not in free}, states)
    return _Builder(heads, tensors, free).module(states, tuple(symbol.list_outputs()))


def from_torch(module: nn.Module) -> dict[str, np.ndarray[Any, Any]]:
    """The parameters and moving statistics of a module that `to_torch` made, as arrays by MXNet's names.

    Parameters
    ----------
    module : torch.nn.Module
        As made by `to_torch`, trained or not.

    Returns
    -------
    dict of str to ndarray
        Copies, by names with ``arg:`` and ``aux:``: what `rectifier.mx.params_file.save` writes to a `.params` file.

    Raises
    ------
    TypeError
        If the module was not made by `to_torch`.

    Examples
    --------
    >>> import numpy as np
    >>> from rectifier import mx
    >>> net = mx.sym.LeakyReLU(mx.sym.Variable("data"), act_type="prelu", name="act")
    >>> mx.from_torch(mx.to_torch(net, {"act_gamma": np.ones(2, np.float32)}))
    {'arg:act_gamma': array([1., 1.], dtype=float32)}
    """
    names = getattr(module, "mxnet_names", None)
    if names is None:
        raise TypeError(f"`module` must be made by `to_torch`, got {type(module).__name__}")
    state = module.state_dict()
    return {name: state[key].detach().cpu().numpy().copy() for key, name in names.items()}


def read_params(params: Mapping[str, Any] | str | os.PathLike[str] | None) -> dict[str, Any]:
    """Arrays by variable, whatever they were given as."""
    if isinstance(params, (str, os.PathLike)):
        loaded = params_file.load(params)
        if not isinstance(loaded, dict):
            raise ValueError("`params` must hold arrays with names, got a list")
        params = loaded
    arguments, states = params_file.split_names(params or {})
    return {**arguments, **states}


def _without_labels(outputs: list[Entry]) -> list[Entry]:
    heads = graph.copy(outputs)
    for node in list(walk(heads)):
        row = operator_of(node.op) if node.op else None
        if row is not None and not callable(row.unread):  # where it is, a gamma is held at 1: the module has a place
            node.inputs = read_inputs(node)
    return heads


def _refuse_unsupported(heads: list[Entry]) -> None:
    missing: dict[str, list[str]] = {}
    for node in walk(heads):
        if node.op is not None and _name(node) not in FUNCTIONS and _name(node) not in LAYERS:
            missing.setdefault(node.op, []).append(node.name)
    if missing:
        listed = "; ".join(f"{op} ({', '.join(names)})" for op, names in missing.items())
        raise ValueError(f"these operators have no counterpart in PyTorch: {listed}")


def _name(node: Node) -> str:
    """The operator's first name."""
    assert node.op is not None
    row = operator_of(node.op)
    return row.name if row else node.op


def _free_variables(heads: list[Entry], arrays: Mapping[str, Any], wanted: Sequence[str] | None) -> tuple[str, ...]:
    variables = list(dict.fromkeys(node.name for node in walk(heads) if node.is_variable))
    if wanted is None:
        return tuple(name for name in variables if name not in arrays)
    unknown = [name for name in wanted if name not in variables]
    if unknown:
        raise ValueError(f"`inputs` must be variables of the graph, got {', '.join(unknown)}")
    missing = [name for name in variables if name not in arrays and name not in wanted]
    if missing:
        raise ValueError(f"`params` must hold {', '.join(missing)}, which `inputs` does not name")
    return tuple(wanted)


def _tensors(heads: list[Entry], arrays: Mapping[str, Any], states: Iterable[str]) -> dict[str, Tensor]:
    """A parameter for each array that is trained, a tensor for the others."""
    fixed = _fixed_gammas(heads)
    result: dict[str, Tensor] = {}
    for node in walk(heads):
        if node.is_variable and node.name in arrays:
            tensor = _tensor(arrays[node.name])
            if node.name in fixed:
                result[node.name] = torch.ones_like(tensor)
            elif node.name in states or not tensor.is_floating_point():
                result[node.name] = tensor
            else:
                result[node.name] = nn.Parameter(tensor)
    return result


def _fixed_gammas(heads: list[Entry]) -> set[str]:
    """The variables that are read as a gamma held at 1, and as nothing else."""
    fixed: set[str] = set()
    other: set[str] = set()
    for node in walk(heads):
        holds = node.op is not None and parameters_of(node).get("fix_gamma") is True
        for place, entry in enumerate(node.inputs):
            (fixed if holds and place == 1 else other).add(entry.node.name)
    return fixed - other


def _tensor(array: Any) -> Tensor:
    """A copy."""
    if hasattr(array, "asnumpy"):
        array = array.asnumpy()
    if isinstance(array, Tensor):
        return array.detach().clone()
    array = np.array(array, order="C")
    if array.dtype.name == "bfloat16":  # which torch.from_numpy does not take
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


class _Builder:
    """Makes the graph of torch.fx, node by node."""

    def __init__(self, heads: list[Entry], tensors: dict[str, Tensor], free: tuple[str, ...]) -> None:
        self.heads, self.tensors, self.free = heads, tensors, free
        self.root, self.graph = nn.Module(), fx.Graph()
        self.known: dict[Entry, fx.Node] = {}
        self.whole: dict[int, fx.Node] = {}  # what a node returned, a tuple if it has several outputs
        self.layers: dict[Any, str] = {}  # nodes that do the same with the same parameters share a child
        self.problems: list[str] = []

    def module(self, states: set[str], output_names: tuple[str, ...]) -> fx.GraphModule:
        variables = {node.name: node for node in walk(self.heads) if node.is_variable}
        for name in self.free:
            self.known[_entry(variables[name])] = self.graph.placeholder(_legal(name))
        for node in walk(self.heads):
            if node.op is not None:
                self._add(node)
        results = [self._value(entry) for entry in self.heads]
        if self.problems:
            raise ValueError("these nodes cannot be had in PyTorch: " + "; ".join(self.problems))
        self.graph.output(results[0] if len(results) == 1 else tuple(results))
        result = fx.GraphModule(self.root, self.graph, class_name="MXNetGraph")
        attributes = dict(zip(_ATTRIBUTES, (self._names(result, states), self.free, output_names), strict=True))
        result.meta[_META] = attributes
        for name, value in attributes.items():
            setattr(result, name, value)
        return result

    def _names(self, module: nn.Module, states: set[str]) -> dict[str, str]:
        of = {id(tensor): f"{'aux' if name in states else 'arg'}:{name}" for name, tensor in self.tensors.items()}
        own = (*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False))
        return {key: of[id(tensor)] for key, tensor in own if id(tensor) in of}

    def _value(self, entry: Entry) -> fx.Node:
        entry = _entry(entry.node, entry.output)
        if entry not in self.known:
            if entry.node.is_variable:
                self.known[entry] = self.graph.get_attr(self._attribute(entry.node.name))
            else:
                if entry.output >= _returned(entry.node):
                    self.problems.append(
                        f"{entry.node.name} ({entry.node.op}): its output {entry.output} is MXNet's own"
                    )
                whole = self.whole[id(entry.node)]
                self.known[entry] = self.graph.call_function(operator.getitem, (whole, entry.output))
        return self.known[entry]

    def _attribute(self, variable: str) -> str:
        """The root's parameter that is this variable."""
        name = self._unused(variable)
        fill(self.root, **{name: self.tensors[variable]})
        return name

    def _add(self, node: Node) -> None:
        child, inputs = self._child(node, parameters_of(node))
        arguments = tuple(self._value(entry) for entry in inputs)
        result = self.graph.create_node("call_module", child, arguments, name=_legal(node.name))
        self.whole[id(node)] = result
        if _returned(node) == 1:
            self.known[_entry(node)] = result

    def _child(self, node: Node, values: dict[str, Any]) -> tuple[str, list[Entry]]:
        """The name of the child that computes a node, and those of the node's inputs that it is given."""
        op, tail = _name(node), [entry.node.name for entry in node.inputs[1:]]
        owned = all(entry.node.is_variable and entry.node.name in self.tensors for entry in node.inputs[1:])
        key = (op, repr(values), *tail)
        if owned and tail and key in self.layers:
            return self.layers[key], node.inputs[:1]
        module, inputs = Operator(op, values), node.inputs
        try:
            made = self._layer(op, values, [self.tensors[name] for name in tail]) if owned else None
            if made is not None:
                module, inputs = made, node.inputs[:1]
            elif op not in FUNCTIONS:
                raise ValueError("its parameters must be in `params`")
        except ValueError as error:
            self.problems.append(f"{node.name} ({node.op}): {error}")
        name = self._unused(node.name)
        self.root.add_module(name, module)
        if len(inputs) < len(node.inputs):
            self.layers[key] = name
        return name, inputs

    def _layer(self, op: str, values: dict[str, Any], tensors: list[Tensor]) -> nn.Module | None:
        made = LAYERS[op](values, tensors) if op in LAYERS else None
        row = operator_of(op)
        if made is None and tensors and op in OWNERS and row is not None:
            return Operator(op, values, dict(zip(row.input_names(values)[1:], tensors, strict=True)))
        return made

    def _unused(self, name: str) -> str:
        name = _legal(name)
        while hasattr(self.root, name) or hasattr(fx.GraphModule, name) or name in ("meta", *_ATTRIBUTES):
            name += "_"
        return name


def _returned(node: Node) -> int:
    """How many outputs the child for a node returns: those that a symbol has, and of rrelu only the value."""
    return 1 if node.op == "LeakyReLU" else visible_count(node)


def _entry(node: Node, output: int = 0) -> Entry:
    """Without its version."""
    return Entry(node, output)


def _legal(name: str) -> str:
    """A name of MXNet's as a name in Python."""
    name = re.sub(r"\W", "_", name)
    return f"_{name}" if not name or name[0].isdigit() or keyword.iskeyword(name) else name
