"""For each piece of work our kernel, torch's and torch.compile's, and the bytes it has to move."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F

from rectifier.kernels import triton as kernels

SIZES = (10**6, 16 * 10**6, 10**8)
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
CHANNELS = 64
# The goals of the design, at the greatest size in float32: of the copy's speed, and of eager torch's.
FORWARD_OF_COPY, PRELU_OF_EAGER, RRELU_OF_EAGER = 0.92, 1.6, 1.4

Run = Callable[[], Any]


class Cell(NamedTuple):
    """One piece of work on one size and type."""

    name: str
    size: int
    dtype: str
    arrays: int  # how many arrays of the size it reads and writes
    subjects: dict[str, Run]
    goal: tuple[str, float] | None  # at most 1 / goal of this subject's time


def cells_of(size: int, dtype: str) -> list[Cell]:
    """All work of one size. Sizes are those of whole channels."""
    kind = DTYPES[dtype]
    n = size // (16 * CHANNELS) * (16 * CHANNELS)
    x = torch.randn(n, dtype=kind, device="cuda")
    g, out = torch.randn_like(x), torch.empty_like(x)
    goals = size == SIZES[-1] and dtype == "float32"
    cells = [_forward(name, x, out, n, dtype, goals) for name in ("leaky", "elu", "selu", "gelu")]
    cells.append(_prelu_backward("prelu backward, shared", x, g, out, 1, dtype, goals))
    cells.append(_prelu_backward("prelu backward, channels", x, g, out, CHANNELS, dtype, goals))
    cells.append(_rrelu(x, out, n, dtype, goals))
    return cells


def copy_cell(size: int, dtype: str) -> Cell:
    """What every other cell of the size is compared with: the device's own copy."""
    x = torch.randn(size, dtype=DTYPES[dtype], device="cuda")
    y = torch.empty_like(x)
    return Cell("copy", size, dtype, 2, {"copy": lambda: y.copy_(x)}, None)


def _compiled(function: Run) -> Run:
    return torch.compile(function, fullgraph=True)


def _forward(name: str, x: Any, out: Any, n: int, dtype: str, goals: bool) -> Cell:
    formula = ("leaky", "elu", "selu", "gelu").index(name)
    eager = {
        "leaky": lambda: F.leaky_relu(x, 0.25), "elu": lambda: F.elu(x, 0.25), "selu": lambda: F.selu(x),
        "gelu": lambda: F.gelu(x),
    }[name]  # fmt: skip
    subjects = {
        "ours": lambda: kernels.apply(formula, out, x, slope=0.25),
        "eager": eager,
        "compiled": _compiled(eager),
    }
    return Cell(f"{name} forward", n, dtype, 2, subjects, ("copy", FORWARD_OF_COPY) if goals else None)


def _prelu_backward(name: str, x: Any, g: Any, out: Any, channels: int, dtype: str, goals: bool) -> Cell:
    shape = (16, channels, -1) if channels > 1 else (16, CHANNELS, -1)
    x, g, out = x.view(shape), g.view(shape), out.view(shape)
    gamma = torch.full((1, channels, 1), 0.25, device="cuda")
    sums = torch.empty_like(gamma)
    weight = gamma.flatten().to(x.dtype)

    def eager() -> Any:
        return torch.ops.aten._prelu_kernel_backward(g, x, weight.view(1, -1, 1))

    def compiled() -> Any:
        dx, dw = torch.ops.aten._prelu_kernel_backward(g, x, weight.view(1, -1, 1))
        return dx, dw.sum(dim=(0, 2) if channels > 1 else (0, 1, 2))

    def eager_with_sum() -> Any:
        dx, dw = eager()
        return dx, dw.sum(dim=(0, 2) if channels > 1 else (0, 1, 2))

    subjects = {
        "ours": lambda: kernels.gamma_pullback(out, sums, g, x, gamma),
        "eager": eager_with_sum,
        "compiled": _compiled(compiled),
    }
    return Cell(name, x.numel(), dtype, 3, subjects, ("eager", PRELU_OF_EAGER) if goals else None)


def _rrelu(x: Any, out: Any, n: int, dtype: str, goals: bool) -> Cell:
    def eager() -> Any:
        return F.rrelu(x, 0.125, 1 / 3, training=True)

    subjects = {
        "ours": lambda: kernels.apply(0, out, x, key=7, lower=0.125, upper=1 / 3),
        "eager": eager,
        "compiled": _compiled(eager),
    }
    return Cell("rrelu training forward", n, dtype, 2, subjects, ("eager", RRELU_OF_EAGER) if goals else None)
