"""A small model of the times: what a call costs, what passes through memory, and what is computed.

    time = overhead + max(bytes / bandwidth(level, cores), elements * arithmetic / cores)

The level is the smallest cache that the bytes fit, or memory; the bandwidth of a level grows as a power of the cores.
Each kernel has an overhead and a time for the arithmetic of an element; bandwidths, and the time to wake a second
thread, are common to all. The fit is by least squares of the logarithms.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .cells import Cell
from .goals import THREADED
from .results import Run

Array = np.ndarray[Any, np.dtype[np.float64]]

WORKS = ("forward", "gradient")
LEVELS = ("L2", "L3", "memory")
# What to take for the caches' sizes where the system does not tell.
USUAL_CACHES = {"L2": 2**20, "L3": 2**25}

# First guesses in seconds, and in bytes a second for each level.
OVERHEAD, WAKE, ARITHMETIC = 1e-6, 5e-6, 2e-10
BANDWIDTHS = {"L2": 5e10, "L3": 2e10, "memory": 1e10}
GROWTH = 0.7


class Kernel(NamedTuple):
    """An activation's value or gradient."""

    label: str
    work: str

    @property
    def streams(self) -> int:
        """How many arrays of the data's size it reads and writes."""
        full = self.label == "prelu full"
        return 2 + full if self.work == "forward" else 3 + 2 * full


@dataclass(frozen=True)
class Model:
    """The fitted numbers, in seconds and bytes a second."""

    overhead: Mapping[Kernel, float]
    arithmetic: Mapping[Kernel, float]
    bandwidth: Mapping[str, float]
    growth: Mapping[str, float]
    wake: float
    caches: Mapping[str, int]

    def parts(self, cell: Cell) -> dict[str, float]:
        """The terms of a cell's time; of "arithmetic" and the level's name, the larger one counts."""
        kernel = Kernel(cell.label, cell.work)
        level = level_of(cell, self.caches)
        bandwidth = self.bandwidth[level] * cell.threads ** self.growth[level]
        return {
            "call": self.overhead[kernel] + (self.wake if _wakes(cell) else 0),
            level: traffic(cell) / bandwidth,
            "arithmetic": self.arithmetic[kernel] * cell.size / cell.threads,
        }

    def seconds(self, cell: Cell, sharpness: float = math.inf) -> float:
        """The time of a cell; a finite `sharpness` rounds the corner of the maximum off."""
        call, memory, arithmetic = self.parts(cell).values()
        larger, smaller = max(memory, arithmetic), min(memory, arithmetic)
        if math.isinf(sharpness):
            return call + larger
        return call + larger * (1 + (smaller / larger) ** sharpness) ** (1 / sharpness)

    def bound(self, cell: Cell) -> str:
        """What takes the larger part of a cell's time: "call", "arithmetic" or a level's name."""
        parts = self.parts(cell)
        return max(parts, key=parts.__getitem__)

    def binds(self, kernel: Kernel, cells: Iterable[Cell]) -> bool:
        """Whether arithmetic counts in any of the cells of a kernel; else its time is only known to be lower."""
        for cell in cells:
            _, memory, arithmetic = self.parts(cell).values()
            if Kernel(cell.label, cell.work) == kernel and arithmetic > memory:
                return True
        return False


class Fit(NamedTuple):
    """A model with the cells it is fitted to, and its errors there, as factors: root mean square and largest."""

    model: Model
    cells: list[Cell]
    error: float
    largest: float
    worst: Cell


def level_of(cell: Cell, caches: Mapping[str, int]) -> str:
    """Where a cell's arrays lie: in the cores' own caches, in the shared one, or in memory."""
    if traffic(cell) <= caches["L2"] * cell.threads:
        return "L2"
    return "L3" if traffic(cell) <= caches["L3"] else "memory"


@functools.cache  # a fit asks a million times
def traffic(cell: Cell) -> int:
    """How many bytes a cell reads and writes."""
    return Kernel(cell.label, cell.work).streams * cell.nbytes


def _wakes(cell: Cell) -> bool:
    return cell.threads > 1 and cell.size >= THREADED


def fit(run: Run) -> Fit:
    """The model that comes closest to the contiguous float32 cells of a run, results given."""
    chosen = run.select(dtype="float32", layout="contiguous", out="given")
    times = {one.cell: one.figures["ours"].median for one in chosen if one.cell.work in WORKS}
    if not times:
        raise ValueError("the run has no contiguous float32 cells")
    caches = {**USUAL_CACHES, **run.machine.get("caches", {})}
    return fit_times(times, caches)


def fit_times(times: Mapping[Cell, float], caches: Mapping[str, int]) -> Fit:
    """The model that comes closest to the times of some cells."""
    cells = list(times)
    kernels = list(dict.fromkeys(Kernel(cell.label, cell.work) for cell in cells))
    wanted = np.log([times[cell] for cell in cells])

    def build(numbers: Array) -> Model:
        return _model(np.exp(numbers), kernels, caches)

    def errors(numbers: Array, sharpness: float = math.inf) -> Array:
        model = build(numbers)
        return np.log([model.seconds(cell, sharpness) for cell in cells]) - wanted

    # A true maximum tells nothing of its smaller side: a first guess on the wrong one would stay there.
    numbers = np.log(_guess(times, kernels))
    for sharpness in (1, 2, 4, 8, 16, math.inf):
        numbers = least_squares(functools.partial(errors, sharpness=sharpness), numbers)
    found = errors(numbers)
    worst = int(np.argmax(np.abs(found)))
    error, largest = math.exp(math.sqrt(np.mean(found**2))), math.exp(abs(found[worst]))
    return Fit(build(numbers), cells, error, largest, cells[worst])


def _guess(times: Mapping[Cell, float], kernels: list[Kernel]) -> Array:
    count = len(kernels)
    overheads = [
        min((t for c, t in times.items() if (c.label, c.work) == kernel), default=OVERHEAD) for kernel in kernels
    ]
    return np.array([*overheads, *[ARITHMETIC] * count, *BANDWIDTHS.values(), *[GROWTH] * len(LEVELS), WAKE])


def _model(numbers: Array, kernels: list[Kernel], caches: Mapping[str, int]) -> Model:
    count = len(kernels)
    overhead, arithmetic, bandwidth, growth, (wake,) = np.split(
        numbers, np.cumsum([count, count, len(LEVELS), len(LEVELS)])
    )
    return Model(
        dict(zip(kernels, overhead.tolist(), strict=True)),
        dict(zip(kernels, arithmetic.tolist(), strict=True)),
        dict(zip(LEVELS, bandwidth.tolist(), strict=True)),
        dict(zip(LEVELS, np.minimum(growth, 1).tolist(), strict=True)),
        float(wake),
        caches,
    )


def least_squares(errors: Callable[[Array], Array], start: Array, rounds: int = 200) -> Array:
    """Where the sum of squared errors is smallest, near `start`, by Levenberg's and Marquardt's method."""
    numbers, found, damping = start, errors(start), 1e-2
    for _ in range(rounds):
        slopes = _jacobian(errors, numbers, found)
        normal, gradient = slopes.T @ slopes, slopes.T @ found
        while damping < 1e8:
            # Numbers that no error depends on stay where they are.
            step = np.linalg.solve(normal + damping * np.diag(np.diag(normal) + 1e-6), -gradient)
            step = np.clip(step, -1, 1)
            tried = errors(numbers + step)
            if tried @ tried < found @ found:
                break
            damping *= 4
        else:
            return numbers
        gained = found @ found - tried @ tried
        numbers, found, damping = numbers + step, tried, damping / 4
        if gained < 1e-10:
            return numbers
    return numbers


def _jacobian(errors: Callable[[Array], Array], numbers: Array, found: Array) -> Array:
    step = 1e-5
    return np.stack([(errors(numbers + step * unit) - found) / step for unit in np.eye(numbers.size)], axis=1)
