"""Shapes of layers that keep, resize, cut or look up.

The source of each rule is the operator's page in the documentation of MXNet 1.6.0 (mxnet.symbol).
"""

from __future__ import annotations

from .operators import Values
from .shape_rules import Rule, Shape, Shapes, merge, same, words

__all__ = ["LAYER_RULES", "first_of_each", "learn", "resized_size"]


def learn(shapes: Shapes, place: int, found: Shape) -> None:
    """Add a fact to what is known of one input or output, if it is there."""
    if place < len(shapes):
        shapes[place] = merge(shapes[place], found)


def first_of_each(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    """The first output is as the first input; what else there is stays unknown."""
    head, first = inputs[:1], outputs[:1]
    same(values, head, first)
    inputs[:1], outputs[:1] = head, first


def _image(data: Shape) -> Shape:
    if len(data) != 4:
        raise ValueError(f"the data must have 4 dimensions, got {words(data)}")
    return data


def _times(first: int, second: int) -> int:
    return -1 if -1 in (first, second) else first * second


def group_norm(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    """MXNet 1.6.0 has one gamma and beta for each group, and not for each channel."""
    first_of_each(values, inputs, outputs)
    data, groups = inputs[0], values["num_groups"]
    for place in range(1, len(inputs)):
        learn(inputs, place, (groups,))
    if data is not None:
        if len(data) < 3 or groups < 1 or (data[1] >= 0 and data[1] % groups):
            raise ValueError(f"`num_groups` must divide the channels of data of shape {words(data)}, got {groups}")
        for place in range(1, len(outputs)):
            learn(outputs, place, (data[0], groups))


def softmax_output(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    """A label for each row; one that is given may be of other shapes."""
    first_of_each(values, inputs, outputs)
    data = inputs[0]
    if data is None or len(inputs) < 2 or inputs[1] is not None:
        return
    if not values["multi_output"]:
        inputs[1] = data[:-1] or None
    elif len(data) > 1:
        rest = 1
        for size in data[2:]:
            rest = _times(rest, size)
        inputs[1] = (data[0], rest)


def regression_output(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    """A label for each number; where there is one for each row, a label of one dimension is enough."""
    first_of_each(values, inputs, outputs)
    data = inputs[0]
    if data is not None and len(inputs) > 1 and inputs[1] is None:
        inputs[1] = data[:1] if len(data) == 2 and data[1] == 1 else data


def svm_output(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    first_of_each(values, inputs, outputs)
    data = inputs[0]
    if data is not None and len(inputs) > 1 and inputs[1] is None:
        inputs[1] = data[:-1] or None


def moving_average(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    first_of_each(values, inputs, outputs)
    if inputs[0] is not None and len(inputs[0]) > 1:
        learn(inputs, 1, (inputs[0][1],))


def up_sampling(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    data, scale = inputs[0], values["scale"]
    if data is None:
        return
    batch, channels, *sizes = _image(data)
    sizes = [_times(size, scale) for size in sizes]
    if values["sample_type"] == "bilinear":
        kernel = 2 * scale - scale % 2
        learn(inputs, 1, (channels, 1, kernel, kernel))
    elif values["multi_input_mode"] == "concat":
        for shape in inputs[1:]:
            channels = -1 if shape is None or -1 in (channels, shape[1]) else channels + shape[1]
    learn(outputs, 0, (batch, channels, *sizes))


def crop(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    data = inputs[0]
    if data is None:
        return
    sizes = tuple(values["h_w"])
    if len(inputs) > 1:
        sizes = (-1, -1) if inputs[1] is None else _image(inputs[1])[2:]
    elif len(sizes) != 2 or min(sizes) < 1:
        raise ValueError(f"`h_w` must be a height and a width, got {sizes}")
    if any(0 <= size < part for size, part in zip(_image(data)[2:], sizes, strict=True)):
        raise ValueError(f"what is cut out, {sizes}, must fit into data of shape {words(data)}")
    learn(outputs, 0, (*data[:2], *sizes))


def pad(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    data, width = inputs[0], values["pad_width"]
    if data is None:
        return
    if len(width) != 2 * len(data) or min(width) < 0:
        raise ValueError(f"`pad_width` must have two sizes for each axis of data of shape {words(data)}, got {width}")
    pairs = zip(data, width[::2], width[1::2], strict=True)
    learn(outputs, 0, tuple(-1 if size < 0 else size + before + after for size, before, after in pairs))


def embedding(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    learn(inputs, 1, (values["input_dim"], values["output_dim"]))
    if inputs[0] is not None:
        learn(outputs, 0, (*inputs[0], values["output_dim"]))


def roi_pooling(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    data, regions = inputs
    if data is not None:
        rows = -1 if regions is None else regions[0]
        for place in range(len(outputs)):
            learn(outputs, place, (rows, _image(data)[1], *values["pooled_size"]))


def adaptive_pooling(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    data, sizes = inputs[0], values["output_size"] or (1,)
    if len(sizes) > 2 or min(sizes) < 1:
        raise ValueError(f"`output_size` must be one or two positive sizes, got {sizes}")
    if data is not None:
        learn(outputs, 0, (*_image(data)[:2], sizes[0], sizes[-1]))


def resized_size(values: Values, size: int, place: int, like: Shape | None) -> int:
    """The height (`place` 0) or width (1) that BilinearResize2D makes of a size."""
    mode, scale = values["mode"], values[("scale_height", "scale_width")[place]]
    if mode == "like":
        return -1 if like is None else like[2 + place]
    if mode == "size" and scale is None:
        return int(values[("height", "width")[place]])
    if size < 0:
        return -1
    if scale is not None and mode in ("size", "odd_scale"):
        if mode == "size":
            return int(scale * size)
        return int(size * scale) if size % 2 == 0 else int((size - 1) * scale) + 1
    even, change = "even" in mode, 1 if mode.endswith("up") else -1
    return size + (change if (size % 2 == 0) != even else 0)


def bilinear_resize(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    data, like = inputs[0], inputs[1] if len(inputs) > 1 else None
    if data is not None:
        sizes = [resized_size(values, size, place, like) for place, size in enumerate(_image(data)[2:])]
        learn(outputs, 0, (*data[:2], *sizes))


def multi_box_prior(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    if inputs[0] is not None:
        _, _, height, width = _image(inputs[0])
        count = len(values["sizes"]) + len(values["ratios"]) - 1
        learn(outputs, 0, (1, _times(_times(height, width), count), 4))


def multi_box_detection(values: Values, inputs: Shapes, outputs: Shapes) -> None:
    if inputs[0] is not None:
        batch, _, anchors = inputs[0]
        learn(outputs, 0, (batch, anchors, 6))


_SAME = (
    "softmax",
    "softmin",
    "log_softmax",
    "SoftmaxActivation",
    "clip",
    "MakeLoss",
    "make_loss",
    "LRN",
    "L2Normalization",
)
LAYER_RULES: dict[str, Rule] = {
    "Dropout": same,
    "GroupNorm": group_norm,
    "SoftmaxOutput": softmax_output,
    "SVMOutput": svm_output,
    **dict.fromkeys(("LinearRegressionOutput", "LogisticRegressionOutput", "MAERegressionOutput"), regression_output),
    "IdentityAttachKLSparseReg": moving_average,
    "UpSampling": up_sampling,
    "Crop": crop,
    "Pad": pad,
    "Embedding": embedding,
    "ROIPooling": roi_pooling,
    "_contrib_AdaptiveAvgPooling2D": adaptive_pooling,
    "_contrib_BilinearResize2D": bilinear_resize,
    "_contrib_MultiBoxPrior": multi_box_prior,
    "_contrib_MultiBoxDetection": multi_box_detection,
    **dict.fromkeys(_SAME, first_of_each),
}
