"""The command line of the measurement on a GPU."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "results"
ROUNDS = 15
SHARE = 0.01  # seconds of one sample


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, write JSON, and return 0, or 2 if nothing can be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--output", type=Path, help="the JSON file to write; by default one in benchmarks/results")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="samples of each subject, taken in turns")
    options = parser.parse_args(arguments)
    refusal = why_not()
    if refusal:
        print(f"nothing was measured: {refusal}", file=sys.stderr)
        return 2
    records = measure(options.rounds)
    for line in table(records):
        print(line)
    path = options.output or FOLDER / f"gpu-{datetime.date.today()}.json"
    write(path, {"machine": machine(), "records": records})
    print(f"\nwrote {path}")
    return 0


def why_not() -> str | None:
    """Why nothing can be measured here; None if it can."""
    try:
        import torch
        import triton
    except ImportError as error:
        return f"{error.name} is not installed"
    if triton.knobs.runtime.interpret:
        return "TRITON_INTERPRET is set, and Triton's interpreter tells nothing about speed"
    if not torch.cuda.is_available():
        return "torch sees no CUDA device"
    return None


def measure(rounds: int) -> list[dict[str, Any]]:
    """All cells: medians of samples that the subjects take in turns."""
    import torch
    from tqdm import tqdm

    from .cells import DTYPES, SIZES, cells_of, copy_cell

    records = []
    for size in tqdm(SIZES, desc="sizes", file=sys.stderr):
        for dtype in DTYPES:
            copy = copy_cell(size, dtype)
            for cell in cells_of(size, dtype):
                seconds = samples({**copy.subjects, **cell.subjects}, rounds)
                records.append(record(cell, seconds, copy.size))
            del copy, cell
            torch.cuda.empty_cache()
    return records


def samples(subjects: dict[str, Any], rounds: int) -> dict[str, list[float]]:
    """Seconds a call, each sample over as many calls as its share of time holds."""
    calls = {}
    for name, run in subjects.items():
        run()  # compiles
        calls[name] = max(1, int(SHARE / max(timed(run, 3), 1e-7)))
    found: dict[str, list[float]] = {name: [] for name in subjects}
    for _ in range(rounds):
        for name, run in subjects.items():
            found[name].append(timed(run, calls[name]))
    return found


def timed(run: Any, calls: int) -> float:
    """Seconds a call by the device's own clock."""
    import torch

    begin, end = (torch.cuda.Event(enable_timing=True) for _ in "12")
    begin.record()
    for _ in range(calls):
        run()
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end)) / 1e3 / calls


def record(cell: Any, seconds: dict[str, list[float]], copied: int) -> dict[str, Any]:
    """One cell's medians. The copy's time is scaled to as many bytes as the work moves."""
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    medians["copy"] *= cell.arrays / 2 * cell.size / copied
    goal = None
    if cell.goal:
        rival, factor = cell.goal
        ratio = medians[rival] / medians["ours"]
        goal = {"against": rival, "least": factor, "got": ratio, "kept": ratio >= factor}
    quartiles = {n: statistics.quantiles(v, n=4) if len(v) > 1 else [v[0]] * 3 for n, v in seconds.items()}
    return {
        "work": cell.name, "size": cell.size, "dtype": cell.dtype, "seconds": medians,
        "quartiles": {name: [q[0], q[2]] for name, q in quartiles.items() if name != "copy"}, "goal": goal,
    }  # fmt: skip


def machine() -> dict[str, Any]:
    """The device, the versions and the date."""
    import torch
    import triton

    import rectifier

    properties = torch.cuda.get_device_properties(torch.cuda.current_device())
    return {
        "device": properties.name, "memory": properties.total_memory, "processors": properties.multi_processor_count,
        "capability": f"{properties.major}.{properties.minor}", "cuda": torch.version.cuda,
        "torch": torch.__version__, "triton": triton.__version__, "rectifier": rectifier.__version__,
        "python": platform.python_version(),
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat("T", "seconds"),
    }  # fmt: skip


def table(records: list[dict[str, Any]]) -> list[str]:
    """The records as lines of text."""
    lines = [f"{'work':26} {'size':>10} {'dtype':9} {'us':>9} {'of copy':>8} {'x eager':>8} {'x compiled':>10}  goal"]
    for r in records:
        s = r["seconds"]
        goal = "" if r["goal"] is None else "kept" if r["goal"]["kept"] else f"missed: {r['goal']['got']:.2f}"
        lines.append(
            f"{r['work']:26} {r['size']:10d} {r['dtype']:9} {s['ours'] * 1e6:9.1f} {s['copy'] / s['ours']:8.2f} "
            f"{s['eager'] / s['ours']:8.2f} {s['compiled'] / s['ours']:10.2f}  {goal}"
        )
    return lines


def write(path: Path, content: dict[str, Any]) -> None:
    """Write JSON, whole or not at all."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    os.replace(part, path)
