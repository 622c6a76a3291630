"""Shapes of the operators that networks around the activations are made of.

The source of each rule is the operator's page in the documentation of MXNet 1.6.0 (mxnet.symbol).
"""

from __future__ import annotations

import math
from typing import Any

from .layer_shapes import LAYER_RULES, first_of_each, learn
from .operators import Values
from .shape_rules import Rule, Shape, Shapes, merge, words

__all__ = ["NETWORK_RULES"]


def _each(values: tuple[int, ...], count: int, default: int) -> tuple[int, ...]:
    """One number for each axis of space."""
    result = values or (default,) * count
    if len(result) != count:
        raise ValueError(f"there must be {count} numbers, one for each axis of space, got {values}")
    return result


def _channels_first(values: Values) -> bool:
    return values.get("layout") in (None, "NCW", "NCHW", "NCDHW")


def _space(data: Shape, values: Values) -> int:
    count = len(data) - 2
    if len(values["kernel"]) != count:
        raise ValueError(f"`kernel` must have {count} sizes for data of shape {words(data)}, got {values['kernel']}")
    return count


def _window(size: int, kernel: int, stride: int, pad: int, dilate: int, *, full: bool = False) -> int:
    """How often a window fits into a padded axis."""
    if size < 0:
        return -1
    if min(kernel, stride, dilate) < 1 or pad < 0:
        raise ValueError(f"sizes of a window must be positive, got {kernel}, {stride}, {dilate}, with padding {pad}")
    rest = size + 2 * pad - (dilate * (kernel - 1) + 1)
    if rest < 0:
        raise ValueError(f"a window of size {kernel} must fit into an axis of size {size} with padding {pad}")
    return 1 + (-(-rest // stride) if full else rest // stride)


def convolution(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    data = inputs[0]
    if data is None or not _channels_first(values) or not values["kernel"]:
        return
    count, filters, groups = _space(data, values), values["num_filter"], values["num_group"]
    if filters < 1 or groups < 1:
        raise ValueError(f"`num_filter` and `num_group` must be positive, got {filters} and {groups}")
    kernel = values["kernel"]
    learn(inputs, 1, (filters, -1 if data[1] < 0 else data[1] // groups, *kernel))
    learn(inputs, 2, (filters,))
    numbers = zip(
        data[2:], kernel, _each(values["stride"], count, 1), _each(values["pad"], count, 0),
        _each(values["dilate"], count, 1), strict=True,
    )  # fmt: skip
    learn(outputs, 0, (data[0], filters, *(_window(*each) for each in numbers)))


def deconvolution(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    data = inputs[0]
    if data is None or not _channels_first(values) or not values["kernel"]:
        return
    count, filters, kernel = _space(data, values), values["num_filter"], values["kernel"]
    learn(inputs, 1, (data[1], filters // max(values["num_group"], 1), *kernel))
    learn(inputs, 2, (filters,))
    stride, pad = _each(values["stride"], count, 1), _each(values["pad"], count, 0)
    dilate, adjust = _each(values["dilate"], count, 1), _each(values["adj"], count, 0)
    sizes = list(values["target_shape"] if any(values["target_shape"]) else ()) or [
        -1 if n < 0 else (n - 1) * s + d * (k - 1) + 1 - 2 * p + a
        for n, k, s, p, d, a in zip(data[2:], kernel, stride, pad, dilate, adjust, strict=True)
    ]
    if any(size < 1 <= n for size, n in zip(sizes, data[2:], strict=True)):
        raise ValueError(f"the result must have positive sizes, got {sizes}")
    learn(outputs, 0, (data[0], filters, *sizes))


def fully_connected(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    data, hidden = inputs[0], values["num_hidden"]
    if data is None or not data:
        return
    read = data[1:] if values["flatten"] else data[-1:]
    learn(inputs, 1, (hidden, -1 if -1 in read else math.prod(read)))
    learn(inputs, 2, (hidden,))
    learn(outputs, 0, (*(data[:1] if values["flatten"] else data[:-1]), hidden))


def pooling(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    data = inputs[0]
    if data is None or not _channels_first(values):
        return
    if values["global_pool"]:
        learn(outputs, 0, (*data[:2], *(1 for _ in data[2:])))
        return
    count = _space(data, values)
    if values["pooling_convention"] == "same":
        strides = _each(values["stride"], count, 1)
        sizes = (-1 if n < 0 else -(-n // s) for n, s in zip(data[2:], strides, strict=True))
        learn(outputs, 0, (*data[:2], *sizes))
        return
    numbers = zip(
        data[2:], values["kernel"], _each(values["stride"], count, 1), _each(values["pad"], count, 0),
        (1,) * count, strict=True,
    )  # fmt: skip
    full = values["pooling_convention"] == "full"
    learn(outputs, 0, (*data[:2], *(_window(*each, full=full) for each in numbers)))


def batch_norm(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    channels = _normalized(values.get("axis", 1), inputs, outputs)
    for place in range(1, len(outputs)):
        if channels is not None:
            learn(outputs, place, channels)


def layer_norm(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    _normalized(values["axis"], inputs, outputs)
    data = inputs[0]
    if data is not None:
        axis = values["axis"] % len(data)
        for place in range(1, len(outputs)):
            learn(outputs, place, (*data[:axis], 1, *data[axis + 1 :]))


def instance_norm(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    _normalized(1, inputs, outputs)


def _normalized(axis: int, inputs: Shapes, outputs: Shapes) -> Shape | None:
    """The result is as the data, and the parameters have one number for each place along the axis."""
    first_of_each({}, inputs, outputs)
    data = inputs[0]
    if data is None:
        return None
    if not -len(data) <= axis < len(data):
        raise ValueError(f"`axis` must be one of the data's, of shape {words(data)}, got {axis}")
    for place in range(1, len(inputs)):
        learn(inputs, place, (data[axis],))
    return (data[axis],)


def concat(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    known = [shape for shape in inputs if shape is not None]
    if not known:
        return
    ndim, axis = len(known[0]), values["dim"]
    if not -ndim <= axis < ndim or any(len(shape) != ndim for shape in known):
        raise ValueError(f"`dim` must be an axis of all inputs, got {axis} for {', '.join(map(words, known))}")
    axis %= ndim
    shared: Any = None
    for shape in known:
        shared = merge(shared, (*shape[:axis], -1, *shape[axis + 1 :]))
    for place in range(len(inputs)):
        learn(inputs, place, shared)
    sizes = [-1 if shape is None else shape[axis] for shape in inputs]
    learn(outputs, 0, (*shared[:axis], -1 if -1 in sizes else sum(sizes), *shared[axis + 1 :]))


def slice_channel(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    data, axis, count = inputs[0], values["axis"], values["num_outputs"]
    if data is None:
        return
    if not -len(data) <= axis < len(data) or count < 1 or (data[axis] >= 0 and data[axis] % count):
        raise ValueError(f"{count} equal parts must fit into axis {axis} of shape {words(data)}")
    axis %= len(data)
    part = () if values["squeeze_axis"] else (-1 if data[axis] < 0 else data[axis] // count,)
    for place in range(len(outputs)):
        learn(outputs, place, (*data[:axis], *part, *data[axis + 1 :]))


NETWORK_RULES: dict[str, Rule] = {
    **LAYER_RULES,
    **dict.fromkeys(("Convolution", "Convolution_v1"), convolution),
    "Deconvolution": deconvolution,
    "FullyConnected": fully_connected,
    **dict.fromkeys(("Pooling", "Pooling_v1"), pooling),
    **dict.fromkeys(("BatchNorm", "BatchNorm_v1", "CuDNNBatchNorm", "_contrib_SyncBatchNorm"), batch_norm),
    "Concat": concat,
    "SliceChannel": slice_channel,
    "LayerNorm": layer_norm,
    "InstanceNorm": instance_norm,
}
