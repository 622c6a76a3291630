"""Starting kernels: the numbers that formulas need, and the device and stream that they run on."""

from __future__ import annotations

import contextlib
import functools
import math
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import numpy as np
import torch

from .mirrored import Mirrored
from .tables import LN2_HIGH_DOUBLE, LN2_HIGH_FLOAT

__all__ = [
    "BLOCK_BYTES",
    "Numbers",
    "SlopeRange",
    "block_of",
    "numbers_of",
    "on_device",
    "on_stream",
    "range_of",
    "start",
]

# Elements of one program are so many that each of its 128 threads moves 32 bytes or more at a time.
BLOCK_BYTES = 4096


class Numbers(NamedTuple):
    """A slope in the arithmetic type, and slope = fraction * 2**exponent; below the floor, slope * exp(x) is zero."""

    slope: float
    fraction: float
    exponent: float
    floor: float


class SlopeRange(NamedTuple):
    """The map from 24 random bits to [lower, upper)."""

    lower: float
    step: float
    last: float


@functools.lru_cache(maxsize=512)
def numbers_of(slope: float, wide: bool) -> Numbers:
    """What the formulas need besides x, rounded to the arithmetic type."""
    rounded = float(slope) if wide else float(np.float32(slope))
    fraction, exponent = math.frexp(rounded)
    exponent = exponent - 1 if rounded else 0
    ln2 = (LN2_HIGH_DOUBLE if wide else LN2_HIGH_FLOAT).value
    floor = ((-1078 if wide else -152) - exponent) * ln2
    return Numbers(rounded, 2 * fraction, float(exponent), floor if wide else float(np.float32(floor)))


@functools.lru_cache(maxsize=512)
def range_of(lower: float, upper: float) -> SlopeRange:
    """The bounds as float32, and the map between them."""
    low, high = np.float32(lower), np.float32(upper)
    step = np.float32((np.float64(high) - np.float64(low)) * 2.0**-24)
    last = np.nextafter(high, low) if low < high else low
    return SlopeRange(float(low), float(step), float(last))


def block_of(itemsize: int) -> int:
    """Elements of one program of the flat kernel."""
    return BLOCK_BYTES // itemsize


def on_device(tensor: torch.Tensor) -> AbstractContextManager[Any]:
    """The device of the tensor made current, where it is not."""
    if not tensor.is_cuda or tensor.get_device() == torch.cuda.current_device():
        return contextlib.nullcontext()
    return torch.cuda.device(tensor.get_device())


def on_stream(pointer: int, device: int) -> AbstractContextManager[Any]:
    """A stream of another library made current, by CUDA's own handle for it: Triton asks torch where to start."""
    try:
        stream = torch.cuda.ExternalStream(pointer, device=torch.device("cuda", device))
    except (AssertionError, RuntimeError) as error:  # of a torch for CPUs
        raise RuntimeError(f"Triton starts kernels where torch says, and torch {torch.__version__}: {error}") from None
    return torch.cuda.stream(stream)


def start(kernel: Any, grid: tuple[int, ...], *arguments: Any, warps: int = 4) -> None:
    """Start a kernel on the current stream. Nothing is fused that the source does not fuse."""
    pointers = (a.first if isinstance(a, Mirrored) else a for a in arguments)
    kernel[grid](*pointers, num_warps=warps, enable_fp_fusion=False)
