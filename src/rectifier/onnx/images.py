"""Resizing and cropping of images, and the boxes of detectors, in ONNX's operators.

The source of each is the operator's page in the documentation of MXNet 1.6.0 (mxnet.symbol).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..mx.layer_shapes import resized_size
from .builder import Tensor
from .layers import transposed_convolution
from .opsets import slice_axes
from .pieces import known_sizes
from .pooling import interpolation, matrices
from .translators import Call, translator

__all__ = ["prior_boxes"]

Array = np.ndarray[Any, np.dtype[Any]]


def _repeated(call: Call, data: str | Tensor, rows: int, columns: int) -> str:
    """Each place of the image several times."""
    scales = call.b.constant([1, 1, rows, columns], np.float32)
    if call.b.opset < 10:
        return call.op("Upsample", data, scales, mode="nearest")
    if call.b.opset < 11:
        return call.op("Resize", data, scales, mode="nearest")
    return call.op(
        "Resize",
        data,
        call.b.constant(np.zeros(0), np.float32),
        scales,
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )


@translator("UpSampling")
def up_sampling(call: Call) -> Sequence[str]:
    if call.values["sample_type"] == "bilinear":
        return [_bilinear(call)]
    results = [_repeated(call, data, *factors) for data, factors in zip(call.inputs, _factors(call), strict=True)]
    if len(results) == 1:
        return results
    if call.values["multi_input_mode"] == "sum":
        return [call.op("Sum", *results)]
    return [call.op("Concat", *results, axis=1)]


def _factors(call: Call) -> list[tuple[int, int]]:
    """How often each input is repeated, so that all become as large as the first one scaled."""
    scale = call.values["scale"]
    if len(call.inputs) == 1:
        return [(scale, scale)]
    height, width = (size * scale for size in known_sizes(call.inputs[0]))
    factors = []
    for data in call.inputs:
        rows, columns = known_sizes(data)
        if height % rows or width % columns:
            raise ValueError(f"inputs must fit into {height} x {width} several times, got {rows} x {columns}")
        factors.append((height // rows, width // columns))
    return factors


def _bilinear(call: Call) -> str:
    """A transposed convolution, each channel for itself."""
    weight, scale = call.inputs[1], call.values["scale"]
    channels = -1 if weight.shape is None else weight.shape[0]
    if channels < 0:
        raise ValueError("the number of channels must be known")
    size, padding = 2 * scale - scale % 2, scale // 2
    window = {"kernel_shape": [size] * 2, "strides": [scale] * 2, "dilations": [1, 1], "group": channels}
    return transposed_convolution(call, call.inputs, [padding] * 2, [0, 0], window)


@translator("Crop")
def crop(call: Call) -> Sequence[str]:
    data, values = call.inputs[0], call.values
    sizes = known_sizes(call.inputs[1], "second input") if len(call.inputs) > 1 else values["h_w"]
    starts = values["offset"]
    if values["center_crop"]:
        starts = [(size - part) // 2 for size, part in zip(known_sizes(data), sizes, strict=True)]
    ends = [start + size for start, size in zip(starts, sizes, strict=True)]
    have = (-1, -1) if data.shape is None else data.shape[2:]
    if min(starts) < 0 or any(0 <= size < end for size, end in zip(have, ends, strict=True)):
        raise ValueError(f"`offset` must leave room for a part of size {tuple(sizes)}, got {tuple(starts)}")
    return [slice_axes(call.b, data, [2, 3], starts, ends)]


@translator("_contrib_BilinearResize2D")
def bilinear_resize(call: Call) -> Sequence[str]:
    """Corners stay corners, which Resize offers in later opsets only: two matrices are the same in all."""
    sizes = known_sizes(call.inputs[0])
    like = call.inputs[1].shape if len(call.inputs) > 1 else None
    wanted = [resized_size(call.values, size, place, like) for place, size in enumerate(sizes)]
    if min(wanted) < 1:
        raise ValueError(f"height and width of the result must be known, got {tuple(wanted)}")
    return [matrices(call, *(interpolation(*pair) for pair in zip(sizes, wanted, strict=True)))]


@translator("_contrib_MultiBoxPrior")
def multi_box_prior(call: Call) -> Sequence[str]:
    """Boxes depend on the size of the data alone."""
    return [call.b.constant(prior_boxes(call.values, *known_sizes(call.inputs[0])), call.dtype)]


def prior_boxes(values: dict[str, Any], height: int, width: int) -> Array:
    """Left, top, right and bottom of the boxes around each place: every size with the first ratio, then every ratio.

    Parameters
    ----------
    values : dict
        The parameters of MXNet's MultiBoxPrior: sizes, ratios, steps, offsets, clip.
    height, width : int
        Of the data.
    """
    steps = [one if one > 0 else 1 / size for one, size in zip(values["steps"], (height, width), strict=True)]
    y, x = (
        (np.arange(n) + offset) * step
        for n, offset, step in zip((height, width), values["offsets"], steps, strict=True)
    )
    sizes, ratios = values["sizes"], values["ratios"]
    shapes = [(size, np.sqrt(ratios[0])) for size in sizes] + [(sizes[0], np.sqrt(ratio)) for ratio in ratios[1:]]
    half = np.array([(size * height / width * root / 2, size / root / 2) for size, root in shapes])
    centres = np.stack(np.broadcast_arrays(x[None, :], y[:, None]), -1)[:, :, None, :]
    boxes = np.concatenate([centres - half, centres + half], -1).reshape(1, -1, 4)
    return np.clip(boxes, 0, 1) if values["clip"] else boxes
