"""The figure of docs/accuracy.md: error of gelu and its gradient against x."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from .cases import CASES, KINDS
from .oracle import Oracle
from .subjects import subject, title

COLOURS = ("#0b6e4f", "#d1495b", "#edae49", "#30638e")  # one per subject


def draw_gelu(path: Path, oracle: Oracle, names: list[str]) -> None:
    """Write a picture of the largest float32 error in 1,000 bins of x, each with 250 random inputs."""
    case = next(case for case in CASES if case.label == "gelu")
    edges = np.linspace(-15, 6, 1001)
    generator = np.random.default_rng(7)
    x = (edges[:-1, None] + np.diff(edges)[:, None] * generator.random((1000, 250))).astype(np.float32).ravel()
    figure = Figure(figsize=(8, 5.6), layout="constrained")
    panels = figure.subplots(2, 1, sharex=True)
    for panel, kind in zip(panels, KINDS, strict=True):
        reference = oracle.reference("float32", "gelu", kind == "gradient", 0.0, x)
        for name, colour in reversed(list(zip(names, COLOURS, strict=False))):
            results = subject(name)(case, x)
            assert results is not None
            errors = oracle.errors(reference, results[KINDS.index(kind)]).reshape(1000, 250).max(axis=1)
            label = f"rectifier ({name})" if name == names[0] else title(name)
            panel.plot(edges[:-1], np.maximum(errors, 0.01), color=colour, linewidth=1, label=label)
        panel.axhline(1, color="grey", linewidth=0.8, linestyle=":")
        panel.set(yscale="log", ylabel="largest error, ULP", title="gelu" if kind == "value" else "gelu, gradient")
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].legend(frameon=False)
    panels[1].set_xlabel("x (float32)")
    figure.savefig(path, dpi=130)
