"""`rectifier convert` and `rectifier fix-prelu`: what they write, in how much memory, and what they refuse."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from commands import child, save, words
from rectifier import mx, replacement, rrelu_slopes
from rectifier.cli import main
from rectifier.mx import params_file
from rectifier.mx.params_array import header, write_shape
from rectifier.mx.params_file import ParamsFile
from rectifier.onnx import convert, export, writing
from rectifier.replacement import Replacement, publish_together

CORPUS = Path(__file__).parent / "corpus"
SPOILT = Path(__file__).parent / "spoilt"
CONVERT = "convert m-symbol.json m.params -o m.onnx --input data=N,3,8,8"
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
posix = pytest.mark.skipif(os.name != "posix", reason="POSIX signals")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with a network of MXNet's, its parameters, and an input."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(CORPUS / "network-symbol.json", "m-symbol.json")
    symbol = mx.sym.load("m-symbol.json")
    arguments, _, states = symbol.infer_shape(data=(2, 3, 8, 8))
    rng = np.random.default_rng(0)
    arrays = {
        f"arg:{name}": rng.normal(0, 0.3, shape).astype("f")
        for name, shape in zip(symbol.list_arguments(), arguments, strict=True)
    }
    arrays |= {
        f"aux:{name}": rng.uniform(0.5, 1, shape).astype("f")
        for name, shape in zip(symbol.list_auxiliary_states(), states, strict=True)
    }
    del arrays["arg:data"], arrays["arg:softmax_label"]
    params_file.save("m.params", arrays)
    save("x.npy", rng.normal(size=(2, 3, 8, 8)).astype("f"))
    return tmp_path


def run(path: str, **arrays: Any) -> Any:
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, arrays)


def files() -> set[str]:
    return set(os.listdir(".")) - {"m-symbol.json", "m.params", "x.npy"}


TABLE = """\
operator                count
Conv                        1
BatchNormalization          1
PRelu                       1
MaxPool                     1
Flatten                     1
Gemm                        1
Identity                    1
Softmax                     1
input   data: float32 (N, 3, 8, 8)
output  softmax_output: float32 (?, 3)
m.onnx: 8 operators, 323 parameters, """


def test_one_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(CONVERT)) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith(TABLE)
    assert shown.err == ""
    assert files() == {"m.onnx"}
    assert onnx.load("m.onnx") == export("m-symbol.json", "m.params", {"data": ("N", 3, 8, 8)})


@pytest.mark.parametrize("opset", [9, 13, 21])
def test_options_reach_the_exporter(opset: int) -> None:
    assert main(words(f"{CONVERT} --opset {opset} --exact")) == 0
    expected = export("m-symbol.json", "m.params", {"data": ("N", 3, 8, 8)}, opset, exact=True)
    assert onnx.load("m.onnx") == expected


def test_check_shows_the_outputs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(f"{CONVERT} --check x.npy")) == 0
    (output,) = run("m.onnx", data=np.load("x.npy"))
    line = f"check   softmax_output: float32 (2, 3), {output.min():.6g} to {output.max():.6g}, mean "
    assert line in capsys.readouterr().out
    assert main(words(f"{CONVERT} --check data=x.npy")) == 0


def test_to_torch(capsys: pytest.CaptureFixture[str]) -> None:
    torch = pytest.importorskip("torch")
    assert main(words(CONVERT)) == 0
    assert main(words("convert m-symbol.json m.params -o m.pt2 --input data=N,3,8,8 --to torch --check x.npy")) == 0
    shown = capsys.readouterr().out
    assert re.search(
        r"m.pt2: PyTorch 2[.\d]+, 323 parameters, \d+\.\d kB\ncheck   softmax_output: float32 \(2, 3\), ", shown
    )
    x = np.random.default_rng(1).normal(size=(5, 3, 8, 8)).astype("f")
    found = torch.export.load("m.pt2").module()(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(found, run("m.onnx", data=x)[0], atol=1e-6)
    assert files() == {"m.onnx", "m.pt2"}


@pytest.mark.parametrize("to", ["onnx", "torch"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_parameters_decide_on_the_dtype_of_what_is_checked(
    dtype: str, to: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data = mx.sym.Variable("data")
    mx.sym.Group([mx.sym.LeakyReLU(data, act_type="prelu", name="act")]).save("a-symbol.json")
    params_file.save("a.params", {"arg:act_gamma": np.full(3, 0.25, dtype)})
    save("x.npy", -np.ones((2, 3), "f"))
    for option in ("", " --dtype float16", " --dtype float64"):
        command = f"convert a-symbol.json a.params -o a.{to} --input data=N,3 --to {to} --check x.npy{option}"
        assert main(words(command)) == 0
        assert f"check   act_output: {dtype} (2, 3), -0.25 to -0.25, mean -0.25" in capsys.readouterr().out


def activation(**options: Any) -> None:
    mx.sym.LeakyReLU(mx.sym.Variable("a") + mx.sym.Variable("b"), name="act", **options)[0].save("a-symbol.json")
    params_file.save("a.params", {"arg:unused": np.ones(1)})


def test_several_inputs_and_random_slopes(capsys: pytest.CaptureFixture[str]) -> None:
    activation(act_type="rrelu")
    command = "convert a-symbol.json a.params -o a.onnx --input a=N,4 --input b=N,4 --training"
    save("a.npy", -np.ones((3, 4), "f"))
    assert main(words(f"{command} --rng 7 --check a=a.npy --check b=a.npy")) == 0
    expected = -2 * rrelu_slopes((3, 4), 7)
    assert f"check   act_output: float32 (3, 4), {expected.min():.6g} to " in capsys.readouterr().out
    x = -np.ones((3, 4), "f")
    np.testing.assert_array_equal(run("a.onnx", a=x, b=x)[0], expected)
    assert main(words(command)) == 0
    (key,) = re.findall(r"rectifier: drew the key (\d+) for act", capsys.readouterr().err)
    np.testing.assert_array_equal(run("a.onnx", a=x, b=x)[0], -2 * rrelu_slopes((3, 4), int(key)))


# --- streaming


def test_external_data(capsys: pytest.CaptureFixture[str]) -> None:
    big = np.random.default_rng(3).normal(size=(300, 192)).astype("f")
    with ParamsFile("m.params") as file:
        arrays = {name: file.read(name) for name in file.names}
    arrays["arg:fc_weight"] = big[:, : arrays["arg:fc_weight"].shape[1]]
    arrays["arg:fc_bias"] = big[:, 0]
    params_file.save("m.params", arrays)
    text = Path("m-symbol.json").read_text()
    Path("m-symbol.json").write_text(re.sub(r'"num_hidden": "3"', '"num_hidden": "300"', text))
    assert main(words(CONVERT.replace("m.onnx", "inside.onnx"))) == 0
    assert main(words(f"{CONVERT} --external-data")) == 0
    assert "m.onnx and m.onnx.data: 8 operators" in capsys.readouterr().out
    assert files() == {"inside.onnx", "m.onnx", "m.onnx.data"}
    light = onnx.load("m.onnx", load_external_data=False)
    outside = [one for one in light.graph.initializer if one.data_location == onnx.TensorProto.EXTERNAL]
    assert {one.name for one in outside} == {"fc_weight", "fc_bias"}
    assert all(int(one.external_data[1].value) % 4096 == 0 for one in outside)
    onnx.checker.check_model("m.onnx", full_check=True)
    x = np.load("x.npy")
    np.testing.assert_array_equal(run("m.onnx", data=x)[0], run("inside.onnx", data=x)[0])


@pytest.mark.parametrize("dtype", ["f2", "<f4", ">f4", "f8", "?", "i1", "i4", "i8", "u1"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (5, 7)])
def test_every_dtype_is_written_as_onnx_reads_it(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.asarray(np.random.default_rng(4).integers(0, 2, shape)).astype(dtype)
    for source in (array, array.T.copy().T):
        weights = {"w": writing_weight(source)}
        writing.write("w.onnx", onnx.ModelProto(ir_version=8), weights, external=False)
        found = onnx.numpy_helper.to_array(onnx.load("w.onnx").graph.initializer[0])
        assert found.dtype == array.dtype.newbyteorder("=")
        np.testing.assert_array_equal(found, array)


def writing_weight(array: Any) -> Any:
    from rectifier.onnx.weights import Held

    return Held(array)


def test_pieces_of_a_stored_array() -> None:
    array = np.arange(1000, dtype=np.float32).reshape(10, 100)
    params_file.save("p.params", {"a": array, "s": array > 500})
    with ParamsFile("p.params") as file:
        for name, expected in (("a", array), ("s", array > 500)):
            pieces = list(file.pieces(name, 24))
            assert max(piece.nbytes for piece in pieces) == 24
            np.testing.assert_array_equal(np.concatenate(pieces), expected.reshape(-1))
        with pytest.raises(KeyError):
            list(file.pieces("b"))


def test_progress_counts_every_byte() -> None:
    class Bar:
        total = done = 0

        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def update(self, count: int) -> None:
            self.done += count

    bar = Bar()

    def begin(size: int) -> Bar:
        bar.total = size
        return bar

    for external in (False, True):
        bar.done = 0
        summary = convert(
            "m-symbol.json", "m.params", {"data": (1, 3, 8, 8)}, "m.onnx", external_data=external, progress=begin
        )
        assert 4 * 323 <= bar.total < summary.nbytes
        assert bar.done == bar.total


PEAK = """
import sys
from rectifier.cli import main
from rectifier.onnx import {0}
{0}.LARGEST_FILE = {1}
code = main(sys.argv[1:])
print(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
sys.exit(code)
"""


def sparse_network(rows: int) -> None:
    """A dense layer whose weights, zeros, take no room on the disk."""
    nodes = [{"op": "null", "name": name, "inputs": []} for name in ("data", "fc_weight", "fc_bias")]
    nodes.append(
        {
            "op": "FullyConnected",
            "name": "fc",
            "attrs": {"num_hidden": str(rows)},
            "inputs": [[i, 0, 0] for i in range(3)],
        }
    )
    graph = {"nodes": nodes, "arg_nodes": [0, 1, 2], "heads": [[3, 0, 0]], "attrs": {"mxnet_version": ["int", 10600]}}
    Path("big-symbol.json").write_text(json.dumps(graph))
    with open("big.params", "wb") as file:
        file.write(struct.pack("<QQQ", 0x112, 0, 2))
        for shape in ((rows, 4096), (rows,)):
            file.write(header(2, 0) + write_shape(shape) + struct.pack("<iii", 1, 0, 0))
            file.seek(4 * int(np.prod(shape)), os.SEEK_CUR)
        file.write(
            struct.pack("<Q", 2) + b"".join(struct.pack("<Q", len(name)) + name for name in (b"fc_weight", b"fc_bias"))
        )


@linux
@pytest.mark.parametrize(
    ("module", "limit", "made"), [("writing", 2**31, {"b.onnx"}), ("converting", 2**20, {"b.onnx", "b.onnx.data"})]
)
def test_memory_does_not_grow_with_the_parameters(module: str, limit: int, made: set[str]) -> None:
    sparse_network(1 << 14)  # 256 MiB
    result = child(
        "-c", PEAK.format(module, limit), *words("convert big-symbol.json big.params -o b.onnx --input data=N,4096")
    )
    assert result.returncode == 0, result.stderr
    assert int(result.stdout.splitlines()[-1]) / 1024 < 150
    assert files() >= made
    for name in made | {"big.params"}:
        os.unlink(name)


def test_a_model_above_the_limit_needs_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    from rectifier.onnx import exporter

    monkeypatch.setattr(exporter, "LARGEST_FILE", 100)
    with pytest.raises(ValueError, match=r"`path` must be given for a model of \d+ bytes, got None"):
        export("m-symbol.json", "m.params", {"data": (1, 3, 8, 8)})
    model = export("m-symbol.json", "m.params", {"data": (1, 3, 8, 8)}, path="m.onnx")
    assert model == onnx.load("m.onnx", load_external_data=False)
    assert files() == {"m.onnx", "m.onnx.data"}


# --- all or nothing

HALTING = """
import sys
from rectifier import cli
from rectifier.mx.params_file import ParamsFile
whole = ParamsFile.pieces
def halting(self, *arguments):
    yield from whole(self, *arguments)
    if arguments[0] == 2:
        print("half-way", flush=True)
        sys.stdin.read()
ParamsFile.pieces = halting
sys.exit(cli.main(sys.argv[1:]))
"""


@posix
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("option", ["", "--external-data"])
def test_stopped_half_way(number: int, code: int, option: str) -> None:
    for name in ("m.onnx", "m.onnx.data"):
        Path(name).write_bytes(b"old")
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", HALTING, *words(f"{CONVERT} {option}")], **pipes) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half-way\n"
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (code, f"rectifier: stopped by {number.name}\n")  # type: ignore[attr-defined]
    assert files() == {"m.onnx", "m.onnx.data"}
    assert {Path(name).read_bytes() for name in files()} == {b"old"}


@pytest.mark.parametrize("old", [True, False])
@pytest.mark.parametrize("fails_at", range(1, 5))
def test_two_files_are_replaced_together(old: bool, fails_at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever renaming is interrupted, the old files are back, and the first never stands beside a new second."""
    if old:
        Path("main").write_bytes(b"old main")
        Path("beside").write_bytes(b"old beside")
    pair = [Replacement("beside"), Replacement("main")]
    for file in pair:
        file.open()
        file.write_bytes(b"new")
        file.finish()
    count = 0
    real = os.replace

    def interrupted(*names: Any) -> None:
        nonlocal count
        count += 1
        if count == fails_at:
            raise KeyboardInterrupt
        if old:
            assert not (Path("main").exists() and Path("beside").exists() and Path("beside").read_bytes() == b"new")
        real(*names)

    monkeypatch.setattr(replacement.os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        publish_together(pair)
    for file in pair:
        file.discard()
    assert {name: Path(name).read_bytes() for name in files()} == (
        {"main": b"old main", "beside": b"old beside"} if old else {}
    )


def test_two_files_replace_old_ones() -> None:
    for name in ("m.onnx", "m.onnx.data"):
        Path(name).write_bytes(b"old")
    assert main(words(f"{CONVERT} --external-data")) == 0
    assert files() == {"m.onnx", "m.onnx.data"}
    assert len(run("m.onnx", data=np.load("x.npy"))) == 1


# --- what is refused

TORCH = " --to torch"
ERRORS = [
    (CONVERT.replace("m.params", "no.params"), "no.params: No such file or directory"),
    (CONVERT.replace("m-symbol.json", "no.json"), "no.json: No such file or directory"),
    (CONVERT.replace("m.params", "x.npy"), "x.npy: at byte 0: not a .params file, which begins with 0x112"),
    (CONVERT.replace("m.params", "cut.params"), r"cut.params: at byte \d+: .* needs \d+ bytes, but \d+ are left"),
    (CONVERT.replace("m.params", "list.params"), "`params` must hold arrays with names, got a list"),
    (CONVERT.replace("m.params", "few.params"), "these are neither among the parameters nor inputs .*: conv_weight"),
    (CONVERT.replace("m-symbol.json", "x.npy"), "x.npy: not a symbol: .*"),
    (CONVERT.replace("m-symbol.json", "wrong.json"), "wrong.json: not a symbol: .*"),
    (CONVERT.replace("m-symbol.json", "strange.json"), r"these operators have .*: .*Strange \(bn\); .*Odd \(pool\)"),
    (CONVERT.replace("data=", "dta="), "`shapes` must name inputs of the graph, which are data, got 'dta'"),
    (CONVERT.replace("N,3,8,8", "N,4,8,8"), ".*conv.*"),
    (CONVERT.replace("data=N,3,8,8", "data"), r"argument --input: must be NAME=SIZES as in .*, got 'data' .*"),
    (CONVERT.replace("N,3", "N,-3"), r"argument --input: must be NAME=SIZES .*"),
    (CONVERT.replace("N,3", "0,3"), "`shapes` must have sizes of 1 and more, or names, got 0 for 'data'"),
    (f"{CONVERT} --input data=1,3,8,8", "--input must name each input once"),
    (f"{CONVERT} --opset 8", r"`opset` must be an integer from 9 to \d+, got 8"),
    (f"{CONVERT} --rng 3", "--rng needs --training"),
    (f"{CONVERT} --training --rng -1", "`rng` must be an integer from 0 .*"),
    (f"{CONVERT} --check no.npy", "cannot read no.npy: No such file or directory"),
    (f"{CONVERT} --check flat.npy", r"flat.npy must have the shape \(N, 3, 8, 8\), got \(4,\)"),
    (f"{CONVERT} --check x.npy --check x.npy", "--check must name each input once, got data twice"),
    (f"{CONVERT} --to torch --opset 11", "--opset is for --to onnx"),
    (CONVERT.replace("m.params", "whole.params"), "ONNX has no such model: .*conv/conv.*int32.*"),
    (CONVERT.replace("N,3,8,8", "N,4,8,8") + TORCH, "shapes .* do not agree in node 'conv' .*"),
    (CONVERT.replace("N,3,8,8", "N,3") + TORCH, ".* in node 'conv' .*"),
    (CONVERT.replace("N,3,8,8", "N,3,1,1") + TORCH, ".* in node .*"),
    (CONVERT.replace("N,3", "0,3") + TORCH, "`shapes` must have sizes of 1 and more, or names, got 0 for 'data'"),
    (CONVERT.replace("m-symbol.json", "wrong.json") + TORCH, "wrong.json: not a symbol: .*"),
    (f"{CONVERT} --to tensorflow", "argument --to: invalid choice: 'tensorflow' .*"),
    (CONVERT.replace("-o m.onnx", "-o m.params"), "m.params is both the output and the parameters"),
    (CONVERT.replace("-o m.onnx", "-o no/m.onnx"), "cannot write no/m.onnx: No such file or directory"),
    ("fix-prelu x.npy -o f.onnx", r"x.npy: not an ONNX model .*"),
    ("fix-prelu no.onnx -o f.onnx", "no.onnx: No such file or directory"),
]  # fmt: skip


@pytest.mark.parametrize(("command", "message"), ERRORS)
def test_one_line_and_nothing_written(command: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("cut.params").write_bytes(Path("m.params").read_bytes()[:700])
    params_file.save("list.params", [np.ones(3)])
    arrays = params_file.load("m.params")
    assert isinstance(arrays, dict)
    del arrays["arg:conv_weight"]
    params_file.save("few.params", arrays)
    arrays = params_file.load("m.params")
    params_file.save("whole.params", {name: np.asarray(array).astype(np.int32) for name, array in arrays.items()})
    Path("wrong.json").write_text('{"nodes": 3}')
    text = Path("m-symbol.json").read_text()
    Path("strange.json").write_text(
        text.replace('"op": "BatchNorm"', '"op": "Strange"').replace('"op": "Pooling"', '"op": "Odd"')
    )
    save("flat.npy", np.ones(4, "f"))
    before = {name: Path(name).read_bytes() for name in os.listdir(".")}
    try:
        code = main(words(command))
    except SystemExit as error:  # argparse
        code = error.code  # type: ignore[assignment]
    shown = capsys.readouterr()
    assert code == 2
    assert shown.out == ""
    assert re.fullmatch(f"rectifier: error: {message}\n", shown.err), shown.err
    assert {name: Path(name).read_bytes() for name in os.listdir(".")} == before


@pytest.mark.parametrize(
    ("missing", "options", "message"),
    [
        ("onnx", "", "rectifier.onnx needs the package onnx: pip install 'rectifier[onnx]'"),
        ("onnxruntime", "--check x.npy", "--check needs the package onnxruntime: pip install onnxruntime"),
        ("torch", "--to torch", "--to torch needs the package torch: pip install torch"),
    ],
)
def test_missing_packages(missing: str, options: str, message: str) -> None:
    script = f"""
import sys, importlib.util
from rectifier import cli, cli_convert
find = importlib.util.find_spec
cli_convert.find_spec = lambda name: None if name == {missing!r} else find(name)
sys.modules[{missing!r}] = None
sys.exit(cli.main(sys.argv[1:]))
"""
    result = child("-c", script, *words(f"{CONVERT} {options}"))
    assert (result.returncode, result.stderr) == (2, f"rectifier: error: {message}\n")
    assert not files()


def test_a_check_that_fails_in_the_runtime(capsys: pytest.CaptureFixture[str]) -> None:
    activation(act_type="leaky")
    save("a.npy", np.ones((3, 4), "f"))
    save("b.npy", np.ones((2, 4), "f"))
    command = "convert a-symbol.json a.params -o a.onnx --input a=N,4 --input b=M,4 --check a=a.npy --check b=b.npy"
    assert main(words(command)) == 2
    assert "rectifier: error: the output is written, but --check fails: " in capsys.readouterr().err
    assert main(words(command.replace("--check b=b.npy", ""))) == 2
    assert "--check must be given for every input, got none for b" in capsys.readouterr().err
    assert main(words(command.replace("b=b.npy", "b.npy"))) == 2
    assert "--check must be NAME=x.npy with a NAME among a, b, got b.npy" in capsys.readouterr().err


# --- fix-prelu


def test_fix_prelu(capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(SPOILT / "spoilt-shared.onnx", "spoilt.onnx")
    assert main(words("fix-prelu spoilt.onnx -o fixed.onnx")) == 0
    assert (
        capsys.readouterr().out
        == """\
repaired  one: slope of shape (4,) for data of shape (2, 4, 6, 4)
repaired  two: slope of shape (4,) for data of shape (2, 4, 6, 4)
right     three: slope of shape (4,) for data of shape (2, 4)
fixed.onnx: 2 repaired, 1 right, 0 undecided
"""
    )
    with np.load(SPOILT / "spoilt-shared.npz") as arrays:
        (output,) = run("fixed.onnx", data=arrays["data"])
        np.testing.assert_allclose(output, arrays["output"], rtol=1e-4, atol=1e-4)
    assert main(words("fix-prelu spoilt.onnx -o spoilt.onnx")) == 0  # in its own place
    assert Path("spoilt.onnx").read_bytes() == Path("fixed.onnx").read_bytes()
    assert main(words("fix-prelu fixed.onnx -o same.onnx --axis -1")) == 0
    assert "0 repaired, 3 right, 0 undecided" in capsys.readouterr().out


def test_fix_prelu_takes_external_data_along(capsys: pytest.CaptureFixture[str]) -> None:
    os.mkdir("other")
    model = onnx.load(SPOILT / "spoilt-trap.onnx")
    for one in model.graph.initializer:  # only raw data can be external
        one.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(one), one.name))
    onnx.save(model, "spoilt.onnx", save_as_external_data=True, location="arrays", size_threshold=0)
    assert main(words("fix-prelu spoilt.onnx -o fixed.onnx")) == 0
    assert main(words("fix-prelu spoilt.onnx -o other/fixed.onnx")) == 0
    assert sorted(os.listdir("other")) == ["arrays", "fixed.onnx"]
    with np.load(SPOILT / "spoilt-trap.npz") as arrays:
        for path in ("fixed.onnx", "other/fixed.onnx"):
            np.testing.assert_allclose(run(path, data=arrays["data"])[0], arrays["output"], atol=1e-5)
    capsys.readouterr()
    assert main(words("fix-prelu spoilt.onnx -o other/again.onnx")) == 2
    assert capsys.readouterr().err.endswith("arrays: the model's arrays must go there, but it is there already\n")
    assert sorted(os.listdir("other")) == ["arrays", "fixed.onnx"]
