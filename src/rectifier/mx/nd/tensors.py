"""torch's devices and tensors for what MXNet's users give."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import torch
from torch import Tensor

from ..base import MXNetError
from ..context import Context

__all__ = ["device_of", "tensor_from"]


def device_of(context: Context) -> torch.device:
    """torch's device for a context."""
    if not isinstance(context, Context):
        raise TypeError(f"`ctx` must be a Context, got {context!r}")
    if context.device_type != "gpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise MXNetError(f"`ctx` must be a device that PyTorch has, got {context}: PyTorch sees no GPU")
    return torch.device("cuda", context.device_id)


def tensor_from(value: Any, dtype: np.dtype[Any]) -> Tensor:
    """A new tensor on the CPU from numbers or anything with `__array__`."""
    numbers = np.array(value).astype(dtype)
    if numbers.dtype == ml_dtypes.bfloat16:
        return torch.from_numpy(np.ascontiguousarray(numbers).view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(numbers)
