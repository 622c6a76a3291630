"""What the benchmark makes of its figures: the table in the terminal, the model, the pages; and its command."""

from __future__ import annotations

import argparse
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench_records import MACHINE, ROOT, made
from benchmarks.speed import cells, charts, command, explain, model, report, results, table
from benchmarks.speed.cells import CASES, Cell
from benchmarks.speed.model import Kernel, Model
from benchmarks.speed.results import Record, Run

RECORDS = [
    made(Cell("elu", "forward"), ours=1.0, copy=0.5, torch=4.0, jax=2.0),
    made(Cell("leaky", "forward"), ours=1.0, copy=0.95, torch=0.9),
    made(Cell("leaky", "forward", size=1_000), ours=1.0, copy=0.2, torch=0.6, mxnet=0.5),
    made(Cell("gelu", "forward", threads=1), ours=1.0, torch=2.0),
]


# --- the terminal's table


def test_shortcomings_are_listed_first_and_counted() -> None:
    lines = table.render(Run(MACHINE, RECORDS)).splitlines()
    assert lines[0] == "Some CPU, 2 cores, v3, 2030-01-02T03:04:05Z"
    assert lines[3:7] == [
        "2 goals missed in 2 of 4 cells",
        "  elu forward, 1e6, float32, given: 0.50 of 0.75 against copy (elu, selu at 0.75 of the copy's speed)",
        "  leaky forward, 1e6, float32, given: 0.90 of 1.00 against torch (never slower than the fastest library)",
        "",
    ]
    assert lines[7] == "another library is faster in 2 of 4 cells"
    assert lines[-1] == "2 goals missed, another library is faster in 2 cells"
    assert any(line.split() == ["leaky", "forward", "!0.5m", "0.20", "!0.9t", "0.95"] for line in lines)


@pytest.mark.parametrize(("number", "text"), [(16, "16"), (1_000, "1e3"), (16_000_000, "1.6e7"), (10**8, "1e8")])
def test_compact(number: int, text: str) -> None:
    assert table.compact(number) == text


# --- the model


def kernels_and_cells() -> tuple[list[Kernel], list[Cell]]:
    kernels = [Kernel(label, work) for label in ("leaky", "elu", "gelu") for work in model.WORKS]
    sizes = cells.SIZES
    return kernels, [Cell(*kernel, size=size, threads=t) for kernel in kernels for size in sizes for t in (1, 2)]


def true_model() -> Model:
    kernels, _ = kernels_and_cells()
    arithmetic = (2e-11, 3e-11, 5e-10, 7e-10, 6e-10, 3e-9)
    return Model(
        {kernel: (i + 1) * 4e-7 for i, kernel in enumerate(kernels)},
        dict(zip(kernels, arithmetic, strict=True)),
        {"L2": 6e10, "L3": 3e10, "memory": 1.2e10},
        {"L2": 0.95, "L3": 0.8, "memory": 0.3},
        4e-6,
        {"L2": 2**20, "L3": 2**25},
    )


def test_model_finds_the_numbers_behind_times() -> None:
    true, (kernels, chosen) = true_model(), kernels_and_cells()
    fit = model.fit_times({cell: true.seconds(cell) for cell in chosen}, true.caches)
    assert fit.error < 1.002
    for level in ("L3", "memory"):
        assert fit.model.bandwidth[level] == pytest.approx(true.bandwidth[level], rel=0.01)
        assert fit.model.growth[level] == pytest.approx(true.growth[level], abs=0.02)
    for kernel in kernels:
        assert fit.model.overhead[kernel] == pytest.approx(true.overhead[kernel], rel=0.02)
        assert fit.model.binds(kernel, chosen) == true.binds(kernel, chosen) == (kernel.label != "leaky")
        if kernel.label != "leaky":
            assert fit.model.arithmetic[kernel] == pytest.approx(true.arithmetic[kernel], rel=0.02)


def test_model_tells_its_error() -> None:
    true, (_, chosen) = true_model(), kernels_and_cells()
    times = {cell: true.seconds(cell) for cell in chosen}
    times[chosen[8]] *= 3
    fit = model.fit_times(times, true.caches)
    assert fit.worst == chosen[8]
    assert 1.05 < fit.error < fit.largest < 3.2


def test_model_adds_the_call_to_the_larger_of_memory_and_arithmetic() -> None:
    true = true_model()
    cell = Cell("gelu", "gradient", size=16_000_000, threads=1)
    assert true.seconds(cell) == pytest.approx(6 * 4e-7 + 16_000_000 * max(3e-9, 12 / 1.2e10))
    assert true.bound(cell) == "arithmetic"
    assert true.bound(cell._replace(size=16)) == "call"
    leaky = Cell("leaky", "forward", size=16_000_000, threads=2)
    assert true.seconds(leaky) == pytest.approx(4e-7 + 4e-6 + 16_000_000 * 8 / (1.2e10 * 2**0.3))
    assert true.bound(leaky) == "memory"


@pytest.mark.parametrize(
    ("size", "threads", "level"),
    [(100_000, 1, "L2"), (1_000_000, 1, "L3"), (1_000_000, 2, "L3"), (16_000_000, 2, "memory")],
)
def test_level_is_the_smallest_cache_that_fits(size: int, threads: int, level: str) -> None:
    assert model.level_of(Cell("leaky", "forward", size=size, threads=threads), {"L2": 2**20, "L3": 2**25}) == level


def test_least_squares_ends_at_the_minimum() -> None:
    found = model.least_squares(lambda n: np.array([n[0] ** 2 - 2, n[0] * n[1] - 1]), np.array([1.0, 1.0]))
    np.testing.assert_allclose(found, [2**0.5, 2**-0.5], rtol=1e-6)


# --- the pages


def long_run() -> Run:
    """A run with a record for each cell of the full table, the times those of a model."""
    true = model.fit_times({c: 1e-6 + 1e-9 * c.size for c in every_kernel()}, {"L2": 2**20, "L3": 2**25}).model
    records = []
    for cell in cells.full_table():
        ours = 2e-6 + 1e-9 * cell.size if cell.work == "both" else true.seconds(cell._replace(threads=2))
        times = {"ours": ours, "copy": ours, "torch": 4 * ours, "numpy": 9 * ours, "contiguous": ours}
        records.append(made(cell, **times))
    return Run(dict(MACHINE), records)


def every_kernel() -> list[Cell]:
    return [Cell(label, work, size=size) for label in CASES for work in model.WORKS for size in cells.SIZES]


def test_report_fills_the_known_parts_of_the_pages(tmp_path: Path) -> None:
    results.save(long_run(), tmp_path / "run.json")
    for name in ("docs/performance.md", "README.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    pages = [str(tmp_path / "docs" / "performance.md"), str(tmp_path / "README.md")]
    assert report.main([str(tmp_path / "run.json"), "--page", *pages]) == 0
    page, readme = (Path(p).read_text(encoding="utf-8") for p in pages)
    assert "Measured on Some CPU, 2 cores" in page
    assert "| elu, selu 3 times as fast as torch | 3 × torch | 6 of 6 | 4 × torch" in page
    assert f"| torch 2.13.0 | 4.00 | {len(cells.full_table())} |" in page
    assert f"No other library is faster in any of the {len(cells.full_table())} cells." in page
    assert "The model's error" in page
    assert "the geometric mean is 4.00" in readme
    for image in ("speed-copies.svg", "speed-torch.svg"):
        assert f"({image})" in page
        assert "<svg" in (tmp_path / "docs" / image).read_text(encoding="utf-8")
    for name in report.parts(Run({})):
        assert f"<!-- {name}: begin -->" in page + readme


def test_every_marker_of_the_page_is_known() -> None:
    names = re.findall(r"<!-- ([\w-]+): begin -->", (ROOT / "docs" / "performance.md").read_text(encoding="utf-8"))
    assert names
    assert set(names) <= set(report.parts(Run({})))


def test_other_words_of_a_page_stay() -> None:
    text = "a\n<!-- x: begin -->\nold\n<!-- x: end -->\nb\n<!-- y: begin -->kept<!-- y: end -->"
    assert report.filled(text, {"x": lambda: "new"}) == text.replace("old", "new")


def test_report_without_a_run_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    assert report.main([]) == 2
    assert "no complete run" in capsys.readouterr().err


def test_missed_goals_stand_in_the_page() -> None:
    assert "| elu forward, 1e6, float32, given | 0.50 × copy | 0.75 | " in report.missed(RECORDS)
    assert "| leaky forward, 1e6, float32, given | torch | 0.90 |" in report.slower(RECORDS)
    assert "| **1 of 2** |" in report.goals_table(RECORDS)
    assert report.missed(RECORDS[-1:]) == "No cell is below its goal."


@pytest.mark.parametrize(
    ("seconds", "text"), [(2.5, "2.5 s"), (0.0123, "12.3 ms"), (4.5e-6, "4.5 µs"), (3.21e-7, "321 ns")]
)
def test_duration(seconds: float, text: str) -> None:
    assert explain.duration(seconds) == text


def test_bars_are_in_copies() -> None:
    assert charts.in_copies(RECORDS[0], "torch") == 8
    assert math.isnan(charts.in_copies(RECORDS[0], "mxnet"))
    assert math.isnan(charts.in_copies(None, "ours"))


# --- the command


def test_options_choose_cells() -> None:
    options = command._parser().parse_args(["--act-type", "prelu", "--size", "1e6", "--dtype", "float64"])
    assert {c.label for c in command.select(options)} == {label for label in CASES if label.startswith("prelu")}
    assert {(c.size, c.dtype) for c in command.select(options)} == {(1_000_000, "float64")}
    options = command._parser().parse_args(["--act-type", "prelu NHWC", "--quick", "--threads", "2"])
    assert {c.label for c in command.select(options)} == {"prelu NHWC"}
    assert command.select(command._parser().parse_args([])) == cells.full_table()


@pytest.mark.parametrize("text", ["17", "many", "1e9"])
def test_size_must_be_in_the_table(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="must be one of 16, 1000, .*, got '" + text):
        command._size(text)


def test_nothing_to_measure_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--dtype", "float16", "--size", "16"]) == 2
    assert capsys.readouterr().err == "no cell of the table is like that\n"


def test_command_prints_and_writes(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    arguments = ["--act-type", "leaky", "--size", "16", "--threads", "2", "--library", "numpy", "--output", str(path)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.speed", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "float32, contiguous, results fresh, 2 threads" in done.stdout
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found["complete"] is False
    assert {"date", "cpu", "cores", "caches", "versions", "copies", "system"} <= set(found)
    assert len(found["cells"]) == 6
    assert all(set(cell["seconds"]) == {"ours", "copy", "numpy"} for cell in found["cells"])


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_run_has_a_complete_run_s_name_only_when_it_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interrupted: bool
) -> None:
    seen = []

    def measure(cell: Cell, names: list[str], share: float) -> Record:
        seen.append([path.name for path in tmp_path.iterdir()])
        if len(seen) == 3 and interrupted:
            raise KeyboardInterrupt
        return made(cell, ours=1.0, copy=1.0)

    monkeypatch.setattr(
        command, "full_table", lambda: [Cell("leaky", "forward", size=size) for size in (16, 1000, 100_000)]
    )
    monkeypatch.setattr(command, "_measure_cell", measure)
    monkeypatch.setattr(command, "SAVED_EVERY", -1.0)
    monkeypatch.setattr(command, "bind_to_cpus", lambda count: None)
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    assert command.main([]) == 0
    during = [name for names in seen for name in names]
    assert during
    assert all(name.endswith("-part.json") for name in during)
    (path,) = tmp_path.iterdir()
    assert path.name.endswith("-part.json") == interrupted
    assert json.loads(path.read_text(encoding="utf-8"))["complete"] is not interrupted
