"""MXNet's MultiBoxDetection, the last layer of single-shot detectors, in PyTorch."""

from __future__ import annotations

import torch
from torch import Tensor

from .torch_table import Values, function, layer

__all__: list[str] = []


@layer("_contrib_MultiBoxDetection")
def _check(values: Values, tensors: object) -> None:
    if not 0 < values["nms_threshold"] <= 1:
        raise ValueError(f"`nms_threshold` must be above 0 and at most 1, got {values['nms_threshold']}")


@function("_contrib_MultiBoxDetection")
def _multi_box_detection(tensors: list[Tensor], values: Values, training: bool) -> Tensor:
    """Rows of class, score and box by falling score; a box that another one suppresses is of class -1."""
    chances, moves, anchors = (tensor.detach() for tensor in tensors)
    best, kinds = chances[:, 1:].max(1)
    low = best < values["threshold"]
    scores, places = torch.sort(torch.where(low, -1.0, best), dim=1, descending=True, stable=True)
    kinds = kinds.gather(1, places)
    boxes = _boxes(moves, anchors, values).gather(1, places[..., None].expand(-1, -1, 4))
    valid = scores > -1
    if values["nms_topk"] > 0:
        valid = valid & (torch.arange(scores.shape[1], device=scores.device) < values["nms_topk"])
    kept = _keep(boxes, kinds, valid, values["nms_threshold"], values["force_suppress"])
    classes = torch.where(kept, kinds.to(scores.dtype), -1.0)
    rows = torch.cat([classes[..., None], scores[..., None], boxes], 2)
    return torch.where(valid[..., None], rows, -1.0)


def _boxes(moves: Tensor, anchors: Tensor, values: Values) -> Tensor:
    """Left, top, right and bottom of what the predictions make of the anchors."""
    low, high = anchors[..., :2], anchors[..., 2:]
    size, centre = high - low, (low + high) / 2
    shift_x, shift_y, growth_x, growth_y = (
        move * variance
        for move, variance in zip(moves.reshape(moves.shape[0], -1, 4).unbind(2), values["variances"], strict=True)
    )
    middle = torch.stack([shift_x, shift_y], 2) * size + centre
    reach = torch.stack([growth_x, growth_y], 2).exp() * size / 2
    boxes = torch.cat([middle - reach, middle + reach], 2)
    return boxes.clamp(0, 1) if values["clip"] else boxes


# An operator of its own, since compilers cannot trace a loop whose steps depend on the numbers.
@torch.library.custom_op("rectifier::keep_boxes", mutates_args=())
def _keep(boxes: Tensor, kinds: Tensor, valid: Tensor, threshold: float, force: bool) -> Tensor:
    """Whether a box is left: no box before it, and of the same class unless `force`, that is left overlaps it."""
    kept = valid.clone()
    areas = (boxes[..., 2:] - boxes[..., :2]).prod(-1)
    for image in range(boxes.shape[0]):
        for place in range(boxes.shape[1]):
            if kept[image, place]:
                over = _overlaps(boxes[image], areas[image], place) >= threshold
                over[: place + 1] = False
                kept[image] &= ~over if force else ~(over & (kinds[image] == kinds[image, place]))
    return kept


@_keep.register_fake
def _fake_keep(boxes: Tensor, kinds: Tensor, valid: Tensor, threshold: float, force: bool) -> Tensor:
    return torch.empty_like(valid)


def _overlaps(boxes: Tensor, areas: Tensor, place: int) -> Tensor:
    """What a box shares with each, as a part of their union."""
    shared = (torch.minimum(boxes[:, 2:], boxes[place, 2:]) - torch.maximum(boxes[:, :2], boxes[place, :2])).clamp(
        min=0
    )
    common = shared.prod(-1)
    union = areas + areas[place] - common
    return torch.where(union > 0, common / union, 0.0)
