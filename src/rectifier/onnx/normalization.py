"""Normalizations in ONNX's operators.

The source of each is the operator's page in the documentation of MXNet 1.6.0 (mxnet.symbol).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .builder import Tensor
from .opsets import cast, reduce, reshape
from .pieces import add_number, along_axis, known_rank, shaped_like, swapped
from .translators import Call, translator

__all__ = ["batch_norm"]

Name = str | Tensor

# The first opset with an operator LayerNormalization.
_LAYER_NORM_OPSET = 17


@translator("BatchNorm", "BatchNorm_v1", "CuDNNBatchNorm", "_contrib_SyncBatchNorm")
def batch_norm(call: Call) -> Sequence[str]:
    """With the moving averages. A fixed gamma counts as 1, whatever its array holds."""
    data, _, beta, mean, variance = call.inputs
    axis, gamma = call.values.get("axis", 1), _gamma(call)
    eps = call.values["eps"]
    source: Name = data
    if data.dtype != mean.dtype:  # statistics of float16 data are float32
        source = cast(call.b, data, mean.dtype)
    if axis != 1:
        rank = known_rank(data)
        axis %= rank
        if rank < 2:
            raise ValueError("the data must have 2 dimensions or more, got 1")
    moved = axis != 1
    if moved:
        source = swapped(call, source, 1, axis, known_rank(data))
    result = call.op("BatchNormalization", source, gamma, beta, mean, variance, epsilon=eps)
    if moved:
        result = swapped(call, result, 1, axis, known_rank(data))
    if data.dtype != mean.dtype:
        result = cast(call.b, result, data.dtype)
    if not call.values["output_mean_var"]:
        return [result]
    deviation = call.op("Sqrt", call.op("Add", variance, call.b.constant(eps, mean.dtype)))
    return [result, call.op("Identity", mean), call.op("Reciprocal", deviation)]


def _gamma(call: Call) -> Name:
    gamma, mean = call.inputs[1], call.inputs[3]
    if not call.values["fix_gamma"]:
        return gamma
    shape = gamma.shape or mean.shape
    if shape is None or -1 in shape:
        raise ValueError("the number of channels must be known")
    return call.b.constant(np.ones(shape), mean.dtype)


def _standardized(call: Call, data: Name, axes: Sequence[int]) -> tuple[str, str, str]:
    """What is left without mean and standard deviation along the axes, and these two."""
    mean = reduce(call.b, "ReduceMean", data, axes, keepdims=True)
    centred = call.op("Sub", data, mean)
    variance = reduce(call.b, "ReduceMean", call.op("Mul", centred, centred), axes, keepdims=True)
    deviation = call.op("Sqrt", add_number(call, variance, call.values["eps"]))
    return call.op("Div", centred, deviation), mean, deviation


def _affine(call: Call, data: Name, gamma: Name, beta: Name) -> str:
    return call.op("Add", call.op("Mul", data, gamma), beta)


@translator("LayerNorm")
def layer_norm(call: Call) -> Sequence[str]:
    data, gamma, beta = call.inputs
    rank, wanted = known_rank(data), call.values["output_mean_var"]
    axis = call.values["axis"] % rank
    if call.b.opset >= _LAYER_NORM_OPSET and axis == rank - 1 and not wanted:
        return [call.op("LayerNormalization", data, gamma, beta, axis=-1, epsilon=call.values["eps"])]
    standard, mean, deviation = _standardized(call, data, [axis])
    on_axis = (along_axis(call, each, axis, rank) for each in (gamma, beta))
    return [_affine(call, standard, *on_axis), mean, deviation][: 3 if wanted else 1]


@translator("InstanceNorm")
def instance_norm(call: Call) -> Sequence[str]:
    if known_rank(call.inputs[0]) < 3:
        raise ValueError(f"the data must have 3 dimensions or more, got {known_rank(call.inputs[0])}")
    return [call.op("InstanceNormalization", *call.inputs, epsilon=call.values["eps"])]


@translator("GroupNorm")
def group_norm(call: Call) -> Sequence[str]:
    """Each group as one long row: gamma and beta have a number for each group in MXNet 1.6.0."""
    data, gamma, beta = call.inputs
    rows = reshape(call.b, data, (0, call.values["num_groups"], -1))
    if not call.values["output_mean_var"]:
        normal = call.op("InstanceNormalization", rows, gamma, beta, epsilon=call.values["eps"])
        return [shaped_like(call, normal, data)]
    standard, *moments = _standardized(call, rows, [2])
    on_axis = (along_axis(call, each, 1, 3) for each in (gamma, beta))
    result = shaped_like(call, _affine(call, standard, *on_axis), data)
    return [result, *(reshape(call.b, each, (0, 0)) for each in moments)]


@translator("L2Normalization")
def l2_normalization(call: Call) -> Sequence[str]:
    data, mode = call.inputs[0], call.values["mode"]
    axes = [1] if mode == "channel" else list(range(1 if mode == "instance" else 2, known_rank(data)))
    squares = reduce(call.b, "ReduceSum", call.op("Mul", data, data), axes, keepdims=True)
    norm = call.op("Sqrt", add_number(call, squares, call.values["eps"]))
    return [call.op("Div", data, norm)]


@translator("LRN")
def local_response_norm(call: Call) -> Sequence[str]:
    """Both divide alpha by the number of channels in the window."""
    values = call.values
    if values["nsize"] % 2 == 0:
        raise ValueError(f"`nsize` must be odd, as MXNet wants it, got {values['nsize']}")
    return [
        call.op(
            "LRN",
            call.inputs[0],
            alpha=values["alpha"],
            beta=values["beta"],
            bias=values["knorm"],
            size=values["nsize"],
        )
    ]
