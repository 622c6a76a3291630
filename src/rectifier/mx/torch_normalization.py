"""MXNet's normalizations in PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from .torch_table import Values, fill, function, layer

__all__ = ["BatchNorm"]


class BatchNorm(_BatchNorm):
    """`torch.nn.BatchNorm2d` by MXNet's rules, for data of any number of axes.

    The moving variance takes up the variance divided by n, where torch divides by n - 1. `momentum` is torch's, the
    weight of the new: 1 less MXNet's.
    """

    # Without torch's, which adds a count of batches that MXNet does not have.
    _load_from_state_dict = nn.Module._load_from_state_dict

    def __init__(self, channels: int, values: Values) -> None:
        super().__init__(channels, values["eps"], 1 - values["momentum"])
        self.num_batches_tracked = None
        self.axis = values.get("axis", 1)
        self.use_global_stats = values["use_global_stats"]
        self.output_mean_var = values["output_mean_var"]

    def forward(self, input: Tensor) -> Any:
        x = input if self.axis == 1 else input.movedim(self.axis, 1)
        mean, var = self.running_mean, self.running_var
        if self.training and not self.use_global_stats:
            result, mean, var = _by_batch(x, self.weight, self.bias, self.eps)
            with torch.no_grad():
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(var, self.momentum)
        else:
            result = F.batch_norm(x, mean, var, self.weight, self.bias, eps=self.eps)
        result = result if self.axis == 1 else result.movedim(1, self.axis)
        return (result, mean, torch.rsqrt(var + self.eps)) if self.output_mean_var else result

    def _check_input_dim(self, input: Tensor) -> None:
        pass

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, axis={self.axis}, use_global_stats={self.use_global_stats}"


def _by_batch(x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """The normalized data, and the mean and variance of each channel."""
    mean, var = torch.zeros_like(beta, requires_grad=False), torch.ones_like(beta, requires_grad=False)
    result = torch.batch_norm(x, gamma, beta, mean, var, True, 1.0, eps, torch.backends.cudnn.enabled)
    count = x.numel() // x.shape[1]
    return result, mean, var * ((count - 1) / count) if count > 1 else torch.zeros_like(var)


_BATCH_NORMS = ("BatchNorm", "BatchNorm_v1", "CuDNNBatchNorm", "_contrib_SyncBatchNorm")


@layer(*_BATCH_NORMS)
def _batch_norm_layer(values: Values, tensors: Sequence[Tensor]) -> nn.Module:
    gamma, beta, mean, var = tensors
    for name, tensor in zip(("gamma", "beta", "moving_mean", "moving_var"), tensors, strict=True):
        if tensor.shape != beta.shape or tensor.ndim != 1:
            raise ValueError(f"`{name}` must have one number for each channel, got shape {tuple(tensor.shape)}")
    if values["fix_gamma"]:
        gamma = torch.ones_like(gamma) if gamma.requires_grad else gamma
    with torch.device("meta"):
        module = BatchNorm(beta.numel(), values)
    return fill(module, weight=gamma, bias=beta, running_mean=mean, running_var=var)


@function(*_BATCH_NORMS)
def _batch_norm(tensors: list[Tensor], values: Values, training: bool) -> Any:
    """Of parameters that are not the model's; moving statistics are read and not written."""
    axis, eps = values.get("axis", 1), values["eps"]
    x, gamma, beta, mean, var = (tensors[0].movedim(axis, 1), *tensors[1:])
    gamma = torch.ones_like(gamma) if values["fix_gamma"] else gamma
    if training and not values["use_global_stats"]:
        result, mean, var = _by_batch(x, gamma, beta, eps)
    else:
        result = F.batch_norm(x, mean, var, gamma, beta, eps=eps)
    result = result.movedim(1, axis)
    return (result, mean, torch.rsqrt(var + eps)) if values["output_mean_var"] else result


@layer("LayerNorm")
def _layer_norm_layer(values: Values, tensors: Sequence[Tensor]) -> nn.Module | None:
    if values["axis"] != -1 or values["output_mean_var"]:
        return None
    gamma, beta = tensors
    with torch.device("meta"):
        module = nn.LayerNorm(gamma.numel(), values["eps"])
    return fill(module, weight=gamma, bias=beta)


def _normalized(x: Tensor, axes: Sequence[int], eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """The data with mean 0 and variance 1, what its mean was, and its standard deviation."""
    var, mean = torch.var_mean(x, tuple(axes), correction=0, keepdim=True)
    deviation = torch.sqrt(var + eps)
    return (x - mean) / deviation, mean, deviation


@function("LayerNorm")
def _layer_norm(tensors: list[Tensor], values: Values, training: bool) -> Any:
    x, gamma, beta = tensors
    axis = values["axis"] % x.ndim
    result, mean, deviation = _normalized(x, (axis,), values["eps"])
    shape = [-1, *[1] * (x.ndim - 1 - axis)]
    result = result * gamma.reshape(shape) + beta.reshape(shape)
    return (result, mean, deviation) if values["output_mean_var"] else result


@function("InstanceNorm")
def _instance_norm(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    x, gamma, beta = tensors
    shape = [-1, *[1] * (x.ndim - 2)]
    return _normalized(x, range(2, x.ndim), values["eps"])[0] * gamma.reshape(shape) + beta.reshape(shape)


@function("GroupNorm")
def _group_norm(tensors: list[Tensor], values: Values, training: bool) -> Any:
    """gamma and beta have a number for each group."""
    x, gamma, beta = tensors
    groups = x.reshape(x.shape[0], values["num_groups"], -1)
    result, mean, deviation = _normalized(groups, (2,), values["eps"])
    result = (result * gamma.reshape(-1, 1) + beta.reshape(-1, 1)).reshape(x.shape)
    return (result, mean[..., 0], deviation[..., 0]) if values["output_mean_var"] else result


@function("L2Normalization")
def _l2_normalization(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    x = tensors[0]
    axes = {"instance": range(1, x.ndim), "channel": (1,), "spatial": range(2, x.ndim)}[values["mode"]]
    return x / torch.sqrt((x * x).sum(tuple(axes), keepdim=True) + values["eps"])


@function("LRN")
def _lrn(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    return F.local_response_norm(tensors[0], values["nsize"], values["alpha"], values["beta"], values["knorm"])
