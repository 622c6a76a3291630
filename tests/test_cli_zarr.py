"""The command line on Zarr stores: any chunks, codecs and formats, in and out, and what is said where one is wrong."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commands import BFLOAT16, apply, child, file_of, numbers, save, words
from needed import needed
from rectifier import leaky_relu, pieces, store_replacement, stores, vjp
from rectifier.cli import main
from test_cli_errors import refusal
from test_cli_files import HALTING, PEAK
from ulp import assert_same_bits

zarr = needed("zarr")
numcodecs = needed("numcodecs")
codecs = needed("zarr.codecs")

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links and permissions of POSIX")
RRELU = "--act-type rrelu --training --rng 12345678901234567890"
KEY: dict[str, Any] = {"act_type": "rrelu", "training": True, "rng": 12345678901234567890}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test works in an empty folder, on pieces of few elements."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pieces, "_PIECE_BYTES", 100)
    monkeypatch.setattr(store_replacement, "_CHUNK_BYTES", 100)
    return tmp_path


def store(name: str, array: Any, chunks: Any = None, **options: Any) -> Any:
    array = np.asarray(array)
    chunks = tuple(max(1, (n + 1) // 2) for n in array.shape) if chunks is None else chunks
    with stores.quiet():
        made = zarr.create_array(name, shape=array.shape, chunks=chunks, dtype=array.dtype, overwrite=True, **options)
        made[...] = array
    return array


def stored(name: str) -> Any:
    with stores.quiet():
        return np.asarray(zarr.open_array(name, mode="r")[...])


def run(*arguments: str, data: str = "x.zarr", output: str = "y.zarr") -> Any:
    assert main(["apply", data, "-o", output, *arguments]) == 0
    assert [name for name in os.listdir(".") if name.startswith(".")] == []
    return stored(output) if output.endswith(".zarr") else np.load(output)


SHAPES: list[tuple[int, ...]] = [(), (7,), (0,), (3, 0, 2), (5, 4), (2, 3, 4, 5), (6, 1, 9)]
STORED: list[dict[str, Any]] = [
    {"zarr_format": 2},
    {"zarr_format": 2, "order": "F", "compressors": numcodecs.Blosc("lz4")},
    {"zarr_format": 2, "compressors": numcodecs.Zlib(), "filters": [numcodecs.Shuffle(4)]},
    {"zarr_format": 3},
    {"zarr_format": 3, "compressors": codecs.BloscCodec()},
    {"zarr_format": 3, "compressors": [codecs.GzipCodec(), codecs.Crc32cCodec()]},
    {"zarr_format": 3, "compressors": None, "serializer": codecs.BytesCodec(endian="big")},
]


@pytest.mark.parametrize("options", STORED, ids=repr)
def test_bits_are_the_operators_whatever_the_chunks_and_codecs(options: dict[str, Any]) -> None:
    for shape in SHAPES:
        x = numbers(shape, np.float32)
        for chunks in (None, (1,) * len(shape), tuple(n + 3 for n in shape)):
            store("x.zarr", x, chunks, **options)
            assert_same_bits(run(*words(RRELU)), np.asarray(leaky_relu(x, **KEY)))
            assert_same_bits(run("--act-type", "gelu", output="y.npy"), np.asarray(leaky_relu(x, act_type="gelu")))
        old, new = zarr.open_array("x.zarr"), zarr.open_array("y.zarr")
        assert new.metadata.zarr_format == options["zarr_format"]
        assert (new.chunks, new.compressors) == (old.chunks, old.compressors)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4", np.int8, np.int64, np.bool_], ids=str)
@pytest.mark.parametrize("zarr_format", ["2", "3"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_in_and_zarr_out(order: str, zarr_format: str, dtype: Any) -> None:
    for shape in SHAPES:
        x = save("x.npy", numbers(shape, dtype, order))
        expected = np.asarray(leaky_relu(x, **KEY))
        for chunks in ([], ["--chunks", ",".join(["3"] * len(shape))]):
            got = run(*words(RRELU), *chunks, "--zarr-format", zarr_format, data="x.npy")
            assert_same_bits(got, expected)
        made = zarr.open_array("y.zarr")
        assert made.metadata.zarr_format == int(zarr_format)
        assert made.chunks == (3,) * len(shape)


@pytest.mark.parametrize("shards", [None, (4, 6)])
def test_other_chunks_and_the_other_format(shards: Any) -> None:
    x = store("x.zarr", numbers((9, 10), np.float32), (2, 3), shards=shards, dimension_names=["row", "column"])
    for chunks, zarr_format in (((9, 1), 3), ((4, 4), 2), ((20, 20), 2), ((1, 1), 3)):
        options = ["--chunks", ",".join(map(str, chunks)), "--zarr-format", str(zarr_format)]
        assert_same_bits(run(*words(RRELU), *options), np.asarray(leaky_relu(x, **KEY)))
        made = zarr.open_array("y.zarr")
        assert (made.chunks, made.shards, made.metadata.zarr_format) == (chunks, None, zarr_format)
        assert stores.dimension_names(made) == ["row", "column"]
    run()
    assert zarr.open_array("y.zarr").shards == shards
    assert zarr.open_array("y.zarr").metadata.dimension_names == ("row", "column")


def test_gradients() -> None:
    x = store("x.zarr", numbers((6, 5, 8), np.float32), (4, 2, 3))
    d_y = store("dy.zarr", numbers((6, 5, 8), np.float32, seed=1), (1, 5, 8), zarr_format=2)
    gamma = store("g.zarr", numbers((5,), np.float32, seed=2), (2,))
    save("g.npy", gamma)
    d_x, d_gamma = vjp(x, gamma, "prelu")[1](d_y)
    prelu = words("--act-type prelu --grad dy.zarr")
    assert_same_bits(run(*prelu, "--gamma", "g.zarr", "--grad-gamma", "dg.zarr"), d_x)
    np.testing.assert_allclose(stored("dg.zarr"), d_gamma, rtol=4e-7)
    assert zarr.open_array("dg.zarr").chunks == (2,)
    once = stored("dg.zarr")
    assert_same_bits(run(*prelu, "--gamma", "g.npy", "--grad-gamma", "dg.npy", output="dx.npy"), d_x)
    assert_same_bits(np.load("dg.npy"), once)
    d_x = vjp(x, **KEY)[1](d_y)
    assert_same_bits(run(*words(RRELU), "--grad", "dy.zarr"), d_x)


def test_gradient_of_gamma_with_an_axis_of_length_one() -> None:
    """gamma's axes are inserted and dropped, in the store's own shape."""
    x = store("x.zarr", numbers((6, 5, 8), np.float32), (4, 2, 3))
    gamma = store("g.zarr", numbers((5, 1), np.float32, seed=2), (2, 1))
    assert_same_bits(run(*words("--act-type prelu --gamma g.zarr")), leaky_relu(x, gamma, "prelu"))


def test_arrays_in_groups() -> None:
    root = zarr.create_group("x.zarr")
    x = numbers((5, 4), np.float64)
    root.create_group("deep").create_array("a", shape=x.shape, chunks=(2, 2), dtype=x.dtype)[...] = x
    y = leaky_relu(x)
    assert_same_bits(run(data="x.zarr/deep/a", output="y.npy"), y)
    for _ in range(2):  # made, then replaced
        assert main(words("apply x.zarr/deep/a -o x.zarr/deep/b")) == 0
        assert_same_bits(np.asarray(root["deep/b"][...]), y)
    assert sorted(os.listdir("x.zarr/deep")) == ["a", "b", "zarr.json"]


def test_zeros_keep_their_signs() -> None:
    """Zarr leaves out chunks of zeros unless told otherwise, and a missing chunk is of +0."""
    x = store("x.zarr", np.full((6,), -0.0, np.float32), (2,), config={"write_empty_chunks": True})
    assert np.signbit(run()).all()
    assert_same_bits(run(), x)
    assert_same_bits(run("--zarr-format", "2"), x)


def test_chunks_that_are_not_there_are_of_the_fill_value() -> None:
    zarr.create_array("x.zarr", shape=(5,), chunks=(2,), dtype="f4", fill_value=-4.0)
    assert_same_bits(run(), np.full(5, -1, np.float32))


def test_bfloat16_goes_where_zarr_can_hold_it() -> None:
    x = numbers((5, 4), BFLOAT16)
    store("x.zarr", x.view("V2"), zarr_format=2, fill_value=None)
    got = run("--dtype", "bfloat16")
    assert_same_bits(got.view(BFLOAT16), leaky_relu(x))
    assert apply("--dtype", "bfloat16", data="y.zarr") == file_of(leaky_relu(leaky_relu(x)))
    save("x.npy", x)
    assert_same_bits(run("--dtype", "bfloat16", "--zarr-format", "2", data="x.npy").view(BFLOAT16), leaky_relu(x))
    assert refusal("x.npy", "-o", "y.zarr", "--dtype", "bfloat16", "--zarr-format", "3") == (
        "cannot write y.zarr: Zarr has bfloat16 (as V2) in --zarr-format 2 alone"
    )


def test_replaced_store_keeps_its_permissions_and_links_stay() -> None:
    x = store("x.zarr", numbers((5,), np.float32))
    store("target.zarr", np.ones((40, 40)), zarr_format=2)
    os.chmod("target.zarr", 0o705)
    os.symlink("target.zarr", "y.zarr")
    assert_same_bits(run(), leaky_relu(x))
    assert os.readlink("y.zarr") == "target.zarr"
    assert os.stat("target.zarr").st_mode & 0o777 == 0o705
    assert sorted(os.listdir("target.zarr")) == ["c", "zarr.json"]


@pytest.mark.parametrize("call", ["_exchange", "_exchange_in_steps"])
def test_an_exchange_leaves_the_old_or_the_new(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system cannot exchange names, a failure between the renamings puts the old one back."""
    if call == "_exchange_in_steps":
        monkeypatch.setattr(store_replacement, "_exchange", lambda *_: False)
    x = store("x.zarr", numbers((5,), np.float32))
    store("y.zarr", np.zeros(3))
    assert_same_bits(run(), leaky_relu(x))
    whole = os.rename

    def fail(old: Any, new: Any) -> None:
        if Path(new).name == "y.zarr" and Path(old).suffix == ".tmp":
            raise OSError(5, "Input/output error")
        whole(old, new)

    before = stored("y.zarr")
    monkeypatch.setattr(store_replacement, "_exchange", lambda *_: False)
    monkeypatch.setattr(os, "rename", fail)
    assert main(words("apply x.zarr -o y.zarr --act-type gelu")) == 2
    assert_same_bits(stored("y.zarr"), before)
    assert sorted(os.listdir(".")) == ["x.zarr", "y.zarr"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_stopped_half_way(number: int, code: int) -> None:
    store("x.zarr", numbers((64, 32), np.float32), (4, 32))
    before = store("y.zarr", np.ones(3))
    command = [sys.executable, "-c", HALTING.replace("1 << 12", "512"), *words("apply x.zarr -o y.zarr")]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"half-way\n"
        begun = [name for name in os.listdir(".") if re.fullmatch(r"\.rectifier-[0-9a-f]{12}\.tmp", name)]
        assert len(os.listdir(f"{begun[0]}/c")) == 2
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode == code
    assert_same_bits(stored("y.zarr"), before)
    assert sorted(os.listdir(".")) == [*(begun if number == signal.SIGKILL else []), "x.zarr", "y.zarr"]


def broken(text: str) -> Callable[[], None]:
    def make() -> None:
        store("x.zarr", np.ones(4))
        Path("x.zarr/zarr.json").write_text(text)

    return make


def chunk(content: bytes | None, **options: Any) -> Callable[[], None]:
    def make() -> None:
        store("x.zarr", numbers((4, 4), np.float32), (2, 2), **options)
        path = Path("x.zarr/c/1/0" if options.get("zarr_format") != 2 else "x.zarr/1.0")
        path.write_bytes(path.read_bytes()[:-3] if content is None else content)

    return make


def strings() -> None:
    zarr.create_array("x.zarr", shape=(3,), dtype=str, chunks=(2,))


def objects() -> None:
    store("x.zarr", np.ones(4), zarr_format=2)
    metadata = json.loads(Path("x.zarr/.zarray").read_text())
    Path("x.zarr/.zarray").write_text(json.dumps({**metadata, "dtype": "|O", "fill_value": 0}))


def group() -> None:
    zarr.create_group("x.zarr").create_array("a", shape=(3,), dtype="f4")


BAD: list[tuple[Callable[[], Any], str]] = [
    (lambda: None, "cannot read x.zarr: No such file or directory"),
    (lambda: Path("x.zarr").mkdir(), "x.zarr is not an array of Zarr"),
    (lambda: Path("x.zarr").write_bytes(b""), "x.zarr is not an array of Zarr"),
    (group, r"x.zarr is a group of Zarr; name an array in it \(a\)"),
    (lambda: zarr.create_group("x.zarr"), r"x.zarr is a group of Zarr; name an array in it \(it has none\)"),
    (broken(""), "x.zarr has damaged metadata: .*"),
    (broken("[1]"), "x.zarr has damaged metadata: .*"),
    (broken('{"zarr_format": 3, "node_type": "array"}'), "x.zarr has damaged metadata: .*"),
    (strings, r"x.zarr (must hold floats, integers or bools, got|holds Python objects).*"),
    (objects, "x.zarr (has damaged metadata: .*|holds Python objects; it must hold numbers)"),
    (lambda: store("x.zarr", np.zeros(3, complex)), "x.zarr must hold floats, integers or bools, got complex128"),
    (lambda: store("x.zarr", np.zeros(3, "M8[s]")), r"x.zarr must hold floats, .*, got datetime64\[s\]"),
    (lambda: store("x.zarr", np.zeros(3, "U4")), "x.zarr must hold floats, integers or bools, got <U4"),
    (lambda: store("x.zarr", np.zeros(3, "V2")), r"x.zarr holds 2-byte elements of unknown kind \(V2\); .*"),
    (chunk(b"nonsense"), r"x.zarr has a damaged chunk at \[2:4, 0:2\]: .*"),
    (chunk(None), r"x.zarr has a damaged chunk at \[2:4, 0:2\]: .*"),
    (chunk(b""), r"x.zarr has a damaged chunk at \[2:4, 0:2\]: .*"),
    (chunk(None, compressors=None), r"x.zarr has a damaged chunk at \[2:4, 0:2\]: .*"),
    (chunk(None, compressors=codecs.GzipCodec()), r"x.zarr has a damaged chunk at \[2:4, 0:2\]: .*"),
    (chunk(None, zarr_format=2, compressors=numcodecs.Zlib()), r"x.zarr has a damaged chunk at \[2:4, 0:2\]: .*"),
    (chunk(None, compressors=codecs.BloscCodec()), r"x.zarr has a damaged chunk at \[2:4, 0:2\]: .*"),
    (chunk(None, zarr_format=2, compressors=numcodecs.Blosc()), r"x.zarr has a damaged chunk at \[2:4, 0:2\]: .*"),
]


@pytest.mark.parametrize(("make", "message"), BAD, ids=[str(i) for i in range(len(BAD))])
@pytest.mark.parametrize("output", ["y.zarr", "y.npy"])
def test_bad_store(make: Callable[[], None], message: str, output: str) -> None:
    make()
    store("y.zarr", np.ones(3))
    save("y.npy", np.ones(3))
    got = refusal("x.zarr", "-o", output)
    assert re.fullmatch(message, got), got


OPTIONS: list[tuple[str, str]] = [
    ("x.zarr -o y.npy --chunks 2", "--chunks needs an output with .zarr in its path"),
    ("x.zarr -o y.npy --zarr-format 2", "--zarr-format needs an output with .zarr in its path"),
    ("x.zarr -o y.zarr --chunks 2,0", r"--chunks must have a length of 1 or more for each axis .*, got \(2, 0\)"),
    ("x.zarr -o y.zarr --chunks 2", r"--chunks must have a length of 1 or more for each axis .*, got \(2,\)"),
    ("x.zarr -o y.zarr --chunks two", r"argument --chunks: invalid chunks value: 'two' .*"),
    ("x.zarr -o y.zarr --zarr-format 1", r"argument --zarr-format: invalid choice: 1 .*"),
    ("x.zarr -o x.zarr", "x.zarr is both an output and the input"),
    ("x.zarr -o ./x.zarr/", r"\./x.zarr/ is both an output and the input"),
    ("x.zarr -o x.zarr/y", r"cannot write .*/x.zarr/y: .*/x.zarr is an array, not a group"),
    ("x.zarr -o no/y.zarr", "cannot write no/y.zarr: No such file or directory"),
    ("x.zarr -o g.zarr", "cannot write g.zarr: it is there and not an array of Zarr"),
    ("x.zarr -o f.zarr", "cannot write f.zarr: it is there and not an array of Zarr"),
    ("x.zarr -o x.npy/y.zarr", "cannot write x.npy/y.zarr: Not a directory"),
    ("x.zarr -o g.zarr/b --zarr-format 2", "cannot write g.zarr/b in format 2: its group has format 3"),
    ("x.zarr -o c.zarr/b", "cannot write .*/c.zarr/b: .*/c.zarr has consolidated metadata, which would become wrong"),
    ("x.zarr -o y.zarr --grad f.npy", r"f.npy must have the data's shape \(4, 3\), got \(5,\)"),
    ("x.zarr -o y.npy --scheduler tcp://127.0.0.1:1", "--scheduler needs an output with .zarr in its path: .*"),
    ("x.zarr -o y.zarr --threads 1 --scheduler tcp://127.0.0.1:1", "--threads must be left out with --scheduler: .*"),
]


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize(("options", "message"), OPTIONS, ids=[options for options, _ in OPTIONS])
def test_bad_option(options: str, message: str) -> None:
    store("x.zarr", np.ones((4, 3), np.float32))
    save("x.npy", np.ones(3))
    save("f.npy", np.ones(5))
    save("f.zarr", np.ones(5))
    zarr.create_group("g.zarr")
    with stores.quiet():
        zarr.create_group("c.zarr").create_array("a", shape=(3,), dtype="f4")
        zarr.consolidate_metadata("c.zarr")
    got = refusal(*words(options))
    assert re.fullmatch(message, got), got


def test_failure_while_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    store("x.zarr", np.ones((4, 3), np.float32))
    store("y.zarr", np.ones(3))
    monkeypatch.setattr("zarr.storage._local._put", full)
    assert refusal("x.zarr", "-o", "y.zarr") == "cannot write y.zarr: No space left on device"


def test_a_store_with_chunks_missing_is_not_published(monkeypatch: pytest.MonkeyPatch) -> None:
    store("x.zarr", np.ones((4, 3), np.float32), (1, 3))
    whole, written = store_replacement.write_box, []

    def skip_one(array: Any, path: Path, box: Any, data: Any) -> None:
        written.append(box)
        if len(written) != 1:
            whole(array, path, box, data)

    monkeypatch.setattr(store_replacement, "write_box", skip_one)
    monkeypatch.setattr(pieces, "_PIECE_BYTES", 1)
    assert refusal("x.zarr", "-o", "y.zarr") == "cannot write y.zarr: of 4 chunks, 1 are not there"


def test_missing_library_is_named() -> None:
    store("x.zarr", np.ones(3))
    save("x.npy", np.ones(3))
    hide = "import sys; sys.modules['zarr'] = None; from rectifier.cli import main; sys.exit(main(sys.argv[1:]))"
    for data, output, named in (("x.zarr", "y.npy", "x.zarr"), ("x.npy", "y.zarr", "y.zarr")):
        result = child("-c", hide, "apply", data, "-o", output)
        assert (result.returncode, result.stderr) == (
            2,
            f"rectifier: error: {named} is a Zarr store, for which the package zarr must be there, version 3 or later, "
            "got none: pip install 'rectifier[zarr]'\n",
        )
    assert child("-c", hide, *words("apply x.npy -o y.npy")).returncode == 0


def test_numpy_files_need_no_zarr_and_import_none() -> None:
    save("x.npy", np.ones(3))
    script = "import sys; from rectifier.cli import main; main(sys.argv[1:]); print('zarr' in sys.modules)"
    assert child("-c", script, *words("apply x.npy -o y.npy")).stdout == "False\n"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("shape", [(192, 1 << 20), (1 << 12, 12 << 12)])
def test_memory_does_not_grow_with_the_store(shape: tuple[int, int], folder: Path) -> None:
    """768 MiB of numbers, no chunk of which is there, in chunks of 4 MiB: rows, and squares."""
    chunks = (1, 1 << 20) if shape[0] == 192 else (1 << 10, 1 << 10)
    zarr.create_array("x.zarr", shape=shape, chunks=chunks, dtype="f4", fill_value=-1)
    result = child("-c", PEAK, *words(f"apply x.zarr -o y.zarr {RRELU}"))
    assert (result.returncode, result.stderr) == (0, "")
    shutil.rmtree("y.zarr")
    assert int(result.stdout) / 1024 < 300
