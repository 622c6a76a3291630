"""Convolutions and fully connected layers in ONNX's operators.

The source of each is the operator's page in the documentation of MXNet 1.6.0 (mxnet.symbol).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .builder import Tensor
from .opsets import cast
from .pieces import known_rank, padded
from .translators import Call, translator

__all__ = ["channels_first", "each_axis", "transposed_convolution"]


def channels_first(call: Call) -> None:
    """Refuse layouts that ONNX does not have."""
    layout = call.values.get("layout")
    if layout not in (None, "NCW", "NCHW", "NCDHW"):
        raise ValueError(f"`layout` must have the channels first, as NCHW has, got {layout}")


def each_axis(values: Sequence[int], count: int, default: int) -> list[int]:
    return list(values) or [default] * count


def _window(call: Call) -> dict[str, Any]:
    count = len(call.values["kernel"])
    return {
        "kernel_shape": list(call.values["kernel"]),
        "strides": each_axis(call.values["stride"], count, 1),
        "dilations": each_axis(call.values["dilate"], count, 1),
        "group": call.values["num_group"],
    }


@translator("Convolution", "Convolution_v1")
def convolution(call: Call) -> Sequence[str]:
    channels_first(call)
    pads = each_axis(call.values["pad"], len(call.values["kernel"]), 0)
    return [call.op("Conv", *call.inputs, pads=pads * 2, **_window(call))]


@translator("Deconvolution")
def deconvolution(call: Call) -> Sequence[str]:
    channels_first(call)
    values, window = call.values, _window(call)
    count = len(values["kernel"])
    pads, adjust = each_axis(values["pad"], count, 0), each_axis(values["adj"], count, 0)
    if any(values["target_shape"]):
        pads, adjust = _for_target(call, window)
    return [transposed_convolution(call, call.inputs, pads, adjust, window)]


def _for_target(call: Call, window: dict[str, Any]) -> tuple[list[int], list[int]]:
    """Padding and adjustment that give the wanted size: MXNet puts half of what is too much on each side."""
    shape, pads, adjust = call.inputs[0].shape, [], []
    if shape is None or -1 in shape[2:]:
        raise ValueError("the sizes of the data must be known where there is a `target_shape`")
    numbers = zip(
        shape[2:], call.values["target_shape"], window["kernel_shape"], window["strides"], window["dilations"],
        strict=True,
    )  # fmt: skip
    for size, wanted, kernel, stride, dilate in numbers:
        excess = stride * (size - 1) + dilate * (kernel - 1) + 1 - wanted
        if excess < 0:
            raise ValueError(f"`target_shape` must be at most {wanted + excess} here, got {wanted}")
        pads.append((excess + 1) // 2)
        adjust.append(excess % 2)
    return pads, adjust


def transposed_convolution(
    call: Call, inputs: Sequence[Tensor | str], pads: list[int], adjust: list[int], window: dict[str, Any]
) -> str:
    """Less padding at the end stands for an adjustment, which runtimes bound by the stride."""
    ends = [max(pad - more, 0) for pad, more in zip(pads, adjust, strict=True)]
    rest = [max(more - pad, 0) for pad, more in zip(pads, adjust, strict=True)]
    return call.op("ConvTranspose", *inputs, pads=[*pads, *ends], output_padding=rest, **window)


@translator("FullyConnected")
def fully_connected(call: Call) -> Sequence[str]:
    data, weight, *bias = call.inputs
    if not call.values["flatten"] and known_rank(data) != 2:
        product = call.op("MatMul", data, call.op("Transpose", weight, perm=[1, 0]))
        return [call.op("Add", product, *bias) if bias else product]
    rows: Tensor | str = data
    if data.shape is None or len(data.shape) != 2:
        rows = call.op("Flatten", data, axis=1)
    if not bias and call.b.opset < 11:  # the bias became optional
        return [call.op("Gemm", rows, weight, call.constant(0.0), transB=1)]
    return [call.op("Gemm", rows, weight, *bias, transB=1)]


@translator("Embedding")
def embedding(call: Call) -> Sequence[str]:
    """Indices beyond the table are those of its ends, and fractions are cut off."""
    data, weight = call.inputs
    last = call.values["input_dim"] - 1
    if data.dtype.kind == "f":
        kind = data.dtype
        numbers = data.name
    else:  # Max and Min are for floating point before opset 12
        kind = np.dtype(np.int64 if call.b.opset >= 12 else np.float64)
        numbers = cast(call.b, data.name, kind)
    bounded = call.op("Min", call.op("Max", numbers, call.b.constant(0, kind)), call.b.constant(last, kind))
    indices = bounded if kind == np.int64 else cast(call.b, bounded, np.dtype(np.int64))
    return [call.op("Gather", weight, indices, axis=0)]


@translator("Pad")
def pad(call: Call) -> Sequence[str]:
    width, mode = call.values["pad_width"], call.values["mode"]
    if any(width[:4]):
        raise ValueError(f"`pad_width` must be 0 for the first two axes, got {width}")
    return [padded(call, call.inputs[0], width[::2], width[1::2], mode, call.values["constant_value"])]


@translator("Dropout")
def dropout(call: Call) -> Sequence[str]:
    if call.values["mode"] != "training":
        raise ValueError(
            f"`mode` must be training, since a model for inference drops nothing, got {call.values['mode']}"
        )
    return [call.op("Identity", call.inputs[0])]


@translator("MakeLoss", "make_loss", "IdentityAttachKLSparseReg")
def identity(call: Call) -> Sequence[str]:
    return [call.op("Identity", call.inputs[0])]
