"""MXNet's operators on images in PyTorch: resizing, cropping, padding, and what detectors need of boxes."""

from __future__ import annotations

from math import ceil, sqrt

import torch
from torch import Tensor
from torch.nn import functional as F

from .layer_shapes import resized_size
from .torch_table import Values, function

__all__: list[str] = []


@function("_contrib_AdaptiveAvgPooling2D")
def _adaptive(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    size = values["output_size"] or (1,)
    return F.adaptive_avg_pool2d(tensors[0], size * 2 if len(size) == 1 else size)


@function("UpSampling")
def _up_sampling(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    x, scale = tensors[0], values["scale"]
    if values["sample_type"] == "bilinear":
        return F.conv_transpose2d(x, tensors[1], stride=scale, padding=ceil((scale - 1) / 2), groups=x.shape[1])
    size = [n * scale for n in x.shape[2:]]
    larger = [F.interpolate(one, scale_factor=size[0] // one.shape[2], mode="nearest") for one in tensors]
    if len(larger) == 1:
        return larger[0]
    return torch.stack(larger).sum(0) if values["multi_input_mode"] == "sum" else torch.cat(larger, 1)


@function("_contrib_BilinearResize2D")
def _bilinear_resize(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    x = tensors[0]
    like = tensors[1].shape if len(tensors) > 1 else None
    sizes = [resized_size(values, x.shape[2 + place], place, like) for place in range(2)]
    return F.interpolate(x, sizes, mode="bilinear", align_corners=True)


@function("Crop")
def _crop(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    x = tensors[0]
    sizes = tensors[1].shape[2:] if len(tensors) == 2 else values["h_w"]
    for axis, (size, offset) in enumerate(zip(sizes, values["offset"], strict=True), 2):
        begin = (x.shape[axis] - size) // 2 if values["center_crop"] else offset
        x = x.narrow(axis, begin, size)
    return x


@function("Pad")
def _pad(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    x, widths = tensors[0], values["pad_width"]
    pairs = [widths[i : i + 2] for i in range(0, len(widths), 2)]
    if values["mode"] == "constant":
        return F.pad(x, [n for pair in pairs[::-1] for n in pair], value=values["constant_value"])
    mode = "replicate" if values["mode"] == "edge" else "reflect"
    return F.pad(x, [n for pair in pairs[:1:-1] for n in pair], mode=mode)


@function("ROIPooling")
def _roi_pooling(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    """The largest element of each bin, or 0 of a bin that is empty."""
    data, rois = tensors
    x = data[rois[:, 0].to(torch.int64)]
    corners = torch.floor(rois[:, 1:].abs() * values["spatial_scale"] + 0.5) * rois[:, 1:].sign()
    rows, columns = values["pooled_size"]
    x = _largest(x, _bins(corners[:, 0], corners[:, 2], x.shape[3], columns))
    x = _largest(x.mT, _bins(corners[:, 1], corners[:, 3], data.shape[2], rows)).mT
    return torch.where(x == torch.finfo(x.dtype).min, 0.0, x)


def _bins(begin: Tensor, end: Tensor, size: int, count: int) -> Tensor:
    """Whether a place along an axis lies in a bin of a region: regions x bins x places."""
    width = (end - begin + 1).clamp(min=1)[:, None] / count
    bins, places = torch.arange(count, device=begin.device), torch.arange(size, device=begin.device)
    first, last = torch.floor(bins * width) + begin[:, None], torch.ceil((bins + 1) * width) + begin[:, None]
    return (places >= first[..., None]) & (places < last[..., None])


def _largest(x: Tensor, bins: Tensor) -> Tensor:
    """Along the last axis, in each bin."""
    least = torch.finfo(x.dtype).min
    found = [x.masked_fill(~bins[:, i, None, None], least).amax(-1) for i in range(bins.shape[1])]
    return torch.stack(found, -1)


@function("_contrib_MultiBoxPrior")
def _multi_box_prior(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    """Left, top, right and bottom of the boxes around each place: every size with ratio 1, then the other ratios."""
    x = tensors[0]
    height, width = x.shape[2:]
    (sizes, ratios), like = (values["sizes"], values["ratios"]), {"dtype": x.dtype, "device": x.device}
    step_y, step_x = (one if one > 0 else 1 / n for one, n in zip(values["steps"], (height, width), strict=True))
    y = ((torch.arange(height, **like) + values["offsets"][0]) * step_y).reshape(-1, 1, 1)
    x = ((torch.arange(width, **like) + values["offsets"][1]) * step_x).reshape(1, -1, 1)
    shapes = [(size, sqrt(ratios[0])) for size in sizes] + [(sizes[0], sqrt(ratio)) for ratio in ratios[1:]]
    half_x = torch.stack([torch.full((), size * root / 2, **like) * height / width for size, root in shapes])
    half_y = torch.stack([torch.full((), size / root / 2, **like) for size, root in shapes])
    edges = torch.broadcast_tensors(x - half_x, y - half_y, x + half_x, y + half_y)
    boxes = torch.stack(edges, -1).reshape(1, -1, 4)
    return boxes.clamp(0, 1) if values["clip"] else boxes
