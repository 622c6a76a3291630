"""Time the first calls after a pause, when all threads sleep: leaky_relu of rectifier against torch's.

python -m benchmarks.speed.after_pause [--threads 2] [--size 100000] [--pause 0.02] [--pauses 100]
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

import rectifier
from benchmarks.speed.timing import settle

CALLS = 30
SHOWN = (1, 2, 3, 10, 30)


def after_pause(call: Callable[[], object], pause: float) -> list[float]:
    """The seconds that each of the calls takes which follow a pause."""
    settle()
    time.sleep(pause)
    times = [time.perf_counter()]
    for _ in range(CALLS):
        call()
        times.append(time.perf_counter())
    return [end - begin for begin, end in itertools.pairwise(times)]


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--size", type=int, default=100_000)
    parser.add_argument("--pause", type=float, default=0.02, help="seconds")
    parser.add_argument("--pauses", type=int, default=100)
    options = parser.parse_args(argv)
    rectifier.set_num_threads(options.threads)
    torch.set_num_threads(options.threads)
    x = np.random.default_rng(0).standard_normal(options.size).astype(np.float32)
    out = np.empty_like(x)
    tensor, result = torch.from_numpy(x), torch.from_numpy(out)
    subjects: dict[str, Callable[[], object]] = {
        "rectifier": lambda: rectifier.leaky_relu(x, out=out),
        "torch": lambda: torch.ops.aten.leaky_relu.out(tensor, 0.25, out=result),
    }
    found: dict[str, list[list[float]]] = {name: [] for name in subjects}
    for _ in range(options.pauses):
        for name, call in subjects.items():
            found[name].append(after_pause(call, options.pause))
    print("| call after the pause, µs | " + " | ".join(map(str, SHOWN)) + " |\n" + "|---" * (len(SHOWN) + 1) + "|")
    for name, turns in found.items():
        medians = [1e6 * statistics.median(turn[number - 1] for turn in turns) for number in SHOWN]
        print(f"| {name} | " + " | ".join(f"{median:.1f}" for median in medians) + " |")


if __name__ == "__main__":
    main()
