"""The model in words and numbers, and what all parts of the pages are written with."""

from __future__ import annotations

from collections.abc import Sequence

from .cells import SIZES
from .model import LEVELS, Fit, Kernel
from .table import compact, describe


def duration(seconds: float) -> str:
    """A time with its unit."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def model_part(fit: Fit) -> str:
    """What the model says: its common numbers, its error, and what bounds each kernel."""
    found = fit.model
    rates = ", ".join(
        f"{level} {found.bandwidth[level] / 1e9:.3g} GB/s × cores^{found.growth[level]:.2f}" for level in LEVELS
    )
    lines = [
        f"Bandwidths: {rates}. Waking the second thread: {duration(found.wake)}. The model's error over "
        f"{len(fit.cells)} cells is {100 * (fit.error - 1):.0f} % (root mean square); the largest is a factor of "
        f"{fit.largest:.2f}, for {describe(fit.worst)}.",
        "",
        _bounds_sentence(fit),
        "",
        _kernels_table(fit),
    ]
    return "\n".join(lines)


def _bounds_sentence(fit: Fit) -> str:
    told = []
    for size in SIZES:
        bounds = [fit.model.bound(cell) for cell in fit.cells if cell.size == size and cell.threads == 2]
        counts = {bound: bounds.count(bound) for bound in dict.fromkeys(bounds)}
        if counts:
            told.append(f"at {compact(size)} " + ", ".join(f"{bound} {count}" for bound, count in counts.items()))
    return f"What takes the larger part of a kernel's time on two threads, and of how many kernels: {'; '.join(told)}."


def _kernels_table(fit: Fit) -> str:
    found = fit.model
    sizes = [size for size in SIZES if any(cell.size == size for cell in fit.cells)]
    rows = []
    for kernel, overhead in found.overhead.items():
        arithmetic = f"{found.arithmetic[kernel] * 1e9:.2g}"
        if not found.binds(kernel, fit.cells):
            arithmetic = f"< {_hidden(fit, kernel) * 1e9:.2g}"
        cells = {cell.size: cell for cell in fit.cells if (cell.label, cell.work) == kernel and cell.threads == 2}
        bounds = [found.bound(cells[size]) if size in cells else "" for size in sizes]
        rows.append([kernel.label, kernel.work, duration(overhead), 4 * kernel.streams, arithmetic, *bounds])
    header = ["", "", "call", "bytes an element", "arithmetic, ns an element and core", *map(compact, sizes)]
    return table(header, rows)


def _hidden(fit: Fit, kernel: Kernel) -> float:
    """The longest time of an element's arithmetic that memory would hide in each cell of a kernel."""
    found = []
    for cell in fit.cells:
        if (cell.label, cell.work) == kernel:
            _, memory, _ = fit.model.parts(cell).values()
            found.append(memory * cell.threads / cell.size)
    return min(found)


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)
