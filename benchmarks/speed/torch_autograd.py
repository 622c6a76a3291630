"""Time training steps through PyTorch's autograd: the activations of rectifier against those of torch.

    python -m benchmarks.speed.torch_autograd [--threads 2] [--sizes 100000 1000000 16000000] [--seconds 0.4]

Each cell takes turns of both sides, as the speed table does, and medians. `forward` records for autograd; `backward` is
the gradient of all inputs from a graph that is kept; `step` is both, as in training.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from tqdm import tqdm

import rectifier.torch
from benchmarks.speed import timing
from rectifier import leaky_relu

CHANNELS = 64
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
# The least that a cell should reach, in times of torch's speed.
GOALS = {("prelu", "backward"): 10.0, ("rrelu", "step"): 6.0, ("elu", "step"): 2.0, ("selu", "step"): 2.0}

Call = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class Subject(NamedTuple):
    """One activation, by rectifier and by torch."""

    ours: Call
    theirs: Call


SUBJECTS = {
    "leaky": Subject(lambda x, _: leaky_relu(x, slope=0.01), lambda x, _: F.leaky_relu(x, 0.01)),
    "elu": Subject(lambda x, _: leaky_relu(x, act_type="elu", slope=1.0), lambda x, _: F.elu(x)),
    "selu": Subject(lambda x, _: leaky_relu(x, act_type="selu"), lambda x, _: F.selu(x)),
    "gelu": Subject(lambda x, _: leaky_relu(x, act_type="gelu"), lambda x, _: F.gelu(x)),
    "prelu": Subject(lambda x, gamma: leaky_relu(x, gamma, "prelu"), F.prelu),
    "rrelu": Subject(
        lambda x, _: leaky_relu(x, act_type="rrelu", training=True), lambda x, _: F.rrelu(x, 0.125, 1 / 3, True)
    ),
}


class Cell(NamedTuple):
    """What was measured: seconds, ours and torch's."""

    act_type: str
    dtype: str
    size: int
    work: str
    ours: float
    theirs: float

    @property
    def ratio(self) -> float:
        return self.theirs / self.ours

    @property
    def goal(self) -> float:
        return GOALS.get((self.act_type, self.work), 1.0)


def works(call: Call, x: torch.Tensor, gamma: torch.Tensor, g: torch.Tensor) -> dict[str, Callable[[], object]]:
    """What is timed of one side."""
    y = call(x, gamma)
    inputs = [x, gamma] if call in SUBJECTS["prelu"] else [x]
    return {
        "forward": lambda: call(x, gamma),
        "backward": lambda: torch.autograd.grad(y, inputs, g, retain_graph=True),
        "step": lambda: torch.autograd.grad(call(x, gamma), inputs, g),
    }


def compare(ours: Callable[[], object], theirs: Callable[[], object], limit: float) -> tuple[float, float]:
    """The medians of both, interleaved, for about so many seconds."""
    timers = {"ours": timing.LocalTimer(ours), "theirs": timing.LocalTimer(theirs)}
    found = timing.measure(timers, limit / 2, lambda _: set())
    return statistics.median(found["ours"]), statistics.median(found["theirs"])


def measure(act_type: str, dtype: str, size: int, limit: float) -> Iterator[Cell]:
    """The three cells of one activation, dtype and size, on data of the shape of a convolution's output."""
    side = max(round((size / 16 / CHANNELS) ** 0.5), 1)
    generator = torch.Generator().manual_seed(0)
    shape = (16, CHANNELS, side, side)
    x, g = (torch.randn(shape, generator=generator).to(DTYPES[dtype]) for _ in range(2))
    gamma = torch.full((CHANNELS,), 0.25, dtype=DTYPES[dtype]).requires_grad_()
    x.requires_grad_()
    ours, theirs = (works(call, x, gamma, g) for call in SUBJECTS[act_type])
    for work in ours:
        yield Cell(act_type, dtype, x.numel(), work, *compare(ours[work], theirs[work], limit))


def table(cells: list[Cell]) -> str:
    """Markdown, the cells below their goal first."""
    lines = ["| activation | dtype | n | work | rectifier, ms | torch, ms | times torch | goal |", "|---" * 8 + "|"]
    for cell in sorted(cells, key=lambda cell: cell.ratio >= cell.goal):
        mark = "" if cell.ratio >= cell.goal else " (below)"
        lines.append(
            f"| {cell.act_type} | {cell.dtype} | {cell.size:.3g} | {cell.work} | {1e3 * cell.ours:.4g} | "
            f"{1e3 * cell.theirs:.4g} | {cell.ratio:.2f} | {cell.goal:g}{mark} |"
        )
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000, 16_000_000])
    parser.add_argument("--seconds", type=float, default=0.4, help="for each cell")
    parser.add_argument("--activations", nargs="+", choices=SUBJECTS, default=list(SUBJECTS))
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=list(DTYPES))
    options = parser.parse_args(argv)
    torch.set_num_threads(options.threads)
    rectifier.set_num_threads(options.threads)
    todo = [(a, d, n) for n in options.sizes for d in options.dtypes for a in options.activations]
    for _ in measure(*todo[0], options.seconds):  # a cold process takes twice the time: this is not counted
        pass
    cells = [cell for what in tqdm(todo, unit="case") for cell in measure(*what, options.seconds)]
    print(f"torch {torch.__version__}, {options.threads} threads\n\n{table(cells)}")


if __name__ == "__main__":
    main()
