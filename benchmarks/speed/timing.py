"""Time calls in turn, again and again, so that all of them see the same machine."""

from __future__ import annotations

import gc
import itertools
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

Seconds = dict[str, list[float]]

LEAST_TURNS = 7
FEW_TURNS = 3
SLOW_CALL, SLOWEST_CALL = 0.3, 1.0  # seconds: from here on, a subject gets few turns, or one
SHORT_CALL = 0.02  # seconds: up to here, a call of its own warms the caches before each turn
SHORTEST_SAMPLE = 1e-4  # seconds: quicker calls are timed in batches of at least this length
MOST_SAMPLES = 30  # in a turn
MOST_EXTRA_TURNS = 14


class Timer(Protocol):
    """Something whose calls can be timed.

    A remote one runs in another process: it warms up by itself, and each turn costs it a transfer of the data.
    """

    remote: bool

    def estimate(self) -> float:
        """Roughly the time of a call, not of the first one: that may compile or allocate."""

    def seconds(self, samples: int, batch: int) -> list[float]:
        """The time of a call, found `samples` times from `batch` calls in a row."""


class LocalTimer:
    """Calls in this process."""

    remote = False

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call

    def estimate(self) -> float:
        """Roughly the time of a call, not of the first one: that may compile or allocate."""
        first = self.seconds(1, 1)[0]
        return first if first > SLOW_CALL else max(min(self.seconds(3, 1)), 1e-8)

    def seconds(self, samples: int, batch: int) -> list[float]:
        """The time of a call, found `samples` times from `batch` calls in a row."""
        call = self._call
        found = []
        for _ in range(samples):
            begin = time.perf_counter()
            for _ in itertools.repeat(None, batch):
                call()
            found.append((time.perf_counter() - begin) / batch)
        return found


class Plan(NamedTuple):
    """How a subject is measured: how often its turn comes, and what happens then."""

    turns: int
    samples: int
    batch: int
    warm: bool


def plan(seconds: float, share: float, remote: bool = False) -> Plan:
    """The plan for a call of so many seconds that may take `share` seconds in all."""
    batch = max(1, round(SHORTEST_SAMPLE / seconds))
    turns = FEW_TURNS if remote or seconds > SLOW_CALL else LEAST_TURNS
    turns = 1 if seconds > SLOWEST_CALL else turns
    samples = int(share / turns / (batch * seconds))
    return Plan(turns, min(max(samples, 1), MOST_SAMPLES), batch, seconds < SHORT_CALL and not remote)


def measure(timers: Mapping[str, Timer], share: float, unsure: Callable[[Seconds], set[str]]) -> Seconds:
    """The times of each subject's calls, a list of samples each.

    Parameters
    ----------
    timers : mapping of str to Timer
        The subjects.
    share : float
        Seconds for each subject; each gets its least number of turns all the same.
    unsure : callable
        Names of those whose times are too close to a goal to tell; they get more turns.
    """
    with _without_collector():
        plans = {name: plan(timer.estimate(), share, timer.remote) for name, timer in timers.items()}
        found: Seconds = {name: [] for name in timers}
        for turn in range(LEAST_TURNS):
            due = [name for name in timers if turn * plans[name].turns % LEAST_TURNS < plans[name].turns]
            _take_turns(due, turn, timers, plans, found)
        for turn in range(MOST_EXTRA_TURNS):
            due = [name for name in timers if name in unsure(found)]
            if not due:
                break
            _take_turns(due, turn, timers, plans, found)
    return found


def quick_median(calls: Mapping[str, Callable[[], Any]]) -> dict[str, float]:
    """A first comparison of calls, for choosing one of them."""
    found = measure({name: LocalTimer(call) for name, call in calls.items()}, 0.02, lambda _: set())
    return {name: statistics.median(samples) for name, samples in found.items()}


def _take_turns(
    names: list[str], turn: int, timers: Mapping[str, Timer], plans: Mapping[str, Plan], found: Seconds
) -> None:
    # Another one begins each time: what comes before a call may leave its mark on it.
    first = turn % max(len(names), 1)
    for name in names[first:] + names[:first]:
        how = plans[name]
        settle()
        if how.warm:
            timers[name].seconds(1, 1)
        found[name] += timers[name].seconds(how.samples, how.batch)


def settle(process: int | None = None, patience: float = 0.5) -> None:
    """Wait until no other thread of this process, or of another one, works.

    Those of OpenMP go on spinning for some milliseconds after their work is done.
    """
    end = time.perf_counter() + patience
    while _works(process) and time.perf_counter() < end:
        time.sleep(1e-3)


def _works(process: int | None) -> bool:
    """Whether a thread runs or waits for a processor.

    A process's clock does not tell: Linux adds to it what a thread on another processor has used at that one's ticks,
    every 4 ms, so that it stands still for as long while a thread spins there.
    """
    threads = Path("/proc", "self" if process is None else str(process), "task")
    if not threads.exists():
        time.sleep(0.02)
        return False
    states = {thread.name: _state(thread) for thread in threads.iterdir()}
    states.pop(str(threading.get_native_id()), None)
    return "R" in states.values()


def _state(thread: Path) -> str:
    try:
        return (thread / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:  # it has ended
        return "X"


@contextmanager
def _without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
