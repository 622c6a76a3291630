"""One call of an operator on arrays: parameters read as MXNet reads them, results recorded or written to ``out``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from .. import autograd, compute
from .. import operator_table as _operator_table  # noqa: F401 - fills the table
from ..base import MXNetError, string_of
from ..graph import Node
from ..operators import operator_of, parameters_of

if TYPE_CHECKING:
    from .array import NDArray

__all__ = ["invoke", "run"]


def invoke(called: str, inputs: Sequence[NDArray], values: Mapping[str, Any], out: Any = None) -> Any:
    """An operator's outputs: an array, or a list where there are several.

    Parameters
    ----------
    called : str
        Its name in files, or an alias.
    inputs : sequence of NDArray
    values : mapping
        Parameters, as text or as what turns into MXNet's text.
    out : NDArray or list of NDArray, optional
        Where to write.
    """
    row = operator_of(called)
    assert row is not None
    if "dtype" in values:
        values = {**values, "dtype": np.dtype(values["dtype"]).name}
    if row.count is not None:
        values = {row.count: len(inputs), **values}
    parsed = parameters_of(Node(row.name, called, {name: string_of(value) for name, value in values.items()}))
    wanted = len(row.input_names(parsed))
    if len(inputs) != wanted:
        raise MXNetError(f"Operator {called} expects {wanted} inputs, but got {len(inputs)} instead.")
    return run(row.name, inputs, parsed, out)


def run(operator: str, inputs: Sequence[NDArray], parsed: Mapping[str, Any], out: Any = None) -> Any:
    """An operator's outputs, its parameters being values already."""
    with autograd.mode():
        tensors = [autograd.tensor_of(array) for array in inputs]
        results = compute.apply(operator, tensors, parsed, autograd.is_training())
    if out is None:
        arrays = [inputs[0]._wrap(tensor, inputs[0].context) for tensor in results]
        return arrays[0] if len(arrays) == 1 else arrays
    targets = list(out) if isinstance(out, (list, tuple)) else [out]
    if len(targets) != len(results):
        raise MXNetError(f"Operator expects {len(results)} outputs, but got {len(targets)} instead.")
    for i, (target, tensor) in enumerate(zip(targets, results, strict=True)):
        _check_target(i, target, tensor, operator)
    for target, tensor in zip(targets, results, strict=True):
        target._assign(tensor)
    return out


def _check_target(i: int, target: NDArray, tensor: Tensor, operator: str) -> None:
    if not hasattr(target, "_data"):
        raise TypeError(f"`out` must be an NDArray or a list of them, got {type(target).__name__}")
    if target._data.shape != tensor.shape:
        raise MXNetError(
            f"{i}-th output has invalid shape. Expecting {[*tensor.shape]} got {[*target.shape]} in operator {operator}"
        )
    if target._data.dtype != tensor.dtype:
        names = (str(one.dtype).removeprefix("torch.") for one in (target._data, tensor))
        raise MXNetError("Type inconsistent, Provided = {}, inferred type = {}".format(*names))
    target._check_assignable()
