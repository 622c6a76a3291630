"""Shapes of the operators that networks around the activations are made of.

The source of each rule is the operator's page in the documentation of MXNet 1.6.0 (mxnet.symbol).
"""

from __future__ import annotations

import math
from typing import Any

from .operators import Parameter, Values, boolean, integer, integers
from .shape_rules import Rule, Shape, Shapes, merge, same, words

__all__ = ["NETWORK_PARAMETERS", "NETWORK_RULES"]

_WINDOW = (
    Parameter("kernel", integers, ()),
    Parameter("stride", integers, ()),
    Parameter("pad", integers, ()),
)
_FILTERS = (
    *_WINDOW,
    Parameter("dilate", integers, ()),
    Parameter("num_filter", integer, 0),
    Parameter("num_group", integer, 1),
    Parameter("no_bias", boolean, False),
    Parameter("layout", str, "None"),
)

# The parameters that the rules read.
NETWORK_PARAMETERS: dict[str, tuple[Parameter, ...]] = {
    "Convolution": _FILTERS,
    "Deconvolution": (
        *_FILTERS[:-2],
        Parameter("no_bias", boolean, True),
        _FILTERS[-1],
        Parameter("adj", integers, ()),
        Parameter("target_shape", integers, ()),
    ),
    "FullyConnected": (
        Parameter("num_hidden", integer, 0),
        Parameter("no_bias", boolean, False),
        Parameter("flatten", boolean, True),
    ),
    "Pooling": (
        *_WINDOW,
        Parameter("global_pool", boolean, False),
        Parameter("pooling_convention", str, "valid"),
        Parameter("layout", str, "None"),
    ),
    "BatchNorm": (Parameter("axis", integer, 1), Parameter("output_mean_var", boolean, False)),
    "LayerNorm": (Parameter("axis", integer, -1), Parameter("output_mean_var", boolean, False)),
}


def _each(values: tuple[int, ...], count: int, default: int) -> tuple[int, ...]:
    """One number for each axis of space."""
    result = values or (default,) * count
    if len(result) != count:
        raise ValueError(f"there must be {count} numbers, one for each axis of space, got {values}")
    return result


def _channels_first(values: Values) -> bool:
    return str(values["layout"]) in ("None", "NCW", "NCHW", "NCDHW")


def _space(data: Shape, values: Values) -> int:
    count = len(data) - 2
    if len(values["kernel"]) != count:
        raise ValueError(f"`kernel` must have {count} sizes for data of shape {words(data)}, got {values['kernel']}")
    return count


def _learn(shapes: Shapes, place: int, found: Shape) -> None:
    if place < len(shapes):
        shapes[place] = merge(shapes[place], found)


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
    _learn(inputs, 1, (filters, -1 if data[1] < 0 else data[1] // groups, *kernel))
    _learn(inputs, 2, (filters,))
    numbers = zip(
        data[2:], kernel, _each(values["stride"], count, 1), _each(values["pad"], count, 0),
        _each(values["dilate"], count, 1), strict=True,
    )  # fmt: skip
    _learn(outputs, 0, (data[0], filters, *(_window(*each) for each in numbers)))


def deconvolution(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    data = inputs[0]
    if data is None or not _channels_first(values) or not values["kernel"] or values["target_shape"]:
        return
    count, filters, kernel = _space(data, values), values["num_filter"], values["kernel"]
    _learn(inputs, 1, (data[1], filters // max(values["num_group"], 1), *kernel))
    _learn(inputs, 2, (filters,))
    stride, pad = _each(values["stride"], count, 1), _each(values["pad"], count, 0)
    dilate, adjust = _each(values["dilate"], count, 1), _each(values["adj"], count, 0)
    sizes = [
        -1 if n < 0 else (n - 1) * s + d * (k - 1) + 1 - 2 * p + a
        for n, k, s, p, d, a in zip(data[2:], kernel, stride, pad, dilate, adjust, strict=True)
    ]
    if any(size == 0 or size < -1 for size in sizes):
        raise ValueError(f"the result must have positive sizes, got {sizes}")
    _learn(outputs, 0, (data[0], filters, *sizes))


def fully_connected(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    data, hidden = inputs[0], values["num_hidden"]
    if data is None or not data:
        return
    read = data[1:] if values["flatten"] else data[-1:]
    _learn(inputs, 1, (hidden, -1 if -1 in read else math.prod(read)))
    _learn(inputs, 2, (hidden,))
    _learn(outputs, 0, (*(data[:1] if values["flatten"] else data[:-1]), hidden))


def pooling(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    data = inputs[0]
    if data is None or not _channels_first(values):
        return
    if values["global_pool"]:
        _learn(outputs, 0, (*data[:2], *(1 for _ in data[2:])))
        return
    if values["pooling_convention"] not in ("valid", "full"):
        return
    count = _space(data, values)
    numbers = zip(
        data[2:], values["kernel"], _each(values["stride"], count, 1), _each(values["pad"], count, 0),
        (1,) * count, strict=True,
    )  # fmt: skip
    full = values["pooling_convention"] == "full"
    _learn(outputs, 0, (*data[:2], *(_window(*each, full=full) for each in numbers)))


def batch_norm(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    channels = _normalized(values["axis"], inputs, outputs)
    for place in range(1, len(outputs)):
        if channels is not None:
            _learn(outputs, place, channels)


def layer_norm(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    _normalized(values["axis"], inputs, outputs)


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
        _learn(inputs, place, (data[axis],))
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
        _learn(inputs, place, shared)
    sizes = [-1 if shape is None else shape[axis] for shape in inputs]
    _learn(outputs, 0, (*shared[:axis], -1 if -1 in sizes else sum(sizes), *shared[axis + 1 :]))


def slice_channel(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    data, axis, count = inputs[0], values["axis"], values["num_outputs"]
    if data is None:
        return
    if not -len(data) <= axis < len(data) or count < 1 or (data[axis] >= 0 and data[axis] % count):
        raise ValueError(f"{count} equal parts must fit into axis {axis} of shape {words(data)}")
    axis %= len(data)
    part = () if values["squeeze_axis"] else (-1 if data[axis] < 0 else data[axis] // count,)
    for place in range(len(outputs)):
        _learn(outputs, place, (*data[:axis], *part, *data[axis + 1 :]))


def first_of_each(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    """The first output is as the first input; what else there is stays unknown."""
    head, first = inputs[:1], outputs[:1]
    same(values, head, first)
    inputs[:1], outputs[:1] = head, first


def softmax_output(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    """A label for each row, unless options that this does not read say otherwise."""
    first_of_each(values, inputs, outputs)
    plain = not any(str(values.get(key, "0")).lower() in ("true", "1") for key in ("multi_output", "preserve_shape"))
    if plain and inputs[0] is not None and len(inputs[0]) == 2 and len(inputs) > 1 and inputs[1] is None:
        inputs[1] = inputs[0][:1]


NETWORK_RULES: dict[str, Rule] = {
    "Convolution": convolution,
    "Deconvolution": deconvolution,
    "FullyConnected": fully_connected,
    "Pooling": pooling,
    "BatchNorm": batch_norm,
    "Concat": concat,
    "SliceChannel": slice_channel,
    "Dropout": same,
    "SoftmaxOutput": softmax_output,
    "LayerNorm": layer_norm,
    "InstanceNorm": instance_norm,
    **dict.fromkeys(("LRN", "L2Normalization", "GroupNorm"), first_of_each),
    **dict.fromkeys(("softmax", "log_softmax", "SoftmaxActivation", "clip", "MakeLoss", "make_loss"), first_of_each),
    **dict.fromkeys(("LinearRegressionOutput", "LogisticRegressionOutput", "MAERegressionOutput"), first_of_each),
}
