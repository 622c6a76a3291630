"""How `rectifier apply --scheduler` grows with its workers: measured with 1 and 2, simulated beyond.

Run `python -m benchmarks.scaling` on an idle machine; `--report` draws docs/scaling.svg and prints the tables of
docs/scaling.md from the newest results. The model, with n pieces of B bytes on W workers of one thread:

    T = t + max(n * s, ceil(n / W) * (a + c * B))

t: to connect; s: a task at the scheduler; a: a task at its worker; c: a byte read, computed and written. s is measured
with tasks that do nothing; t, a and c are fitted to the runs with one worker; the runs with two test the model.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.speed.results import processor

FOLDER = Path(__file__).parent / "results" / "scaling"
PICTURE = Path(__file__).parents[1] / "docs" / "scaling.svg"
MIB = 1 << 20
# Bytes of a piece, and how many: some seconds in all.
RUNS = ((MIB // 4, 64), (MIB, 48), (4 * MIB, 20), (16 * MIB, 8))
REPEATS = 2
WORKERS = (4, 10, 30, 100, 300, 1000)
SIMULATED = (1, 4, 16, 64, 256)  # MiB of a piece
WHOLE = 1 << 40  # bytes of the array in the simulation


class Model(NamedTuple):
    """Seconds: to connect, of a task at the scheduler, of a task at its worker, of a byte."""

    t: float
    s: float
    a: float
    c: float

    def seconds(self, pieces: int, size: int, workers: int) -> float:
        """The time for so many pieces."""
        return self.t + max(pieces * self.s, math.ceil(pieces / workers) * (self.a + self.c * size))

    def saturation(self, size: int) -> float:
        """The number of workers that one scheduler can keep busy."""
        return (self.a + self.c * size) / self.s


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[Any]:
    """A client of a scheduler and workers of one thread each, all processes of their own."""
    from distributed import Client

    common = ["--no-dashboard", "--host", "127.0.0.1", "--scheduler-file", str(folder / f"scheduler{workers}.json")]
    programs = [["scheduler", "--port", "0"], *[["worker", "--nthreads", "1", "--no-nanny"]] * workers]
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", f"distributed.cli.dask_{name}", *common, *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for name, *options in programs
    ]
    try:
        with Client(scheduler_file=common[-1], set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=60)
            yield client
    finally:
        for process in processes:
            process.kill()
            process.wait()


def measure_empty(client: Any, count: int = 2000) -> float:
    """Seconds of a task that does nothing."""
    from distributed import wait

    with client.as_current():
        wait(client.map(abs, range(100), pure=False))
        begin = time.perf_counter()
        wait(client.map(abs, range(count), pure=False))
        return (time.perf_counter() - begin) / count


def measure_run(client: Any, folder: Path, size: int, pieces: int) -> float:
    """Seconds for one array, from the connection to the last piece."""
    import rectifier.pieces
    from rectifier.cluster import compute_on_cluster
    from rectifier.store_replacement import StoreReplacement

    rectifier.pieces._PIECE_BYTES = size
    with rectifier.pieces.PiecewiseOperator(str(folder / f"{size}.zarr")) as operator:
        output = StoreReplacement(folder / "out.zarr", operator.stores[0])
        try:
            output.open()
            output.begin(operator.shape, operator.dtype, fortran=False)
            assert len(operator.boxes(output.chunks)) == pieces
            begin = time.perf_counter()
            compute_on_cluster(client.scheduler.address, operator, output, lambda count: None)
            return time.perf_counter() - begin
        finally:
            output.discard()


def make_data(folder: Path) -> None:
    """Normal numbers, which no compressor makes much smaller."""
    import zarr

    block = np.random.default_rng(0).standard_normal(RUNS[-1][0] // 4, np.float32)
    for size, pieces in RUNS:
        shape = (pieces, size // 4)
        array = zarr.create_array(str(folder / f"{size}.zarr"), shape=shape, chunks=(1, shape[1]), dtype="f4")
        for row in range(pieces):
            array[row] = block[: shape[1]]


def fitted(seconds: dict[tuple[int, int], float], empty: float) -> Model:
    """t, a and c of the runs with one worker, by least squares of the relative errors."""
    rows = [(1.0, pieces, pieces * size, seconds[1, size]) for size, pieces in RUNS]
    table = np.array([[value / row[-1] for value in row[:-1]] for row in rows])
    t, a, c = np.linalg.lstsq(table, np.ones(len(rows)), rcond=None)[0]
    return Model(float(t), empty, float(a), float(c))


def measured() -> dict[str, Any]:
    """All figures, as they are stored."""
    seconds: dict[tuple[int, int], float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_data(folder)
        for workers in (1, 2):
            with cluster(folder, workers) as client:
                measure_run(client, folder, *RUNS[0])  # imports
                empty = measure_empty(client)
                for size, pieces in RUNS:
                    samples = [measure_run(client, folder, size, pieces) for _ in range(REPEATS)]
                    seconds[workers, size] = min(samples)
    model = fitted(seconds, empty)
    runs = [
        {"workers": w, "piece": size, "pieces": dict(RUNS)[size], "seconds": found}
        for (w, size), found in seconds.items()
    ]
    versions = {name: version(name) for name in ("rectifier", "zarr", "distributed", "numpy")}
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        **processor(),
        "versions": versions,
        "model": model._asdict(),
        "runs": runs,
    }


def table_of_runs(found: dict[str, Any], model: Model) -> str:
    """The measured runs beside the model's."""
    lines = ["| workers | piece | pieces | measured | MB/s | model | error |", "|---|---|---|---|---|---|---|"]
    for run in found["runs"]:
        size, pieces, seconds = run["piece"], run["pieces"], run["seconds"]
        said = model.seconds(pieces, size, run["workers"])
        rate = pieces * size / 1e6 / seconds
        lines.append(
            f"| {run['workers']} | {size / MIB:g} MiB | {pieces} | {seconds:.2f} s | {rate:.0f} | {said:.2f} s | "
            f"{100 * (said / seconds - 1):+.0f} % |"
        )
    return "\n".join(lines)


def table_of_simulation(model: Model) -> str:
    """Throughput by the model."""
    head = "| piece | " + " | ".join(f"{workers} workers" for workers in WORKERS) + " | kept busy by one scheduler |"
    lines = [head, "|---" * (len(WORKERS) + 2) + "|"]
    for size in SIMULATED:
        cells = [rate(model, size * MIB, workers) for workers in WORKERS]
        shown = " | ".join(f"{cell / 1e9:.2f} GB/s" for cell in cells)
        lines.append(f"| {size} MiB | {shown} | {model.saturation(size * MIB):.0f} workers |")
    return "\n".join(lines)


def rate(model: Model, size: int, workers: int) -> float:
    """Bytes a second, of an array of WHOLE bytes."""
    return WHOLE / model.seconds(WHOLE // size, size, workers)


def draw(found: dict[str, Any], model: Model) -> None:
    """The figure: simulated lines, measured points."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    workers = np.unique(np.geomspace(1, 1000, 60).astype(int))
    for size, colour in zip(SIMULATED, ("#999999", "#E69F00", "#0072B2", "#009E73", "#CC79A7"), strict=True):
        rates = [rate(model, size * MIB, int(count)) / 1e9 for count in workers]
        axes.plot(workers, rates, color=colour, label=f"pieces of {size} MiB, simulated")
        for run in found["runs"]:
            if run["piece"] == size * MIB:
                axes.plot(run["workers"], run["pieces"] * run["piece"] / run["seconds"] / 1e9, "o", color=colour)
    axes.plot([], [], "o", color="black", label="measured")
    axes.set(xscale="log", yscale="log", xlabel="workers of one thread", ylabel="GB/s")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(PICTURE, metadata={"Date": None})


def main() -> None:
    """Measure, or report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--report", action="store_true", help="of the newest results, without measuring")
    if not parser.parse_args().report:
        os.environ.setdefault("DASK_DISTRIBUTED__ADMIN__LOG_LENGTH", "0")
        found = measured()
        path = FOLDER / f"{found['date'][:10]}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    newest = max(FOLDER.glob("*.json"))
    found = json.loads(newest.read_text(encoding="utf-8"))
    model = Model(**found["model"])
    print(table_of_runs(found, model), table_of_simulation(model), sep="\n\n")
    draw(found, model)


if __name__ == "__main__":
    main()
