"""MXNet's array: numbers in a tensor, and what the record of `autograd` knows of them."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy as np
import torch
from torch import Tensor

from .. import autograd
from ..base import MXNetError
from ..compute import DTYPES
from ..context import Context
from ..coverage import unknown_name
from . import indexing
from .arithmetic import Arithmetic
from .invoke import invoke
from .methods import Methods
from .reshaping import new_shape
from .tensors import device_of, tensor_from

__all__ = ["NDArray"]

_TYPES: dict[torch.dtype, type[Any]] = {tensor: dtype.type for dtype, tensor in DTYPES.items()}
_IN_GRAPH = (
    "Assigning to NDArrays that are already in a computational graph will cause undefined behavior when evaluating "
    "gradients. Please call backward first to clear the graph or do this out side of a record section. Also note that "
    "you cannot use inplace operations like +=, *=, relu(x, out=x), y[idx]=x, etc inside a record section."
)


class NDArray(Arithmetic, Methods):
    """An array on a device, as MXNet's: made by `array`, `zeros`, `ones` and the other functions of `mx.nd`.

    Arithmetic keeps the dtype, rounds a Python number to it first, and stretches axes of size 1; comparisons give 0
    and 1 in the same dtype. A slice that lies together in memory is a view. A single element has shape (1,).

    Examples
    --------
    >>> from rectifier import mx
    >>> x = mx.nd.array([[-1.0, 2.0], [3.0, -4.0]])
    >>> x[1] = 5
    >>> x > 0
    <BLANKLINE>
    [[0. 1.]
     [1. 1.]]
    <NDArray 2x2 @cpu(0)>
    """

    __slots__ = ("__weakref__", "_context", "_data", "_grad", "_node")

    def __init__(self, data: Tensor, context: Context, node: Tensor | None = None) -> None:
        self._data = data
        self._context = context
        self._node = node  # the same numbers in torch's record, where they are part of it
        self._grad: NDArray | None = None

    def _wrap(self, tensor: Tensor, context: Context) -> NDArray:
        """An array of a tensor, which may be recorded."""
        return NDArray(tensor.detach(), context, tensor if tensor.requires_grad else None)

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of its axes."""
        return tuple(self._data.shape)

    @property
    def dtype(self) -> type[Any]:
        """NumPy's type of an element."""
        return _TYPES[self._data.dtype]

    @property
    def size(self) -> int:
        """The number of elements."""
        return self._data.numel()

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._data.ndim

    @property
    def context(self) -> Context:
        """The device that holds it."""
        return self._context

    ctx = context

    @property
    def stype(self) -> str:
        """Always "default": there are no sparse arrays."""
        return "default"

    @property
    def T(self) -> NDArray:
        """A copy with the axes in reverse."""
        turned: NDArray = self.transpose()
        return turned

    @property
    def grad(self) -> NDArray | None:
        """Where `backward` writes the gradient; None without `attach_grad`."""
        return self._grad

    def __repr__(self) -> str:
        sizes = "x".join(map(str, self.shape))
        return f"\n{self.asnumpy()!s}\n<{type(self).__name__} {sizes} @{self.context}>"

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of an array without axes")
        return self.shape[0]

    def __bool__(self) -> bool:
        if self.size > 1:
            raise ValueError("The truth value of an NDArray with multiple elements is ambiguous.")
        return bool(self.size and self._data.reshape(-1)[0])

    def __iter__(self) -> Iterator[NDArray]:
        return (self[i] for i in range(len(self)))

    def __reduce__(self) -> Any:
        return _rebuilt, (self.asnumpy(), self.context.device_type, self.context.device_id)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return self.asnumpy() if dtype is None else self.asnumpy().astype(dtype)

    def __getitem__(self, key: Any) -> NDArray:
        with autograd.mode():
            return self._wrap(indexing.read(autograd.tensor_of(self), key), self.context)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._check_assignable()
        tensor = autograd.tensor_of(value) if isinstance(value, NDArray) else self._as_tensor(value)
        index, tensor = indexing.target(self._data, key, tensor.to(self._data))
        if tensor.requires_grad:
            with autograd.mode():
                recorded = self._data.clone()
                recorded[index] = tensor
            self._node = recorded
        with torch.no_grad():
            self._data[index] = tensor

    def _as_tensor(self, value: Any) -> Tensor:
        try:
            return tensor_from(value, np.dtype(self.dtype))
        except (TypeError, ValueError):
            kind = type(value)
            raise TypeError(
                f"NDArray does not support assignment with non-array-like object {value} of type {kind}"
            ) from None

    def _check_assignable(self) -> None:
        if autograd.is_recording() and autograd.in_graph(self):
            raise MXNetError(_IN_GRAPH)

    def _assign(self, tensor: Tensor) -> None:
        """Write all elements, with their record."""
        self._check_assignable()
        with torch.no_grad():
            self._data.copy_(tensor)
        if tensor.requires_grad:
            self._node = tensor

    def asnumpy(self) -> np.ndarray[Any, np.dtype[Any]]:
        """A copy as a NumPy array."""
        tensor = self._data.to("cpu", copy=True)
        if tensor.dtype == torch.bfloat16:
            return tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
        numbers: np.ndarray[Any, np.dtype[Any]] = tensor.numpy()
        return numbers

    def asscalar(self) -> Any:
        """The only element, as NumPy's scalar; the shape must be (1,)."""
        if self.shape != (1,):
            raise ValueError("The current array is not a scalar")
        return self.asnumpy()[0]

    def astype(self, dtype: Any, copy: bool = True) -> NDArray:
        """The same numbers in another dtype; the array itself if that is its own and `copy` is False."""
        wanted = np.dtype(dtype)
        if not copy and wanted == self.dtype:
            return self
        if wanted not in DTYPES:
            raise MXNetError(f"`dtype` must be one of {', '.join(map(str, DTYPES))}, got {wanted}")
        converted: NDArray = invoke("Cast", [self], {"dtype": wanted})
        return converted

    def copy(self) -> NDArray:
        """A copy on the same device."""
        return self.copyto(self.context)

    def copyto(self, other: NDArray | Context) -> NDArray:
        """A copy on another device, or the numbers written to another array, which is returned."""
        with autograd.mode():
            if isinstance(other, Context):
                return self._wrap(autograd.tensor_of(self).to(device_of(other), copy=True), other)
            if not isinstance(other, NDArray):
                raise TypeError(f"`other` must be an NDArray or a Context, got {type(other).__name__}")
            if other.shape != self.shape:
                raise MXNetError(f"`other` must have shape {self.shape}, got {other.shape}")
            other._assign(autograd.tensor_of(self).to(other._data.dtype, copy=True))
        return other

    def as_in_context(self, context: Context) -> NDArray:
        """The array on a device: itself if it is there."""
        return self if context == self.context else self.copyto(context)

    def tostype(self, stype: str) -> NDArray:
        """A copy; "default" is the only storage type."""
        if stype != "default":
            raise MXNetError(f"`stype` must be 'default', got {stype!r}: there are no sparse arrays")
        return self.copy()

    def reshape(self, *shape: Any, **kwargs: Any) -> NDArray:
        """A view of another shape, by MXNet's codes 0, -1, -2, -3 and -4; `reverse` reads them from the right."""
        if len(shape) == 1 and isinstance(shape[0], (tuple, list)):
            shape = tuple(shape[0])
        elif not shape:
            shape = tuple(kwargs.pop("shape", ()))
        reverse = bool(kwargs.pop("reverse", False))
        if kwargs:
            raise TypeError(f"reshape takes the keywords `shape` and `reverse`, got {', '.join(kwargs)}")
        with autograd.mode():
            return self._wrap(autograd.tensor_of(self).reshape(new_shape(self.shape, shape, reverse)), self.context)

    def wait_to_read(self) -> None:
        """Return when the numbers are there: on the CPU, at once."""
        if self._data.is_cuda:
            torch.cuda.synchronize(self._data.device)

    def attach_grad(self, grad_req: str = "write", stype: str | None = None) -> None:
        """Want a gradient: make an array of zeros for it, `grad`, and forget how this array was made.

        Parameters
        ----------
        grad_req : {"write", "add", "null"}
            Whether `backward` replaces the gradient, adds to it, or leaves it alone.
        stype : str, optional
            "default" or None.
        """
        if stype not in (None, "default"):
            raise MXNetError(f"`stype` must be 'default', got {stype!r}: there are no sparse arrays")
        self._watch(NDArray(torch.zeros_like(self._data), self.context), grad_req)

    def _watch(self, gradient: NDArray, grad_req: str) -> None:
        if grad_req not in ("write", "add", "null"):
            raise ValueError(f"`grad_req` must be 'write', 'add' or 'null', got {grad_req!r}")
        self._grad, self._node = gradient, None
        if grad_req == "null" or not self._data.dtype.is_floating_point:
            return
        leaf = self._data.detach().requires_grad_()
        deliver = functools.partial(_deliver, gradient, grad_req)
        leaf.register_post_accumulate_grad_hook(deliver)  # type: ignore[no-untyped-call]
        self._node = leaf

    def detach(self) -> NDArray:
        """A view that is no part of any record."""
        return NDArray(self._data, self.context)

    def backward(self, out_grad: NDArray | None = None, retain_graph: bool = False, train_mode: bool = True) -> None:
        """Write the gradients of this array: see `autograd.backward`."""
        autograd.backward([self], [out_grad], retain_graph, train_mode)

    def __dlpack__(self, **options: Any) -> Any:
        return self._data.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self._data.__dlpack_device__()

    def to_dlpack_for_read(self) -> Any:
        """A DLPack capsule of the memory, to be read."""
        return self.to_dlpack_for_write()

    def to_dlpack_for_write(self) -> Any:
        """A DLPack capsule of the memory, to be written."""
        return self._data.__dlpack__()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        unknown_name("NDArray", name, [key for key in dir(type(self)) if key != "ctx"])


def _deliver(gradient: NDArray, grad_req: str, leaf: Tensor) -> None:
    """Bring what torch has summed up in a leaf to where the user reads it."""
    assert leaf.grad is not None
    with torch.no_grad():
        if grad_req == "add":
            gradient._data += leaf.grad
        else:
            gradient._data.copy_(leaf.grad)
    leaf.grad = None


def _rebuilt(numbers: np.ndarray[Any, Any], device_type: str, device_id: int) -> NDArray:
    context = Context(device_type, device_id)
    return NDArray(tensor_from(numbers, numbers.dtype).to(device_of(context)), context)
