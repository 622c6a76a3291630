"""MXNet's pooling and resizing in PyTorch: the conventions on how many windows there are and what they count."""

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
    return kernel, values["stride"] or (1,) * len(kernel), values["pad"] or (0,) * len(kernel)


def _counts_padding(values: Values) -> bool:
    return values.get("count_include_pad") is not False


@layer("Pooling", "Pooling_v1")
def _pooling_layer(values: Values, tensors: Any) -> nn.Module | None:
    """torch's module where it counts windows as MXNet does."""
    refuse_channels_last(values)
    kind, convention = values["pool_type"], values["pooling_convention"]
    kernel, stride, pad = _window(values)
    plain = not values["global_pool"] and convention in ("valid", "full") and len(kernel) in _MAX
    if not plain or any(s > k or 2 * p > k for k, s, p in zip(kernel, stride, pad, strict=True)):
        return None
    if kind == "max":
        return _MAX[len(kernel)](kernel, stride, pad, ceil_mode=convention == "full")
    if kind == "avg":
        return _MEAN[len(kernel)](kernel, stride, pad, convention == "full", _counts_padding(values))
    return None


def refuse_channels_last(values: Values) -> None:
    if values.get("layout") not in (None, "NCW", "NCHW", "NCDHW"):
        raise ValueError(f"`layout` must have the channels second, got {values['layout']}")


@function("Pooling", "Pooling_v1")
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


@function("_contrib_AdaptiveAvgPooling2D")
def _adaptive(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    size = values["output_size"] or (1,)
    return F.adaptive_avg_pool2d(tensors[0], size * 2 if len(size) == 1 else size)


@function("UpSampling")
def _up_sampling(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    x, scale = tensors[0], values["scale"]
    if values["sample_type"] == "bilinear":
        return F.conv_transpose2d(x, tensors[1], stride=scale, padding=ceil((scale - 1) / 2), groups=x.shape[1])
    size = [n * scale for n in x.shape[2:]]
    larger = [F.interpolate(one, scale_factor=size[0] // one.shape[2], mode="nearest") for one in tensors]
    if len(larger) == 1:
        return larger[0]
    return torch.stack(larger).sum(0) if values["multi_input_mode"] == "sum" else torch.cat(larger, 1)


@function("_contrib_BilinearResize2D")
def _bilinear_resize(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    x = tensors[0]
    height, width = (_resized(x.shape[2 + i], i, tensors, values) for i in range(2))
    return F.interpolate(x, (height, width), mode="bilinear", align_corners=True)


def _resized(size: int, place: int, tensors: list[Tensor], values: Values) -> int:
    mode, name = values["mode"], ("height", "width")[place]
    scale = values[f"scale_{name}"]
    if mode == "like":
        return tensors[1].shape[2 + place]
    if mode == "size":
        return int(values[name]) if scale is None else int(scale * size)
    if mode == "odd_scale":
        return int(size * scale) if size % 2 == 0 else int((size - 1) * scale) + 1
    odd = mode.startswith("to_odd") == (size % 2 == 0)  # whether it has to change
    return size + odd * (1 if mode.endswith("up") else -1)


@function("Crop")
def _crop(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    x = tensors[0]
    sizes = tensors[1].shape[2:] if len(tensors) == 2 else values["h_w"]
    for axis, (size, offset) in enumerate(zip(sizes, values["offset"], strict=True), 2):
        begin = (x.shape[axis] - size) // 2 if values["center_crop"] else offset
        x = x.narrow(axis, begin, size)
    return x


@function("Pad")
def _pad(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    x, widths = tensors[0], values["pad_width"]
    pairs = [widths[i : i + 2] for i in range(0, len(widths), 2)]
    if values["mode"] == "constant":
        return F.pad(x, [n for pair in pairs[::-1] for n in pair], value=values["constant_value"])
    mode = "replicate" if values["mode"] == "edge" else "reflect"
    return F.pad(x, [n for pair in pairs[:1:-1] for n in pair], mode=mode)
