"""Loops over arrays of one shape, as few and as long as they can be, and how programs share them."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

__all__ = ["Loop", "TilePlan", "c_order", "loops_of", "next_power", "plan_tiles"]

Steps = tuple[int, ...]

TILE = 1024  # elements of a tile
SQUARE = 32  # the side of one that is contiguous along either side, for one of the arrays each
FAR = 2**31


class Loop(NamedTuple):
    """One loop: how many steps, and how many elements apart they are in each array. 0 repeats an element."""

    length: int
    steps: Steps


class TilePlan(NamedTuple):
    """Tiles of rows and columns, and the loops around them."""

    outer: Steps  # their lengths
    rows: int
    cols: int
    steps: tuple[Steps, ...]  # for each array: of the outer loops, the rows and the columns
    tile_rows: int
    tile_cols: int
    wide: bool  # whether offsets inside a tile need 64 bits
    row_tiles: int
    col_tiles: int

    @property
    def programs(self) -> int:
        return math.prod(self.outer) * self.row_tiles * self.col_tiles


def next_power(n: int) -> int:
    """The power of two that is n or the next one."""
    return 1 << max(0, n - 1).bit_length()


def c_order(shape: Steps) -> Steps:
    """The steps of an array of that shape in C order."""
    steps = [1] * len(shape)
    for axis in range(len(shape) - 2, -1, -1):
        steps[axis] = steps[axis + 1] * shape[axis + 1]
    return tuple(steps)


def loops_of(shape: Steps, strides: tuple[Steps, ...], *, keep_order: bool = False) -> list[Loop]:
    """The loops in the memory order of the first array, neighbours joined where every array allows it."""
    loops = [Loop(n, tuple(s[axis] for s in strides)) for axis, n in enumerate(shape) if n != 1]
    if not keep_order:
        loops.sort(key=lambda loop: -loop.steps[0])
    joined: list[Loop] = []
    for loop in loops:
        if joined and all(a == b * loop.length for a, b in zip(joined[-1].steps, loop.steps, strict=True)):
            joined[-1] = Loop(joined[-1].length * loop.length, loop.steps)
        else:
            joined.append(loop)
    return joined


@functools.lru_cache(maxsize=512)
def plan_tiles(shape: Steps, strides: tuple[Steps, ...], drawn: bool, tile: int = TILE) -> TilePlan:
    """Tiles for arrays of any strides: the output first, and last the numbers of the elements, which have to count by
    one along the columns where slopes are drawn. `tile` is the number of a tile's elements."""
    nothing = Loop(1, (0,) * len(strides))
    loops = loops_of(shape, strides)
    counting = [i for i, loop in enumerate(loops) if loop.steps[-1] == 1] if drawn else [len(loops) - 1]
    cols = loops.pop(counting[-1]) if loops and counting else nothing
    crossing = next((i for i, loop in enumerate(loops) if 1 in loop.steps[:-1]), None) if loops else None
    crosses = crossing is not None and any(a != 1 for a in cols.steps[:-1] if a)
    rows = loops.pop(-1 if crossing is None or not crosses else crossing) if loops else nothing
    outer = loops or [nothing]
    if crosses:
        tile_rows, tile_cols = SQUARE, SQUARE
    else:
        tile_cols = min(tile, max(4, next_power(cols.length + 3 * drawn)))
        tile_rows = min(tile // tile_cols, next_power(rows.length))
    steps = tuple((*(loop.steps[a] for loop in outer), rows.steps[a], cols.steps[a]) for a in range(len(strides)))
    reach = max((tile_rows - 1) * abs(s[-2]) + (tile_cols - 1) * abs(s[-1]) for s in steps)
    row_tiles, col_tiles = -(-rows.length // tile_rows), -(-(cols.length + 3 * drawn) // tile_cols)
    lengths = tuple(loop.length for loop in outer)
    return TilePlan(lengths, rows.length, cols.length, steps, tile_rows, tile_cols, reach >= FAR, row_tiles, col_tiles)
