"""MXNet's layers in PyTorch: convolutions, products with weights, dropout and softmax."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .torch_arithmetic import torch_dtype
from .torch_indexing import within
from .torch_pooling import refuse_channels_last
from .torch_table import Values, fill, function, layer

__all__ = ["Embedding", "FullyConnected"]

# --- convolutions

_CONVOLUTION = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_CONVOLVE = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_DECONVOLUTION = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
_DECONVOLVE = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def _each(values: Values, key: str, default: int) -> tuple[int, ...]:
    return values[key] or (default,) * len(values["kernel"])


def _bias(tensors: Sequence[Tensor], values: Values) -> Tensor | None:
    return None if values["no_bias"] else tensors[-1]


def _check_weight(weight: Tensor, expected: Sequence[int | None]) -> None:
    if weight.ndim != len(expected) or any(e not in (None, n) for n, e in zip(weight.shape, expected, strict=True)):
        words = ", ".join("any" if size is None else str(size) for size in expected)
        raise ValueError(f"`weight` must have shape ({words}), got {tuple(weight.shape)}")


@layer("Convolution", "Convolution_v1")
def _convolution_layer(values: Values, tensors: Sequence[Tensor]) -> nn.Module:
    refuse_channels_last(values)
    weight, kernel, groups = tensors[0], values["kernel"], values["num_group"]
    _check_weight(weight, (values["num_filter"], None, *kernel))
    sizes = _each(values, "stride", 1), _each(values, "pad", 0), _each(values, "dilate", 1)
    with torch.device("meta"):
        module = _CONVOLUTION[len(kernel)](weight.shape[1] * groups, weight.shape[0], kernel, *sizes, groups)
    return fill(module, weight=weight, bias=_bias(tensors, values))


@function("Convolution", "Convolution_v1")
def _convolution(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    x, weight = tensors[:2]
    sizes = _each(values, "stride", 1), _each(values, "pad", 0), _each(values, "dilate", 1)
    return _CONVOLVE[len(values["kernel"])](x, weight, _bias(tensors, values), *sizes, values["num_group"])


@layer("Deconvolution")
def _deconvolution_layer(values: Values, tensors: Sequence[Tensor]) -> nn.Module | None:
    refuse_channels_last(values)
    weight, kernel, groups = tensors[0], values["kernel"], values["num_group"]
    _check_weight(weight, (None, values["num_filter"] // groups, *kernel))
    if any(values["target_shape"]):
        return None
    with torch.device("meta"):
        module = _DECONVOLUTION[len(kernel)](
            weight.shape[0],
            values["num_filter"],
            kernel,
            _each(values, "stride", 1),
            _each(values, "pad", 0),
            _each(values, "adj", 0),
            groups,
            dilation=_each(values, "dilate", 1),
        )
    return fill(module, weight=weight, bias=_bias(tensors, values))


@function("Deconvolution")
def _deconvolution(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    x, weight = tensors[:2]
    stride, dilate = _each(values, "stride", 1), _each(values, "dilate", 1)
    pad, adjust = _each(values, "pad", 0), _each(values, "adj", 0)
    if any(values["target_shape"]):
        windows = [d * (k - 1) + 1 for k, d in zip(values["kernel"], dilate, strict=True)]
        sizes = zip(x.shape[2:], stride, windows, values["target_shape"], strict=True)
        extra = [s * (n - 1) + k - wanted for n, s, k, wanted in sizes]
        pad, adjust = tuple((e + 1) // 2 for e in extra), tuple(e % 2 for e in extra)
    convolve = _DECONVOLVE[len(values["kernel"])]
    return convolve(x, weight, _bias(tensors, values), stride, pad, adjust, values["num_group"], dilate)


# --- products with weights


class FullyConnected(nn.Linear):
    """`torch.nn.Linear`, that makes rows of the data first where `flatten` is true."""

    flatten = True

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.reshape(input.shape[0], -1) if self.flatten else input)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, flatten={self.flatten}"


@layer("FullyConnected")
def _fully_connected_layer(values: Values, tensors: Sequence[Tensor]) -> nn.Module:
    weight = tensors[0]
    _check_weight(weight, (values["num_hidden"], None))
    with torch.device("meta"):
        module = FullyConnected(weight.shape[1], weight.shape[0])
    module.flatten = values["flatten"]
    return fill(module, weight=weight, bias=_bias(tensors, values))


@function("FullyConnected")
def _fully_connected(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    x = tensors[0].reshape(tensors[0].shape[0], -1) if values["flatten"] else tensors[0]
    return F.linear(x, tensors[1], _bias(tensors, values))


class Embedding(nn.Embedding):
    """`torch.nn.Embedding`, that takes numbers of any dtype and holds them within the table, as MXNet does."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(within(input, self.num_embeddings, "clip"))


@layer("Embedding")
def _embedding_layer(values: Values, tensors: Sequence[Tensor]) -> nn.Module:
    _check_weight(tensors[0], (values["input_dim"], values["output_dim"]))
    with torch.device("meta"):
        module = Embedding(values["input_dim"], values["output_dim"])
    return fill(module, weight=tensors[0])


# --- dropout and softmax


@layer("Dropout")
def _dropout_layer(values: Values, tensors: Any) -> nn.Module | None:
    return None if values["axes"] or values["mode"] == "always" else nn.Dropout(values["p"])


@function("Dropout")
def _dropout(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    x, p = tensors[0], values["p"]
    if not (training or values["mode"] == "always"):
        return x
    shape = [1 if axis in values["axes"] else size for axis, size in enumerate(x.shape)]
    return x * F.dropout(torch.ones(shape, dtype=x.dtype, device=x.device), p)


def _soft(tensors: list[Tensor], values: Values, sign: int, *, log: bool) -> Tensor:
    x, axis = tensors[0], values["axis"]
    dtype = torch_dtype(values["dtype"]) if values["dtype"] else x.dtype
    x = sign * x / (values["temperature"] or 1.0)
    outside = None
    if values["use_length"]:  # places from the length on count as nothing
        places_along = torch.arange(x.shape[axis], device=x.device).reshape(-1, *[1] * (x.ndim - 1 - axis % x.ndim))
        outside = places_along >= tensors[1].unsqueeze(axis)
        x = x.masked_fill(outside, float("-inf"))
    result = F.log_softmax(x, axis) if log else F.softmax(x, axis)
    return (result if outside is None else result.masked_fill(outside, 0.0)).to(dtype)


@function("softmax")
def _softmax(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    return _soft(tensors, values, 1, log=False)


@function("log_softmax")
def _log_softmax(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    return _soft(tensors, values, 1, log=True)


@function("softmin")
def _softmin(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    return _soft(tensors, values, -1, log=False)


@function("SoftmaxActivation")
def _softmax_activation(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    return F.softmax(tensors[0], 1 if values["mode"] == "channel" else -1)


@function("SoftmaxOutput", "Softmax")
def _softmax_output(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    return _softmax_of(tensors[0], 1 if values["multi_output"] else -1 if values["preserve_shape"] else None)


def _softmax_of(x: Tensor, axis: int | None) -> Tensor:
    """Along an axis, or over all that an example has."""
    if axis is not None:
        return F.softmax(x, axis)
    return F.softmax(x.reshape(x.shape[0], -1), 1).reshape(x.shape)
