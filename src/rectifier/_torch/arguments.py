"""Tensors as arguments: what they have to be, and the words for what is wrong with one."""

from __future__ import annotations

import threading
from typing import Any, cast

import ml_dtypes
import numpy as np
import torch
from torch import Tensor

from ..gamma import gamma_axes, known_axes
from ..random import check_rng, key_from_rng
from .plain import FLOATS

__all__ = [
    "check_rng_for_tensors",
    "checked_data",
    "checked_gamma",
    "checked_out",
    "checked_upstream",
    "draw_key",
    "draw_word",
    "drawn_key",
    "may_be_written",
]

_LOWEST, _HIGHEST = -(2**63), 2**63 - 1
_room = threading.local()
_GENERATORS = "a torch.Generator, a numpy.random.Generator"


def check_rng_for_tensors(rng: Any) -> None:
    """Raise what `draw_key` raises, but leave a generator where it is."""
    if not isinstance(rng, torch.Generator):
        check_rng(rng, _GENERATORS)


def draw_key(rng: Any) -> Tensor:
    """The key of the slopes, 64 bits in a tensor without axes. None draws it from torch's generator of the CPU."""
    if rng is None:
        return torch.randint(_LOWEST, _HIGHEST, (), dtype=torch.int64, device="cpu")
    if isinstance(rng, torch.Generator):
        return torch.randint(_LOWEST, _HIGHEST, (), dtype=torch.int64, generator=rng, device=rng.device).cpu()
    key = key_from_rng(rng, _GENERATORS)
    return torch.tensor(key - (key >> 63 << 64), dtype=torch.int64, device="cpu")


def draw_word() -> int:
    """The key that `draw_key(None)` draws, as a number."""
    try:
        room = _room.word
    except AttributeError:
        room = _room.word = torch.empty((), dtype=torch.int64, device="cpu")
    return int(room.random_(_LOWEST, _HIGHEST).item()) % 2**64


def drawn_key() -> Tensor:
    """The key that `draw_word` drew last on this thread, as `draw_key` gives it."""
    return cast(Tensor, _room.word.clone())


def checked_data(data: Tensor) -> Tensor:
    """The data as floats: integers and bools become torch's default dtype, as in torch's own functions."""
    _check_layout("data", data)
    return data if data.dtype in FLOATS else _as_floats("data", data)


def from_numpy(array: Any) -> Tensor:
    """A tensor of the same numbers."""
    array = np.array(array)
    if array.dtype == ml_dtypes.bfloat16:
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def checked_gamma(data: Tensor, gamma: Any, axis: Any) -> Tensor:
    """Gamma with as many axes as the data, in the arithmetic type or one that widens to it."""
    if not isinstance(gamma, Tensor):
        try:
            known = from_numpy(gamma) if isinstance(gamma, np.ndarray) else gamma
            gamma = torch.as_tensor(known, device=data.device)
        except (TypeError, ValueError, RuntimeError) as error:
            raise TypeError(f"`gamma` must be an array of real numbers, got {type(gamma).__name__}: {error}") from None
    _check_layout("gamma", gamma)
    if gamma.device != data.device:
        raise ValueError(f"`gamma` must be on the device of `data`, {data.device}, got {gamma.device}")
    if gamma.dtype not in FLOATS:
        gamma = _as_floats("gamma", gamma)
    shapes = tuple(data.shape), tuple(gamma.shape)
    # What is traced may have symbols in its shape, which cannot be looked up.
    known = not torch.compiler.is_dynamo_compiling() and all(type(size) is int for size in shapes[0] + shapes[1])
    shape = (known_axes if known else gamma_axes)(*shapes, axis)
    arithmetic = torch.float64 if data.dtype == torch.float64 else torch.float32
    if gamma.dtype != arithmetic and (arithmetic == torch.float64 or gamma.dtype == torch.float64):
        gamma = gamma.to(arithmetic)
    return cast(Tensor, gamma if shapes[1] == shape else gamma.reshape(shape))


def checked_out(out: Any, like: Tensor, name: str = "out") -> Any:
    """The tensor to write to, once it is known to fit."""
    if out is None:
        return None
    if not isinstance(out, Tensor):
        raise TypeError(f"`{name}` must be a tensor or None, got {type(out).__name__}")
    _check_layout(name, out)
    if out.shape != like.shape:
        raise ValueError(f"`{name}` must have shape {tuple(like.shape)}, got {tuple(out.shape)}")
    if out.dtype != like.dtype:
        raise TypeError(f"`{name}` must be of dtype {like.dtype}, got {out.dtype}")
    if out.device != like.device:
        raise ValueError(f"`{name}` must be on the device {like.device}, got {out.device}")
    if any(step == 0 and size > 1 for size, step in zip(out.shape, out.stride(), strict=True)):
        raise ValueError(f"`{name}` must have memory for each element, got an expanded tensor")
    if not may_be_written(out):
        raise ValueError(f"`{name}` must not be a tensor of inference mode outside of it")
    return out


def may_be_written(out: Tensor) -> bool:
    """Whether torch lets this tensor be overwritten here: what inference mode has made counts no changes."""
    return torch.compiler.is_dynamo_compiling() or not out.is_inference() or torch.is_inference_mode_enabled()


def checked_upstream(d_out: Any, like: Tensor) -> Tensor:
    """The gradient with respect to the output, of the output's shape and dtype."""
    if not isinstance(d_out, Tensor):
        try:
            d_out = torch.as_tensor(d_out, device=like.device)
        except (TypeError, ValueError, RuntimeError) as error:
            raise TypeError(f"`d_out` must be an array of real numbers, got {type(d_out).__name__}: {error}") from None
    _check_layout("d_out", d_out)
    if d_out.dtype not in FLOATS:
        d_out = _as_floats("d_out", d_out)
    if d_out.shape != like.shape:
        raise ValueError(f"`d_out` must have shape {tuple(like.shape)}, got {tuple(d_out.shape)}")
    return cast(Tensor, d_out if d_out.dtype == like.dtype else d_out.to(like.dtype))


def _check_layout(name: str, tensor: Tensor) -> None:
    if tensor.layout is not torch.strided or tensor.is_nested:
        kind = "that is nested" if tensor.is_nested else f"with layout {tensor.layout}"
        raise TypeError(f"`{name}` must be a tensor with strides, got one {kind}")


def _as_floats(name: str, tensor: Tensor) -> Tensor:
    if tensor.is_floating_point() or tensor.is_complex() or tensor.is_quantized:
        raise TypeError(
            f"`{name}` must be of dtype float16, bfloat16, float32, float64, an integer or bool, got {tensor.dtype}"
        )
    return tensor.to(torch.get_default_dtype())
