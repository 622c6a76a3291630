"""Bar charts as SVG, readable on white and on dark pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from .cells import CASES
from .results import Record, Run
from .table import compact

# Okabe and Ito's colours, which people with any kind of colour vision tell apart.
COLOURS = {
    "ours": "#0072B2",
    "torch": "#E69F00",
    "jax": "#009E73",
    "onnxruntime": "#CC79A7",
    "mxnet": "#D55E00",
    "numpy": "#56B4E9",
}
INK = "#7a7a7a"  # contrast 4.3 on white as well as on GitHub's dark background, #0d1117
TOP = 40  # copies; longer bars are cut, and say their length
CUT_LABEL = {"ha": "center", "va": "top", "fontsize": 7, "rotation": 90, "color": "black"}
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "rectifier",
    "font.family": "sans-serif",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


def draw_against_copy(path: Path, run: Run, size: int) -> None:
    """Bars of forward and gradient times in copies of the data, an activation and library each."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 6.4), layout="constrained")
        for panel, work in zip(figure.subplots(2, 1, sharex=True), ("forward", "gradient"), strict=True):
            chosen = run.select(dtype="float32", layout="contiguous", out="given", threads=2, size=size, work=work)
            panel.set_yscale("log")
            _bars(panel, {one.cell.label: one for one in chosen})
            panel.set(title=work, ylabel="copies of the data", ylim=(0.5, TOP))
        _legend(figure)
        figure.suptitle(f"Time of a call, {compact(size)} float32 elements, 2 threads: lower is faster", fontsize=11)
        _save(figure, path)


def draw_against_torch(path: Path, run: Run, size: int) -> None:
    """Bars of torch's time in units of ours, an activation and type each."""
    dtypes = ("float32", "bfloat16", "float16", "float64")
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 5.6), layout="constrained")
        for panel, work in zip(figure.subplots(2, 1, sharex=True), ("forward", "gradient"), strict=True):
            chosen = run.select(layout="contiguous", out="given", threads=2, size=size, work=work)
            heights = {(one.cell.dtype, one.cell.label): one.ratio("torch") for one in chosen}
            panel.set_yscale("log")
            for i, dtype in enumerate(dtypes):
                row = [heights.get((dtype, label)) or np.nan for label in CASES]
                colour = list(COLOURS.values())[i]
                panel.bar(_places(i, len(dtypes)), row, 0.8 / len(dtypes), color=colour, label=dtype)
            _decorate(panel)
            panel.set(title=work, ylabel="torch's time / ours")
        _legend(figure)
        figure.suptitle(f"Against PyTorch, {compact(size)} elements, 2 threads: higher is faster", fontsize=11)
        _save(figure, path)


def _bars(panel: Any, records: dict[str, Record]) -> None:
    names = [name for name in COLOURS if any(name in one.figures for one in records.values())]
    for i, name in enumerate(names):
        row = [in_copies(records.get(label), name) for label in CASES]
        places = _places(i, len(names))
        panel.bar(places, row, 0.8 / len(names), color=COLOURS[name], label=_shown(name))
        for place, height in zip(places, row, strict=True):
            if height > TOP:
                panel.text(place, TOP * 0.93, f"{height:.0f}", CUT_LABEL)
    _decorate(panel)


def in_copies(one: Record | None, name: str) -> float:
    """A subject's time in copies of the data; NaN if it took no part."""
    if one is None or name not in one.figures:
        return float("nan")
    return one.medians[name] / one.medians["copy"]


def _places(i: int, count: int) -> Any:
    return np.arange(len(CASES)) + (i - (count - 1) / 2) * 0.8 / count


def _decorate(panel: Any) -> None:
    panel.axhline(1, color=INK, linewidth=1, linestyle=":")
    panel.set_xticks(range(len(CASES)), _wrapped(list(CASES)), fontsize=9)
    panel.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    panel.yaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:.0e}"[0] in "25" else "")
    panel.spines[["top", "right"]].set_visible(False)


def _legend(figure: Figure) -> None:
    found = {
        label: handle for axes in figure.axes for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    names = [name for name in (*map(_shown, COLOURS), *found) if name in found]
    chosen = dict.fromkeys(names)
    figure.legend(
        [found[name] for name in chosen], list(chosen), loc="outside lower center", ncols=len(chosen), frameon=False
    )


def _shown(name: str) -> str:
    return "rectifier" if name == "ours" else name


def _wrapped(labels: Sequence[str]) -> list[str]:
    return [label.replace(" ", "\n") for label in labels]


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, transparent=True, metadata={"Date": None})
