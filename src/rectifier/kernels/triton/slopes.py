"""rrelu's slopes in Triton: Philox4x32-10, element i from word i mod 4 of the block with counter i div 4."""

import triton
import triton.language as tl


@triton.jit
def slope_of(word, lower, step, last):
    """The map from the upper 24 bits to [lower, upper): one fma, kept below upper."""
    slope = tl.fma((word >> 8).to(tl.float32), step, lower)
    return tl.where(slope > last, last, slope)


@triton.jit
def draw(counters, key, lower, step, last):
    """Four slopes a counter, one after the other along the last axis."""
    low = tl.full((), lower, tl.float32)
    scale = tl.full((), step, tl.float32)
    most = tl.full((), last, tl.float32)
    w0, w1, w2, w3 = tl.randint4x(key, counters)
    even = tl.interleave(slope_of(w0, low, scale, most), slope_of(w2, low, scale, most))
    odd = tl.interleave(slope_of(w1, low, scale, most), slope_of(w3, low, scale, most))
    return tl.interleave(even, odd)


@triton.jit(do_not_specialize=["key", "counter"])
def draw_kernel(
    out,
    n: tl.int64,
    key: tl.uint64,
    lower: tl.float64,
    step: tl.float64,
    last: tl.float64,
    counter: tl.uint64,
    SHIFT: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """The slopes of the elements 4 * counter + SHIFT and after."""
    start = tl.program_id(0).to(tl.int64) * BLOCK
    group = start // 4 + tl.arange(0, BLOCK // 4)
    at = start + tl.arange(0, BLOCK) - SHIFT
    slopes = draw(group.to(tl.uint64) + counter, key, lower, step, last)
    tl.store(out + at, slopes, mask=(at >= 0) & (at < n))
