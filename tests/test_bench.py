"""The benchmark: its table, its arithmetic, and that all who are compared compute the same."""

from __future__ import annotations

import functools
import hashlib
import math
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench_records import MACHINE, made
from benchmarks.speed import (
    arrays,
    cells,
    command,
    goals,
    peer_mxnet,
    results,
    subjects,
    timing,
)
from benchmarks.speed.cells import CASES, Cell
from benchmarks.speed.results import Figures, Record, Run

PLAIN = Cell("elu", "forward")
# What a library may lack; any other reason for its absence is an error.
LACKS = (
    "JAX's arrays are contiguous",
    "onnxruntime computes values in inference",
    "onnxruntime computes these operators in float32",
    "onnxruntime's arrays are contiguous",
    "numexpr has float32 and float64",
    "numexpr has neither erf nor random numbers",
    "NotImplementedError: \"rrelu_with_noise_out_cpu\" not implemented for 'Half'",
)


class FakeTimer:
    """A timer with times of its own making, which writes down when its turn came."""

    remote = False

    def __init__(self, name: str, seconds: float, log: list[str]) -> None:
        self.name, self.time, self.log = name, seconds, log

    def estimate(self) -> float:
        return self.time

    def seconds(self, samples: int, batch: int) -> list[float]:
        self.log.append(self.name)
        return [self.time] * samples


# --- the table of cells


def test_contiguous_float32_is_measured_in_full() -> None:
    found = [c for c in cells.full_table() if (c.dtype, c.layout, c.threads) == ("float32", "contiguous", 2)]
    pairs = len(cells.SIZES) * len(cells.OUTS) - 1  # all but the largest size with fresh results
    assert len(found) == len(set(found)) == len(CASES) * len(cells.WORKS) * pairs


@pytest.mark.parametrize("field", ["dtype", "layout", "out", "threads", "size", "work"])
def test_each_case_is_measured_along_each_dimension(field: str) -> None:
    wanted = {
        "dtype": cells.DTYPES,
        "layout": cells.LAYOUTS,
        "out": cells.OUTS,
        "threads": cells.THREADS,
        "size": cells.SIZES,
        "work": cells.WORKS,
    }[field]
    for label in CASES:
        assert {getattr(c, field) for c in cells.full_table() if c.label == label} == set(wanted)


def test_no_cell_is_measured_twice() -> None:
    for found in (cells.full_table(), cells.quick_table()):
        assert max(Counter(found).values()) == 1


@pytest.mark.parametrize("size", cells.SIZES)
def test_shapes_have_their_size(size: int) -> None:
    assert math.prod(cells.SHAPES[size]) == size


# --- the arrays


@pytest.mark.parametrize("dtype", cells.DTYPES)
@pytest.mark.parametrize("layout", cells.LAYOUTS)
@pytest.mark.parametrize("label", CASES)
def test_arrays_are_as_the_cell_says(label: str, layout: str, dtype: str) -> None:
    found = arrays.arrays_for(Cell(label, "gradient", dtype, 1_000, layout))
    assert found.data.size == found.head.size == 1_000
    assert {a.dtype for a in (found.data, found.head, found.out, found.d_data)} == {arrays.numpy_dtype(dtype)}
    assert found.data.ctypes.data % arrays.ALIGNMENT == 0
    assert found.data.flags.c_contiguous == (layout == "contiguous")
    assert found.data.T.flags.c_contiguous == (layout == "transposed")
    if layout == "every other":
        assert found.data.strides[-1] == 2 * found.data.itemsize
    assert 300 < (found.data > 0).sum() < 700
    if found.gamma is not None:
        slopes = found.gamma.reshape((1,) * found.data.ndim if found.gamma.size == 1 else found.gamma_shape)
        assert np.broadcast_shapes(slopes.shape, found.data.shape) == found.data.shape


@pytest.mark.parametrize("layout", ["transposed", "every other"])
@pytest.mark.parametrize("label", CASES)
def test_contiguous_arrays_hold_the_same_elements(label: str, layout: str) -> None:
    import rectifier

    strided = arrays.arrays_for(Cell(label, "forward", "float32", 1_000, layout))
    dense = strided.contiguous()
    assert dense.data.flags.c_contiguous
    assert dense.head.flags.c_contiguous
    assert dense.out.flags.c_contiguous
    act_type = CASES[label].act_type
    y, dense_y = (rectifier.leaky_relu(a.data, a.gamma, act_type, axis=a.axis) for a in (strided, dense))
    np.testing.assert_array_equal(dense_y, y.T if layout == "transposed" else y)


# --- who is compared


def prepared_alike(name: str, cell: Cell) -> None:
    """Fail unless the library's results are ours, or it lacks what the cell asks for."""
    _, absent = subjects.timers(cell, [name])
    assert all(reason.startswith(LACKS) for reason in absent.values()), (cell, absent)


@pytest.fixture
def quick_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """JAX compiles without optimizations: some hundred functions, each for a call or two."""
    if "jax" in subjects.installed(["jax"]):
        import jax

        options = {"xla_backend_optimization_level": 0}
        monkeypatch.setattr(jax, "jit", functools.partial(jax.jit, compiler_options=options))


@pytest.mark.usefixtures("quick_compiler")
@pytest.mark.parametrize("name", ["numpy", "numexpr", "torch", "jax", "onnxruntime"])
@pytest.mark.parametrize("layout", cells.LAYOUTS)
@pytest.mark.parametrize("dtype", cells.DTYPES)
def test_libraries_compute_what_we_compute(name: str, dtype: str, layout: str, threads: None) -> None:
    if name not in subjects.installed([name]):
        pytest.skip(f"{name} is not installed")
    outs = cells.OUTS if name in ("torch", "numexpr", "onnxruntime") else cells.OUTS[:1]
    for label in CASES:
        for work in cells.WORKS:
            for out in outs:
                prepared_alike(name, Cell(label, work, dtype, 1_000, layout, out))


def test_mxnet_times_its_calls() -> None:
    if "mxnet" not in subjects.installed(["mxnet"]):
        pytest.skip("no .venv-mxnet: `make test-mxnet` makes it")
    for label in CASES:
        for work in ("forward", "gradient"):
            found, absent = subjects.timers(Cell(label, work, size=1_000), ["mxnet"])
            if "mxnet" in found:
                assert min(found["mxnet"].seconds(2, 1)) > 0
            elif label == "prelu full":
                assert "Cannot broadcast gamma to data" in absent["mxnet"]
            else:
                assert absent["mxnet"].startswith("MXNet 1.6.0 ")


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (np.array([1.0, 2.0, 3.001]), "its results differ"),
        (np.array([3.0, 2.0, 1.0]), "its results differ"),
        (np.array([1.0, 2.0, np.nan]), "its results differ"),
        (np.array([1.0, 2.0]), "a result of 2 elements instead of 3"),
        ((np.ones(3), np.ones(3)), "2 results instead of 1"),
    ],
)
def test_check_finds_wrong_results(result: Any, reason: str) -> None:
    with pytest.raises(subjects.Absent, match=reason):
        subjects.check(PLAIN._replace(size=3), lambda: np.array([1.0, 2.0, 3.0]), lambda: result)


def test_a_library_that_refuses_is_absent_with_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        @staticmethod
        def prepare(cell: Cell, given: arrays.Arrays) -> Callable[[], Any]:
            raise RuntimeError("no such thing\nand more")

    monkeypatch.setattr(subjects.importlib, "import_module", lambda name: Refusing)
    found, absent = subjects.timers(PLAIN._replace(size=16), ["torch"])
    assert set(found) == {"ours", "copy"}
    assert absent == {"torch": "RuntimeError: no such thing"}


@pytest.mark.parametrize("layout", cells.LAYOUTS)
def test_the_copy_copies_as_many_bytes_as_the_data_has(layout: str) -> None:
    given = arrays.arrays_for(Cell("leaky", "forward", "float64", 1_000, layout))
    given.d_data.fill(0)
    subjects.copy(Cell("leaky", "forward", "float64", 1_000, layout), given)()
    assert given.d_data.all()
    for way, call in subjects.copies(target := np.zeros(1_000, np.uint8), np.full(1_000, 7, np.uint8), 2).items():
        target.fill(0)
        call()
        assert (target == 7).all(), way


def test_remote_timer_asks_for_every_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    settled = []

    class Process:
        process_id = 17

        def seconds(self, what: str, repeats: int, **options: Any) -> list[float]:
            asked.append((what, repeats, options["act_type"], options.get("out")))
            return [0.5] * repeats

    monkeypatch.setattr(peer_mxnet, "process", lambda threads: Process())
    monkeypatch.setattr(peer_mxnet, "settle", settled.append)
    cell = Cell("elu", "forward", size=16)
    timer = peer_mxnet.prepare(cell, arrays.arrays_for(cell))
    assert timer.estimate() == 0.5
    assert len(timer.seconds(3, 4)) == 12
    assert asked == [("value", 1, "elu", True), ("value", 12, "elu", True)]
    assert settled == [17, 17]


def test_onnx_numbers_are_protocol_buffers() -> None:
    pytest.importorskip("onnxruntime")
    from benchmarks.speed import peer_onnxruntime as onnx

    # The example of https://protobuf.dev/programming-guides/encoding: field 1 is 150, field 2 is "testing".
    assert onnx._number(1, 150) == b"\x08\x96\x01"
    assert onnx._field(2, b"testing") == b"\x12\x07testing"


# --- timing


@pytest.mark.parametrize(
    ("seconds", "remote", "expected"),
    [
        (1e-6, False, timing.Plan(7, 30, 100, True)),
        (1e-3, False, timing.Plan(7, 4, 1, True)),
        (0.1, False, timing.Plan(7, 1, 1, False)),
        (0.5, False, timing.Plan(3, 1, 1, False)),
        (2.0, False, timing.Plan(1, 1, 1, False)),
        (1e-3, True, timing.Plan(3, 10, 1, False)),
    ],
)
def test_plan(seconds: float, remote: bool, expected: timing.Plan) -> None:
    assert timing.plan(seconds, 0.03, remote) == expected


def test_turns_are_interleaved_and_another_one_begins_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "settle", lambda: None)
    log: list[str] = []
    times = {"ours": 0.1, "copy": 0.2, "torch": 0.4, "numpy": 2.0}
    timers = {name: FakeTimer(name, seconds, log) for name, seconds in times.items()}
    found = timing.measure(timers, 0.03, lambda _: set())
    assert {name: len(samples) for name, samples in found.items()} == {"ours": 7, "copy": 7, "torch": 3, "numpy": 1}
    assert log[:4] == ["ours", "copy", "torch", "numpy"]
    assert log[4:8] == ["copy", "ours", "ours", "copy"]


def test_those_near_a_goal_get_more_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "settle", lambda: None)
    log: list[str] = []
    timers = {name: FakeTimer(name, 0.1, log) for name in ("ours", "copy", "torch")}
    found = timing.measure(timers, 0.03, lambda s: {"ours", "torch"} if len(s["ours"]) < 10 else set())
    assert {name: len(samples) for name, samples in found.items()} == {"ours": 10, "copy": 7, "torch": 10}
    found = timing.measure(timers, 0.03, lambda _: {"ours"})
    assert len(found["ours"]) == 7 + timing.MOST_EXTRA_TURNS


def working_thread(stop: threading.Event) -> threading.Thread:
    """A thread that works without Python's lock."""
    data = bytes(1 << 22)

    def work() -> None:
        while not stop.is_set():
            hashlib.sha256(data)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_a_turn_waits_for_threads_that_still_work() -> None:
    stop = threading.Event()
    thread = working_thread(stop)
    try:
        timing.settle(patience=0.2)
        assert any(timing._works(None) for _ in range(100))
    finally:
        stop.set()
        thread.join()
    timing.settle(patience=10.0)
    assert not timing._works(None)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
def test_a_process_that_has_ended_does_not_work() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert not timing._works(ended.pid)


def test_local_timer_counts_its_calls() -> None:
    calls: list[int] = []
    found = timing.LocalTimer(lambda: calls.append(1)).seconds(3, 5)
    assert (len(found), len(calls)) == (3, 15)


# --- goals


def texts(cell: Cell, **medians: float) -> list[str]:
    """The goals that hold for a cell, in short."""
    everyone = {"ours": 1.0, "copy": 1.0, "torch": 1.0, "contiguous": 1.0, **medians}
    return [f"{v.goal.at_least:.3g} {v.goal.against}" for v in goals.verdicts(cell, everyone)]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (Cell("leaky", "forward"), ["1 peer", "0.9 copy"]),
        (Cell("leaky", "forward", size=1_000), []),
        (Cell("leaky", "forward", size=16), ["1 torch"]),
        (Cell("leaky", "both", size=16), []),
        (Cell("leaky", "both", size=16, out="fresh"), ["1 torch"]),
        (Cell("leaky", "forward", size=16_000_000, out="fresh"), ["1 peer", "3 torch"]),
        (Cell("prelu full", "forward"), ["1 peer", "0.6 copy"]),
        (Cell("elu", "forward"), ["1 peer", "0.75 copy", "3 torch"]),
        (Cell("gelu", "forward"), ["1 peer", "1 torch"]),
        (Cell("gelu", "forward", size=16_000_000), ["1 peer", "1 torch", "1.3 torch"]),
        (Cell("prelu NHWC", "gradient", size=100_000), ["1 peer", "12 torch"]),
        (Cell("prelu NHWC", "gradient"), ["1 peer", "12 torch", "0.4 copy"]),
        (Cell("rrelu training", "forward"), ["1 peer", "8 torch"]),
        (Cell("elu", "forward", "bfloat16"), ["1 torch", "3 torch"]),
        (Cell("prelu NCHW", "gradient", "float16"), ["1 torch", "12 torch"]),
        (Cell("rrelu training", "forward", "float64"), ["1 torch", "8 torch"]),
        (Cell("gelu", "forward", "float64"), ["1 torch", "2 torch"]),
        (Cell("gelu_tanh", "forward"), ["1 peer", "2 torch"]),
        (Cell("gelu", "forward", "float16"), ["1 torch"]),
        (Cell("gelu", "forward", layout="transposed"), ["0.9 contiguous"]),
        (Cell("gelu", "gradient", layout="every other"), ["0.333 contiguous"]),
        (Cell("gelu", "forward", threads=1), []),
    ],
)
def test_goals_of_a_cell(cell: Cell, expected: list[str]) -> None:
    assert texts(cell) == expected


def test_each_goal_has_a_cell_in_the_full_table() -> None:
    for goal in goals.TABLE:
        assert any(goal.holds_for(cell) for cell in cells.full_table()), goal.text


def test_the_fastest_library_is_the_peer() -> None:
    medians = {"ours": 1.0, "copy": 0.1, "torch": 3.0, "jax": 2.0, "mxnet": 9.0, "numpy": 0.5, "numexpr": 0.4}
    assert goals.fastest_peer(medians) == "jax"
    assert goals.fastest_peer({"ours": 1.0, "numpy": 0.5}) is None
    verdict = goals.verdicts(Cell("leaky", "gradient"), medians)[0]
    assert (verdict.name, verdict.ratio, verdict.met) == ("jax", 2.0, True)


@pytest.mark.parametrize(("torch", "met"), [(3.0, True), (2.99, False)])
def test_a_goal_is_met_from_its_number_on(torch: float, met: bool) -> None:
    found = [v for v in goals.verdicts(PLAIN, {"ours": 1.0, "torch": torch}) if v.goal.at_least == 3]
    assert [v.met for v in found] == [met]


def test_unsure_names_those_that_decide() -> None:
    times = {"ours": [1.0], "copy": [2.0], "torch": [3.1], "jax": [7.0]}
    assert goals.unsure(PLAIN, times) == {"ours", "torch"}
    assert goals.unsure(PLAIN, {**times, "torch": [4.0]}) == set()
    assert goals.unsure(PLAIN, {**times, "copy": [0.7]}) == {"ours", "torch", "copy"}


def test_geometric_mean() -> None:
    assert goals.geometric_mean([2, 8]) == pytest.approx(4)
    assert goals.geometric_mean([0.5, 2, 1]) == pytest.approx(1)
    assert math.isnan(goals.geometric_mean([]))


# --- results


def test_summary_is_median_and_quartiles() -> None:
    assert results.summary([5.0, 1.0, 2.0, 4.0, 3.0]) == Figures(3.0, 2.0, 4.0, 5)
    assert results.summary([1.0, 2.0]) == Figures(1.5, 1.25, 1.75, 2)
    assert results.summary([7.0]) == Figures(7.0, 7.0, 7.0, 1)


RECORDS = [
    made(Cell("elu", "forward"), ours=1.0, copy=0.5, torch=4.0, jax=2.0),
    made(Cell("leaky", "forward"), ours=1.0, copy=0.95, torch=0.9),
    made(Cell("leaky", "forward", size=1_000), ours=1.0, copy=0.2, torch=0.6, mxnet=0.5),
    made(Cell("gelu", "forward", threads=1), ours=1.0, torch=2.0),
]


def test_slower_cells_come_worst_first() -> None:
    found = [(one.cell.size, name, ratio) for one, name, ratio in results.slower_than_a_peer(RECORDS)]
    assert found == [(1_000, "mxnet", 0.5), (1_000_000, "torch", 0.9)]


def test_missed_goals_come_worst_first() -> None:
    found = [(one.cell.label, v.goal.against, v.ratio) for one, v in results.below_goal(RECORDS)]
    assert found == [("elu", "copy", 0.5), ("leaky", "peer", 0.9)]


def test_mean_is_over_the_cells_that_a_library_takes_part_in() -> None:
    mean, count = results.mean_against(RECORDS, "torch")
    assert (mean, count) == (pytest.approx((4 * 0.9 * 0.6 * 2) ** 0.25), 4)
    assert results.mean_against(RECORDS, "jax") == (pytest.approx(2), 1)
    assert results.mean_against(RECORDS, "numexpr")[1] == 0


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    run = Run(dict(MACHINE), [Record(PLAIN, {"ours": Figures(0.1234, 0.1, 0.2, 7)}, {"jax": "„no“"})])
    results.save(run, tmp_path / "a.json")
    assert results.load(tmp_path / "a.json") == run
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_load_refuses_another_format(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"format": 0, "cells": []}')
    with pytest.raises(ValueError, match=r"a\.json is not of format 1"):
        results.load(tmp_path / "a.json")


def test_newest_is_the_last_complete_run(tmp_path: Path) -> None:
    assert results.newest(tmp_path) is None
    for name, complete in (("2030-01.json", True), ("2030-02.json", True), ("2030-03.json", False)):
        results.save(Run({**MACHINE, "complete": complete}), tmp_path / name)
    assert results.newest(tmp_path) == tmp_path / "2030-02.json"


def test_a_size_of_infinity_is_refused_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["--size", "inf"])
    assert "argument --size: must be one of 16, 1000" in capsys.readouterr().err
