"""Share the inputs out to worker processes and collect the errors found."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np

from . import inputs
from .cases import KINDS, Case, cases_for
from .oracle import Oracle, Tally
from .subjects import subject

BLOCK = 2**16  # elements at a time: inputs, results and references stay in the second-level cache
PIECE = 2**24  # inputs in one piece of work
PEER_STEP = 2**8  # of float32's bit patterns, other libraries get every 256th
QUICK_STEP = 2**12
GRID_POINTS, QUICK_GRID_POINTS = 1_000_000, 40_000

Key = tuple[str, str, str, str]  # dtype, case label, kind, subject


@dataclass(frozen=True)
class Work:
    """One piece: a run of bit patterns, or where ``step`` is 0 the chosen points and ``stop`` points of a grid."""

    dtype: str
    case: Case
    subjects: tuple[str, ...]
    start: int
    stop: int
    step: int

    def points(self) -> np.ndarray:
        """The inputs."""
        if self.step:
            return inputs.patterns(self.dtype, self.start, self.stop, self.step)
        points = inputs.chosen(self.dtype)
        return np.concatenate([points, inputs.float64_grid(self.stop)]) if self.stop else points

    @property
    def cost(self) -> int:
        """Rough time in elements of a float32 walk, for the progress bar."""
        size = len(range(self.start, self.stop, self.step)) if self.step else self.stop + 50_000
        return size * (1 if self.dtype == "float32" else 100)


def plan(dtype: str, case: Case, targets: tuple[str, ...], peers: tuple[str, ...], quick: bool) -> list[Work]:
    """The work for one case and dtype."""
    everyone = targets + peers
    if dtype == "float64":
        return [Work(dtype, case, everyone, 0, QUICK_GRID_POINTS if quick else GRID_POINTS, 0)]
    if dtype != "float32":
        return [Work(dtype, case, everyone, 0, inputs.pattern_count(dtype), 1)]
    work = []
    for group, step in ((targets, QUICK_STEP if quick else 1), (peers, QUICK_STEP if quick else PEER_STEP)):
        if group:
            starts = range(0, 2**32, min(PIECE * step, 2**30))
            work += [Work(dtype, case, group, start, start + starts.step, step) for start in starts]
            work += [Work(dtype, case, group, 0, 0, 0)] if step > 1 else []
    return work


def measure(work: Work, oracle: Oracle) -> dict[Key, Tally]:
    """Errors of each subject on one piece of work."""
    tallies: dict[Key, Tally] = {}
    points = work.points()
    slope = work.case.slope_for(work.dtype)
    for first in range(0, points.size, BLOCK):
        x = points[first : first + BLOCK]
        references = [oracle.reference(work.dtype, work.case.function, k == "gradient", slope, x) for k in KINDS]
        for name in work.subjects:
            results = subject(name)(work.case, x)
            if results is None:
                continue
            for kind, reference, result in zip(KINDS, references, results, strict=True):
                key = (work.dtype, work.case.label, kind, name)
                tallies.setdefault(key, Tally()).merge(oracle.compare(reference, result))
    return tallies


def run(work: list[Work], library: str, jobs: int) -> Iterator[tuple[Work, dict[Key, Tally]]]:
    """Measure all pieces in ``jobs`` processes; they come back in order, so that a second walk writes the same page."""
    if jobs == 1:
        oracle = Oracle(library)
        yield from ((item, measure(item, oracle)) for item in work)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_start, initargs=(library,)) as pool:
        yield from zip(work, pool.map(_measure, work), strict=True)


def select(dtypes: list[str], names: list[str] | None) -> list[tuple[str, Case]]:
    """The cases asked for, in the order of the page."""
    return [
        (dtype, case)
        for dtype in dtypes
        for case in cases_for(dtype)
        if not names or case.act_type in names or case.label in names
    ]


_oracle: Oracle | None = None


def _start(library: str) -> None:
    global _oracle
    _oracle = Oracle(library)


def _measure(work: Work) -> dict[Key, Tally]:
    assert _oracle is not None
    return measure(work, _oracle)
