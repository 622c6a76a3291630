"""The command line of the measurement."""

from __future__ import annotations

import argparse
import datetime
import math
import os
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from .cells import CASES, DTYPES, LAYOUTS, OUTS, SIZES, THREADS, WORKS, Cell, full_table, quick_table

SHARE, QUICK_SHARE = 0.03, 0.01  # seconds for each subject of a cell
SAVED_EVERY = 60.0  # seconds
QUICK_END = 100.0  # seconds
BUSY = 0.5  # load above which other programs disturb the figures
LIBRARIES = ("torch", "jax", "onnxruntime", "mxnet", "numpy", "numexpr")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, write JSON, and return 0, or 2 if nothing can be measured."""
    options = _parser().parse_args(arguments)
    cells = select(options)
    if not cells:
        print("no cell of the table is like that", file=sys.stderr)
        return 2
    load = _load()
    if load > BUSY:
        print(f"other programs keep {load:.1f} CPUs busy: the figures will not be good", file=sys.stderr)
    bind_to_cpus(max(cell.threads for cell in cells))
    run = _measure(cells, options, load)
    from . import table

    print(table.render(run))
    print(f"\nwrote {_path(options, run)}")
    return 0


def select(options: argparse.Namespace) -> list[Cell]:
    """The cells that the options ask for."""
    cells = quick_table() if options.quick else full_table()
    filters = {
        "dtype": options.dtype,
        "label": options.act_type and [c.label for c in CASES.values() if {c.label, c.act_type} & {*options.act_type}],
        "size": options.size,
        "work": options.work,
        "layout": options.layout,
        "out": options.out,
        "threads": options.threads,
    }
    return [cell for cell in cells if all(not v or getattr(cell, name) in v for name, v in filters.items())]


def bind_to_cpus(count: int) -> None:
    """Keep the process to so many CPUs and libraries to so many threads, before any of them is imported."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_MAX_THREADS"):
        os.environ[name] = str(count)


def _measure(cells: list[Cell], options: argparse.Namespace, load: float) -> Any:
    from . import results, subjects, table
    from .arrays import needed_bytes

    names = [name for name in subjects.installed() if name in options.library]
    complete = cells == full_table() and set(names) >= set(subjects.installed(subjects.PEERS))
    run = results.Run(_machine(names, load))
    path, saved = _path(options, run), time.monotonic()
    share = QUICK_SHARE if options.quick else SHARE
    end = time.monotonic() + (QUICK_END if options.quick else math.inf)
    left_out = []
    bar = tqdm(total=sum(map(_cost, cells)), bar_format="{l_bar}{bar}| {elapsed}<{remaining}", disable=None)
    with bar:
        try:
            for cell in cells:
                bar.set_description(table.describe(cell))
                if time.monotonic() > end or needed_bytes(cell) > _free_memory():
                    left_out.append(cell)
                else:
                    run.records.append(_measure_cell(cell, names, share))
                bar.update(_cost(cell))
                if time.monotonic() > saved + SAVED_EVERY:
                    results.save(run, path)
                    saved = time.monotonic()
            run.machine["complete"] = complete
        except KeyboardInterrupt:
            print("\ninterrupted", file=sys.stderr)
    if left_out:
        print(f"{len(left_out)} cells left out: more memory or time than there is", file=sys.stderr)
    run.machine.update(copies=subjects.chosen_copies(), left_out=[cell._asdict() for cell in left_out])
    results.save(run, _path(options, run))
    if _path(options, run) != path:
        path.unlink(missing_ok=True)
    return run


def _measure_cell(cell: Cell, names: list[str], share: float) -> Any:
    from . import goals, results, subjects, timing

    timers, absent = subjects.timers(cell, names)
    seconds = timing.measure(timers, share, lambda found: goals.unsure(cell, found))
    return results.record(cell, seconds, absent)


def _cost(cell: Cell) -> float:
    """Roughly the seconds that a cell takes, for the progress bar."""
    return 0.5 + 1e-7 * cell.size * (3 if cell.work == "both" else 2)


def _machine(names: list[str], load: float) -> dict[str, Any]:
    import rectifier

    from . import results, subjects

    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "complete": False,  # until it is: a run that is killed leaves a part
        **results.processor(),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "load_before": round(load, 2),
        "cpu_target": rectifier.show_config(mode="dicts")["cpu_target"],
        "versions": subjects.versions(names),
    }


def _path(options: argparse.Namespace, run: Any) -> Path:
    from . import results

    if options.output:
        return Path(options.output)
    stamp = run.machine["date"].replace(":", "")
    return results.FOLDER / f"{stamp}{'' if run.is_complete else '-part'}.json"


def _load() -> float:
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def _free_memory() -> float:
    path = Path("/proc/meminfo")
    if not path.exists():
        return float("inf")
    lines = path.read_text().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("MemAvailable"))) * 1024


def _parser() -> argparse.ArgumentParser:
    names = list(dict.fromkeys(name for case in CASES.values() for name in (case.act_type, case.label)))
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed",
        description="Time every activation against a copy of the same bytes and against other libraries, print the "
        "table and write it to benchmarks/results. A full run takes about an hour; a partial one writes a file "
        "whose name ends in -part, which the report does not use.",
    )
    parser.add_argument("--quick", action="store_true", help="a selection of cells, in two minutes")
    parser.add_argument("--dtype", nargs="+", choices=DTYPES, help="only these types")
    parser.add_argument("--act-type", nargs="+", choices=names, metavar="NAME", help="only these: " + ", ".join(names))
    parser.add_argument("--size", nargs="+", type=_size, metavar="N", help="only these: " + ", ".join(map(str, SIZES)))
    parser.add_argument("--work", nargs="+", choices=WORKS, help="only this work")
    parser.add_argument("--layout", nargs="+", choices=LAYOUTS, help="only these layouts")
    parser.add_argument("--out", nargs="+", choices=OUTS, help="only results so")
    parser.add_argument("--threads", nargs="+", type=int, choices=THREADS, help="only so many threads")
    parser.add_argument("--library", nargs="*", choices=LIBRARIES, default=LIBRARIES, help="compare with these only")
    parser.add_argument("--output", help="write the JSON there")
    return parser


def _size(text: str) -> int:
    try:
        size = int(float(text))
    except (ValueError, OverflowError):  # not a number, and infinity
        size = 0
    if size not in SIZES:
        raise argparse.ArgumentTypeError(f"must be one of {', '.join(map(str, SIZES))}, got {text!r}")
    return size
