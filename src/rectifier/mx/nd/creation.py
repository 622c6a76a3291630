"""Functions that make arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch

from ...parameters import integer
from ..base import MXNetError
from ..compute import DTYPES
from ..context import Context, current_context
from .array import NDArray
from .tensors import device_of, tensor_from

__all__ = ["arange", "array", "empty", "from_dlpack", "from_numpy", "full", "ones", "zeros"]

Shape = int | Sequence[int]


def array(source_array: Any, ctx: Context | None = None, dtype: Any = None) -> NDArray:
    """An array of given numbers.

    Parameters
    ----------
    source_array : array_like or NDArray
        Numbers.
    ctx : Context, optional
        The device; `current_context()` by default.
    dtype : dtype, optional
        float32 by default, whatever the source's is, unless that is an NDArray.

    Returns
    -------
    NDArray

    Raises
    ------
    TypeError
        If the source is no array of numbers.

    Examples
    --------
    >>> from rectifier import mx
    >>> mx.nd.array([1, 2, 3])
    <BLANKLINE>
    [1. 2. 3.]
    <NDArray 3 @cpu(0)>
    """
    if dtype is None:
        dtype = source_array.dtype if isinstance(source_array, NDArray) else np.float32
    numbers = source_array.asnumpy() if isinstance(source_array, NDArray) else source_array
    wanted = _checked_dtype(dtype)
    try:
        tensor = tensor_from(numbers, wanted)
    except (TypeError, ValueError) as error:
        raise TypeError(f"`source_array` must be an array of numbers, got {type(numbers).__name__}: {error}") from None
    context = ctx or current_context()
    return NDArray(tensor.to(device_of(context)), context)


def full(shape: Shape, val: float, ctx: Context | None = None, dtype: Any = np.float32, out: Any = None) -> NDArray:
    """An array of one number."""
    if out is not None:
        out[:] = val
        return out  # type: ignore[no-any-return]
    sizes = tuple(shape) if isinstance(shape, Iterable) else (shape,)
    if any(integer("shape", size, "an integer or a tuple of integers") < 0 for size in sizes):
        raise MXNetError(f"`shape` must be sizes of 0 and above, got {shape}")
    context = ctx or current_context()
    wanted = DTYPES[_checked_dtype(np.float32 if dtype is None else dtype)]
    return NDArray(torch.full(sizes, val, dtype=wanted, device=device_of(context)), context)


def zeros(shape: Shape, ctx: Context | None = None, dtype: Any = None, **kwargs: Any) -> NDArray:
    """An array of zeros.

    Parameters
    ----------
    shape : int or tuple of int
    ctx : Context, optional
    dtype : dtype, default float32

    Examples
    --------
    >>> from rectifier import mx
    >>> mx.nd.zeros((2, 3), dtype="float64").dtype
    <class 'numpy.float64'>
    """
    return full(shape, 0, ctx, dtype, **kwargs)


def ones(shape: Shape, ctx: Context | None = None, dtype: Any = None, **kwargs: Any) -> NDArray:
    """An array of ones; parameters as for `zeros`."""
    return full(shape, 1, ctx, dtype, **kwargs)


def empty(shape: Shape, ctx: Context | None = None, dtype: Any = None) -> NDArray:
    """An array to be written to; here, of zeros."""
    return zeros(shape, ctx, dtype)


def arange(
    start: float,
    stop: float | None = None,
    step: float = 1.0,
    repeat: int = 1,
    infer_range: bool | None = None,
    ctx: Context | None = None,
    dtype: Any = np.float32,
) -> NDArray:
    """Numbers from `start` up to but without `stop`, or from 0 up to `start`; each `repeat` times.

    Examples
    --------
    >>> from rectifier import mx
    >>> mx.nd.arange(2, 6, step=2, repeat=2).asnumpy()
    array([2., 2., 4., 4.], dtype=float32)
    """
    if infer_range:
        raise MXNetError("`infer_range` must be False or None: a stop must be known")
    numbers = np.arange(start, stop, step) if stop is not None else np.arange(0, start, step)
    return array(np.repeat(numbers, repeat), ctx, dtype)


def from_dlpack(dlpack: Any) -> NDArray:
    """An array that shares the memory of another library's: of a DLPack capsule, or of what has `__dlpack__`."""
    return _of_tensor(torch.utils.dlpack.from_dlpack(dlpack))


def from_numpy(ndarray: np.ndarray[Any, np.dtype[Any]], zero_copy: bool = True) -> NDArray:
    """An array of a NumPy array, of its dtype; with `zero_copy`, in its memory, which NumPy may then only read."""
    if zero_copy and not ndarray.flags.c_contiguous:
        raise ValueError("`ndarray` must be contiguous in C order to share its memory; zero_copy=False copies")
    if not zero_copy:
        return array(ndarray, dtype=ndarray.dtype)
    shared = _of_tensor(torch.from_numpy(ndarray))
    ndarray.flags.writeable = False
    return shared


def _of_tensor(tensor: torch.Tensor) -> NDArray:
    context = Context("gpu", tensor.device.index or 0) if tensor.is_cuda else Context("cpu", 0)
    return NDArray(tensor.detach().contiguous(), context)


def _checked_dtype(dtype: Any) -> np.dtype[Any]:
    names = ", ".join(map(str, DTYPES))
    try:
        wanted: np.dtype[Any] = np.dtype(dtype)
    except TypeError:
        raise TypeError(f"`dtype` must be one of {names}, got {dtype!r}") from None
    if wanted not in DTYPES:
        raise MXNetError(f"`dtype` must be one of {names}, got {wanted}")
    return wanted
