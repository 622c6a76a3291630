"""`rectifier apply --scheduler`: a scheduler and workers as processes of their own, and what goes wrong with them."""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commands import child, numbers, words
from needed import needed
from rectifier import cluster, leaky_relu, pieces, vjp
from rectifier.cli import main
from rectifier.files import InputError
from test_cli_errors import refusal
from test_cli_zarr import store, stored
from ulp import assert_same_bits

distributed = needed("distributed")
zarr = needed("zarr")

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and named pipes of POSIX")
KEY: dict[str, Any] = {"act_type": "rrelu", "training": True, "rng": 7}
RRELU = "--act-type rrelu --training --rng 7"
SILENT = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


class Cluster:
    """A scheduler that gives a task up when two workers died of it, and workers with one thread each."""

    def __init__(self, folder: Path) -> None:
        self.faults = folder / "faults"
        self.faults.mkdir()
        self._file = folder / "scheduler.json"
        self._environment = {
            **os.environ,
            "FAULTS": str(self.faults),
            "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
        }
        self._scheduler = self._start("dask_scheduler", "--port", "0")
        self._workers: list[subprocess.Popen[bytes]] = []
        self._client: Any = None

    def _start(self, program: str, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-W", "ignore", "-m", f"distributed.cli.{program}", "--no-dashboard"]
        command += ["--scheduler-file", str(self._file), "--host", "127.0.0.1", *options]
        return subprocess.Popen(command, env=self._environment, cwd=self.faults, **SILENT)

    def have(self, count: int) -> str:
        """The scheduler's address, once it has so many workers."""
        self._workers = [worker for worker in self._workers if worker.poll() is None]
        preload = str(Path(__file__).with_name("worker_faults.py"))
        options = ["--nthreads", "1", "--no-nanny", "--memory-limit", "0", "--preload", preload]
        for _ in range(count - len(self._workers)):
            self._workers.append(self._start("dask_worker", *options))
        if self._client is None:
            self._client = distributed.Client(scheduler_file=str(self._file), set_as_default=False)
        for worker in self._workers[count:]:
            worker.kill()
            worker.wait()
        wanted = len(self._workers[:count])
        if wanted:
            self._client.wait_for_workers(wanted, timeout=60)
        address: str = self._client.scheduler.address
        return address

    def processes(self) -> list[int]:
        return [worker.pid for worker in self._workers]

    def fault(self, row: int, *names: str) -> None:
        """What is to happen at the piece that begins with this row; see worker_faults.py."""
        (self.faults / "row").write_text(str(row))
        for name in names:
            (self.faults / name).touch() if name == "die" else os.mkfifo(self.faults / name)

    def no_faults(self) -> None:
        for path in self.faults.iterdir():
            path.unlink()

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
        for process in (*self._workers, self._scheduler):
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    yield cluster
    cluster.close()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test works in an empty folder, on pieces of few elements."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pieces, "_PIECE_BYTES", 400)
    return tmp_path


@pytest.fixture
def three(started: Cluster) -> Iterator[Cluster]:
    """A cluster with three workers."""
    started.have(3)
    yield started
    started.no_faults()


def on(cluster: Cluster, count: int = 3) -> list[str]:
    return ["--scheduler", cluster.have(count)]


def test_bits_are_those_of_one_machine(three: Cluster) -> None:
    store("x.zarr", numbers((20, 15), np.float32), (8, 7))
    for options in (RRELU, f"{RRELU} --chunks 3,15 --zarr-format 2", "--act-type gelu"):
        assert main(["apply", "x.zarr", "-o", "one.zarr", *words(options)]) == 0
        assert main(["apply", "x.zarr", "-o", "y.zarr", *words(options), *on(three)]) == 0
        assert_same_bits(stored("y.zarr"), stored("one.zarr"))
    assert sorted(os.listdir(".")) == ["one.zarr", "x.zarr", "y.zarr"]


def test_npy_files_are_read_by_the_workers(three: Cluster) -> None:
    x = np.asfortranarray(numbers((40, 30), np.float32))
    np.save("x.npy", x)
    assert main(["apply", "x.npy", "-o", "y.zarr", *words(RRELU), *on(three)]) == 0
    assert_same_bits(stored("y.zarr"), leaky_relu(x, **KEY))


def test_gammas_gradient_is_summed_in_the_order_of_one_machine(three: Cluster) -> None:
    """Its parts come in any order; of numbers this large and small, another order would be another sum."""
    x = store("x.zarr", -np.exp(numbers((60, 5, 4), np.float32) * 6).astype(np.float32), (2, 5, 4))
    d_y = store("dy.zarr", numbers((60, 5, 4), np.float32, seed=1), (60, 5, 4))
    gamma = store("g.zarr", numbers((5,), np.float64, seed=2))
    command = words("apply x.zarr -o one.zarr --act-type prelu --gamma g.zarr --grad dy.zarr --grad-gamma dg1.npy")
    assert main(command) == 0
    command[3], command[-1] = "y.zarr", "dg2.npy"
    assert main([*command, *on(three)]) == 0
    assert_same_bits(stored("y.zarr"), stored("one.zarr"))
    assert_same_bits(stored("y.zarr"), vjp(x, gamma, "prelu")[1](d_y)[0])
    assert_same_bits(np.load("dg2.npy"), np.load("dg1.npy"))


def test_a_worker_is_killed_half_way(three: Cluster) -> None:
    x = store("x.zarr", numbers((60, 30), np.float32), (2, 30))
    three.fault(20, "hold", "release")
    killed: list[int] = []
    done: list[int] = []

    def kill() -> None:
        number = int((three.faults / "hold").read_text())
        (temporary,) = (path for path in Path.cwd().iterdir() if path.suffix == ".tmp")
        done.append(len(list(temporary.glob("c/*/0"))))
        three.no_faults()
        os.kill(number, signal.SIGKILL)
        killed.append(number)

    killer = threading.Thread(target=kill)
    killer.start()
    assert main(["apply", "x.zarr", "-o", "y.zarr", *words(RRELU), *on(three)]) == 0
    killer.join()
    assert killed[0] in three.processes()
    assert 0 < done[0] < 30
    assert_same_bits(stored("y.zarr"), leaky_relu(x, **KEY))
    assert sorted(os.listdir(".")) == ["x.zarr", "y.zarr"]


def test_a_piece_that_kills_its_workers(three: Cluster) -> None:
    store("x.zarr", numbers((60, 30), np.float32), (2, 30))
    store("y.zarr", np.ones(3))
    three.fault(20, "die")
    # Dask may name another piece that both workers had before them.
    assert re.fullmatch(
        r"a worker died 2 times at the piece \[\d+:\d+, 0:30\], the last one tcp://127.0.0.1:\d+; most often it has "
        "too little memory for its pieces",
        refusal("x.zarr", "-o", "y.zarr", *on(three)),
    )


def test_a_worker_without_memory(three: Cluster) -> None:
    """A chunk of 2^48 bytes, more than any process can ask for."""
    zarr.create_array("x.zarr", shape=(1 << 46,), chunks=(1 << 46,), dtype="f4")
    message = refusal("x.zarr", "-o", "y.zarr", *on(three))
    assert re.fullmatch(r"worker tcp://127.0.0.1:\d+ has too little memory for a piece of the data", message)
    assert refusal("x.zarr", "-o", "y.zarr") == "not enough memory"


def test_a_damaged_chunk(three: Cluster, folder: Path) -> None:
    store("x.zarr", numbers((60, 30), np.float32), (2, 30))
    Path("x.zarr/c/10/0").write_bytes(b"nonsense")
    message = refusal("x.zarr", "-o", "y.zarr", *on(three))
    assert re.fullmatch(rf"{folder}/x.zarr has a damaged chunk at \[20:22, 0:30\]: .* \(on worker tcp://.*\)", message)


def test_stopped_half_way(three: Cluster, folder: Path) -> None:
    """A task that is under way is waited for: it would make the folder again that is being removed."""
    store("x.zarr", numbers((60, 30), np.float32), (2, 30))
    three.fault(20, "hold", "release")
    script = (
        "import sys; from rectifier import cli, pieces; pieces._PIECE_BYTES = 400; sys.exit(cli.main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", script, *words("apply x.zarr -o y.zarr"), *on(three)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        (three.faults / "hold").read_text()
        process.send_signal(signal.SIGTERM)
        (three.faults / "release").write_text("")
        assert process.stderr is not None
        assert process.stderr.read() == "rectifier: stopped by SIGTERM\n"
    assert process.returncode == 143
    assert os.listdir(".") == ["x.zarr"]


def test_no_workers(three: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    store("x.zarr", numbers((60, 30), np.float32), (2, 30))
    three.fault(20, "hold", "release")

    def kill_all() -> None:
        (three.faults / "hold").read_text()
        for number in three.processes():
            os.kill(number, signal.SIGKILL)

    monkeypatch.setattr(cluster, "_PATIENCE", 1.0)
    killer = threading.Thread(target=kill_all)
    killer.start()
    message = refusal("x.zarr", "-o", "y.zarr", *on(three))
    killer.join()
    assert message == "all workers are gone, and none came within 1 seconds"
    assert refusal("x.zarr", "-o", "y.zarr", *on(three, 0)) == (
        "the scheduler has no workers, and none came within 1 seconds"
    )


class Threads:
    """A client that counts its workers' threads."""

    def __init__(self, *counts: int) -> None:
        self._counts = iter(counts)

    def nthreads(self) -> dict[str, int]:
        return {"w": next(self._counts)}


class Lost:
    """A task that was finished, and whose result died with its worker: what becomes of it."""

    def __init__(self, *statuses: str) -> None:
        self._statuses = iter(statuses)

    @property
    def status(self) -> str:
        return next(self._statuses)


@pytest.mark.parametrize("end", ["finished", "error", "cancelled"])
def test_a_lost_result_is_waited_for(end: str) -> None:
    watch, finished = cluster._Watch(Threads(1)), queue.SimpleQueue[Any]()
    task = Lost("lost", "pending", end)
    finished.put(task)
    assert watch.next_of(finished) is task
    assert next(task._statuses, None) is None


def test_a_lost_result_without_workers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_PATIENCE", 0.0)
    watch, finished = cluster._Watch(Threads(1, 0)), queue.SimpleQueue[Any]()
    finished.put(Lost(*["lost"] * 1000))
    with pytest.raises(InputError, match=r"^all workers are gone, and none came within 0 seconds$"):
        watch.next_of(finished)


class Dying:
    """A finished task whose result is asked for when its worker has just died: what comes of each time to ask."""

    def __init__(self, status: str, *outcomes: object) -> None:
        self.status, self._outcomes = status, iter(outcomes)

    def result(self, timeout: float) -> object:
        assert timeout == cluster._PATIENCE
        outcome = next(self._outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def test_a_result_that_another_worker_computes_again() -> None:
    assert cluster._Watch(Threads(1, 1)).result_of(Dying("finished", TimeoutError(), 7)) == 7


@pytest.mark.parametrize("status", ["error", "cancelled"])
def test_a_result_that_fails_when_it_is_computed_again(status: str) -> None:
    assert cluster._Watch(Threads(1, 1)).result_of(Dying(status, TimeoutError(), InputError("no"))) is None


def test_a_result_that_cannot_be_read() -> None:
    with pytest.raises(EOFError):
        cluster._Watch(Threads(1)).result_of(Dying("finished", EOFError()))


def test_a_result_without_workers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_PATIENCE", 0.0)
    with pytest.raises(InputError, match=r"^all workers are gone, and none came within 0 seconds$"):
        cluster._Watch(Threads(1, 0)).result_of(Dying("pending", *[TimeoutError()] * 1000))


@pytest.mark.parametrize(("address", "words"), [("tcp://127.0.0.1:1", ".*"), ("tls://127.0.0.1:1", ".*")])
def test_no_scheduler(address: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store("x.zarr", np.ones(3))
    monkeypatch.setattr(cluster, "_PATIENCE", 0.2)
    message = refusal("x.zarr", "-o", "y.zarr", "--scheduler", address)
    assert re.fullmatch(f"no scheduler answers at {address}: {words}", message)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("foo", "missing port number in address 'foo'"),
        ("what://x", "unknown address scheme 'what' .*"),
        ("", "missing .*"),
    ],
)
def test_a_wrong_address_is_refused_before_a_client_is_made(
    address: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store("x.zarr", np.ones(3))
    monkeypatch.setattr(distributed, "Client", lambda *_, **__: pytest.fail("a client was made"))
    message = refusal("x.zarr", "-o", "y.zarr", "--scheduler", address)
    assert re.fullmatch(f"no scheduler answers at {address}: {words}", message)


class Answering:
    """A client whose workers have these packages."""

    def __init__(self, **packages: Any) -> None:
        self._packages = packages

    def wait_for_workers(self, count: int, timeout: float) -> None:
        pass

    def run(self, function: Any, package: str, on_error: str) -> dict[str, Any]:
        return {"tcp://w:1": self._packages[package]}


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"rectifier": PackageNotFoundError()}, "worker tcp://w:1 does not have the package rectifier"),
        ({"rectifier": "0.0.9"}, r"worker tcp://w:1 has rectifier 0.0.9; it must be \S+ as here"),
        ({"zarr": PackageNotFoundError()}, "worker tcp://w:1 does not have the package zarr"),
        ({"zarr": "2.18.0"}, "worker tcp://w:1 has zarr 2.18.0; it must be 3 or later"),
        ({"zarr": OSError("gone")}, "worker tcp://w:1 does not answer: gone"),
    ],
)
def test_workers_that_are_not_fit(found: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}$"):
        cluster._check_workers(Answering(**{"rectifier": cluster.version("rectifier"), "zarr": "3.1", **found}))


def test_missing_library_is_named() -> None:
    store("x.zarr", np.ones(3))
    hide = "import sys; sys.modules['distributed'] = None; from rectifier.cli import main; sys.exit(main(sys.argv[1:]))"
    result = child("-c", hide, *words("apply x.zarr -o y.zarr --scheduler tcp://127.0.0.1:1"))
    assert (result.returncode, result.stderr) == (
        2,
        "rectifier: error: --scheduler needs the package distributed, which is not there: "
        "pip install 'rectifier[cluster]'\n",
    )
    assert os.listdir(".") == ["x.zarr"]
