"""``autograd.Function``: a step with a gradient of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from . import autograd, nd
from .nd import NDArray

__all__ = ["Function"]


class Function:
    """A step whose gradient the user gives: subclasses say `forward` and `backward` in terms of arrays.

    Neither is recorded. Each call needs an object of its own.

    Examples
    --------
    >>> from rectifier import mx
    >>> class Double(mx.autograd.Function):
    ...     def forward(self, x):
    ...         return x * 2
    ...
    ...     def backward(self, d_y):
    ...         return d_y * 2
    >>> x = mx.nd.ones((2,))
    >>> x.attach_grad()
    >>> with mx.autograd.record():
    ...     y = Double()(x)
    >>> y.backward()
    >>> x.grad.asnumpy()
    array([2., 2.], dtype=float32)
    """

    def __init__(self) -> None:
        self._used = False
        self._saved: tuple[NDArray, ...] = ()

    def save_for_backward(self, *args: NDArray) -> None:
        """Keep arrays for `backward`."""
        self._saved = args

    @property
    def saved_tensors(self) -> tuple[NDArray, ...]:
        """What `save_for_backward` has kept."""
        return self._saved

    def forward(self, *inputs: NDArray) -> Any:
        """The outputs: an array, or several."""
        raise NotImplementedError(f"{type(self).__name__} must say what it does, in `forward`")

    def backward(self, *output_grads: NDArray) -> Any:
        """The gradient of each input, from that of each output."""
        raise NotImplementedError(f"{type(self).__name__} must say its gradient, in `backward`")

    def __call__(self, *inputs: NDArray) -> Any:
        """The outputs, recorded as one step."""
        if self._used:
            raise AssertionError("Each Function instance can only be called once. Another instance must be created.")
        self._used = True
        recording = autograd.set_recording(False)
        try:
            outputs = self.forward(*inputs)
        finally:
            autograd.set_recording(recording)
        if not recording:
            return outputs
        listed = _list(outputs)
        with autograd.mode():
            tensors = [autograd.tensor_of(array) for array in inputs]
            results = _Step.apply(self, listed, *tensors)  # type: ignore[no-untyped-call]
        wrapped = [array._wrap(one, array.context) for array, one in zip(listed, results, strict=True)]
        return wrapped if isinstance(outputs, (list, tuple)) else wrapped[0]


class _Step(torch.autograd.Function):
    """The step in torch's record."""

    @staticmethod
    def forward(ctx: Any, function: Function, outputs: Sequence[NDArray], *tensors: torch.Tensor) -> Any:
        ctx.function, ctx.contexts = function, [array.context for array in outputs]
        ctx.shapes = [tensor.shape for tensor in tensors]
        return tuple(array._data.clone() for array in outputs)

    @staticmethod
    def backward(ctx: Any, *d_outputs: torch.Tensor) -> Any:
        given = [nd.NDArray(one.detach(), where) for one, where in zip(d_outputs, ctx.contexts, strict=True)]
        with autograd.pause():
            found = _list(ctx.function.backward(*given))
        shapes = [array._data.shape for array in found]
        if shapes != ctx.shapes:
            expected, got = ([tuple(shape) for shape in each] for each in (ctx.shapes, shapes))
            raise ValueError(f"`backward` must return arrays of shapes {expected}, got {got}")
        return None, None, *(array._data for array in found)


def _list(arrays: Any) -> list[NDArray]:
    return list(arrays) if isinstance(arrays, (list, tuple)) else [arrays]
