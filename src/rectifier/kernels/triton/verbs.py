"""The compiled core's verbs on torch tensors, `Mirrored` ones too. Like the core they trust what the back-ends have
checked: dtypes that fit together, and outputs that no input overlaps other than element on element."""

from __future__ import annotations

import functools
from typing import Any

import torch

from .elementwise import flat_kernel, pack_kernel, tile_kernel
from .gamma_gradient import FOLD, SUMS, WARPS, gamma_kernel, plan_gamma, reduce_kernel
from .launch import block_of, numbers_of, on_device, range_of, start
from .nest import FAR, TILE, Loop, Steps, c_order, loops_of, next_power, plan_tiles
from .slopes import draw_kernel

__all__ = ["apply", "draw_slopes", "gamma_pullback", "pack_signs"]

FORMULAS = 5
NO_RANGE = range_of(0.0, 0.0)


def apply(
    formula: int,
    out: torch.Tensor,
    data: torch.Tensor,
    d_out: torch.Tensor | None = None,
    gamma: torch.Tensor | None = None,
    slope: float = 0.0,
    key: int | None = None,
    lower: float = 0.0,
    upper: float = 0.0,
    first: int = 0,
    steps: tuple[int, ...] | None = None,
) -> None:
    """Write a formula's value, or d_out times its derivative, to out.

    Parameters
    ----------
    formula : int
        The number in the table of activations.
    out : Tensor of float16, bfloat16, float32 or float64
        Where to write, with any strides; it may be `data` or `d_out` itself.
    data : Tensor of out's shape and dtype, or uint8, shape (ceil(n / 8),)
        The input, or one bit an element from `pack_signs`.
    d_out : Tensor of out's shape and dtype, optional
        The gradient from above; without it the value is computed.
    gamma : Tensor, optional
        Slopes for formula 0, with as many axes as `out`, of size 1 where one is shared; of the arithmetic type or one
        that widens to it.
    slope : float
        The slope, where neither `gamma` nor `key` is given.
    key : int, optional
        A Philox key, 0 to 2**64 - 1: slopes are drawn from [lower, upper).
    lower, upper : float
        Bounds of the drawn slopes.
    first : int
        The number of out's first element, where slopes are drawn.
    steps : tuple of int, optional
        How far apart the numbers of neighbours are along each axis, where `out` is a part of a larger array; by
        default those of C order.

    Raises
    ------
    ValueError
        If the formula is unknown or a tensor does not have out's shape.
    """
    signs = data.dtype == torch.uint8
    _check(formula, out, None if signs else data, d_out, gamma)
    if out.numel() == 0:
        return
    shape = tuple(out.shape)
    numbers = numbers_of(float(slope), out.dtype == torch.float64)
    bounds = NO_RANGE if key is None else range_of(float(lower), float(upper))
    unused = (0,) * len(shape)
    strides = (
        out.stride(),
        c_order(shape) if signs else data.stride(),
        unused if d_out is None else d_out.stride(),
        unused if gamma is None else _repeating(gamma, shape),
        unused if key is None else c_order(shape) if steps is None else tuple(steps),
    )
    kind = "drawn" if key is not None else "one" if gamma is None else "shared" if gamma.numel() == 1 else "each"
    flat = _lies_flat(shape, strides, d_out is not None, kind)
    pointers = (out, data, out if d_out is None else d_out, out if gamma is None else gamma)
    with on_device(out):
        if flat:
            shift = first % 4 if kind == "drawn" else 0
            block = block_of(out.element_size())
            start(
                flat_kernel, (-(-(out.numel() + shift) // block),), *pointers, out.numel(), *numbers,
                key or 0, *bounds, first // 4, formula, d_out is not None, kind, signs, shift, block,
            )  # fmt: skip
            return
        plan = plan_tiles(shape, strides, kind == "drawn", max(TILE, block_of(out.element_size())))
        if kind == "each":
            kind = "rows" if plan.steps[3][-1] == 0 else "cols" if plan.steps[3][-2] == 0 else kind
        start(
            tile_kernel, (plan.programs,), *pointers, plan.outer, plan.rows, plan.cols,
            plan.row_tiles, plan.col_tiles, *plan.steps, *numbers,
            key or 0, *bounds, first, formula, d_out is not None, kind, signs,
            len(plan.outer), plan.wide, plan.tile_rows, plan.tile_cols,
        )  # fmt: skip


def pack_signs(bits: torch.Tensor, data: torch.Tensor) -> None:
    """Write one bit an element, in C order from the lowest bit on: whether it is above zero.

    Parameters
    ----------
    bits : Tensor of uint8, shape (ceil(n / 8),)
        Where to write; contiguous.
    data : Tensor
        Numbers of any float dtype, shape and strides, n of them.

    Raises
    ------
    ValueError
        If `bits` does not have one bit for each element.
    """
    n = data.numel()
    if bits.dtype != torch.uint8 or not bits.is_contiguous() or bits.numel() != (n + 7) // 8:
        raise ValueError(f"`bits` must be contiguous uint8, one bit for each of {n} elements, got {_words(bits)}")
    if n == 0:
        return
    shape = tuple(data.shape)
    loops = loops_of(shape, (c_order(shape), data.stride())) or [Loop(1, (1, 1))]
    lengths, steps = tuple(loop.length for loop in loops), tuple(loop.steps[1] for loop in loops)
    reach = max(n + 8, sum((length - 1) * abs(step) for length, step in zip(lengths, steps, strict=True)) + 1)
    block = 128
    with on_device(data):
        grid = (-(-bits.numel() // block),)
        # Positions count to a whole block past the end.
        start(pack_kernel, grid, bits, data, n, lengths, steps, len(loops), reach + 8 * block >= FAR, block)


def gamma_pullback(
    d_data: torch.Tensor | None,
    d_gamma: torch.Tensor,
    d_out: torch.Tensor,
    data: torch.Tensor,
    gamma: torch.Tensor,
) -> None:
    """Write prelu's two gradients.

    Parameters
    ----------
    d_data : Tensor of data's shape and dtype, or None
        Where to write the data's gradient; it may be `d_out` or `data` itself.
    d_gamma : Tensor of gamma's shape
        Where to write gamma's gradient: of the arithmetic type, or a 16-bit float beside data of at most 32 bits.
    d_out, data : Tensor
        The gradient from above and the input, of one shape and dtype, with any strides.
    gamma : Tensor
        The slopes, with as many axes as `data`, of size 1 where one is shared.

    Raises
    ------
    ValueError
        If the shapes do not fit together.

    Notes
    -----
    Sums are float64, in an order that the shapes of `data` and `gamma` alone fix, and rounded once.
    """
    _check(0, data, d_data, d_out, gamma)
    if d_gamma.shape != gamma.shape:
        raise ValueError(f"`d_gamma` must have gamma's shape {tuple(gamma.shape)}, got {tuple(d_gamma.shape)}")
    if data.numel() == 0:
        d_gamma.zero_()
        return
    shape, gamma_shape = tuple(data.shape), tuple(gamma.shape)
    written = d_out if d_data is None else d_data
    strides = (written.stride(), d_out.stride(), data.stride(), _repeating(gamma, shape))
    plan = plan_gamma(shape, gamma_shape, strides)
    with on_device(data):
        target = (
            d_gamma if d_gamma.is_contiguous() else torch.empty_like(d_gamma, memory_format=torch.contiguous_format)
        )
        sums = target if plan.chunks == 1 else _sums(plan.chunks, plan.kept_size, data)
        start(
            gamma_kernel, (-(-plan.kept_size // plan.kept_tile) * plan.chunks,), written, sums, d_out, data, gamma,
            plan.kept_size, plan.reduced_size, plan.chunks, plan.kept, plan.reduced, *plan.kept_steps,
            *plan.reduced_steps[:3], len(plan.kept), len(plan.reduced), d_data is not None, plan.wide,
            plan.lanes, plan.steps, plan.groups, plan.kept_tile, plan.run, warps=WARPS,
        )  # fmt: skip
        count = plan.chunks
        while count > 1:
            rows = min(FOLD, next_power(count))
            kept_tile = min(next_power(plan.kept_size), max(1, SUMS // rows))
            left = -(-count // rows)
            folded = target if left == 1 else _sums(left, plan.kept_size, data)
            grid = (-(-plan.kept_size // kept_tile), left)
            start(reduce_kernel, grid, folded, sums, count, plan.kept_size, rows, kept_tile)
            sums, count = folded, left
        if target is not d_gamma:
            d_gamma.copy_(target)


def draw_slopes(out: torch.Tensor, key: int, lower: float, upper: float, first: int = 0) -> None:
    """Write rrelu's slopes of the elements from first on.

    Parameters
    ----------
    out : Tensor of float32
        Where to write, in C order; contiguous.
    key : int
        The Philox key, 0 to 2**64 - 1.
    lower, upper : float
        Bounds, ``lower <= upper``, rounded to float32.
    first : int
        The C-order number of the first element.

    Raises
    ------
    ValueError
        If `out` is not contiguous float32.
    """
    if out.dtype != torch.float32 or not out.is_contiguous():
        raise ValueError(f"`out` must be a contiguous float32 tensor, got {_words(out)}")
    if out.numel() == 0:
        return
    shift, block = first % 4, block_of(4)
    bounds = range_of(float(lower), float(upper))
    with on_device(out):
        grid = (-(-(out.numel() + shift) // block),)
        start(draw_kernel, grid, out, out.numel(), key, *bounds, first // 4, shift, block)


def _sums(rows: int, kept: int, like: torch.Tensor) -> torch.Tensor:
    return torch.empty((rows, kept), dtype=torch.float64, device=like.device)


@functools.lru_cache(maxsize=512)
def _lies_flat(shape: Steps, strides: tuple[Steps, ...], backward: bool, kind: str) -> bool:
    """Whether the flat kernel can do it: every array in one piece, and the elements counted in that order."""
    loops = loops_of(shape, strides)
    if len(loops) != 1:
        return not loops
    out, data, d_out, gamma, number = loops[0].steps
    wanted = (out, data, d_out if backward else 1, gamma if kind == "each" else 1, number if kind == "drawn" else 1)
    return all(step == 1 for step in wanted)


def _repeating(gamma: torch.Tensor, shape: Steps) -> Steps:
    """The strides of gamma spread over the data's shape."""
    return tuple(0 if size == 1 else step for size, step in zip(gamma.shape, gamma.stride(), strict=True))


def _words(tensor: torch.Tensor) -> str:
    layout = "" if tensor.is_contiguous() else ", not contiguous"
    return f"{str(tensor.dtype).removeprefix('torch.')} of shape {tuple(tensor.shape)}{layout}"


def _check(formula: int, out: torch.Tensor, data: Any, d_out: Any, gamma: torch.Tensor | None) -> None:
    if not 0 <= formula < FORMULAS:
        raise ValueError(f"`formula` must be a number from 0 to {FORMULAS - 1}, got {formula}")
    for name, tensor in (("data", data), ("d_out", d_out)):
        if tensor is not None and (tensor.shape != out.shape or tensor.dtype != out.dtype):
            raise ValueError(f"`{name}` must be {_words(out)}, got {_words(tensor)}")
    if gamma is not None:
        sizes = zip(gamma.shape, out.shape, strict=False)
        if gamma.ndim != out.ndim or any(size not in (1, n) for size, n in sizes):
            raise ValueError(f"`gamma` must broadcast to {tuple(out.shape)}, got shape {tuple(gamma.shape)}")
