"""The element-wise kernels: one for memory in one piece, one by tiles for every other layout; both for all formulas."""

import triton
import triton.language as tl

from .arithmetic import narrow, widen
from .formulas import pullback, value
from .slopes import draw


@triton.jit
def load(pointer, mask, MASKED: tl.constexpr):
    """Elements in their arithmetic type. Blocks that lie inside the array need no mask, and load 16 bytes at once."""
    if MASKED:
        return widen(tl.load(pointer, mask=mask, other=0))
    else:
        return widen(tl.load(pointer))


@triton.jit
def load_sign(bits, position, mask, like: tl.constexpr):
    """One where the bit of pack_signs is set, else zero."""
    byte = tl.load(bits + (position >> 3), mask=mask, other=0)
    return ((byte.to(tl.int32) >> (position & 7).to(tl.int32)) & 1).to(like)


@triton.jit
def transform(
    x, g, slope, fraction, exponent, floor, FORMULA: tl.constexpr, BACKWARD: tl.constexpr, EXACT: tl.constexpr
):
    """The value, or the gradient g taken back through it."""
    if BACKWARD:
        # Scalars come as float64; they are numbers of the arithmetic type already.
        fraction = tl.full((), fraction, x.dtype)
        exponent = tl.full((), exponent, x.dtype)
        floor = tl.full((), floor, x.dtype)
        return pullback(g, x, slope, fraction, exponent, floor, FORMULA, EXACT)
    else:
        return value(x, slope, FORMULA, EXACT)


@triton.jit
def flat_block(
    out, data, d_out, gamma, start, rest, slope, fraction, exponent, floor,
    key, lower, step, last, counter,
    FORMULA: tl.constexpr, BACKWARD: tl.constexpr, SLOPES: tl.constexpr, SIGNS: tl.constexpr,
    SHIFT: tl.constexpr, MASKED: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """One block of the flat kernel: elements start - SHIFT and after, of which `rest` are left."""
    ELEMENT: tl.constexpr = out.dtype.element_ty
    ARITHMETIC: tl.constexpr = tl.float64 if ELEMENT == tl.float64 else tl.float32
    EXACT: tl.constexpr = ELEMENT == tl.float32 or ELEMENT == tl.float64
    lane = tl.arange(0, BLOCK)
    mask = lane < rest
    if SHIFT > 0:
        mask &= start + lane >= SHIFT
    if SIGNS:
        x = load_sign(data, start - SHIFT + lane, mask, ARITHMETIC)
    else:
        x = load(data + (start - SHIFT) + lane, mask, MASKED)
    g = x
    if BACKWARD:
        g = load(d_out + (start - SHIFT) + lane, mask, MASKED)
    if SLOPES == "drawn":
        counters = (start // 4 + tl.arange(0, BLOCK // 4)).to(tl.uint64) + counter
        s = draw(counters, key, lower, step, last).to(ARITHMETIC)
    elif SLOPES == "each":
        s = load(gamma + start + lane, mask, MASKED).to(ARITHMETIC)
    elif SLOPES == "shared":
        s = widen(tl.load(gamma)).to(ARITHMETIC)
    else:
        s = tl.full((), slope, ARITHMETIC)
    y = transform(x, g, s, fraction, exponent, floor, FORMULA, BACKWARD, EXACT)
    if MASKED:
        tl.store(out + (start - SHIFT) + lane, narrow(y, ELEMENT), mask=mask)
    else:
        tl.store(out + (start - SHIFT) + lane, narrow(y, ELEMENT))


# Keys that are multiples of 16 would have a kernel of their own, compiled when the first of them comes, for no gain.
@triton.jit(do_not_specialize=["key", "counter"])
def flat_kernel(
    out, data, d_out, gamma, n: tl.int64,
    slope: tl.float64, fraction: tl.float64, exponent: tl.float64, floor: tl.float64,
    key: tl.uint64, lower: tl.float64, step: tl.float64, last: tl.float64, counter: tl.uint64,
    FORMULA: tl.constexpr, BACKWARD: tl.constexpr, SLOPES: tl.constexpr, SIGNS: tl.constexpr,
    SHIFT: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Arrays that lie in memory one element after the other, in the same order. The first element drawn has number
    4 * counter + SHIFT."""
    start = tl.program_id(0).to(tl.int64) * BLOCK
    rest = n + SHIFT - start
    inside = rest >= BLOCK
    if SHIFT > 0:
        inside = inside & (start > 0)
    if inside:
        flat_block(
            out, data, d_out, gamma, start, BLOCK, slope, fraction, exponent, floor,
            key, lower, step, last, counter, FORMULA, BACKWARD, SLOPES, SIGNS, SHIFT, False, BLOCK,
        )  # fmt: skip
    else:
        flat_block(
            out, data, d_out, gamma, start, rest, slope, fraction, exponent, floor,
            key, lower, step, last, counter, FORMULA, BACKWARD, SLOPES, SIGNS, SHIFT, True, BLOCK,
        )  # fmt: skip


@triton.jit
def offsets(at, row, col, steps, OUTER: tl.constexpr, WIDE: tl.constexpr):
    """Where the elements of a tile are, from `at` on."""
    if WIDE:
        return at + (row.to(tl.int64) * steps[OUTER] + col.to(tl.int64) * steps[OUTER + 1])
    else:
        return at + (row * steps[OUTER] + col * steps[OUTER + 1])


@triton.jit(do_not_specialize=["key", "first", "row_tiles", "col_tiles"])
def tile_kernel(
    out, data, d_out, gamma, outer, rows: tl.int64, cols: tl.int64, row_tiles: tl.int32, col_tiles: tl.int32,
    out_steps, data_steps, d_out_steps, gamma_steps, position_steps,
    slope: tl.float64, fraction: tl.float64, exponent: tl.float64, floor: tl.float64,
    key: tl.uint64, lower: tl.float64, step: tl.float64, last: tl.float64, first: tl.uint64,
    FORMULA: tl.constexpr, BACKWARD: tl.constexpr, SLOPES: tl.constexpr, SIGNS: tl.constexpr,
    OUTER: tl.constexpr, WIDE: tl.constexpr, ROWS: tl.constexpr, COLS: tl.constexpr,
):  # fmt: skip
    """Arrays of any strides, by tiles of ROWS x COLS elements. Slopes are drawn along the columns; gamma's are those of
    each element, or the same along a row or a column."""
    ELEMENT: tl.constexpr = out.dtype.element_ty
    ARITHMETIC: tl.constexpr = tl.float64 if ELEMENT == tl.float64 else tl.float32
    EXACT: tl.constexpr = ELEMENT == tl.float32 or ELEMENT == tl.float64
    DRAWN: tl.constexpr = SLOPES == "drawn"
    # Divisions of 64 bits would take longer than a tile's elements.
    rest = tl.program_id(0)
    first_col = (rest % col_tiles).to(tl.int64) * COLS
    rest = rest // col_tiles
    first_row = (rest % row_tiles).to(tl.int64) * ROWS
    rest = rest // row_tiles
    out_at = first_row * out_steps[OUTER]
    data_at = first_row * data_steps[OUTER]
    d_out_at = first_row * d_out_steps[OUTER]
    gamma_at = first_row * gamma_steps[OUTER]
    position = first_row * position_steps[OUTER]
    for d in tl.static_range(OUTER - 1, -1, -1):
        i = (rest % outer[d]).to(tl.int64)
        rest = rest // outer[d]
        out_at += i * out_steps[d]
        data_at += i * data_steps[d]
        d_out_at += i * d_out_steps[d]
        gamma_at += i * gamma_steps[d]
        position += i * position_steps[d]
    row = tl.arange(0, ROWS)[:, None]
    col = tl.arange(0, COLS)[None, :]
    rows_left = tl.minimum(rows - first_row, ROWS).to(tl.int32)
    if DRAWN:
        # Each row starts at the counter of its first element: columns before that element are masked.
        number = (row.to(tl.int64) * position_steps[OUTER] + position).to(tl.uint64) + first
        group = (first_col // 4 + tl.arange(0, COLS // 4)[None, :]).to(tl.uint64)
        s = draw((number >> 2) + group, key, lower, step, last).to(ARITHMETIC)
        col = col - (number & 3).to(tl.int32)
        mask = (row < rows_left) & (col + first_col >= 0) & (col + first_col < cols)
    else:
        cols_left = tl.minimum(cols - first_col, COLS).to(tl.int32)
        mask = (row < rows_left) & (col < cols_left)
    out_at += first_col * out_steps[OUTER + 1]
    data_at += first_col * data_steps[OUTER + 1]
    if SIGNS:
        # The bits' own numbers: those that slopes are drawn for may be others.
        x = load_sign(data, offsets(data_at, row, col, data_steps, OUTER, True), mask, ARITHMETIC)
    else:
        x = load(offsets(data + data_at, row, col, data_steps, OUTER, WIDE), mask, True)
    g = x
    if BACKWARD:
        d_out_at += first_col * d_out_steps[OUTER + 1]
        g = load(offsets(d_out + d_out_at, row, col, d_out_steps, OUTER, WIDE), mask, True)
    if SLOPES == "each":
        gamma_at += first_col * gamma_steps[OUTER + 1]
        s = load(offsets(gamma + gamma_at, row, col, gamma_steps, OUTER, WIDE), mask, True).to(ARITHMETIC)
    elif SLOPES == "rows":
        s = load(gamma + gamma_at + row.to(tl.int64) * gamma_steps[OUTER], row < rows_left, True).to(ARITHMETIC)
    elif SLOPES == "cols":
        gamma_at += first_col * gamma_steps[OUTER + 1]
        s = load(gamma + gamma_at + col.to(tl.int64) * gamma_steps[OUTER + 1], col < cols_left, True).to(ARITHMETIC)
    elif SLOPES == "shared":
        s = widen(tl.load(gamma)).to(ARITHMETIC)
    elif not DRAWN:
        s = tl.full((), slope, ARITHMETIC)
    y = transform(x, g, s, fraction, exponent, floor, FORMULA, BACKWARD, EXACT)
    tl.store(offsets(out + out_at, row, col, out_steps, OUTER, WIDE), narrow(y, ELEMENT), mask=mask)


@triton.jit
def pack_kernel(bits, data, n: tl.int64, shape, steps, DIMS: tl.constexpr, WIDE: tl.constexpr, BLOCK: tl.constexpr):
    """One bit an element in C order, from the lowest bit on: whether it is above zero."""
    byte = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    bit = tl.arange(0, 8)[None, :]
    position = byte[:, None] * 8 + bit
    mask = position < n
    if not WIDE:
        position = position.to(tl.int32)
    at = position * 0
    for d in tl.static_range(DIMS - 1, 0, -1):
        at += position % shape[d] * steps[d]
        position = position // shape[d]
    at += position * steps[0]
    x = widen(tl.load(data + at, mask=mask, other=0))
    packed = tl.sum((x > 0).to(tl.int32) << bit, axis=1)
    tl.store(bits + byte, packed.to(tl.uint8), mask=byte * 8 < n)
