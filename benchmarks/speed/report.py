"""Write the generated parts of docs/performance.md and README.md: ``python -m benchmarks.speed.report``."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from . import charts, goals, model, results
from .cells import CASES, DTYPES, LAYOUTS, SIZES, WORKS, Cell, full_table
from .explain import duration, model_part, table
from .results import Record, Run
from .table import compact, describe, heading

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "docs" / "performance.md", ROOT / "README.md")
COPIES_CHART, TORCH_CHART = "speed-copies.svg", "speed-torch.svg"  # beside the first page
LARGE = (1_000_000, 16_000_000)
README_CASES = ("leaky", "elu", "selu", "gelu", "prelu NCHW", "rrelu training")


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill in the pages from the newest complete run, or from the one that is named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.report", description=main.__doc__)
    parser.add_argument("run", nargs="?", type=Path, help="a file that `python -m benchmarks.speed` wrote")
    parser.add_argument("--page", nargs="+", type=Path, default=PAGES, help="the pages to fill in")
    options = parser.parse_args(arguments)
    path = options.run or results.newest()
    if path is None:
        print(f"no complete run in {results.FOLDER}: `make bench` makes one", file=sys.stderr)
        return 2
    run = results.load(path)
    for page in options.page:
        page.write_text(filled(page.read_text(encoding="utf-8"), parts(run)), encoding="utf-8")
        print(f"wrote {page}")
    folder = options.page[0].parent
    charts.draw_against_copy(folder / COPIES_CHART, run, 1_000_000)
    charts.draw_against_torch(folder / TORCH_CHART, run, 1_000_000)
    return 0


def parts(run: Run) -> dict[str, Callable[[], str]]:
    """What can stand between two markers, by the markers' name."""
    return {
        "speed": lambda: readme_part(run),
        "machine": lambda: machine(run),
        "copies-chart": lambda: f"![Times in copies of the data]({COPIES_CHART})",
        "torch-chart": lambda: f"![torch's times in units of ours, by type]({TORCH_CHART})",
        "means": lambda: means(run),
        "goals": lambda: goals_table(run.records),
        "missed": lambda: missed(run.records),
        "slower": lambda: slower(run.records),
        "sizes": lambda: sizes_table(run, "given"),
        "fresh": lambda: sizes_table(run, "fresh"),
        "types": lambda: types_table(run),
        "layouts": lambda: layouts_table(run),
        "threads": lambda: threads_table(run),
        "model": lambda: model_part(model.fit(run)),
    }


def filled(text: str, available: Mapping[str, Callable[[], str]]) -> str:
    """The text of a page with new words between each pair of markers that it has and we know."""

    def fill(match: re.Match[str]) -> str:
        name = match[1]
        if name not in available:
            return match[0]
        return f"<!-- {name}: begin -->\n{available[name]().strip()}\n<!-- {name}: end -->"

    return re.sub(r"<!-- ([\w-]+): begin -->.*?<!-- \1: end -->", fill, text, flags=re.DOTALL)


def machine(run: Run) -> str:
    """Where and with what it was measured."""
    facts = run.machine
    caches = ", ".join(f"{name} {size // 1024:,} KiB" for name, size in facts.get("caches", {}).items())
    ways = copy_ways(facts.get("copies", []))
    cells = f" This run holds {len(run.records):,} of the table's {len(full_table()):,} cells."
    part = "" if run.is_complete else cells
    return f"Measured on {heading(run)}, {facts['system']}; caches {caches}.{ways}{part}".replace("\n", "; ")


def copy_ways(copies: Sequence[Mapping[str, object]]) -> str:
    """A sentence on how the copies were made."""
    by_way: dict[str, list[str]] = {}
    for entry in copies:
        if entry["threads"] == 2:
            by_way.setdefault(str(entry["way"]), []).append(_bytes(int(str(entry["bytes"]))))
    told = "; ".join(f"{way} for {', '.join(sizes)}" for way, sizes in by_way.items())
    return f" The copy on two threads is the fastest of the ways tried: {told}." if told else ""


def _bytes(count: int) -> str:
    for unit, size in (("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:g} {unit}"
    return f"{count} bytes"


def means(run: Run) -> str:
    """Geometric means against each library."""
    rows = []
    for name in (*goals.PEERS, "numpy", "numexpr"):
        mean, count = results.mean_against(run.records, name)
        if count:
            rows.append([_versioned(run, name), f"{mean:.2f}", str(count)])
    return table(["library", "its time / ours, geometric mean", "cells"], rows)


def _versioned(run: Run, name: str) -> str:
    return f"{name} {run.machine['versions'].get(name, '')}".strip()


def goals_table(records: Sequence[Record]) -> str:
    """Each goal, how many of its cells reach it, and the cell that is furthest from it."""
    rows = []
    for goal in goals.TABLE:
        found = [(one, verdict) for one in records for verdict in one.verdicts if verdict.goal == goal]
        if not found:
            continue
        one, worst = min(found, key=lambda entry: entry[1].ratio)
        met = sum(verdict.met for _, verdict in found)
        state = f"{met} of {len(found)}"
        row = [goal.text, f"{goal.at_least:.3g} × {goal.against}", state if met == len(found) else f"**{state}**"]
        rows.append([*row, f"{worst.ratio:.3g} × {worst.name}: {describe(one.cell)}"])
    return table(["goal", "at least", "cells that reach it", "lowest"], rows)


def missed(records: Sequence[Record]) -> str:
    """The cells below their goals."""
    found = results.below_goal(records)
    if not found:
        return "No cell is below its goal."
    rows = [
        [describe(one.cell), f"{v.ratio:.2f} × {v.name}", f"{v.goal.at_least:.2f}", v.goal.text] for one, v in found
    ]
    cells = len({one.cell for one, _ in found})
    return f"{cells} of {len(records)} cells are below a goal.\n\n" + table(["cell", "reached", "of", "goal"], rows)


def slower(records: Sequence[Record]) -> str:
    """The cells in which another library is faster."""
    found = results.slower_than_a_peer(records)
    if not found:
        return f"No other library is faster in any of the {len(records)} cells."
    rows = [[describe(one.cell), name, f"{ratio:.2f}"] for one, name, ratio in found]
    introduction = f"Another library is faster in {len(found)} of {len(records)} cells.\n\n"
    return introduction + table(["cell", "library", "its time / ours"], rows)


def sizes_table(run: Run, out: str) -> str:
    """Contiguous float32 on two threads: our time, the fastest library's and the copy's, by size."""
    chosen = run.select(dtype="float32", layout="contiguous", out=out, threads=2)
    return _grid(chosen, SIZES, lambda cell: cell.size, compact, entry)


def types_table(run: Run) -> str:
    """The other types at 1e6."""
    chosen = run.select(layout="contiguous", out="given", threads=2, size=1_000_000)
    return _grid(chosen, DTYPES, lambda cell: cell.dtype, str, entry)


def layouts_table(run: Run) -> str:
    """The other layouts in float32, against the contiguous time."""
    chosen = run.select(dtype="float32", out="given", threads=2)
    columns = [(layout, size) for layout in LAYOUTS[1:] for size in LARGE]

    def title(column: tuple[str, int]) -> str:
        return f"{column[0]}, {compact(column[1])}"

    return _grid(chosen, columns, lambda cell: (cell.layout, cell.size), title, contiguous_entry)


def threads_table(run: Run) -> str:
    """The time on one thread in units of that on two."""
    pairs: dict[Cell, dict[int, float]] = {}
    for one in run.select(dtype="float32", layout="contiguous", out="given"):
        pairs.setdefault(one.cell._replace(threads=2), {})[one.cell.threads] = one.medians["ours"]
    gains = {cell: times[1] / times[2] for cell, times in pairs.items() if len(times) == 2}
    sizes = [size for size in SIZES if any(cell.size == size for cell in gains)]
    rows = []
    for label in CASES:
        for work in WORKS:
            row = [gains.get(Cell(label, work, size=size)) for size in sizes]
            if any(row):
                rows.append([label, work, *(f"{gain:.2f}" if gain else "" for gain in row)])
    return table(["", "", *map(compact, sizes)], rows)


def entry(one: Record) -> str:
    """Our time; the fastest library's time and the copy's in units of it."""
    name = one.fastest_peer
    ratio = one.ratio(name) if name else None
    peer = f"{ratio:.3g} {name}" if ratio is not None else "–"
    mark = "**" if ratio is not None and ratio < 1 else ""
    return f"{duration(one.medians['ours'])}; {mark}{peer}{mark}; {one.ratio('copy') or 0:.2f}"


def contiguous_entry(one: Record) -> str:
    """Our time in units of that for contiguous data, and torch's in units of ours."""
    contiguous, torch = one.ratio("contiguous"), one.ratio("torch")
    first = f"{1 / contiguous:.2f}" if contiguous else "–"
    return f"{first}; {torch:.3g} torch" if torch else first


def readme_part(run: Run) -> str:
    """A few rows, the chart, and the mean."""
    chosen = run.select(dtype="float32", layout="contiguous", out="given", threads=2)
    rows = []
    for label in README_CASES:
        row = [_single(chosen, label, work, size) for work in ("forward", "gradient") for size in LARGE]
        rows.append([label, *row])
    mean, count = results.mean_against(run.records, "torch")
    columns = [f"{work}, {compact(size)}" for work in ("forward", "gradient") for size in LARGE]
    torch = _versioned(run, "torch")
    over = f"Over all {count} cells of the benchmark" if run.is_complete else f"Over the {count} cells measured"
    return (
        f"{torch}'s time in units of ours, float32, two threads on {run.machine['cpu']}; in brackets ours in copies of "
        f"the data:\n\n{table(['', *columns], rows)}\n"
        f"{over} the geometric mean is {mean:.2f}. [Everything measured, and how]"
        "(docs/performance.md); `make bench` measures on your machine.\n\n"
        f"![Times in copies of the data](docs/{COPIES_CHART})"
    )


def _single(records: Sequence[Record], label: str, work: str, size: int) -> str:
    for one in records:
        if (one.cell.label, one.cell.work, one.cell.size) == (label, work, size):
            ratio = one.ratio("torch")
            return f"{f'{ratio:.3g}' if ratio else '–'} ({charts.in_copies(one, 'ours'):.2g})"
    return ""


def _grid(
    records: Sequence[Record],
    columns: Sequence[object],
    column_of: Callable[[Cell], object],
    title: Callable[..., str],
    text: Callable[[Record], str],
) -> str:
    entries = {(one.cell.label, one.cell.work, column_of(one.cell)): text(one) for one in records}
    used = [column for column in columns if any(key[2] == column for key in entries)]
    rows = []
    for label in CASES:
        for work in WORKS:
            row = [entries.get((label, work, column), "") for column in used]
            if any(row):
                rows.append([label, work, *row])
    return table(["", "", *map(title, used)], rows)


if __name__ == "__main__":
    sys.exit(main())
