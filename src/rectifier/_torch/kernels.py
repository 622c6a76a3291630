"""The kernels on tensors with memory: the C++ core for those of the CPU, Triton's for those of CUDA.

No derivative is recorded here, and nothing intercepts: whoever calls has seen to it. Gamma has as many axes as the
data. A key is a tensor of 64-bit words; one with axes has a key for each index of as many leading axes of the data.
"""

from __future__ import annotations

import ctypes
import importlib
import itertools
import os
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .. import _core
from ..parameters import ACTIVATIONS
from .arguments import draw_word

__all__ = ["Settings", "gamma_pullback", "pack_signs", "pullback", "value"]

if not hasattr(Tensor, "__dlpack_c_exchange_api__"):
    raise ImportError(f"tensors need PyTorch 2.10 or later, got {torch.__version__}: pip install 'rectifier[torch]'")
_core.register_tensors(Tensor, torch.empty_like, draw_word, False)


def _lend_threads() -> None:
    """Let the core use torch's threads for tensors, where torch has them from an OpenMP of GNU's interface."""
    names = ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads", "omp_get_max_threads")
    try:
        # What torch has loaded, and with it the runtime that it is linked with.
        library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"), os.RTLD_NOLOAD)
        addresses = [ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0 for name in names]
    except (AttributeError, OSError):
        return
    _core.lend_threads(*addresses)


_lend_threads()


class Settings(NamedTuple):
    """The numbers of a call, in the order in which every operator takes them."""

    act_type: str
    slope: float
    lower_bound: float
    upper_bound: float
    # Where the data are a part of a whole, the index of its first element there, and the steps of the index.
    first: int = 0
    steps: tuple[int, ...] | None = None

    @property
    def is_leaky(self) -> bool:
        return ACTIVATIONS[self.act_type].is_leaky


def value(
    data: Tensor, gamma: Tensor | None, key: Tensor | None, settings: Settings, out: Tensor | None = None
) -> Tensor:
    """The activation's value."""
    out = _core.new_like(data) if out is None else out
    _apply(out, data, None, gamma, key, settings)
    return out


def pullback(
    d_out: Tensor,
    kept: Tensor,
    gamma: Tensor | None,
    key: Tensor | None,
    settings: Settings,
    out: Tensor | None = None,
) -> Tensor:
    """d_out times the derivative; what is kept is the data, or what `Call.keeps` says."""
    if out is None:
        out = _core.new_like(d_out if kept.dtype == torch.uint8 else kept)
    _apply(out, kept, d_out, gamma, key, settings)
    return out


def gamma_pullback(
    d_out: Tensor, data: Tensor, gamma: Tensor, d_data: Tensor | None = None, *, wants_d_data: bool = True
) -> tuple[Tensor | None, Tensor]:
    """prelu's two gradients."""
    if wants_d_data and d_data is None:
        d_data = _core.new_like(data)
    if data.numel() == 0:
        return d_data, torch.zeros_like(gamma)
    d_gamma = torch.empty_like(gamma)
    _module(data).gamma_pullback(d_data, d_gamma, d_out, data, gamma)
    return d_data, d_gamma


def pack_signs(data: Tensor) -> Tensor:
    """One bit an element, in C order: whether it is above zero."""
    bits = torch.empty((data.numel() + 7) // 8, dtype=torch.uint8, device=data.device)
    _module(data).pack_signs(bits, data)
    return bits


def _module(data: Tensor) -> Any:
    return _core if data.is_cpu else importlib.import_module(f"{__package__.partition('.')[0]}.kernels.triton")


def _apply(
    out: Tensor, data: Tensor, d_out: Tensor | None, gamma: Tensor | None, key: Tensor | None, settings: Settings
) -> None:
    act_type, slope, lower, upper, first, steps = settings
    formula = ACTIVATIONS[act_type].formula
    if key is not None and key.dim():
        for place in itertools.product(*map(range, key.shape)):
            d_out_part, gamma_part = (None if tensor is None else tensor[place] for tensor in (d_out, gamma))
            _apply(out[place], data[place], d_out_part, gamma_part, key[place], settings)
        return
    word = None if key is None else key.item() % 2**64
    more = (first,) if steps is None else (first, tuple(steps))
    _module(out).apply(formula, out, data, d_out, gamma, slope, word, lower, upper, *more)
