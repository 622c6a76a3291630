"""The operators that are methods of arrays, and those that change the shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from .. import autograd
from ..base import MXNetError
from .invoke import invoke, run

__all__ = ["Methods", "concat", "dot", "pick", "stack", "where"]


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

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> Any:
        """The place of the greatest element along an axis, or in all of the array; in the array's dtype, as MXNet's."""
        return _changed(self, lambda x: _place(x, torch.argmax, axis, keepdims))

    def argmin(self, axis: int | None = None, keepdims: bool = False) -> Any:
        """The place of the least element."""
        return _changed(self, lambda x: _place(x, torch.argmin, axis, keepdims))

    def norm(self, ord: int = 2, axis: Any = None, keepdims: bool = False) -> Any:
        """The root of the sum of squares, or the sum of absolute values for `ord` 1."""
        if ord not in (1, 2):
            raise ValueError(f"`ord` must be 1 or 2, got {ord!r}")
        if ord == 1:
            return self.abs().sum(axis, keepdims)
        return self.square().sum(axis, keepdims).sqrt()

    def softmax(self, axis: int = -1) -> Any:
        """The exponentials along an axis, divided by their sum."""
        return _changed(self, lambda x: x.softmax(axis))

    def log_softmax(self, axis: int = -1) -> Any:
        """The logarithm of `softmax`."""
        return _changed(self, lambda x: x.log_softmax(axis))

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


def dot(lhs: Any, rhs: Any, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    """The sum of products over the last axis of one and the first one of the other; `transpose_` turns either."""
    return _changed(lhs, lambda a, b: _dot(a, b, transpose_a, transpose_b), rhs)


def pick(data: Any, index: Any, axis: int = -1, keepdims: bool = False) -> Any:
    """The element of each row whose place stands in `index`; places beyond the ends are moved to them."""

    def picked(x: Tensor, places: Tensor) -> Tensor:
        wanted = places.long().clamp(0, x.shape[axis] - 1)
        wanted = wanted if wanted.ndim == x.ndim else wanted.unsqueeze(axis)
        found = x.gather(axis, wanted)
        return found if keepdims else _with_axes(found.squeeze(axis))

    return _changed(data, picked, index)


def where(condition: Any, x: Any, y: Any) -> Any:
    """x where the condition is not 0, and y elsewhere; all of one shape."""
    if not condition.shape == x.shape == y.shape:
        raise MXNetError(f"`where` must have arrays of one shape, got {condition.shape}, {x.shape} and {y.shape}")
    return _changed(x, lambda a, b, c: torch.where(c != 0, a, b), y, condition)


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


def _with_axes(x: Tensor) -> Tensor:
    """MXNet has no arrays without axes."""
    return x if x.ndim else x.reshape(1)


def _place(x: Tensor, function: Callable[..., Tensor], axis: int | None, keepdims: bool) -> Tensor:
    found = function(x.detach(), dim=axis, keepdim=keepdims if axis is not None else False)
    return _with_axes(found).to(x.dtype)


def _dot(a: Tensor, b: Tensor, transpose_a: bool, transpose_b: bool) -> Tensor:
    a = a.permute(*range(1, a.ndim), 0) if transpose_a else a
    b = b.permute(-1, *range(b.ndim - 1)) if transpose_b else b
    return _with_axes(torch.tensordot(a, b, dims=1))


def _squeezed(x: Tensor, axis: Any) -> Tensor:
    result = x.squeeze() if axis is None else x.squeeze(axis)
    return result if result.ndim else result.reshape(1)
