"""The figures of a run: in memory, and as JSON."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from .cells import Cell
from .goals import Verdict, fastest_peer, geometric_mean, verdicts
from .timing import Seconds

FOLDER = Path(__file__).parents[1] / "results"
FORMAT = 1


class Figures(NamedTuple):
    """The time of a call in seconds: median, quartiles, and from how many samples."""

    median: float
    low: float
    high: float
    samples: int


@dataclass(frozen=True)
class Record:
    """A measured cell: everyone's times, and why the absent ones are absent."""

    cell: Cell
    figures: Mapping[str, Figures]
    absent: Mapping[str, str] = field(default_factory=dict)

    @property
    def medians(self) -> dict[str, float]:
        """Everyone's time."""
        return {name: figures.median for name, figures in self.figures.items()}

    @property
    def verdicts(self) -> list[Verdict]:
        """The goals that hold for the cell."""
        return verdicts(self.cell, self.medians)

    @property
    def fastest_peer(self) -> str | None:
        """The fastest of the other libraries."""
        return fastest_peer(self.medians)

    def ratio(self, name: str) -> float | None:
        """How many times as long as ours the time of `name` is; None if it took no part."""
        medians = self.medians
        return medians[name] / medians["ours"] if name in medians else None


@dataclass
class Run:
    """All records of a run, and where and when it took place."""

    machine: dict[str, Any]
    records: list[Record] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether no cell of the full table was left out on purpose."""
        return bool(self.machine.get("complete"))

    def select(self, **wanted: Any) -> list[Record]:
        """The records whose cells have these values."""
        return [r for r in self.records if all(getattr(r.cell, name) == value for name, value in wanted.items())]


def record(cell: Cell, seconds: Seconds, absent: Mapping[str, str]) -> Record:
    """A record of the samples of a cell."""
    return Record(cell, {name: summary(samples) for name, samples in seconds.items()}, absent)


def summary(samples: Sequence[float]) -> Figures:
    """Median and quartiles."""
    if len(samples) == 1:
        return Figures(samples[0], samples[0], samples[0], 1)
    low, median, high = statistics.quantiles(samples, n=4, method="inclusive")
    return Figures(median, low, high, len(samples))


def slower_than_a_peer(records: Sequence[Record]) -> list[tuple[Record, str, float]]:
    """The cells in which another library is faster: with its name and its time in units of ours."""
    found = []
    for one in records:
        name = one.fastest_peer
        ratio = one.ratio(name) if name else None
        if name and ratio is not None and ratio < 1:
            found.append((one, name, ratio))
    return sorted(found, key=lambda entry: entry[2])


def below_goal(records: Sequence[Record]) -> list[tuple[Record, Verdict]]:
    """The goals that are missed, the worst first."""
    found = [(one, verdict) for one in records for verdict in one.verdicts if not verdict.met]
    return sorted(found, key=lambda entry: entry[1].ratio / entry[1].goal.at_least)


def mean_against(records: Sequence[Record], name: str) -> tuple[float, int]:
    """The geometric mean of a library's times in units of ours, and of how many cells."""
    ratios = [ratio for ratio in (one.ratio(name) for one in records) if ratio is not None]
    return geometric_mean(ratios), len(ratios)


def save(run: Run, path: Path) -> None:
    """Write a run, a line for each cell, and replace what was there only when all is written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(_to_json(one), ensure_ascii=False) for one in run.records)
    header = json.dumps({"format": FORMAT, **run.machine}, ensure_ascii=False, indent=1).removesuffix("\n}")
    partial = path.with_suffix(".partial")
    partial.write_text(f'{header},\n "cells": [\n{lines}\n]}}\n', encoding="utf-8")
    partial.replace(path)


def load(path: Path) -> Run:
    """Read what `save` wrote."""
    machine = json.loads(path.read_text(encoding="utf-8"))
    if machine.pop("format", None) != FORMAT:
        raise ValueError(f"{path} is not of format {FORMAT}")
    return Run(machine, [_from_json(entry) for entry in machine.pop("cells")])


def newest(folder: Path | None = None) -> Path | None:
    """The latest complete run in a folder, the results' if none is named; file names begin with their date."""
    for path in sorted((folder or FOLDER).glob("*.json"), reverse=True):
        if load(path).is_complete:
            return path
    return None


def _to_json(one: Record) -> dict[str, Any]:
    seconds = {name: [*(float(f"{x:.4g}") for x in f[:3]), f.samples] for name, f in one.figures.items()}
    return {**one.cell._asdict(), "seconds": seconds, "absent": dict(one.absent)}


def _from_json(entry: dict[str, Any]) -> Record:
    cell = Cell(*(entry[name] for name in Cell._fields))
    return Record(cell, {name: Figures(*f) for name, f in entry["seconds"].items()}, entry["absent"])


def processor() -> dict[str, Any]:
    """Name, cores and caches of the processor."""
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), model)
    return {"cpu": model, "cores": os.cpu_count(), "caches": caches()}


def caches() -> dict[str, int]:
    """Bytes of each level's cache for data, as the system tells them."""
    found = {}
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((folder / name).read_text().strip() for name in ("level", "type", "size"))
        if kind != "Instruction":
            found[f"L{level}"] = int(size.removesuffix("K")) * 1024
    return found
