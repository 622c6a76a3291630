"""A symbol and its parameters as a module of PyTorch: `rectifier.mx.to_torch`, and the arrays back: `from_torch`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import ml_dtypes
import numpy as np
import torch
from torch import Tensor, fx, nn

from . import graph, params_file
from .base import check_path
from .graph import Entry, walk
from .operators import mutated_inputs, operator_of, parameters_of, read_inputs
from .symbol import Symbol, load
from .torch_graph import Builder, name_of
from .torch_table import FUNCTIONS, LAYERS

__all__ = ["from_torch", "read_params", "to_torch"]


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
        check_path("symbol", symbol, "a Symbol or ")
        symbol = load(symbol)
    heads = _without_labels(symbol.outputs)
    _refuse_unsupported(heads)
    arrays = read_params(params)
    free = _free_variables(heads, arrays, inputs)
    states = {state.name for node in walk(heads) for state in mutated_inputs(node)}
    tensors = _tensors(heads, {k: v for k, v in arrays.items() if k not in free}, states)
    return Builder(heads, tensors, free).module(states, tuple(symbol.list_outputs()))


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
    return {name: _array(state[key]) for key, name in names.items()}


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
        if node.op is not None and name_of(node) not in FUNCTIONS and name_of(node) not in LAYERS:
            missing.setdefault(node.op, []).append(node.name)
    if missing:
        listed = "; ".join(f"{op} ({', '.join(names)})" for op, names in missing.items())
        raise ValueError(f"these operators have no counterpart in PyTorch: {listed}")


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


def _array(tensor: Tensor) -> np.ndarray[Any, Any]:
    """A copy."""
    tensor = tensor.detach().cpu()
    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16).copy()
    return tensor.numpy().copy()


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
