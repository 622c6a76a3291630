"""What is measured: one cell of the table is one piece of work on arrays of one kind."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from rectifier.parameters import ACTIVATIONS

SLOPE, LOWER_BOUND, UPPER_BOUND = 0.25, 0.125, 0.333999991
MIDDLE_SLOPE = (LOWER_BOUND + UPPER_BOUND) / 2
KEY = 7

# Images of a size: how many, channels, height, width.
SHAPES = {
    16: (1, 4, 2, 2),
    1_000: (5, 8, 5, 5),
    100_000: (10, 16, 25, 25),
    1_000_000: (25, 64, 25, 25),
    16_000_000: (100, 64, 50, 50),
    100_000_000: (625, 64, 50, 50),
}
SIZES = tuple(SHAPES)
DTYPES = ("float32", "float16", "bfloat16", "float64")
WORKS = ("forward", "gradient", "both")
LAYOUTS = ("contiguous", "transposed", "every other")
OUTS = ("given", "fresh")
THREADS = (2, 1)


class Case(NamedTuple):
    """An activation, for prelu with the way in which elements share slopes."""

    label: str
    act_type: str
    gamma: str = ""
    training: bool = False


CASES = {
    case.label: case
    for case in (
        *(Case(row.name, row.name) for row in ACTIVATIONS.values() if not row.has_gamma and not row.is_random),
        Case("prelu shared", "prelu", "shared"),
        Case("prelu NCHW", "prelu", "NCHW"),
        Case("prelu NHWC", "prelu", "NHWC"),
        Case("prelu full", "prelu", "full"),
        Case("rrelu", "rrelu"),
        Case("rrelu training", "rrelu", training=True),
    )
}


class Cell(NamedTuple):
    """One cell: what is computed, of what, on how many threads.

    ``forward`` is `leaky_relu`, ``gradient`` the pullback alone, ``both`` is `vjp` and its pullback. ``out`` says
    whether the caller gives the arrays for the results.
    """

    label: str
    work: str
    dtype: str = "float32"
    size: int = 1_000_000
    layout: str = "contiguous"
    out: str = "given"
    threads: int = 2

    @property
    def case(self) -> Case:
        """The activation."""
        return CASES[self.label]

    @property
    def nbytes(self) -> int:
        """Bytes of the data."""
        return self.size * itemsize(self.dtype)


def itemsize(dtype: str) -> int:
    """Bytes of an element."""
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize


def full_table() -> list[Cell]:
    """The cells of a whole run.

    All of them for contiguous float32 on two threads, but for fresh results at 1e8, which would repeat 1.6e7's. The
    other types, layouts and one thread are measured at the sizes where they matter, with ``out`` given: types from 1e5
    on, layouts at 1e6 and 1.6e7 (for the other types at 1e6, forward), one thread up to 1.6e7.
    """
    large = (1_000_000, 16_000_000)
    others = DTYPES[1:]
    return _ordered(
        itertools.chain(
            _product(sizes=SIZES[:-1], outs=OUTS),
            _product(sizes=SIZES[-1:]),
            _product(dtypes=others, sizes=(100_000, *large)),
            _product(dtypes=others, sizes=large[1:], works=("forward",), outs=("fresh",)),
            _product(layouts=LAYOUTS[1:], sizes=large),
            _product(layouts=LAYOUTS[1:], sizes=large[1:], works=("forward",), outs=("fresh",)),
            _product(layouts=LAYOUTS[1:], dtypes=others, works=("forward",)),
            _product(threads=(1,), sizes=SIZES[:-1]),
        )
    )


def quick_table() -> list[Cell]:
    """A selection for two minutes; what matters most comes first, in case they are over sooner."""
    two = ("forward", "gradient")
    return [
        *_product(works=two),
        *_product(sizes=(16,), works=two),
        *_product(sizes=(16_000_000,), works=two[:1], outs=("fresh",)),
        *_product(cases=("leaky", "gelu"), layouts=LAYOUTS[1:], works=two[:1]),
        *_product(cases=("leaky", "gelu"), threads=(1,), works=two[:1]),
        *_product(cases=("elu", "prelu NCHW"), dtypes=DTYPES[1:], works=two),
        *_product(sizes=(100_000,), works=two),
    ]


def _product(
    cases: Iterable[str] = tuple(CASES),
    works: Iterable[str] = WORKS,
    dtypes: Iterable[str] = DTYPES[:1],
    sizes: Iterable[int] = (1_000_000,),
    layouts: Iterable[str] = LAYOUTS[:1],
    outs: Iterable[str] = OUTS[:1],
    threads: Iterable[int] = THREADS[:1],
) -> Iterator[Cell]:
    return itertools.starmap(Cell, itertools.product(cases, works, dtypes, sizes, layouts, outs, threads))


def _ordered(cells: Iterable[Cell]) -> list[Cell]:
    """Cells that share arrays stand together; small ones come first."""

    def place(cell: Cell) -> tuple[int, ...]:
        return cell.size, DTYPES.index(cell.dtype), LAYOUTS.index(cell.layout), -cell.threads

    return sorted(dict.fromkeys(cells), key=place)
