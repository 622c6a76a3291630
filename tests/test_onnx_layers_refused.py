"""Layers and settings of which `export` makes no model, and that it says so before it writes."""

from __future__ import annotations

import pytest

from layer_graphs import IMAGE, layer, node, variable
from rectifier.mx.graph import Entry
from rectifier.mx.symbol import Symbol
from rectifier.onnx import export

REFUSED = [
    (
        ("Convolution", {"kernel": (3, 3), "num_filter": 4, "layout": "NHWC"}),
        IMAGE,
        "`layout` must have the channels first, as NCHW has, got NHWC, in node 'layer'",
    ),
    (
        ("Deconvolution", {"kernel": (3, 3), "num_filter": 4, "layout": "NHWC"}),
        IMAGE,
        "`layout` must have the channels first",
    ),
    (("Pooling", {"kernel": (3, 3), "layout": "NHWC"}), IMAGE, "`layout` must have the channels first"),
    (("Convolution", {"kernel": (3,), "num_filter": 4}), IMAGE, "`kernel` must have 2 sizes for data of shape"),
    (("Convolution", {"num_filter": 4}), IMAGE, "`kernel` must be given in node 'layer'"),
    (
        ("Convolution", {"kernel": (3, 3), "num_filter": 4, "layout": "CHWN"}),
        IMAGE,
        "`layout` must be one of NCW, NCHW, NCDHW",
    ),
    (
        ("Deconvolution", {"kernel": (3, 3), "num_filter": 4, "target_shape": (40, 40)}),
        IMAGE,
        "`target_shape` must be at most 11 here, got 40",
    ),
    (
        ("Deconvolution", {"kernel": (3, 3), "num_filter": 4, "target_shape": (9, 9)}),
        ("N", 4, "H", "W"),
        "the sizes of the data must be known where there is a `target_shape`",
    ),
    (
        ("Dropout", {"mode": "always"}),
        IMAGE,
        "`mode` must be training, since a model for inference drops nothing, got always",
    ),
    (
        ("Pad", {"mode": "edge", "pad_width": (0, 0, 1, 0, 1, 1, 1, 1)}),
        IMAGE,
        "`pad_width` must be 0 for the first two axes",
    ),
    (("Pad", {"mode": "edge", "pad_width": (0, 0, 1, 1)}), IMAGE, "`pad_width` must have two sizes for each axis"),
    (("Pooling", {"kernel": (2, 2), "pool_type": "lp"}), IMAGE, "`p_value` must be 1, 2 or 3, as in MXNet, got None"),
    (
        ("Pooling", {"kernel": (2, 2), "pool_type": "lp", "p_value": 4}),
        IMAGE,
        "`p_value` must be 1, 2 or 3, as in MXNet, got 4",
    ),
    (
        ("Pooling", {"kernel": (1, 1), "stride": (3, 3), "pool_type": "avg", "pooling_convention": "full"}),
        (2, 4, 2, 2),
        r"windows of \(1, 1\) must not lie outside the data, where there is nothing to average",
    ),
    (
        ("_contrib_AdaptiveAvgPooling2D", {"output_size": (1, 2, 3)}),
        IMAGE,
        "`output_size` must be one or two positive sizes",
    ),
    (
        ("_contrib_AdaptiveAvgPooling2D", {"output_size": 2}),
        ("N", 4, "H", 3),
        "height and width of the data must be known",
    ),
    (("_contrib_AdaptiveAvgPooling2D", {"output_size": 2}), (2, 3), "the data must have 4 dimensions"),
    (
        ("Pooling", {"kernel": (2, 2), "stride": (3, 3), "pool_type": "avg", "pooling_convention": "full"}),
        ("N", 4, "H", "W"),
        "the sizes of the data must be known where strides are longer than the kernel",
    ),
    (("softmax", {"use_length": True}), IMAGE, "`use_length` must be False: a softmax of several lengths"),
    (("softmax", {"axis": 4}), IMAGE, "`axis` must be one of the data's 4, got 4"),
    (("softmax", {}), None, "the number of the data's dimensions must be known"),
    (("BatchNorm", {"axis": 0}), (4,), "the data must have 2 dimensions or more, got 1"),
    (("BatchNorm", {"axis": 4}), IMAGE, "`axis` must be one of the data's"),
    (("BatchNorm", {}), ("N", "C", 3), "the number of channels must be known"),
    (("InstanceNorm", {}), (2, 3), "the data must have 3 dimensions or more, got 2"),
    (("GroupNorm", {"num_groups": 3}), IMAGE, "`num_groups` must divide the channels"),
    (("LRN", {"nsize": 4}), IMAGE, "`nsize` must be odd, as MXNet wants it, got 4"),
    (
        ("UpSampling", {"scale": 2, "sample_type": "bilinear", "num_args": 2}),
        ("N", "C", 3, 3),
        "the number of channels must be known",
    ),
    (
        ("Crop", {"num_args": 1, "h_w": (5, 5), "offset": (6, 1)}),
        IMAGE,
        r"`offset` must leave room for a part of size \(5, 5\), got \(6, 1\)",
    ),
    (("Crop", {"num_args": 1}), IMAGE, r"`h_w` must be a height and a width, got \(0, 0\)"),
    (("Crop", {"num_args": 1, "h_w": (50, 5)}), IMAGE, r"what is cut out, \(50, 5\), must fit into data of shape"),
    (("Crop", {"num_args": 2}), IMAGE, "the number of the data's dimensions must be known"),
    (
        ("_contrib_BilinearResize2D", {"mode": "like"}),
        IMAGE,
        r"height and width of the result must be known, got \(-1, -1\)",
    ),
    (
        ("_contrib_MultiBoxDetection", {"nms_threshold": 0}),
        (2, 3, 5),
        "`nms_threshold` must be above 0 and at most 1, got 0.0",
    ),
    (("_contrib_MultiBoxDetection", {}), ("N", 3, "A"), "the numbers of classes and anchors must be known"),
    (("_contrib_MultiBoxPrior", {}), ("N", 3, "H", "W"), "height and width of the data must be known"),
    (
        ("UpSampling", {"scale": 2, "sample_type": "cubic", "num_args": 1}),
        IMAGE,
        "`sample_type` must be one of bilinear, nearest, got 'cubic'",
    ),
    (("_contrib_MultiBoxPrior", {"sizes": "(a,)"}), IMAGE, "`sizes` must be a tuple of numbers, got '\\(a,\\)'"),
]


@pytest.mark.parametrize(("call", "shape", "words"), REFUSED, ids=lambda one: str(one)[:60])
def test_refusals(call, shape, words, tmp_path):
    op, attrs = call
    path = tmp_path / "m.onnx"
    with pytest.raises(ValueError, match=words):
        export(layer(op, **attrs), {}, {"data": shape} if shape else {}, path=path)
    assert not path.exists()


def test_detection_needs_opset_11():
    with pytest.raises(ValueError, match="`opset` must be 11 or later for this operator, got 9"):
        export(Symbol([Entry(node("_contrib_MultiBoxDetection", variable()))]), {}, {"data": (2, 3, 5)}, 9)


def test_inputs_that_do_not_fit_together():
    two = node("UpSampling", variable("a"), variable("b"), scale=2, sample_type="nearest", num_args=2)
    with pytest.raises(ValueError, match="inputs must fit into 6 x 6 several times, got 4 x 4"):
        export(Symbol([Entry(two)]), {}, {"a": (1, 2, 3, 3), "b": (1, 2, 4, 4)})


def test_all_settings_without_translation_are_named_at_once():
    first = Entry(node("Dropout", variable(), name="drop", mode="always"))
    graph = Symbol([Entry(node("LRN", first, name="lrn", nsize=2))])
    words = "`mode` must be training, .*, in node 'drop' .*; `nsize` must be odd, .*, in node 'lrn'"
    with pytest.raises(ValueError, match=words):
        export(graph, {}, {"data": IMAGE})


def test_an_output_without_translation():
    mask = Entry(node("Dropout", variable(), name="drop"), 1)
    graph = Symbol([Entry(node("_copy", mask, name="copy"))])
    words = r"output 1 of 'drop' \(operator Dropout\) has no translation, which node 'copy' reads"
    with pytest.raises(ValueError, match=words):
        export(graph, {}, {"data": IMAGE})
    with pytest.raises(ValueError, match=r"output 1 of 'drop' \(operator Dropout\) has no translation"):
        export(Symbol([mask]), {}, {"data": IMAGE})
