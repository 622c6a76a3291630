"""The command line and its files: permissions, a stop half-way, and memory."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commands import apply, child, file_of, numbers, save, words
from rectifier import leaky_relu

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX signals and permissions")
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test works in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_new_file_has_the_usual_permissions() -> None:
    save("x.npy", np.ones(3))
    before = os.umask(0o027)
    try:
        apply()
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat("y.npy").st_mode) == 0o640


def test_replaced_file_keeps_its_permissions_and_links_stay() -> None:
    x = save("x.npy", numbers((5,), np.float32))
    Path("target.npy").write_bytes(b"old")
    os.chmod("target.npy", 0o604)
    os.symlink("target.npy", "y.npy")
    apply()
    assert os.readlink("y.npy") == "target.npy"
    assert stat.S_IMODE(os.stat("target.npy").st_mode) == 0o604
    assert Path("target.npy").read_bytes() == file_of(leaky_relu(x))
    assert sorted(os.listdir(".")) == ["target.npy", "x.npy", "y.npy"]


# It waits after the first piece until it is stopped.
HALTING = """
import sys
from rectifier import cli, pieces
pieces._PIECE_BYTES = 1 << 12
whole = pieces.PiecewiseOperator.pieces
def halting(self, chunks):
    for i, piece in enumerate(whole(self, chunks)):
        if i == 2:
            print("half-way", flush=True)
            sys.stdin.read()
        yield piece
pieces.PiecewiseOperator.pieces = halting
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("number", "code", "message"),
    [
        (signal.SIGINT, 130, "rectifier: stopped by SIGINT\n"),
        (signal.SIGTERM, 143, "rectifier: stopped by SIGTERM\n"),
        (signal.SIGKILL, -9, ""),
    ],
)
@pytest.mark.parametrize("old", [b"old", None])
def test_stopped_half_way(folder: Path, number: int, code: int, message: str, old: bytes | None) -> None:
    save("x.npy", numbers((1 << 13,), np.float32))
    save("g.npy", np.float32(0.5))
    if old is not None:
        Path("y.npy").write_bytes(old)
        Path("dg.npy").write_bytes(old)
    command = words("apply x.npy -o y.npy --act-type prelu --gamma g.npy --grad x.npy --grad-gamma dg.npy")
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", HALTING, *command], **pipes) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half-way\n"
        begun = [name for name in os.listdir(folder) if name.startswith(".")]
        assert [bool(re.fullmatch(r"\.rectifier-[0-9a-f]{12}\.tmp", name)) for name in begun] == [True, True]
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (code, message)
    for name in ("y.npy", "dg.npy"):
        assert Path(name).read_bytes() == old if old is not None else not Path(name).exists()
    left = {name for name in os.listdir(folder) if name.startswith(".")}
    assert left == (set(begun) if number == signal.SIGKILL else set())


PEAK = """
import sys
from rectifier.cli import main
code = main(sys.argv[1:])
print(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
sys.exit(code)
"""


@pytest.fixture
def sparse(folder: Path) -> Iterator[Callable[[int], None]]:
    """Make x.npy, whose float32 zeros take no room on the disk; large files go right after the test."""

    def make(count: int) -> None:
        with open("x.npy", "wb") as file:
            shape = (count // 1024, 4, 256)
            np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
            file.truncate(file.tell() + 4 * count)

    yield make
    for path in folder.iterdir():
        path.unlink()


def peak_mib(*options: str) -> float:
    result = child("-c", PEAK, "apply", "x.npy", "-o", "y.npy", *options)
    assert (result.returncode, result.stderr) == (0, "")
    return int(result.stdout) / 1024


@linux
def test_memory_does_not_grow_with_the_file(sparse: Callable[[int], None]) -> None:
    save("g.npy", np.full(4, 0.5, np.float32))
    sparse(1 << 27)
    backward = "--act-type prelu --gamma g.npy --grad x.npy --grad-gamma dg.npy"
    assert peak_mib(*words(backward)) < 150


@linux
@pytest.mark.slow
def test_memory_for_a_large_file(sparse: Callable[[int], None]) -> None:
    sparse(3 << 28)
    assert peak_mib("--act-type", "rrelu", "--training", "--rng", "1") < 150
    assert os.path.getsize("y.npy") == 128 + (3 << 30)
