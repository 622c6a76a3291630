"""The table in the terminal: first what falls short, then everything."""

from __future__ import annotations

from collections.abc import Iterable

from .cells import CASES, DTYPES, LAYOUTS, OUTS, SIZES, THREADS, WORKS, Cell
from .results import Record, Run, below_goal, mean_against, slower_than_a_peer
from .subjects import OTHERS, PEERS

INITIALS = {"torch": "t", "jax": "j", "onnxruntime": "o", "mxnet": "m"}


def render(run: Run) -> str:
    """Everything that a run found."""
    parts = [heading(run), *shortcomings(run.records), *grids(run), *summary(run)]
    return "\n".join(parts)


def heading(run: Run) -> str:
    """Machine and software."""
    machine = run.machine
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return f"{machine['cpu']}, {machine['cores']} cores, {machine['cpu_target']}, {machine['date']}\n{versions}"


def shortcomings(records: list[Record]) -> list[str]:
    """Lines on the cells below their goals, and on those in which another library is faster."""
    missed, slower = below_goal(records), slower_than_a_peer(records)
    lines = [f"\n{len(missed)} goals missed in {len({one.cell for one, _ in missed})} of {len(records)} cells"]
    for one, verdict in missed:
        reached = f"{verdict.ratio:.2f} of {verdict.goal.at_least:.2f}"
        lines.append(f"  {describe(one.cell)}: {reached} against {verdict.name} ({verdict.goal.text})")
    lines.append(f"\nanother library is faster in {len(slower)} of {len(records)} cells")
    lines += [f"  {describe(one.cell)}: {name} takes {ratio:.2f} of our time" for one, name, ratio in slower]
    return lines


def grids(run: Run) -> list[str]:
    """A grid of sizes for each type, layout, kind of result and number of threads."""
    explained = ", ".join(f"{letter} = {name}" for name, letter in INITIALS.items())
    lines = [f"\nTimes in units of ours: the fastest library's ({explained}), then the copy's. ! = faster than ours"]
    for dtype in DTYPES:
        for layout in LAYOUTS:
            for out in OUTS:
                for threads in THREADS:
                    chosen = run.select(dtype=dtype, layout=layout, out=out, threads=threads)
                    if chosen:
                        title = f"{dtype}, {layout}, results {out}, {threads} thread{'s' * (threads > 1)}"
                        lines += ["", title, *_grid(chosen)]
    return lines


def _grid(records: list[Record]) -> list[str]:
    sizes = [size for size in SIZES if any(one.cell.size == size for one in records)]
    entries = {(one.cell.label, one.cell.work, one.cell.size): entry(one) for one in records}
    lines = [" " * 24 + "".join(f"{compact(size):>16}" for size in sizes)]
    for label in CASES:
        for work in WORKS:
            row = [entries.get((label, work, size), "") for size in sizes]
            if any(row):
                lines.append(f"{label:15}{work:9}" + "".join(f"{text:>16}" for text in row))
    return lines


def entry(one: Record) -> str:
    """The fastest library's time and the copy's, in units of ours."""
    name, copied = one.fastest_peer, one.ratio("copy")
    ratio = one.ratio(name) if name else None
    first = "-" if name is None or ratio is None else f"{'!' * (ratio < 1)}{ratio:.3g}{INITIALS[name]}"
    return first if copied is None else f"{first} {copied:.2f}"


def summary(run: Run) -> list[str]:
    """Geometric means against each library."""
    lines = ["", "geometric mean of a library's times in units of ours, over all cells that it takes part in"]
    for name in (*PEERS, *OTHERS):
        mean, count = mean_against(run.records, name)
        if count:
            lines.append(f"  {name:12} {mean:6.2f}   {count} cells")
    missed, slower = below_goal(run.records), slower_than_a_peer(run.records)
    return [*lines, f"{len(missed)} goals missed, another library is faster in {len(slower)} cells"]


def describe(cell: Cell) -> str:
    """A cell in words."""
    words: Iterable[str] = (
        f"{cell.label} {cell.work}",
        compact(cell.size),
        cell.dtype,
        "" if cell.layout == "contiguous" else cell.layout,
        cell.out,
        "1 thread" if cell.threads == 1 else "",
    )
    return ", ".join(word for word in words if word)


def compact(number: float) -> str:
    """A number as people write it: 16, 1e3, 1.6e7."""
    return f"{number:.2g}".replace("e+0", "e") if number >= 1000 else f"{number:g}"
