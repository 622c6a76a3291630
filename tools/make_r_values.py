"""Write the values that the tests of the R package compare with, into r/tests/testthat/values.

They are computed by the Python package on the CPU target `baseline`, which gives the same bits on every CPU. Tables of
text, with tabs between columns, numbers in hexadecimal, arrays in C order and shapes in NumPy's terms.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rectifier import _core, rrelu_slopes, vjp
from rectifier.gamma import gamma_axes
from rectifier.parameters import ACTIVATIONS, LOWER_BOUND, SLOPE, UPPER_BOUND

FOLDER = Path(__file__).resolve().parent.parent / "r/tests/testthat/values"

Array = npt.NDArray[np.float64]
Shape = tuple[int, ...]

SPECIAL = [
    0.0,
    5e-324,
    1e-310,
    1e-20,
    1e-9,
    0.125,
    0.75,
    0.751791524693564,
    1.0,
    2.0,
    5.5,
    20.0,
    36.7,
    38.5,
    700.0,
    745.2,
    1e300,
]
SMALL_SHAPES = [(3,), (2, 3), (3, 3), (2, 3, 4), (2, 3, 2, 2)]
GAMMAS = [(), (1,), (3,), (2,), (2, 3), (3, 1, 1), (4,), (2, 3, 4), (1, 3)]
AXES: list[tuple[Shape, Shape, int | Shape]] = [
    ((2, 3, 4), (4,), -1),
    ((2, 3, 4), (2, 4), (0, 2)),
    ((3, 3, 3), (3,), 2),
    ((2, 3, 2, 2), (2, 2), (2, 3)),
]
# Rows, blocks and lanes of gamma's sums: see src/core/gamma_gradient.cpp.
SUMS = [
    ((10000,), (), None),
    ((2, 3, 70, 80), (3,), None),
    ((2, 70, 80, 5), (5,), -1),
    ((9, 1100), (1100,), 1),
    ((300, 40), (40,), None),
    ((300, 40), (300,), None),
    ((5, 7, 11, 13), (7, 13), (1, 3)),
]  # fmt: skip


class Case(NamedTuple):
    """One call of the operator, whose arrays are ramps where nothing else is given."""

    act_type: str
    shape: Shape
    data: Array | None = None
    gamma_shape: Shape | None = None
    slope: float = SLOPE
    lower_bound: float = LOWER_BOUND
    upper_bound: float = UPPER_BOUND
    training: bool = False
    rng: int | None = None
    axis: int | Shape | None = None


def ramp(shape: Shape, step: int, period: int, divisor: float) -> Array:
    """Numbers around zero that R computes to the same bits, one division each."""
    i = np.arange(math.prod(shape), dtype=np.int64)
    return ((i * step % period - period // 2) / divisor).reshape(shape)


def data_of(shape: Shape) -> Array:
    return ramp(shape, 37, 101, 7.0)


def upstream_of(shape: Shape) -> Array:
    return ramp(shape, 53, 97, 3.0)


def gamma_of(shape: Shape) -> Array:
    return ramp(shape, 5, 19, 11.0)


def cases() -> Iterator[Case]:
    special = np.array([-np.inf, *(-x for x in SPECIAL), *SPECIAL, np.inf, np.nan])
    for act_type, activation in ACTIVATIONS.items():
        slopes = (SLOPE, 1.0, 0.0, -0.3, 1e200) if "slope" in activation.reads else (SLOPE,)
        for slope in slopes:
            yield Case(act_type, special.shape, special, () if activation.has_gamma else None, slope=slope)
    for shape, key in itertools.product(SMALL_SHAPES, (7, 2**53, 2**64 - 1)):
        yield Case("rrelu", shape, training=True, rng=key)
    yield Case("rrelu", special.shape, special, lower_bound=-0.5, upper_bound=0.7, training=True, rng=123456789)
    yield Case("rrelu", special.shape, special, lower_bound=-0.5, upper_bound=-0.5)
    for shape, gamma_shape in itertools.product(SMALL_SHAPES, GAMMAS):
        if _aligned(shape, gamma_shape, None) is not None:
            yield Case("prelu", shape, gamma_shape=gamma_shape)
    for shape, gamma_shape, axis in AXES:
        yield Case("prelu", shape, gamma_shape=gamma_shape, axis=axis)


def _aligned(shape: Shape, gamma_shape: Shape, axis: Any) -> Shape | None:
    try:
        return gamma_axes(shape, gamma_shape, axis)
    except ValueError:
        return None


def number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return re.sub(r"\.?0*p", "p", value.hex()) if math.isfinite(value) else ("Inf" if value > 0 else "-Inf")


def text(value: Any) -> str:
    """A cell: what R reads back by splitting at blanks."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        return number(value)
    if isinstance(value, np.ndarray):
        return " ".join(map(number, value.ravel().tolist()))
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def table(columns: str, rows: list[tuple[Any, ...]]) -> str:
    return "".join("\t".join(map(text, row)) + "\n" for row in [tuple(columns.split()), *rows])


def calls_table() -> str:
    rows: list[tuple[Any, ...]] = []
    for case in cases():
        data = data_of(case.shape) if case.data is None else case.data
        gamma = None if case.gamma_shape is None else gamma_of(case.gamma_shape)
        value, pullback = vjp(
            data, gamma, case.act_type, case.slope, case.lower_bound, case.upper_bound,
            training=case.training, rng=case.rng, axis=case.axis,
        )  # fmt: skip
        d_out = upstream_of(case.shape)
        d_data, d_gamma = (pullback(d_out), None) if gamma is None else pullback(d_out)
        rows.append((*case, value, d_data, None if d_gamma is None else np.asarray(d_gamma)))
    return table(
        "act.type data.shape data gamma.shape slope lower.bound upper.bound training seed axis value d.data d.gamma",
        rows,
    )


def sums_table() -> str:
    rows: list[tuple[Any, ...]] = []
    for shape, gamma_shape, axis in SUMS:
        _, pullback = vjp(data_of(shape), gamma_of(gamma_shape), "prelu", axis=axis)
        rows.append((shape, gamma_shape, axis, np.asarray(pullback(upstream_of(shape))[1])))
    return table("data.shape gamma.shape axis d.gamma", rows)


def gamma_table() -> str:
    shapes = [shape for n in (1, 2, 3) for shape in itertools.product((1, 2, 3), repeat=n)]
    rows = []
    for shape, gamma_shape in itertools.product([*shapes[::3], (2, 3, 4, 5), (3, 2, 3, 2)], shapes):
        aligned = _aligned(shape, gamma_shape, None)
        rows.append((shape, gamma_shape, "refused" if aligned is None else aligned))
    return table("data.shape gamma.shape aligned", rows)


def activations_table() -> str:
    rows = [(row.name, row.formula, tuple(map(_in_r, row.reads))) for row in ACTIVATIONS.values()]
    return table("act.type formula reads", rows)


def _in_r(parameter: str) -> str:
    return "seed" if parameter == "rng" else parameter.replace("_", ".")


def slopes_table() -> str:
    bounds = [(LOWER_BOUND, UPPER_BOUND), (-1.0, 2.0), (0.5, 0.5)]
    rows = [(key, *pair, rrelu_slopes(9, key, *pair, dtype=np.float64)) for key in (0, 7, 2**64 - 1) for pair in bounds]
    return table("seed lower.bound upper.bound slopes", rows)


@contextmanager
def cpu_target(name: str) -> Iterator[None]:
    before = _core.cpu_target()
    _core.set_cpu_target(name)
    try:
        yield
    finally:
        _core.set_cpu_target(before)


def files() -> dict[str, str]:
    """The text of each file, by its name."""
    with cpu_target("baseline"):
        return {
            "calls.tsv": calls_table(),
            "sums.tsv": sums_table(),
            "gamma.tsv": gamma_table(),
            "activations.tsv": activations_table(),
            "slopes.tsv": slopes_table(),
        }


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, content in files().items():
        (FOLDER / name).write_text(content, encoding="ascii")
        print(f"{FOLDER / name}: {len(content)} bytes")
