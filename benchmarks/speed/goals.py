"""What the figures must reach: the one table of goals, and who reaches them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from .cells import Cell
from .subjects import PEERS
from .timing import Seconds

LARGE = 1_000_000
THREADED = 100_000  # from here on, work is worth two threads

LINEAR = ("leaky", "prelu shared", "prelu NCHW", "prelu NHWC", "rrelu")
CHANNELS = ("prelu shared", "prelu NCHW", "prelu NHWC")
EXPONENTIAL = ("elu", "selu")

# Ratios this close to a goal are measured again and again before they are judged.
MARGIN = 0.1


class Goal(NamedTuple):
    """`against` takes at least `at_least` times as long as rectifier, in the cells that `holds_for` says.

    `against` is a subject's name, or "peer", the fastest of the other libraries.
    """

    text: str
    against: str
    at_least: float
    holds_for: Callable[[Cell], bool]


class Verdict(NamedTuple):
    """A goal in a cell: who was compared with, how much longer they took, and whether that is enough."""

    goal: Goal
    name: str
    ratio: float

    @property
    def met(self) -> bool:
        """Whether the cell reaches the goal."""
        return self.ratio >= self.goal.at_least


def _is_plain(cell: Cell) -> bool:
    return cell.dtype == "float32" and cell.layout == "contiguous" and cell.threads == 2


def _forward(labels: Iterable[str], size: int = LARGE) -> Callable[[Cell], bool]:
    """Forward into a given array, from a size on."""
    chosen = tuple(labels)
    return lambda c: _is_plain(c) and c.work == "forward" and c.out == "given" and c.label in chosen and c.size >= size


def _is_prelu_backward(cell: Cell) -> bool:
    return _is_plain(cell) and cell.work == "gradient" and cell.label in CHANNELS


def _is_other_type(cell: Cell) -> bool:
    return cell.dtype != "float32" and cell.layout == "contiguous" and cell.threads == 2 and cell.size >= THREADED


def _other_type(labels: Iterable[str], work: str, dtypes: Iterable[str] = ()) -> Callable[[Cell], bool]:
    chosen, types = tuple(labels), tuple(dtypes)
    return lambda c: _is_other_type(c) and c.work == work and c.label in chosen and (not types or c.dtype in types)


TABLE = (
    Goal("never slower than the fastest library", "peer", 1, lambda c: _is_plain(c) and c.size >= THREADED),
    Goal("leaky, prelu, rrelu at 0.9 of the copy's speed", "copy", 0.9, _forward(LINEAR)),
    # Three arrays pass through memory, and two in a copy.
    Goal("prelu with full gamma at 0.6 of the copy's speed", "copy", 0.6, _forward(["prelu full"])),
    Goal("elu, selu at 0.75 of the copy's speed", "copy", 0.75, _forward(EXPONENTIAL)),
    Goal("elu, selu 3 times as fast as torch", "torch", 3, _forward(EXPONENTIAL)),
    Goal("gelu as fast as torch", "torch", 1, _forward(["gelu"])),
    Goal("gelu_tanh 2 times as fast as torch", "torch", 2, _forward(["gelu_tanh"])),
    Goal("gelu at 1.6e7 1.3 times as fast as torch", "torch", 1.3, _forward(["gelu"], 16_000_000)),
    Goal(
        "prelu's gradient 12 times as fast as torch",
        "torch",
        12,
        lambda c: _is_prelu_backward(c) and c.size >= THREADED,
    ),
    Goal("prelu's gradient in 2.5 copies", "copy", 1 / 2.5, lambda c: _is_prelu_backward(c) and c.size >= LARGE),
    Goal(
        "rrelu in training 8 times as fast as torch",
        "torch",
        8,
        lambda c: _is_plain(c) and c.label == "rrelu training" and c.work == "forward" and c.size >= THREADED,
    ),
    Goal(
        "fresh results at 1.6e7 3 times as fast as torch",
        "torch",
        3,
        lambda c: _is_plain(c) and c.out == "fresh" and c.size == 16_000_000,
    ),
    # torch's autograd takes no array for the value: where one is given, its bare kernels stand in for a call.
    Goal(
        "16 elements in no more time than torch",
        "torch",
        1,
        lambda c: c.size == 16 and (c.work != "both" or c.out == "fresh"),
    ),
    Goal("other types: never slower than torch", "torch", 1, _is_other_type),
    Goal("other types: elu, selu 3 times as fast as torch", "torch", 3, _other_type(EXPONENTIAL, "forward")),
    Goal("other types: prelu's gradient 12 times as fast as torch", "torch", 12, _other_type(CHANNELS, "gradient")),
    Goal(
        "other types: rrelu in training 8 times as fast as torch",
        "torch",
        8,
        _other_type(["rrelu training"], "forward"),
    ),
    Goal("float64 gelu 2 times as fast as torch", "torch", 2, _other_type(["gelu"], "forward", ["float64"])),
    Goal(
        "every other element in 3 times the contiguous time", "contiguous", 1 / 3, lambda c: c.layout == "every other"
    ),
    # A tenth for noise: the same loop runs over the same memory.
    Goal("transposed in the contiguous time", "contiguous", 0.9, lambda c: c.layout == "transposed"),
)


def verdicts(cell: Cell, medians: Mapping[str, float]) -> list[Verdict]:
    """Every goal that holds for a cell and can be judged by the subjects that took part."""
    found = []
    for goal in TABLE:
        name = fastest_peer(medians) if goal.against == "peer" else goal.against
        if name in medians and goal.holds_for(cell):
            assert name is not None
            found.append(Verdict(goal, name, medians[name] / medians["ours"]))
    return found


def fastest_peer(medians: Mapping[str, float]) -> str | None:
    """The fastest of the other libraries, if any took part."""
    return min((name for name in PEERS if name in medians), key=medians.__getitem__, default=None)


def unsure(cell: Cell, seconds: Seconds) -> set[str]:
    """Those whose times decide on a goal that is nearly met or nearly missed, with ours."""
    medians = {name: statistics.median(samples) for name, samples in seconds.items()}
    close = {
        verdict.name
        for verdict in verdicts(cell, medians)
        if abs(math.log(verdict.ratio / verdict.goal.at_least)) < MARGIN
    }
    return close | {"ours"} if close else set()


def geometric_mean(ratios: Iterable[float]) -> float:
    """The geometric mean; NaN of nothing."""
    logarithms = [math.log(ratio) for ratio in ratios]
    return math.exp(statistics.fmean(logarithms)) if logarithms else math.nan
