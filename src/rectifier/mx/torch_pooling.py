"""MXNet's pooling in PyTorch: the conventions on how many windows there are and what they count."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .torch_arithmetic import cbrt
from .torch_table import Values, function, layer

__all__ = ["refuse_channels_last"]

_MAX = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
_MEAN = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}
_MAX_OF = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_MEAN_OF = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


def _window(values: Values) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Kernel, stride and padding, one number for each axis of space."""
    kernel = values["kernel"]
    pad = values["pad"][: len(kernel)]  # the convention "same" works in MXNet 1.6.0 with more zeros than axes only
    return kernel, values["stride"] or (1,) * len(kernel), pad or (0,) * len(kernel)


def _counts_padding(values: Values) -> bool:
    return values.get("count_include_pad") is not False


@layer("Pooling")
def _pooling_layer(values: Values, tensors: Any) -> nn.Module | None:
    """torch's module where it counts windows as MXNet does."""
    refuse_channels_last(values)
    kind, convention = values["pool_type"], values["pooling_convention"]
    kernel, stride, pad = _window(values)
    plain = not values["global_pool"] and convention in ("valid", "full") and len(kernel) in _MAX
    if not plain or any(2 * p > k or s + p > k for k, s, p in zip(kernel, stride, pad, strict=True)):
        return None  # torch leaves out windows that begin behind the data
    if kind == "max":
        return _MAX[len(kernel)](kernel, stride, pad, ceil_mode=convention == "full")
    if kind == "avg":
        return _MEAN[len(kernel)](kernel, stride, pad, convention == "full", _counts_padding(values))
    return None


def refuse_channels_last(values: Values) -> None:
    if values.get("layout") not in (None, "NCW", "NCHW", "NCDHW"):
        raise ValueError(f"`layout` must have the channels second, got {values['layout']}")


@function("Pooling")
def _pooling(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    x, kind = tensors[0], values["pool_type"]
    if values["global_pool"]:
        return _pool_all(x, kind, values)
    kernel, stride, pad = _window(values)
    windows = [_count(n, k, s, p, values) for n, k, s, p in zip(x.shape[2:], kernel, stride, pad, strict=True)]
    # How far the last window reaches over the axis and its padding on the left.
    axes = zip(x.shape[2:], kernel, stride, pad, windows, strict=True)
    ends = [max((w - 1) * s + k - n - p, 0) for n, k, s, p, w in axes]
    wide = [size for pair in zip(pad[::-1], ends[::-1], strict=True) for size in pair]
    if kind == "max":
        found = _MAX_OF[len(kernel)](F.pad(x, wide, value=torch.finfo(x.dtype).min), kernel, stride)
        return _first(found, windows)
    total = _first(_sums(F.pad(_power(x, values), wide), kernel, stride), windows)
    if kind == "avg":
        counts = [
            _divisors(*each, counted=_counts_padding(values), like=x)
            for each in zip(x.shape[2:], kernel, stride, pad, windows, strict=True)
        ]
        for axis, count in enumerate(counts):
            total = total / count.reshape(-1, *[1] * (len(kernel) - 1 - axis))
    return _root(total, values)


@function("Pooling_v1")
def _pooling_v1(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    """The maximum counts the padding's zeros, and the mean divides by the size of the kernel everywhere."""
    if values["global_pool"]:
        return _pool_all(tensors[0], values["pool_type"], values)
    kernel, _, pad = _window(values)
    x = F.pad(tensors[0], [p for p in pad[::-1] for _ in range(2)])
    kind = "sum" if values["pool_type"] == "avg" else values["pool_type"]
    found = _pooling([x], {**values, "pad": (), "pool_type": kind}, training)
    return found / prod(kernel) if values["pool_type"] == "avg" else found


def _count(size: int, kernel: int, stride: int, pad: int, values: Values) -> int:
    """How many windows there are along an axis."""
    convention = values["pooling_convention"]
    if convention == "same":
        return ceil((size + 2 * pad) / stride)
    rest = size + 2 * pad - kernel
    return 1 + (-(-rest // stride) if convention == "full" else rest // stride)


def _divisors(size: int, kernel: int, stride: int, pad: int, windows: int, *, counted: bool, like: Tensor) -> Tensor:
    """How many elements the average of each window counts; never more than reach into the padding on the right."""
    begin = torch.arange(windows, device=like.device) * stride - pad
    end = (begin + kernel).clamp(max=size + pad)
    if not counted:
        begin, end = begin.clamp(min=0), end.clamp(max=size)
    return (end - begin).to(like.dtype)


def _sums(x: Tensor, kernel: Sequence[int], stride: Sequence[int]) -> Tensor:
    return _MEAN_OF[len(kernel)](x, kernel, stride) * prod(kernel)


def _first(x: Tensor, windows: Sequence[int]) -> Tensor:
    for axis, count in enumerate(windows):
        x = x.narrow(2 + axis, 0, count)
    return x


def _power(x: Tensor, values: Values) -> Tensor:
    """MXNet takes no absolute values: with odd powers, elements of other signs cancel."""
    return x.pow(values["p_value"]) if values["pool_type"] == "lp" else x


def _root(x: Tensor, values: Values) -> Tensor:
    if values["pool_type"] != "lp" or values["p_value"] == 1:
        return x
    return x.sqrt() if values["p_value"] == 2 else cbrt(x)


def _pool_all(x: Tensor, kind: str, values: Values) -> Tensor:
    axes = tuple(range(2, x.ndim))
    if kind == "max":
        return x.amax(axes, True)
    if kind == "avg":
        return x.mean(axes, True)
    return _root(_power(x, values).sum(axes, keepdim=True), values)
