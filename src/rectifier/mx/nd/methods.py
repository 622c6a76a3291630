"""The operators that are methods of arrays, and those that change the shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from .. import autograd
from ..base import MXNetError
from .invoke import invoke, run

__all__ = ["Methods", "concat", "stack"]


def _fluent(operator: str) -> Callable[..., Any]:
    """A method that calls an operator of the table on the array."""

    def method(self: Any, *others: Any, **values: Any) -> Any:
        out = values.pop("out", None)
        values.pop("name", None)
        return invoke(operator, [self, *others], values, out)

    method.__name__ = operator
    method.__doc__ = f"MXNet's operator {operator} of this array."
    return method


class Methods:
    """What `NDArray` inherits: ``x.exp()`` is ``mx.nd.exp(x)``."""

    __slots__ = ()

    abs = _fluent("abs")
    exp = _fluent("exp")
    expm1 = _fluent("expm1")
    log = _fluent("log")
    log1p = _fluent("log1p")
    sqrt = _fluent("sqrt")
    rsqrt = _fluent("rsqrt")
    square = _fluent("square")
    reciprocal = _fluent("reciprocal")
    sign = _fluent("sign")
    floor = _fluent("floor")
    ceil = _fluent("ceil")
    sin = _fluent("sin")
    cos = _fluent("cos")
    relu = _fluent("relu")
    sigmoid = _fluent("sigmoid")
    tanh = _fluent("tanh")
    flatten = _fluent("flatten")
    zeros_like = _fluent("zeros_like")
    ones_like = _fluent("ones_like")

    def sum(self, axis: Any = None, keepdims: bool = False, exclude: bool = False, out: Any = None) -> Any:
        """The sum over all axes or some; `exclude` sums over the others."""
        return _reduced("sum", self, axis, keepdims, exclude, out)

    def mean(self, axis: Any = None, keepdims: bool = False, exclude: bool = False, out: Any = None) -> Any:
        """The mean over all axes or some."""
        return _reduced("mean", self, axis, keepdims, exclude, out)

    def max(self, axis: Any = None, keepdims: bool = False) -> Any:
        """The greatest element, along all axes or some; every element equal to it gets its gradient."""
        return _changed(self, lambda x: _extreme(x, torch.amax, axis, keepdims))

    def min(self, axis: Any = None, keepdims: bool = False) -> Any:
        """The least element, along all axes or some."""
        return _changed(self, lambda x: _extreme(x, torch.amin, axis, keepdims))

    def transpose(self, axes: Sequence[int] | None = None) -> Any:
        """A copy with the axes in another order, in reverse by default."""
        return _changed(self, lambda x: x.permute(*(axes or reversed(range(x.ndim)))))

    def swapaxes(self, dim1: int, dim2: int) -> Any:
        """A copy with two axes swapped."""
        return _changed(self, lambda x: x.transpose(dim1, dim2))

    def expand_dims(self, axis: int) -> Any:
        """A copy with an axis of size 1 put in."""
        return _changed(self, lambda x: x.unsqueeze(axis))

    def squeeze(self, axis: int | Sequence[int] | None = None) -> Any:
        """A copy without the axes of size 1, or without those named."""
        return _changed(self, lambda x: _squeezed(x, axis))

    def broadcast_to(self, shape: Sequence[int]) -> Any:
        """A copy stretched to a shape; 0 keeps a size."""
        return _changed(self, lambda x: x.expand(*(size or -1 for size in shape)))

    def clip(self, a_min: float, a_max: float) -> Any:
        """The numbers kept between two bounds."""
        return _changed(self, lambda x: x.clamp(a_min, a_max))

    def slice_axis(self, axis: int, begin: int, end: int | None) -> Any:
        """A copy of a part along one axis."""
        return _changed(self, lambda x: x.movedim(axis, 0)[begin:end].movedim(0, axis))

    def reshape_like(self, rhs: Any) -> Any:
        """A copy in the shape of another array."""
        return _changed(self, lambda x: x.reshape(rhs.shape))


def concat(*arrays: Any, dim: int = 1) -> Any:
    """The arrays joined along an axis, 1 by default."""
    return _changed(arrays[0], lambda *tensors: torch.cat(tensors, dim), *arrays[1:])


def stack(*arrays: Any, axis: int = 0) -> Any:
    """The arrays joined along a new axis."""
    return _changed(arrays[0], lambda *tensors: torch.stack(tensors, axis), *arrays[1:])


def _reduced(operator: str, array: Any, axis: Any, keepdims: Any, exclude: Any, out: Any) -> Any:
    if axis is not None:
        axis = (axis,) if isinstance(axis, int) else tuple(axis)
    return run(operator, [array], {"axis": axis, "keepdims": bool(keepdims), "exclude": bool(exclude)}, out)


def _changed(array: Any, function: Callable[..., Tensor], *others: Any) -> Any:
    """A function of tensors on arrays: recorded, in memory of its own, in MXNet's error."""
    with autograd.mode():
        try:
            result = function(*(autograd.tensor_of(one) for one in (array, *others)))
        except (RuntimeError, IndexError, TypeError, ValueError) as error:
            raise MXNetError(str(error)) from error
        return array._wrap(result.clone(memory_format=torch.contiguous_format), array.context)


def _extreme(x: Tensor, function: Callable[..., Tensor], axis: Any, keepdims: bool) -> Tensor:
    axes = tuple(range(x.ndim)) if axis is None else axis
    result = function(x.detach(), dim=axes, keepdim=True)
    if x.requires_grad:  # a term of value 0 gives each x that equals the extreme one the whole gradient
        hits = torch.where(x.detach() == result, x - x.detach(), torch.zeros_like(x))
        result = result + hits.sum(dim=axes, keepdim=True)
    result = result if keepdims else result.squeeze(axes)
    return result if result.ndim else result.reshape(1)


def _squeezed(x: Tensor, axis: Any) -> Tensor:
    result = x.squeeze() if axis is None else x.squeeze(axis)
    return result if result.ndim else result.reshape(1)
