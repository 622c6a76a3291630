"""The command line's errors: one line for what is wrong, code 2, and everything stays as it was."""

from __future__ import annotations

import errno
import io
import os
import pickle
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commands import BFLOAT16, child, file_of, numbers, save, words
from rectifier import files, replacement
from rectifier.cli import main
from rectifier.parameters import ACTIVATIONS

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links, pipes and permissions of POSIX")
FLOATS = np.ones((4, 3), np.float32)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test works in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def archive(name: str) -> None:
    with open(name, "wb") as file:
        np.savez(file, a=np.zeros(3))


ZEROS = file_of(np.zeros(3))
# What stands at x.npy, content or something that makes it, and what is said about it.
BAD_INPUTS: list[tuple[bytes | Callable[[str], None], str]] = [
    (lambda name: None, "cannot read x.npy: No such file or directory"),
    (os.mkdir, "cannot read x.npy: not a regular file"),
    (os.mkfifo, "cannot read x.npy: not a regular file"),
    (b"", "x.npy is not an .npy file"),
    (b"1,2,3\n4,5,6\n", "x.npy is not an .npy file"),
    (pickle.dumps(np.zeros(3)), "x.npy is not an .npy file"),
    (archive, "x.npy is an .npz archive; unpack it and name the .npy file inside"),
    (b"\x93NUMPY\x03\x00", "x.npy has .npy format version 3.0; 1.0 and 2.0 are read"),
    (b"\x93NUMPY\x01\x00\xff", "x.npy has a damaged header: .*"),
    (ZEROS[:40], "x.npy has a damaged header: .*"),
    (ZEROS.replace(b"'shape'", b"'shade'"), "x.npy has a damaged header: .*"),
    (ZEROS.replace(b"'<f8'", b"'<q7'"), "x.npy has a damaged header: .*"),
    (ZEROS.replace(b"(3,)", b"(-3,)"), r"x.npy has a damaged header: shape \(-3,\)"),
    (ZEROS[:-1], "x.npy is truncated: its header promises 152 bytes, it has 151"),
    (
        lambda name: np.save(name, np.array([{}, None]), allow_pickle=True),
        "x.npy holds Python objects; it must hold numbers",
    ),
    (file_of(np.zeros(3, np.complex64)), "x.npy must hold floats, integers or bools, got complex64"),
    (file_of(np.array(["a"])), "x.npy must hold floats, integers or bools, got <U1"),
    (file_of(np.zeros(3, "i4,f4")), r"x.npy must hold floats, integers or bools, got \[.*\]"),
    (file_of(np.zeros(3, "M8[s]")), r"x.npy must hold floats, integers or bools, got datetime64\[s\]"),
    (file_of(np.zeros(3, "V3")), r"x.npy must hold floats, integers or bools, got \|V3"),
    (
        file_of(np.zeros(3, BFLOAT16)),
        r"x.npy holds 2-byte elements of unknown kind \(V2\); --dtype bfloat16 reads them",
    ),
    (file_of(np.zeros(3, np.longdouble)), "`data` must be of dtype float16, bfloat16, .*, got float(96|128)"),
]
BAD_OPTIONS: list[tuple[str, str]] = [
    ("--act-type relu", f"`act_type` must be one of {', '.join(ACTIVATIONS)}, got 'relu'"),
    ("--slope nan", "`slope` must be a finite number, got nan"),
    ("--slope 1e39", r"`slope` must be finite as float32, got 1e\+39"),
    ("--slope steep", r"argument --slope: invalid float value: 'steep' \(see rectifier apply --help\)"),
    ("--act-type rrelu --lower-bound 2", "`lower_bound` must be at most `upper_bound`, got 2.0 and 0.333999991"),
    ("--rng -1", r"`rng` must be an integer from 0 to 2\*\*64 - 1, a numpy.random.Generator or None, got -1"),
    ("--act-type rrelu --training --rng x", r"argument --rng: invalid int value: 'x' \(see .*\)"),
    ("--act-type prelu", "`gamma` must be an array when `act_type` is 'prelu', got None"),
    ("--gamma g.npy", "`gamma` must be None unless `act_type` is 'prelu', got an array for 'leaky'"),
    ("--axis 1", "`axis` must be None unless `act_type` is 'prelu', got a value for 'leaky'"),
    ("--act-type prelu --gamma g.npy --axis one", r"argument --axis: invalid axis value: 'one' \(see .*\)"),
    ("--act-type prelu --gamma g.npy", r"`gamma` must align with .*, got gamma of shape \(5,\) for data of shape .*"),
    ("--act-type prelu --gamma g.npy --axis 1", r"`gamma` must have size 1 or 3 along axis 1 .*"),
    ("--act-type prelu --gamma c.npy", "c.npy must hold floats, integers or bools, got complex128"),
    ("--act-type prelu --gamma no.npy", "cannot read no.npy: No such file or directory"),
    ("--grad g.npy", r"g.npy must have the data's shape \(4, 3\), got \(5,\)"),
    ("--grad x.npy --grad-gamma dg.npy", "--grad-gamma needs --grad and --gamma"),
    ("--grad x.npy --act-type rrelu --training", "--grad needs the --rng that the slopes were drawn with"),
    ("--threads 0", "--threads: `n` must be from 1 to 1024, got 0"),
    ("--dtype float32", r"argument --dtype: invalid choice: 'float32' .*"),
    ("--frobnicate", r"unrecognized arguments: --frobnicate \(see rectifier --help\)"),
]
NO_NAME = "a file's name must not be empty or -"
BAD_OUTPUTS: list[tuple[str, str]] = [
    ("-o x.npy", "x.npy is both an output and the input"),
    ("-o ./sub/../x.npy", "./sub/../x.npy is both an output and the input"),
    ("-o hard.npy", "hard.npy is both an output and the input"),
    ("-o soft.npy", "soft.npy is both an output and the input"),
    ("-o g.npy --act-type prelu --gamma g.npy", "g.npy is both an output and --gamma"),
    ("-o g.npy --grad g.npy", "g.npy is both an output and --grad"),
    ("-o n.npy --act-type prelu --gamma c.npy --grad g.npy --grad-gamma ./n.npy", "n.npy is named for both outputs"),
    ("-o sub", "cannot write sub: it is there and not a regular file"),
    ("-o pipe", "cannot write pipe: it is there and not a regular file"),
    ("-o /dev/full", "cannot write /dev/full: it is there and not a regular file"),
    ("-o no/where.npy", "cannot write no/where.npy: No such file or directory"),
    ("-o x.npy/y.npy", "cannot write x.npy/y.npy: Not a directory"),
    ("-o -", f"{NO_NAME}, got '-': standard input and output are not used"),
    ("--output=", f"{NO_NAME}, got '': standard input and output are not used"),
]


def state(folder: Path) -> dict[str, tuple[int, ...]]:
    """Every name in the folder, and what would tell of a change."""
    found = {path.name: path.lstat() for path in folder.iterdir()}
    return {name: (of.st_ino, of.st_mode, of.st_size, of.st_mtime_ns) for name, of in found.items()}


def refusal(*arguments: str) -> str:
    """The one line on stderr, after which everything must be as it was."""
    before = state(Path.cwd())
    with pytest.MonkeyPatch.context() as patch:
        stderr = io.StringIO()
        patch.setattr(sys, "stderr", stderr)
        try:
            code = main(["apply", *arguments])
        except SystemExit as stop:  # argparse ends the process itself
            code = stop.code
    assert code == 2
    assert state(Path.cwd()) == before
    line = re.fullmatch(r"rectifier: error: (.*)\n", stderr.getvalue())
    assert line, stderr.getvalue()
    return line[1]


@pytest.mark.parametrize(("make", "message"), BAD_INPUTS, ids=[message for _, message in BAD_INPUTS])
def test_bad_input(make: bytes | Callable[[str], None], message: str) -> None:
    if isinstance(make, bytes):
        Path("x.npy").write_bytes(make)
    else:
        make("x.npy")
    Path("y.npy").write_bytes(b"old")
    assert re.fullmatch(message, refusal("x.npy", "-o", "y.npy"))


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize(("options", "message"), BAD_OPTIONS, ids=[options for options, _ in BAD_OPTIONS])
def test_bad_option(options: str, message: str) -> None:
    save("x.npy", FLOATS)
    save("g.npy", np.ones(5, np.float32))
    save("c.npy", np.ones(3, complex))
    Path("y.npy").write_bytes(b"old")
    assert re.fullmatch(message, refusal("x.npy", "-o", "y.npy", *words(options)))


@pytest.mark.parametrize(("options", "message"), BAD_OUTPUTS, ids=[options for options, _ in BAD_OUTPUTS])
def test_bad_output(options: str, message: str) -> None:
    save("x.npy", FLOATS)
    save("g.npy", FLOATS)
    save("c.npy", np.ones(3, np.float32))
    Path("sub").mkdir()
    os.link("x.npy", "hard.npy")
    os.symlink("x.npy", "soft.npy")
    os.mkfifo("pipe")
    assert refusal("x.npy", *words(options)) == message


@pytest.mark.parametrize("words_before", [[], ["x.npy", "-o", "y.npy", "--gamma"], ["x.npy", "-o", "y.npy", "--grad"]])
def test_standard_input_is_no_file(words_before: list[str]) -> None:
    save("x.npy", FLOATS)
    assert refusal(*words_before, "-") == f"{NO_NAME}, got '-': standard input and output are not used"


@pytest.mark.parametrize(
    "command",
    ["convert - m.params -o m.onnx --input data=1,3", "convert m.json - -o m.onnx --input data=1,3",
     "convert m.json m.params -o - --input data=1,3", "fix-prelu - -o m.onnx", "fix-prelu m.onnx -o -"],
)  # fmt: skip
def test_standard_streams_are_no_files_of_networks(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(command)) == 2
    assert capsys.readouterr().err == (
        f"rectifier: error: {NO_NAME}, got '-': standard input and output are not used\n"
    )


def test_page_names_every_activation_and_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["apply", "--help"])
    names = {*ACTIVATIONS, *re.findall(r"--[a-z-]+", capsys.readouterr().out)} - {"--help"}
    assert len(names) > 20
    page = (Path(__file__).parents[1] / "docs" / "cli.md").read_text()
    options = page.partition("## `rectifier apply`")[2].partition("\n## ")[0]
    assert [name for name in names if f"`{name}" not in options] == []


def test_bfloat16_option_for_other_data() -> None:
    save("x.npy", FLOATS)
    assert refusal("x.npy", "-o", "y.npy", "--dtype", "bfloat16") == (
        "x.npy holds float32; --dtype bfloat16 is for elements of unknown kind (V2)"
    )


@pytest.mark.usefixtures("small_pieces")
def test_input_that_shrinks_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    save("x.npy", FLOATS)
    monkeypatch.setattr(files.ArrayFile, "_check_length", lambda self: None)
    os.truncate("x.npy", 150)
    assert refusal("x.npy", "-o", "y.npy") == "x.npy is truncated: it has become shorter while it was read"


class _Failing:
    """A file on a disk that is full after some bytes."""

    def __init__(self, file: Any, room: int) -> None:
        self._file, self._room = file, room

    def write(self, data: Any) -> int:
        if self._room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        count: int = self._file.write(memoryview(data)[: self._room])
        self._room -= count
        return count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("room", [0, 128, 160])
def test_no_space(room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    save("x.npy", FLOATS)
    Path("y.npy").write_bytes(b"old")
    whole = os.fdopen
    monkeypatch.setattr(replacement.os, "fdopen", lambda *a, **k: _Failing(whole(*a, **k), room))
    assert refusal("x.npy", "-o", "y.npy") == "cannot write y.npy: No space left on device"


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_failure_at_the_end(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    save("x.npy", FLOATS)
    Path("y.npy").write_bytes(b"old")
    monkeypatch.setattr(replacement.os, call, fail)
    assert refusal("x.npy", "-o", "y.npy") == "cannot write y.npy: Input/output error"


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a file system of Linux")
def test_no_space_on_a_real_file_system(folder: Path) -> None:
    """A file system of 64 KiB, mounted for one process alone."""
    save("x.npy", numbers((1 << 16,), np.float32))
    (folder / "disk").mkdir()
    mount = "mount -t tmpfs -o size=64k none disk"
    if subprocess.run(["unshare", "-m", "sh", "-c", mount], capture_output=True).returncode:
        pytest.skip("this user may not mount a file system")
    script = f"{mount} && echo old > disk/y.npy && {sys.executable} -m rectifier apply x.npy -o disk/y.npy; "
    result = subprocess.run(
        ["unshare", "-m", "sh", "-c", script + "echo code $?; ls -A disk; cat disk/y.npy"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.stdout == "code 2\ny.npy\nold\n"
    assert result.stderr == "rectifier: error: cannot write disk/y.npy: No space left on device\n"


def test_file_size_limit(folder: Path) -> None:
    import resource

    save("x.npy", numbers((1 << 16,), np.float32))
    limit = 1 << 17
    result = child(
        *words("-m rectifier apply x.npy -o y.npy"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert (result.returncode, result.stderr) == (2, "rectifier: error: cannot write y.npy: File too large\n")
    assert os.listdir(folder) == ["x.npy"]


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A working folder that belongs to an unprivileged user, which the test becomes if it is root."""
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.chdir(folder)
        save("x.npy", FLOATS)
        Path("y.npy").write_bytes(b"old")
        user = os.geteuid()
        if user == 0:
            for path in (folder, "x.npy", "y.npy"):
                os.chown(path, 65534, 65534)
            os.seteuid(65534)
        yield
        os.seteuid(user)
        os.chmod(folder, 0o700)
        monkeypatch.undo()


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize(
    ("path", "mode", "message"),
    [
        ("x.npy", 0o000, "cannot read x.npy: Permission denied"),
        (".", 0o555, "cannot write y.npy: Permission denied"),
        ("y.npy", 0o444, "cannot write y.npy: it is read-only"),
    ],
)
def test_no_permission(path: str, mode: int, message: str) -> None:
    os.chmod(path, mode)
    assert refusal("x.npy", "-o", "y.npy") == message
