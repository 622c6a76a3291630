"""MultiBoxDetection, the last layer of single-shot detectors, in ONNX's operators.

The source is the operator's page in the documentation of MXNet 1.6.0 (mxnet.symbol.contrib). It needs opset 11.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .builder import element_type
from .opsets import LAST, cast, constant_shape, reduce, reshape, slice_axes
from .translators import Call, translator

__all__ = ["multi_box_detection"]

_OLDEST_OPSET = 11
# Of places that hold no detection.
_NONE = -1.0


@translator("_contrib_MultiBoxDetection")
def multi_box_detection(call: Call) -> Sequence[str]:
    """Rows of class, score and box by falling score; a box that another one suppresses is of class -1."""
    values = call.values
    if call.b.opset < _OLDEST_OPSET:
        raise ValueError(f"`opset` must be {_OLDEST_OPSET} or later for this operator, got {call.b.opset}")
    if not 0 < values["nms_threshold"] <= 1:
        raise ValueError(f"`nms_threshold` must be above 0 and at most 1, got {values['nms_threshold']}")
    classes, anchors = (call.inputs[0].shape or (-1, -1, -1))[1:]
    if -1 in (classes, anchors):
        raise ValueError("the numbers of classes and anchors must be known")
    kinds, scores, places = _ranked(call, anchors)
    boxes = call.op("GatherElements", _boxes(call), _four(call, places, anchors), axis=1)
    valid = call.op("Greater", scores, call.constant(_NONE))
    if 0 < values["nms_topk"] < anchors:
        first = np.arange(anchors)[None] < values["nms_topk"]
        valid = call.op("And", valid, call.b.constant(first, np.bool_))
    kept = _kept(call, kinds, call.op("Where", valid, scores, call.constant(_NONE)), boxes, classes - 1)
    return [_rows(call, call.op("Where", kept, kinds, call.constant(_NONE)), scores, boxes, valid)]


def _ranked(call: Call, anchors: int) -> tuple[str, str, str]:
    """Class, score and place of each anchor, by falling score; -1 where the score is below the threshold."""
    foreground = slice_axes(call.b, call.inputs[0], [1], [1], [LAST])
    best = reduce(call.b, "ReduceMax", foreground, [1], keepdims=False)
    low = call.op("Less", best, call.constant(call.values["threshold"]))
    kinds = call.op("Cast", call.op("ArgMax", foreground, axis=1, keepdims=0), to=element_type(call.dtype))
    scores, places = call.b.ops(
        "TopK", 2, call.op("Where", low, call.constant(_NONE), best), constant_shape(call.b, [anchors]), axis=1
    )
    return call.op("GatherElements", kinds, places, axis=1), scores, places


def _four(call: Call, places: str, anchors: int) -> str:
    """Each place once for each number of a box."""
    return call.op("Tile", reshape(call.b, places, (-1, anchors, 1)), constant_shape(call.b, [1, 1, 4]))


def _boxes(call: Call) -> str:
    """Left, top, right and bottom of what the predictions make of the anchors."""
    low, high = (slice_axes(call.b, call.inputs[2], [2], [start], [start + 2]) for start in (0, 2))
    size, half = call.op("Sub", high, low), call.constant(0.5)
    centre = call.op("Mul", call.op("Add", low, high), half)
    moves = call.op(
        "Mul", reshape(call.b, call.inputs[1], (0, -1, 4)), call.b.constant(call.values["variances"], call.dtype)
    )
    shift, growth = (slice_axes(call.b, moves, [2], [start], [start + 2]) for start in (0, 2))
    middle = call.op("Add", call.op("Mul", shift, size), centre)
    reach = call.op("Mul", call.op("Mul", call.op("Exp", growth), size), half)
    boxes = call.op("Concat", call.op("Sub", middle, reach), call.op("Add", middle, reach), axis=2)
    if call.values["clip"]:
        boxes = call.op("Clip", boxes, call.constant(0.0), call.constant(1.0))
    return boxes


def _kept(call: Call, kinds: str, scores: str, boxes: str, classes: int) -> str:
    """Whether a box is left: no box of a higher score, and of the same class unless `force_suppress`, overlaps it."""
    each = reshape(call.b, scores, (0, 1, -1))
    if not call.values["force_suppress"]:
        own = call.op(
            "Equal", reshape(call.b, kinds, (0, 1, -1)), call.b.constant(np.arange(classes)[None, :, None], call.dtype)
        )
        each = call.op("Where", own, each, call.constant(_NONE))
    # MXNet suppresses at the threshold, ONNX above it.
    overlap = np.nextafter(np.float32(call.values["nms_threshold"]), np.float32(0))
    chosen = call.op(
        "NonMaxSuppression",
        _single(call, boxes),
        _single(call, each),
        call.b.constant([np.iinfo(np.int32).max], np.int64),
        call.b.constant([overlap], np.float32),
        call.b.constant([_NONE / 2], np.float32),
    )
    places = call.op("Gather", chosen, constant_shape(call.b, [0, 2]), axis=1)
    count = call.op("Shape", call.op("Gather", chosen, call.b.constant(0, np.int64), axis=1))
    ones = call.op("Expand", call.constant(1.0), count)
    marks = call.op("ScatterND", call.op("Mul", scores, call.constant(0.0)), places, ones)
    return call.op("Greater", marks, call.constant(0.5))


def _single(call: Call, data: str) -> str:
    """As float32, which is all that NonMaxSuppression takes."""
    return data if call.dtype == np.float32 else cast(call.b, data, np.dtype(np.float32))


def _rows(call: Call, kinds: str, scores: str, boxes: str, valid: str) -> str:
    columns = [reshape(call.b, each, (0, 0, 1)) for each in (kinds, scores)]
    rows = call.op("Concat", *columns, boxes, axis=2)
    return call.op("Where", reshape(call.b, valid, (0, 0, 1)), rows, call.constant(_NONE))
