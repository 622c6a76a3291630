"""MXNet 1.6.0, in a process of its own; every turn sends it the data anew, and it times its own calls."""

from __future__ import annotations

import atexit
import functools
from typing import Any

from rectifier.parameters import ACTIVATIONS

from .arrays import Arrays
from .cells import LOWER_BOUND, SLOPE, UPPER_BOUND, Cell
from .subjects import Absent, mxnet_process
from .timing import settle


class RemoteTimer:
    """Calls in MXNet's process."""

    remote = True

    def __init__(self, cell: Cell, arrays: Arrays) -> None:
        self._threads = cell.threads
        self._arrays = {"data": arrays.data, "gamma": arrays.gamma}
        if cell.work == "gradient":
            self._arrays["head"] = arrays.head
        self._options: dict[str, Any] = {"act_type": cell.case.act_type}
        if cell.work == "forward":
            self._options["out"] = cell.out == "given"
        if cell.case.act_type in ("leaky", "elu"):
            self._options["slope"] = SLOPE
        if cell.case.act_type == "rrelu":
            self._options.update(lower_bound=LOWER_BOUND, upper_bound=UPPER_BOUND)
        self._what = "value" if cell.work == "forward" else "gradients"
        self._first = self.seconds(1, 1)[0]

    def estimate(self) -> float:
        """The time of a call when the timer was made."""
        return self._first

    def seconds(self, samples: int, batch: int) -> list[float]:
        """The time of each call; MXNet's calls take so long that they are timed one by one."""
        repeats = samples * min(batch, 10)
        oracle = process(self._threads)
        found: list[float] = oracle.seconds(self._what, repeats, **self._arrays, **self._options)
        settle(oracle.process_id)
        return found


def prepare(cell: Cell, arrays: Arrays) -> RemoteTimer:
    """The work of a cell."""
    if cell.work == "both":
        raise Absent("MXNet's process times either value or gradient")
    if not ACTIVATIONS[cell.case.act_type].in_mxnet:
        raise Absent(f"MXNet 1.6.0 has no {cell.case.act_type}")
    if cell.case.act_type == "rrelu" and (cell.case.training or cell.work == "gradient"):
        raise Absent("MXNet 1.6.0 crashes in rrelu's training, and leaves its gradient undefined")
    if cell.dtype == "bfloat16" or cell.layout != "contiguous" or cell.case.gamma == "NHWC":
        raise Absent("MXNet 1.6.0 has neither bfloat16 nor strides nor slopes along the last axis")
    return RemoteTimer(cell, arrays)


@functools.cache
def process(threads: int) -> Any:
    """The process that uses so many threads."""
    found = mxnet_process().Oracle(threads)
    atexit.register(found.close)
    return found
