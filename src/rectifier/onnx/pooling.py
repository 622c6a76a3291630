"""Pooling in ONNX's operators.

Where MXNet rounds the number of windows up (`full`), the data get stride - 1 more places at their end, and the windows
of ONNX's own rounding are the same ones, whatever the size. Runtimes read ONNX's `ceil_mode` in several ways.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from .builder import Tensor
from .layers import channels_first, each_axis
from .opsets import reduce
from .pieces import known_rank, known_sizes, padded
from .translators import Call, translator

__all__ = ["interpolation", "matrices"]


@dataclass(frozen=True)
class _Windows:
    """Sizes along each axis of space, and how much is added before and after."""

    kernel: list[int]
    stride: list[int]
    before: list[int]
    after: list[int]


def _windows(call: Call, extra: Sequence[int] = ()) -> _Windows:
    values = call.values
    kernel = list(values["kernel"])
    before = each_axis(values["pad"], len(kernel), 0)[: len(kernel)]
    after = [pad + more for pad, more in zip(before, extra or [0] * len(kernel), strict=True)]
    return _Windows(kernel, each_axis(values["stride"], len(kernel), 1), before, after)


def _extra(call: Call) -> list[int]:
    """How many places stand beyond the data and their padding."""
    kernel, convention = call.values["kernel"], call.values["pooling_convention"]
    stride = each_axis(call.values["stride"], len(kernel), 1)
    if convention == "valid":
        return [0] * len(kernel)
    if convention == "same":  # as many windows as strides fit into the data
        return [size - 1 for size in kernel]
    shape, more = call.inputs[0].shape, [step - 1 for step in stride]
    if shape is None or -1 in shape[2:]:
        return more
    pads = each_axis(call.values["pad"], len(kernel), 0)
    rest = [(n + 2 * p - k) % s for n, p, k, s in zip(shape[2:], pads, kernel, stride, strict=True)]
    return [s - r if r else 0 for s, r in zip(stride, rest, strict=True)]


def _pooled(call: Call, op_type: str, data: str | Tensor, windows: _Windows, **attributes: int) -> str:
    return call.op(
        op_type,
        data,
        kernel_shape=windows.kernel,
        strides=windows.stride,
        pads=[*windows.before, *windows.after],
        **attributes,
    )


def _fits(windows: _Windows) -> bool:
    """Whether runtimes take the padding as attributes: it must be less than the kernel."""
    return all(k > max(b, a) for k, b, a in zip(windows.kernel, windows.before, windows.after, strict=True))


def _bordered(call: Call, data: str | Tensor, windows: _Windows, value: float) -> tuple[str, _Windows]:
    """The padding as part of the data."""
    result = padded(call, data, [0, 0, *windows.before], [0, 0, *windows.after], value=value)
    none = [0] * len(windows.kernel)
    return result, replace(windows, before=none, after=none)


def _max(call: Call) -> str:
    windows = _windows(call, _extra(call))
    data: str | Tensor = call.inputs[0]
    if not _fits(windows):
        data, windows = _bordered(call, data, windows, float(np.finfo(call.dtype).min))
    return _pooled(call, "MaxPool", data, windows)


def _mean(call: Call, *, include: bool) -> str:
    """Places of the padding count if `include`, and those beyond never do."""
    extra, data = _extra(call), call.inputs[0]
    windows = _windows(call, extra)
    if include and not any(extra) and _fits(windows):
        return _pooled(call, "AveragePool", data, windows, count_include_pad=1)
    source: str | Tensor = data
    if include and any(windows.before):
        source, windows = _bordered(call, data, _windows(call), 0.0)
        windows = replace(windows, after=extra)
    if not _fits(windows):
        if data.shape is None or -1 in data.shape[2:]:
            raise ValueError("the sizes of the data must be known where strides are longer than the kernel")
        raise ValueError(
            f"windows of {tuple(windows.kernel)} must not lie outside the data, where there is nothing to average: "
            f"got `stride` {tuple(windows.stride)} and `pad` {tuple(call.values['pad'])}"
        )
    return _pooled(call, "AveragePool", source, windows, count_include_pad=0)


def _sum(call: Call, data: str | Tensor) -> str:
    windows = _windows(call, _extra(call))
    if not _fits(windows):
        data, windows = _bordered(call, data, windows, 0.0)
    mean = _pooled(call, "AveragePool", data, windows, count_include_pad=1)
    return call.op("Mul", mean, call.constant(float(prod(windows.kernel))))


def _power(call: Call) -> str:
    """The data to the power of `p_value`; MXNet takes no absolute values."""
    data, power = call.inputs[0], call.values["p_value"]
    if power not in (1, 2, 3):
        raise ValueError(f"`p_value` must be 1, 2 or 3, as in MXNet, got {power}")
    result = data.name
    for _ in range(power - 1):
        result = call.op("Mul", result, data)
    return result


def _root(call: Call, data: str) -> str:
    power = call.values["p_value"]
    if power == 1:
        return data
    if power == 2:
        return call.op("Sqrt", data)
    size = call.op("Pow", call.op("Abs", data), call.constant(1 / 3))
    return call.op("Mul", call.op("Sign", data), size)


def _whole(call: Call) -> str:
    """Over all of space."""
    kind, data = call.values["pool_type"], call.inputs[0]
    if kind in ("max", "avg"):
        return call.op("GlobalMaxPool" if kind == "max" else "GlobalAveragePool", data)
    axes = range(2, known_rank(data))
    if kind == "sum":
        return reduce(call.b, "ReduceSum", data, axes, keepdims=True)
    return _root(call, reduce(call.b, "ReduceSum", _power(call), axes, keepdims=True))


@translator("Pooling")
def pooling(call: Call) -> Sequence[str]:
    channels_first(call)
    values = call.values
    if values["global_pool"]:
        return [_whole(call)]
    if values["pool_type"] == "max":
        return [_max(call)]
    if values["pool_type"] == "avg":
        return [_mean(call, include=values["count_include_pad"] is not False)]
    if values["pool_type"] == "sum":
        return [_sum(call, call.inputs[0])]
    return [_root(call, _sum(call, _power(call)))]


@translator("Pooling_v1")
def pooling_v1(call: Call) -> Sequence[str]:
    """The maximum counts the padding's zeros, and the mean divides by the size of the kernel everywhere."""
    values = call.values
    if values["global_pool"]:
        return [_whole(call)]
    if values["pool_type"] == "max":
        data: str | Tensor = call.inputs[0]
        windows = _windows(call)
        if any(windows.before):
            data, windows = _bordered(call, data, windows, 0.0)
        windows = replace(windows, after=_extra(call))
        if not _fits(windows):
            data, windows = _bordered(call, data, windows, float(np.finfo(call.dtype).min))
        return [_pooled(call, "MaxPool", data, windows)]
    total = _sum(call, call.inputs[0])
    if values["pool_type"] == "sum":
        return [total]
    return [call.op("Div", total, call.constant(float(prod(values["kernel"]))))]


def matrices(call: Call, rows: np.ndarray, columns: np.ndarray) -> str:  # type: ignore[type-arg]
    """Linear maps of height and width: rows @ image @ columns.T."""
    high = call.op("MatMul", call.b.constant(rows, call.dtype), call.inputs[0])
    return call.op("MatMul", high, call.b.constant(columns.T, call.dtype))


@translator("_contrib_AdaptiveAvgPooling2D")
def adaptive_pooling(call: Call) -> Sequence[str]:
    sizes = call.values["output_size"] or (1,)
    height, width = sizes[0], sizes[-1]
    if (height, width) == (1, 1):
        return [call.op("GlobalAveragePool", call.inputs[0])]
    in_height, in_width = known_sizes(call.inputs[0])
    return [matrices(call, _means(in_height, height), _means(in_width, width))]


def _means(size: int, parts: int) -> np.ndarray:  # type: ignore[type-arg]
    """Row i is the mean of the places from floor(i * size / parts) to ceil((i + 1) * size / parts)."""
    result = np.zeros((parts, size))
    for i in range(parts):
        start, stop = i * size // parts, -(-(i + 1) * size // parts)
        result[i, start:stop] = 1 / (stop - start)
    return result


def interpolation(size: int, wanted: int) -> np.ndarray:  # type: ignore[type-arg]
    """Row i interpolates between two places, so that first and last of both sides coincide."""
    result = np.zeros((wanted, size))
    places = np.arange(wanted) * ((size - 1) / (wanted - 1) if wanted > 1 else 0.0)
    left = np.minimum(places.astype(int), size - 1)
    rows, share = np.arange(wanted), places - left
    result[rows, left] = 1 - share
    result[rows, np.minimum(left + 1, size - 1)] += share
    return result


@translator("ROIPooling")
def roi_pooling(call: Call) -> Sequence[str]:
    values = call.values
    return [
        call.op(
            "MaxRoiPool", *call.inputs, pooled_shape=list(values["pooled_size"]), spatial_scale=values["spatial_scale"]
        )
    ]
