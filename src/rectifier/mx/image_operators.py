"""Layers on images and the boxes in them, which are not offered: the rows of MXNet 1.6.0's registry."""

from __future__ import annotations

from .operators import (
    Names,
    Operator,
    Parameter,
    Values,
    boolean,
    choice,
    count,
    integer,
    integers,
    literal_tuple,
    number,
    numbered,
    optional,
    register,
)

__all__ = ["numbers"]


def numbers(text: str) -> tuple[float, ...]:
    """A tuple of numbers: ``(0.1, 2)``, ``[0.1, 2]`` or one number."""
    return tuple(map(float, literal_tuple(text, "numbers", (int, float))))


def _upsampled(values: Values) -> Names:
    return numbered("arg", values["num_args"]) if values["sample_type"] == "nearest" else ("data", "weight")


def _cropped(values: Values) -> Names:
    return ("data", "crop_like") if values["num_args"] == 2 else ("data",)


def _resized(values: Values) -> Names:
    return ("data", "like") if values["mode"] == "like" else ("data",)


_ROWS = (
    Operator(
        "UpSampling",
        _upsampled,
        parameters=(
            Parameter("scale", integer),
            Parameter("num_filter", integer, 0),
            Parameter("sample_type", choice("bilinear", "nearest")),
            Parameter("multi_input_mode", choice("concat", "sum"), "concat"),
            Parameter("num_args", count),
            Parameter("workspace", integer, 512),
        ),
        count="num_args",
    ),
    Operator(
        "Crop",
        _cropped,
        parameters=(
            Parameter("num_args", count),
            Parameter("offset", integers, (0, 0)),
            Parameter("h_w", integers, (0, 0)),
            Parameter("center_crop", boolean, False),
        ),
        count="num_args",
    ),
    Operator(
        "Pad",
        aliases=("pad",),
        parameters=(
            Parameter("mode", choice("constant", "edge", "reflect")),
            Parameter("pad_width", integers),
            Parameter("constant_value", number, 0.0),
        ),
    ),
    Operator(
        "ROIPooling",
        ("data", "rois"),
        ("output", "maxidx"),
        visible=1,
        parameters=(Parameter("pooled_size", integers), Parameter("spatial_scale", number)),
    ),
    Operator("_contrib_AdaptiveAvgPooling2D", parameters=(Parameter("output_size", integers, ()),)),
    Operator(
        "_contrib_BilinearResize2D",
        _resized,
        parameters=(
            Parameter("height", integer, 1),
            Parameter("width", integer, 1),
            Parameter("scale_height", optional(number), None),
            Parameter("scale_width", optional(number), None),
            Parameter(
                "mode",
                choice("like", "odd_scale", "size", "to_even_down", "to_even_up", "to_odd_down", "to_odd_up"),
                "size",
            ),
        ),
    ),
    Operator(
        "_contrib_MultiBoxPrior",
        parameters=(
            Parameter("sizes", numbers, (1.0,)),
            Parameter("ratios", numbers, (1.0,)),
            Parameter("clip", boolean, False),
            Parameter("steps", numbers, (-1.0, -1.0)),
            Parameter("offsets", numbers, (0.5, 0.5)),
        ),
    ),
    Operator(
        "_contrib_MultiBoxDetection",
        ("cls_prob", "loc_pred", "anchor"),
        ("output", "temp_space"),
        visible=1,
        parameters=(
            Parameter("clip", boolean, True),
            Parameter("threshold", number, 0.01),
            Parameter("background_id", integer, 0),
            Parameter("nms_threshold", number, 0.5),
            Parameter("force_suppress", boolean, False),
            Parameter("variances", numbers, (0.1, 0.1, 0.2, 0.2)),
            Parameter("nms_topk", integer, -1),
        ),
    ),
)
register(*_ROWS)
