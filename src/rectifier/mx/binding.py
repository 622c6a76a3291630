"""Binding a graph to arrays: what `Symbol.eval`, `bind` and `simple_bind` do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .base import MXNetError
from .context import Context, current_context
from .executor import Executor, is_known
from .nd import NDArray, zeros
from .symbol_type import Symbol

__all__ = ["bind", "evaluate", "simple_bind"]

GRAD_REQS = ("write", "add", "null")

Arrays = Sequence[NDArray] | Mapping[str, NDArray]


def evaluate(symbol: Symbol, ctx: Context | None = None, **kwargs: NDArray) -> list[NDArray]:
    """What `Symbol.eval` returns."""
    return bind(symbol, ctx or current_context(), kwargs, grad_req="null").forward()


def bind(
    symbol: Symbol,
    ctx: Context,
    args: Arrays,
    args_grad: Arrays | None = None,
    grad_req: str | Sequence[str] | Mapping[str, str] = "write",
    aux_states: Arrays | None = None,
    group2ctx: Any = None,
    shared_exec: Any = None,
) -> Executor:
    """An executor over the caller's arrays.

    Parameters
    ----------
    symbol : Symbol
    ctx : Context
        Where it runs.
    args : list of NDArray, or dict
        An array for each of `symbol.list_arguments()`; surplus names are passed over.
    args_grad : list of NDArray, or dict, optional
        Where gradients go; an argument without one gets none.
    grad_req : str, list or dict
        "write", "add" or "null": for all arguments, for each in order, or by name ("null" where a name is missing).
    aux_states : list of NDArray, or dict, optional
        An array for each of `symbol.list_auxiliary_states()`.
    group2ctx, shared_exec
        Without effect.

    Returns
    -------
    Executor

    Raises
    ------
    ValueError, TypeError
        If arrays are missing or of the wrong kind.
    """
    names = symbol.list_arguments()
    arguments = _by_name("args", args, names, required=True)
    states = _by_name("aux_states", aux_states or [], symbol.list_auxiliary_states(), required=True)
    gradients = _by_name("args_grad", args_grad or {}, names, required=False)
    reqs = _requests(grad_req, names)
    for name, gradient in gradients.items():
        bound = arguments[name]
        if gradient is not None and (gradient.shape, gradient.dtype) != (bound.shape, bound.dtype):
            raise MXNetError(f"`args_grad` must have shape and dtype of the argument, for {name!r}")
    return Executor(symbol, ctx, arguments, gradients, reqs, states)


def simple_bind(
    symbol: Symbol,
    ctx: Context,
    grad_req: str | Sequence[str] | Mapping[str, str] = "write",
    type_dict: Mapping[str, Any] | None = None,
    stype_dict: Any = None,
    group2ctx: Any = None,
    shared_arg_names: Any = None,
    shared_exec: Any = None,
    shared_buffer: Any = None,
    **kwargs: tuple[int, ...],
) -> Executor:
    """An executor over new arrays of zeros.

    Parameters
    ----------
    symbol, ctx, grad_req
        As in `bind`.
    type_dict : dict of str to dtype, optional
        dtypes of arguments; others follow, or are float32.
    stype_dict, group2ctx, shared_arg_names, shared_exec, shared_buffer
        Without effect.
    **kwargs : tuple of int
        Shapes of arguments; the other shapes follow.

    Returns
    -------
    Executor

    Raises
    ------
    MXNetError
        If shapes contradict each other, or do not follow from those given.
    """
    names = symbol.list_arguments()
    shapes, _, state_shapes = symbol.infer_shape_partial(**kwargs)
    unknown = [
        f"{name}: {shape or None}" for name, shape in zip(names, shapes or [], strict=True) if not is_known(shape)
    ]
    if unknown:
        raise MXNetError(
            f"InferShape pass cannot decide shapes for the following arguments, please give them: {', '.join(unknown)}"
        )
    types, _, state_types = symbol.infer_type_partial(**(type_dict or {}))
    reqs = _requests(grad_req, names)
    arguments = _zeros(names, shapes, types, ctx)
    states = _zeros(symbol.list_auxiliary_states(), state_shapes, state_types, ctx)
    wanted = {name: array for name, array in arguments.items() if reqs[name] != "null"}
    gradients = {name: zeros(array.shape, ctx, array.dtype) for name, array in wanted.items()}
    return Executor(symbol, ctx, arguments, gradients, reqs, states)


def _by_name(what: str, given: Arrays, names: list[str], *, required: bool) -> dict[str, Any]:
    """The arrays by name, in order."""
    if isinstance(given, Mapping):
        missing = [name for name in names if name not in given]
        if missing and required:
            raise ValueError(f"key `{missing[0]}` is missing in `{what}`")
        found = {name: given[name] for name in names if name in given}
    elif isinstance(given, (list, tuple)):
        if len(given) != len(names):
            raise ValueError(
                f"`{what}` must have as many arrays as there are arguments, {len(names)}, got {len(given)}"
            )
        found = dict(zip(names, given, strict=True))
    else:
        raise TypeError(f"`{what}` must be a list of NDArrays or a dict of str to NDArray, got {type(given).__name__}")
    for name, array in found.items():
        if not isinstance(array, NDArray) and (required or array is not None):
            raise TypeError(f"`{what}` must hold NDArrays, got {type(array).__name__} for {name!r}")
    return found


def _requests(given: str | Sequence[str] | Mapping[str, str], names: list[str]) -> dict[str, str]:
    if isinstance(given, str):
        reqs = dict.fromkeys(names, given)
    elif isinstance(given, Mapping):
        reqs = {name: given.get(name, "null") for name in names}
    else:
        reqs = dict(zip(names, given, strict=True))
    for req in reqs.values():
        if req not in GRAD_REQS:
            raise ValueError(f"`grad_req` must be one of {', '.join(GRAD_REQS)}, got {req!r}")
    return reqs


def _zeros(names: list[str], shapes: Any, types: Any, ctx: Context) -> dict[str, NDArray]:
    found = zip(names, shapes or [], types or [], strict=True)
    return {name: zeros(shape, ctx, kind or np.float32) for name, shape, kind in found}
