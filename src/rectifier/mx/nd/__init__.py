"""MXNet's arrays, ``mx.nd``: the numbers and the record of their making are PyTorch's, the rules MXNet's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..coverage import need_torch, unknown_name

need_torch("`rectifier.mx.nd`")

from . import random  # noqa: E402
from .array import NDArray  # noqa: E402
from .creation import arange, array, empty, from_dlpack, from_numpy, full, ones, zeros  # noqa: E402
from .files import load, load_frombuffer, save  # noqa: E402
from .functions import ARITHMETIC, METHODS, LeakyReLU, names, operator_function  # noqa: E402
from .methods import concat, dot, pick, stack, where  # noqa: E402

__all__ = [
    "LeakyReLU",
    "NDArray",
    "arange",
    "array",
    "concat",
    "concatenate",
    "dot",
    "empty",
    "from_dlpack",
    "from_numpy",
    "full",
    "load",
    "load_frombuffer",
    "ones",
    "pick",
    "random",
    "save",
    "stack",
    "waitall",
    "where",
    "zeros",
]


def concatenate(arrays: Sequence[NDArray], axis: int = 0, always_copy: bool = True) -> NDArray:
    """The arrays of a list joined along an axis."""
    joined: NDArray = concat(*arrays, dim=axis)
    return joined


def waitall() -> None:
    """Return when all numbers are there: on the CPU, at once."""
    import torch

    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.synchronize()


def __getattr__(name: str) -> Any:
    """The operators of the table, and Python's arithmetic, by their names."""
    found = ARITHMETIC.get(name) or METHODS.get(name)
    if found is None and name in names():
        found = operator_function(name)
    if found is None:
        unknown_name("mx.nd", name, [*__all__, *ARITHMETIC, *METHODS, *names()])
    return found


def __dir__() -> list[str]:
    return sorted({*__all__, *ARITHMETIC, *METHODS, *names()})
