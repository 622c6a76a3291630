"""Find from how many elements on our kernels are faster than torch's, for `rectifier.torch.thresholds`.

Run `python -m benchmarks.pytorch.thresholds`. It prints, for each operator, dtype and size, torch's time over ours, the
Python hop included, and the table that follows: the least size from which on no ratio is below 1.05.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import torch

from rectifier.torch import accelerate, thresholds

SIZES = tuple(4**k for k in range(4, 13))
DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16, "f64": torch.float64}
GAIN = 1.05  # less is within the noise
ROUNDS = 2


def cases(size: int, dtype: torch.dtype) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Each row of the table on data of 64 channels or fewer, which are axis 1."""
    aten, channels = torch.ops.aten, min(64, size // 16)
    x = torch.randn(4, channels, size // channels // 4, 1).to(dtype)
    g, noise, weight = torch.randn_like(x), torch.empty_like(x), torch.rand(channels).to(dtype)
    yield "elu", lambda: torch._C._nn.elu(x)
    yield "elu_backward", lambda: aten.elu_backward(g, 1, 1, 1, False, x)
    yield "gelu", lambda: torch._C._nn.gelu(x)
    yield "gelu_backward", lambda: aten.gelu_backward(g, x)
    yield "leaky_relu", lambda: torch._C._nn.leaky_relu(x, 0.1)
    yield "leaky_relu_backward", lambda: aten.leaky_relu_backward(g, x, 0.1, False)
    yield "prelu", lambda: torch.prelu(x, weight)
    leaf, slopes = x.clone().requires_grad_(), weight.clone().requires_grad_()
    kept: list[Any] = []  # the value is made once: what is timed is the gradient

    def gradient() -> Any:
        if not kept:
            kept.append(torch.prelu(leaf, slopes))
        return torch.autograd.grad(kept[0], (leaf, slopes), g, retain_graph=True)

    yield "prelu_backward", gradient
    if dtype is not torch.float16:  # torch has none
        yield "rrelu", lambda: aten.rrelu_with_noise(x, noise, 0.1, 0.3, True)


def seconds(call: Callable[[], Any], context: Any) -> float:
    """The median time of a call, once memory and caches are warm."""
    with context:
        for _ in range(10):
            call()
        begin = time.perf_counter()
        call()
        repeats = max(5, min(200, int(0.004 / (time.perf_counter() - begin))))
        times = []
        for _ in range(repeats):
            begin = time.perf_counter()
            call()
            times.append(time.perf_counter() - begin)
    return statistics.median(times)


def ratio(call: Callable[[], Any]) -> float:
    pairs = [(seconds(call, nullcontext()), seconds(call, accelerate())) for _ in range(ROUNDS)]
    return statistics.median(theirs / ours for theirs, ours in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dtype", choices=DTYPES, action="append", help="default: all")
    parser.add_argument("--least", type=int, default=SIZES[0], help="smallest size")
    parser.add_argument("--row", action="append", help="default: all")
    options = parser.parse_args()
    rows = [row for row, _ in cases(1024, torch.float32)]
    thresholds.SWITCHES = {row: dict.fromkeys(DTYPES.values(), (1,)) for row in rows}
    for label in options.dtype or DTYPES:
        found: dict[str, list[float]] = {}
        sizes = [size for size in SIZES if size >= options.least]
        for size in sizes:
            for row, call in cases(size, DTYPES[label]):
                if not options.row or row in options.row:
                    found.setdefault(row, []).append(ratio(call))
        for row, ratios in found.items():
            slower = [size for size, gain in zip(sizes, ratios, strict=True) if gain < GAIN]
            least = next((size for size in sizes if not slower or size > slower[-1]), "never")
            print(f"{label:5}{row:21}", *(f"{gain:6.2f}" for gain in ratios), f"  from {least}", flush=True)


if __name__ == "__main__":
    main()
