"""Softmax and the outputs of networks in ONNX's operators. Labels are for training alone: no operator here reads them.

The source of each is the operator's page in the documentation of MXNet 1.6.0 (mxnet.symbol).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .builder import Tensor
from .opsets import cast
from .pieces import known_rank, shaped_like, swapped
from .translators import Call, Translator, translator

__all__ = ["softmax_along"]

# Before it, Softmax took all axes from its own to the last as one.
_ONE_AXIS_OPSET = 13


def softmax_along(call: Call, op_type: str, data: str | Tensor, axis: int, rank: int) -> str:
    """Softmax or LogSoftmax along one axis, counted from the first."""
    if call.b.opset >= _ONE_AXIS_OPSET or axis == rank - 1:
        return call.op(op_type, data, axis=axis)
    turned = call.op(op_type, swapped(call, data, axis, rank - 1, rank), axis=rank - 1)
    return swapped(call, turned, axis, rank - 1, rank)


def _over_all(call: Call) -> str:
    """Over all axes but the first."""
    data = call.inputs[0]
    if data.shape is not None and len(data.shape) == 2:
        return call.op("Softmax", data, axis=1)
    rows = call.op("Softmax", call.op("Flatten", data, axis=1), axis=1)
    return shaped_like(call, rows, data)


def _softmax(op_type: str, sign: float = 1.0) -> Translator:
    def softmax(call: Call) -> Sequence[str]:
        data, values = call.inputs[0], call.values
        if values["use_length"]:
            raise ValueError("`use_length` must be False: a softmax of several lengths has no translation")
        rank, kind = known_rank(data), data.dtype
        if not -rank <= values["axis"] < rank:
            raise ValueError(f"`axis` must be one of the data's {rank}, got {values['axis']}")
        source: str | Tensor = data
        if values["dtype"] is not None and np.dtype(values["dtype"]) != kind:
            kind = np.dtype(values["dtype"])
            source = cast(call.b, data, kind)
        if sign < 0:
            source = call.op("Neg", source)
        if values["temperature"] not in (None, 1.0):
            source = call.op("Div", source, call.b.constant(values["temperature"], kind))
        return [softmax_along(call, op_type, source, values["axis"] % rank, rank)]

    return softmax


translator("softmax")(_softmax("Softmax"))
translator("softmin")(_softmax("Softmax", -1.0))
translator("log_softmax")(_softmax("LogSoftmax"))


@translator("SoftmaxActivation")
def softmax_activation(call: Call) -> Sequence[str]:
    """MXNet's mode `instance` is along the last axis, whatever the number of dimensions."""
    data, rank = call.inputs[0], known_rank(call.inputs[0])
    return [softmax_along(call, "Softmax", data, 1 if call.values["mode"] == "channel" else rank - 1, rank)]


@translator("SoftmaxOutput")
def softmax_output(call: Call) -> Sequence[str]:
    data, values = call.inputs[0], call.values
    if values["multi_output"]:
        return [softmax_along(call, "Softmax", data, 1, known_rank(data))]
    if values["preserve_shape"]:
        rank = known_rank(data)
        return [softmax_along(call, "Softmax", data, rank - 1, rank)]
    return [_over_all(call)]


@translator("LogisticRegressionOutput")
def logistic_output(call: Call) -> Sequence[str]:
    return [call.op("Sigmoid", call.inputs[0])]


@translator("LinearRegressionOutput", "MAERegressionOutput", "SVMOutput")
def plain_output(call: Call) -> Sequence[str]:
    return [call.op("Identity", call.inputs[0])]
