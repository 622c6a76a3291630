"""Results in tensors that the caller gives: `out`, which may be the data themselves."""

from __future__ import annotations

import torch
from torch import Tensor

from .. import _core
from . import compute, functions, kernels
from .kernels import Settings
from .plain import are_plain, records

__all__ = ["count_change", "kept_apart", "write", "write_value"]


def write_value(out: Tensor, data: Tensor, gamma: Tensor | None, key: Tensor | None, settings: Settings) -> Tensor:
    """The activation's value in `out`; where that is the data, autograd may record it."""
    recording = records(data, gamma) or records(out)
    if recording and out is not data:
        raise ValueError("`out` must be `data` itself or None where a gradient is recorded, got another tensor")
    if recording and out.requires_grad and out.is_leaf and not out._is_view():  # of views, torch tells more
        raise ValueError("`out` must not be a leaf of autograd's graph where a gradient is recorded")
    if not are_plain(out, data, gamma):
        # What the gradient keeps must not be what is overwritten next.
        return out.copy_(functions.value(data.clone() if recording else data, gamma, key, settings))
    if recording:
        keeps = compute.what_is_kept(settings.act_type, settings.slope, settings.lower_bound, key is not None)
        kept = data.clone() if keeps == "input" else None
        functions.apply(functions.InPlace, data, kept, gamma, key, settings)
        return kernels.value(data, gamma, key, settings, out)
    data = data.clone() if _in_the_way(out, data) else data
    gamma = gamma.clone() if gamma is not None and _in_the_way(out, gamma) else gamma
    kernels.value(data, gamma, key, settings, out)
    count_change(out)
    return out


def write(out: Tensor | None, result: Tensor) -> Tensor:
    """The result, in `out` if that is given."""
    return result if out is None else out.copy_(result)


def kept_apart(out: Tensor, tensor: Tensor) -> Tensor:
    """The tensor, copied where a result in `out` takes its place."""
    plain = are_plain(out, tensor)
    shared = out is tensor or (plain and (out.data_ptr() == tensor.data_ptr() or _in_the_way(out, tensor)))
    return tensor.clone() if shared else tensor


def count_change(tensor: Tensor) -> None:
    """Let autograd see that the tensor's memory has changed."""
    if not tensor.is_inference():
        torch.autograd.graph.increment_version(tensor)


def _in_the_way(out: Tensor, source: Tensor) -> bool:
    """Whether writing to `out`, element after element, can change elements of the source that are read later."""
    if out.is_cpu:
        return _core.in_the_way(out, source)
    same = out.data_ptr() == source.data_ptr() and out.stride() == source.stride() and out.shape == source.shape
    return not same and out.untyped_storage().data_ptr() == source.untyped_storage().data_ptr()
