"""Memory of one training step of the network for faces, with torch's activations and with rectifier's.

Run `python -m benchmarks.pytorch.memory`; it prints a table and draws docs/pytorch-memory.png. Each cell is a process
of its own, so that no allocator remembers another. Two numbers: the bytes that autograd keeps for the gradient (each
memory once, the weights left out), and the process's peak above what the model itself takes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

import rectifier.torch

from .faces import Activation, faces

PICTURE = Path(__file__).parents[2] / "docs" / "pytorch-memory.png"
BATCH, MEGA = 8, 1e6
ACTIVATIONS: dict[str, Activation] = {
    "leaky": lambda channels: nn.LeakyReLU(0.25),
    "rrelu": lambda channels: nn.RReLU(),
    "prelu": nn.PReLU,
    "elu": lambda channels: nn.ELU(),
    "selu": lambda channels: nn.SELU(),
    "gelu": lambda channels: nn.GELU(),
}


def resident(key: str) -> int:
    """Bytes of this process in memory: now (VmRSS), or at the most so far (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(key))


def kept(model: nn.Module, loss: Any) -> int:
    """What autograd keeps of a forward pass."""
    own = {p.untyped_storage().data_ptr() for p in (*model.parameters(), *model.buffers())}
    storages: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        _graph = loss()  # held, so that no memory is given to two tensors
    return sum(storages.values())


def measure(activation: str, converted: bool) -> dict[str, int]:
    """One cell, in this process."""
    torch.manual_seed(0)
    model, images = faces(18, ACTIVATIONS[activation]), torch.randn(BATCH, 3, 112, 112)
    if converted:
        rectifier.torch.convert(model)

    def loss() -> torch.Tensor:
        result: torch.Tensor = model(images).square().mean()
        return result

    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    before = resident("VmRSS")
    loss().backward()
    peak = resident("VmHWM") - before
    return {"kept": kept(model, loss), "peak": peak}


def measured(activation: str, converted: bool) -> dict[str, int]:
    command = [sys.executable, "-m", "benchmarks.pytorch.memory", "--cell", activation, *(["--converted"] * converted)]
    found: dict[str, int] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def draw(cells: dict[str, list[dict[str, int]]]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.4), layout="constrained")
    for axes, key, title in zip(
        figure.subplots(1, 2, sharey=True), ("kept", "peak"), ("kept for the gradient", "peak of the step"), strict=True
    ):
        for offset, label, colour in ((-0.2, "torch.nn", "#999999"), (0.2, "rectifier", "#0072B2")):
            places = [i + offset for i in range(len(cells))]
            values = [pair[offset > 0][key] / MEGA for pair in cells.values()]
            axes.bar(places, values, 0.4, label=label, color=colour)
        axes.set(title=f"Memory {title}", xticks=range(len(cells)), xticklabels=list(cells))
    figure.axes[0].set_ylabel(f"MB, batch of {BATCH}")
    figure.axes[0].legend(loc="lower right")
    figure.savefig(PICTURE, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cell", choices=ACTIVATIONS, help=argparse.SUPPRESS)
    parser.add_argument("--converted", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.cell:
        print(json.dumps(measure(options.cell, options.converted)))
        return
    cells = {name: [measured(name, converted) for converted in (False, True)] for name in ACTIVATIONS}
    print("| activation | kept, torch.nn | kept, rectifier | peak, torch.nn | peak, rectifier |\n|---|---|---|---|---|")
    for name, (theirs, ours) in cells.items():
        row = (theirs["kept"], ours["kept"], theirs["peak"], ours["peak"])
        print(f"| {name} |", " | ".join(f"{value / MEGA:.0f}" for value in row), "|")
    draw(cells)


if __name__ == "__main__":
    main()
