"""Make, pass on, view, resize and free results on several threads under a memory cap; prints what it saw as JSON.

Run as ``python tests/churn.py seconds``. Needs Linux: it reads /proc and caps its own address space.
"""

from __future__ import annotations

import ctypes
import json
import os
import queue
import random
import resource
import sys
import threading
import time

import numpy as np

import rectifier
from rectifier import _core

MIB = 2**20
LARGEST = 24 * MIB  # bytes of one result
SIZES = [int(LARGEST * 0.7**k) for k in range(9)]  # most results find a buffer of about their size
LIVE = 32 * MIB  # bytes of the results that one thread holds
THREADS = 3
LIMITS = (0, 16 * MIB, 128 * MIB, None)  # None keeps at most 256 MiB here: ten of the largest results
# What the results and the buffers may take at most, 64 MiB for all else, one result a thread in the making.
CAP = THREADS * (LIVE + 2 * LARGEST) + 256 * MIB + 64 * MIB
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8  # of glibc's malloc.h

X = np.linspace(1, 2, LARGEST // 4, dtype=np.float32)


def memory(name: str) -> int:
    """A line of /proc/self/status, in bytes."""
    with open("/proc/self/status", encoding="ascii") as status:
        return int(status.read().split(f"{name}:")[1].split()[0]) * 1024


class Churner(threading.Thread):
    """One thread: holds tagged results and checks, before it lets one go, that nobody else has written to it."""

    def __init__(self, number: int, shared: queue.SimpleQueue[tuple[np.ndarray, float]], end: float) -> None:
        super().__init__()
        self.random = random.Random(number)
        self.shared = shared
        self.end = end
        self.held: list[tuple[np.ndarray, float]] = []
        self.made = self.forks = 0
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            while time.monotonic() < self.end:
                self.step()
            for result in self.held:
                check(*result)
            self.held.clear()
        except BaseException as error:
            self.error = error

    def step(self) -> None:
        self.hold(self.result())
        while sum(whole(array).nbytes for array, _ in self.held) > LIVE:
            check(*self.held.pop(self.random.randrange(len(self.held))))
        chance = self.random.random()
        if chance < 0.2:
            self.exchange()
        elif chance < 0.25:
            self.resize()
        elif chance < 0.255:
            rectifier.set_buffer_limit(self.random.choice(LIMITS))
        elif chance < 0.26:
            rectifier.release_buffers()
        elif chance < 0.28:
            self.fork()

    def hold(self, array: np.ndarray) -> None:
        self.made += 1
        tag = float(self.random.randrange(1, 2**24))
        array[...] = tag
        if self.random.random() < 0.1:
            array = array[array.size // 3 :]  # the view alone keeps the buffer
        self.held.append((array, tag))

    def result(self) -> np.ndarray:
        size = int(self.random.choice(SIZES) * self.random.uniform(0.9, 1)) // 4
        x = X[:size]
        if self.random.random() < 0.5:
            y: np.ndarray = rectifier.leaky_relu(x)
        else:
            _, pullback = rectifier.vjp(x)
            y = pullback(x)
        assert (y[:: max(1, size // 64)] == x[:: max(1, size // 64)]).all()
        return y

    def exchange(self) -> None:
        """Leave a result to another thread and free one of another's."""
        self.shared.put(self.held.pop())
        if self.shared.qsize() > THREADS:
            check(*self.shared.get())

    def resize(self) -> None:
        array, tag = self.held.pop()
        if array.base is None:
            array.resize(self.random.randrange(1, X.size), refcheck=False)
            array[...] = tag
        self.held.append((array, tag))

    def fork(self) -> None:
        """A child frees what it inherits and makes new results."""
        self.forks += 1
        process = os.fork()
        if process == 0:
            try:
                for result in self.held:
                    check(*result)
                self.held.clear()
                y = rectifier.leaky_relu(X[: 2**19])
                os._exit(0 if (y == X[: 2**19]).all() else 1)
            finally:
                os._exit(2)
        assert os.waitpid(process, 0)[1] == 0


def whole(array: np.ndarray) -> np.ndarray:
    """What a view keeps alive."""
    return array if array.base is None else array.base


def check(array: np.ndarray, tag: float) -> None:
    assert (array[:: max(1, array.size // 64)] == tag).all(), "a live result was written to"
    assert array[-1] == tag


def main(seconds: float) -> None:
    # NumPy's own blocks, which serve at limit 0, must not stay in the C library's heaps under the cap.
    library = ctypes.CDLL(None)
    assert library.mallopt(M_MMAP_THRESHOLD, 2**17)
    assert library.mallopt(M_ARENA_MAX, 1)
    # One thread for each call: a child forked under load has then no pool to start, only buffers to use.
    rectifier.set_num_threads(1)
    rectifier.leaky_relu(X)
    rectifier.release_buffers()
    resident, mapped = memory("VmRSS"), memory("VmSize")
    resource.setrlimit(resource.RLIMIT_AS, (mapped + CAP, mapped + CAP))
    shared: queue.SimpleQueue[tuple[np.ndarray, float]] = queue.SimpleQueue()
    churners = [Churner(number, shared, time.monotonic() + seconds) for number in range(THREADS)]
    for churner in churners:
        churner.start()
    for churner in churners:
        churner.join()
        if churner.error:
            raise churner.error
    while not shared.empty():
        check(*shared.get())
    _, in_use, hits, misses, _ = _core.buffer_counts()
    rectifier.release_buffers()
    figures = {
        "results": sum(churner.made for churner in churners),
        "forks": sum(churner.forks for churner in churners),
        "hits": hits,
        "misses": misses,
        "in_use": in_use,
        "kept": _core.buffer_counts()[0],
        "grown": memory("VmRSS") - resident,
        "peak": memory("VmPeak") - mapped,
        "cap": CAP,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main(float(sys.argv[1]))
