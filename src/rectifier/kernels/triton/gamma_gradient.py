"""prelu's backward pass in Triton: the data's gradient, and gamma's by sums in an order that the shapes alone fix.

The order, for each element of gamma: the elements that it covers, in C order, are dealt to blocks of LANES * STEPS;
element i of a block adds to lane i mod LANES. The lanes of a block, and then the blocks, are added in pairs of
neighbours. Terms and sums are float64, where products of narrower numbers are exact; the total is rounded once.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import triton
import triton.language as tl

from .arithmetic import narrow, narrow_double, widen
from .nest import FAR, Loop, Steps, loops_of, next_power

__all__ = ["GammaPlan", "gamma_kernel", "plan_gamma", "reduce_kernel"]

MOST_LANES = 64
STEPS = 16
SUMS = 2048  # sums that a program holds
WARPS = 8  # of a program: with 4, some of the sums do not fit into registers
MOST_RUN = 16  # elements; no more bytes are moved at once
FOLD = 1024  # sums that the second stage adds at a time


class GammaPlan(NamedTuple):
    """The two groups of loops, and how programs share them."""

    kept: Steps  # lengths of the loops over gamma's elements
    reduced: Steps  # and over the elements that each of them covers
    kept_steps: tuple[Steps, ...]  # of data's gradient, upstream, data and gamma
    reduced_steps: tuple[Steps, ...]
    kept_size: int
    reduced_size: int
    lanes: int
    steps: int
    groups: int  # blocks of one program
    kept_tile: int  # elements of gamma of one program
    chunks: int  # programs for each of those
    wide: bool
    run: int  # elements that lie side by side in all arrays, wherever a multiple of so many starts


def _run(lanes: int, lengths: Steps, kept_steps: tuple[Steps, ...], reduced_steps: tuple[Steps, ...]) -> int:
    """How many neighbours among the elements that are summed can be moved at once."""
    data = slice(0, 3)
    if any(part[-1] != 1 for part in reduced_steps[data]):
        return 1
    apart = (step for part in reduced_steps[data] for step in part[:-1])
    apart_kept = (step for part in kept_steps[data] for step in part)
    return math.gcd(MOST_RUN, lanes, *(lengths[-1:] if len(lengths) > 1 else ()), *apart, *apart_kept)


def _spread(loops: list[Loop], arrays: int) -> tuple[Steps, tuple[Steps, ...], int]:
    loops = loops or [Loop(1, (0,) * arrays)]
    steps = tuple(tuple(loop.steps[a] for loop in loops) for a in range(arrays))
    return tuple(loop.length for loop in loops), steps, math.prod(loop.length for loop in loops)


@functools.lru_cache(maxsize=512)
def plan_gamma(shape: Steps, gamma_shape: Steps, strides: tuple[Steps, ...]) -> GammaPlan:
    """The plan for data's gradient, upstream, data and gamma of these strides."""
    arrays = len(strides)
    axes_kept = [axis for axis in range(len(shape)) if gamma_shape[axis] == shape[axis]]
    axes_reduced = [axis for axis in range(len(shape)) if gamma_shape[axis] != shape[axis]]
    groups = []
    for axes in (axes_kept, axes_reduced):
        parts = tuple(tuple(s[axis] for axis in axes) for s in strides)
        groups.append(loops_of(tuple(shape[axis] for axis in axes), parts, keep_order=True))
    kept, kept_steps, kept_size = _spread(groups[0], arrays)
    reduced, reduced_steps, reduced_size = _spread(groups[1], arrays)
    lanes = min(MOST_LANES, next_power(reduced_size))
    steps = STEPS if reduced_size > lanes else 1
    blocks = -(-reduced_size // (lanes * steps))
    # The layout decides how many elements of gamma a program takes beside each other; it does not change the order.
    x = 2
    across = kept_steps[x][-1] == 1 and reduced_steps[x][-1] != 1
    most_kept = next_power(kept_size)
    if across:
        kept_tile = min(most_kept, SUMS // lanes)
        in_program = min(SUMS // (lanes * kept_tile), next_power(blocks))
    else:
        in_program = min(SUMS // lanes, next_power(blocks))
        kept_tile = min(most_kept, SUMS // (lanes * in_program))
    reach = kept_size * reduced_size
    for lengths, parts in ((kept, kept_steps), (reduced, reduced_steps)):
        spans = (sum((n - 1) * abs(step) for n, step in zip(lengths, part, strict=True)) for part in parts)
        reach = max(reach, 2 * max(spans))
    return GammaPlan(
        kept, reduced, kept_steps, reduced_steps, kept_size, reduced_size,
        lanes, steps, in_program, kept_tile, -(-blocks // in_program), reach >= FAR // 2,
        _run(lanes, reduced, kept_steps, reduced_steps),
    )  # fmt: skip


@triton.jit
def offset_of(index, lengths, steps, DIMS: tl.constexpr, MULTIPLE: tl.constexpr, RUN: tl.constexpr):
    """Where element `index` of nested loops lies. What a compiler cannot see through the remainders: each RUN elements
    lie side by side, the first of them at a multiple of MULTIPLE."""
    at = index * 0
    for d in tl.static_range(DIMS - 1, 0, -1):
        at += index % lengths[d] * steps[d]
        index = index // lengths[d]
    return tl.max_contiguous(tl.multiple_of(at + index * steps[0], MULTIPLE), RUN)


@triton.jit
def fold(sums, HEIGHT: tl.constexpr, WIDTH: tl.constexpr):
    """Adds rows in pairs of neighbours until one is left. Each addition is of two numbers, so no layout of registers
    changes the order."""
    HALVINGS: tl.constexpr = HEIGHT.bit_length() - 1
    for level in tl.static_range(HALVINGS):
        sums = tl.sum(tl.reshape(sums, (HEIGHT >> (level + 1), 2, WIDTH)), axis=1)
    return tl.reshape(sums, (WIDTH,))


@triton.jit
def gamma_kernel(
    d_data, sums, d_out, data, gamma, kept_size: tl.int64, reduced_size: tl.int64, chunks: tl.int64,
    kept, reduced, d_data_kept, d_out_kept, data_kept, gamma_kept, d_data_reduced, d_out_reduced, data_reduced,
    KEPT_DIMS: tl.constexpr, REDUCED_DIMS: tl.constexpr, WANTS_DX: tl.constexpr, WIDE: tl.constexpr,
    LANES: tl.constexpr, STEPS: tl.constexpr, GROUPS: tl.constexpr, KEPT: tl.constexpr, RUN: tl.constexpr,
):  # fmt: skip
    """The data's gradient of one chunk, and its sums: float64 for the second stage, or gamma's gradient itself."""
    ELEMENT: tl.constexpr = data.dtype.element_ty
    ARITHMETIC: tl.constexpr = tl.float64 if ELEMENT == tl.float64 else tl.float32
    HEIGHT: tl.constexpr = GROUPS * LANES
    program = tl.program_id(0).to(tl.int64)
    chunk = program % chunks
    k = program // chunks * KEPT + tl.arange(0, KEPT)
    present = k < kept_size
    row = tl.arange(0, HEIGHT)
    j = (chunk * GROUPS + row // LANES) * (LANES * STEPS) + row % LANES
    if not WIDE:
        k = k.to(tl.int32)
        j = j.to(tl.int32)
    slope = widen(tl.load(gamma + offset_of(k, kept, gamma_kept, KEPT_DIMS, 1, 1), mask=present, other=0)).to(
        ARITHMETIC
    )
    data_at = data + offset_of(k, kept, data_kept, KEPT_DIMS, RUN, 1)[None, :]
    d_out_at = d_out + offset_of(k, kept, d_out_kept, KEPT_DIMS, RUN, 1)[None, :]
    d_data_at = d_data + offset_of(k, kept, d_data_kept, KEPT_DIMS, RUN, 1)[None, :]
    total = tl.zeros((HEIGHT, KEPT), tl.float64)
    for _ in range(STEPS):
        mask = (j < reduced_size)[:, None] & present[None, :]
        x_at = offset_of(j, reduced, data_reduced, REDUCED_DIMS, RUN, RUN)[:, None]
        g_at = offset_of(j, reduced, d_out_reduced, REDUCED_DIMS, RUN, RUN)[:, None]
        x = widen(tl.load(data_at + x_at, mask=mask, other=0))
        g = widen(tl.load(d_out_at + g_at, mask=mask, other=0))
        if WANTS_DX:
            dx = tl.where(x > 0, g, slope[None, :] * g)
            at = offset_of(j, reduced, d_data_reduced, REDUCED_DIMS, RUN, RUN)[:, None]
            tl.store(d_data_at + at, narrow(dx, ELEMENT), mask=mask)
        # Products of two numbers of at most 32 bits are exact in float64; that of two float64 is rounded.
        term = g.to(tl.float64) * x.to(tl.float64)
        total += tl.where(x > 0, 0.0, term)
        j += LANES
    folded = narrow_double(fold(total, HEIGHT, KEPT), sums.dtype.element_ty)
    tl.store(sums + chunk * kept_size + k, folded, mask=present)


@triton.jit
def reduce_kernel(out, sums, count: tl.int64, kept_size: tl.int64, ROWS: tl.constexpr, KEPT: tl.constexpr):
    """Adds ROWS neighbouring sums of each element of gamma."""
    block = tl.program_id(1).to(tl.int64)
    k = tl.program_id(0).to(tl.int64) * KEPT + tl.arange(0, KEPT)
    row = block * ROWS + tl.arange(0, ROWS)
    mask = (row < count)[:, None] & (k < kept_size)[None, :]
    part = tl.load(sums + (row[:, None] * kept_size + k[None, :]), mask=mask, other=0)
    folded = narrow_double(fold(part, ROWS, KEPT), out.dtype.element_ty)
    tl.store(out + block * kept_size + k, folded, mask=k < kept_size)
