"""The command line: the bits of the operator in pieces, and what it tells."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rectifier
from commands import BFLOAT16, apply, child, file_of, numbers, save, words
from rectifier import files, leaky_relu, vjp
from rectifier.cli import main
from rectifier.parameters import ACTIVATIONS

SHAPES = [(), (7,), (0,), (3, 0, 2), (5, 4), (2, 3, 4, 5), (6, 1, 9), (33, 17)]
DTYPES = [np.float16, BFLOAT16, np.float32, np.float64, ">f4", np.int8, np.int64, np.bool_]
posix = pytest.mark.skipif(os.name != "posix", reason="needs a terminal of POSIX")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test works in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("act_type", [name for name in ACTIVATIONS if name != "prelu"])
def test_value_in_pieces_is_the_operators(act_type: str, dtype: Any, order: str) -> None:
    """The file is, byte for byte, what np.save makes of the operator's result."""
    bfloat16 = ["--dtype", "bfloat16"] if dtype is BFLOAT16 else []
    for shape in SHAPES:
        x = save("x.npy", numbers(shape, dtype, order))
        assert apply("--act-type", act_type, "--slope", "0.3", *bfloat16) == file_of(leaky_relu(x, None, act_type, 0.3))


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_slopes_go_by_the_index_in_the_whole_array(dtype: Any, order: str) -> None:
    bounds = {"lower_bound": -0.5, "upper_bound": 0.75}
    options = words("--act-type rrelu --lower-bound -0.5 --upper-bound 0.75 --training --rng 12345678901234567890")
    options += ["--dtype", "bfloat16"] if dtype is BFLOAT16 else []
    for shape in SHAPES:
        x = save("x.npy", numbers(shape, dtype, order))
        y, pullback = vjp(x, act_type="rrelu", **bounds, training=True, rng=12345678901234567890)
        assert apply(*options) == file_of(y)
        for upstream_order in "CF":
            d_y = save("dy.npy", numbers(shape, np.asarray(y).dtype, upstream_order, seed=1))
            assert apply(*options, "--grad", "dy.npy") == file_of(pullback(d_y))


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    ("shape", "gamma_shape", "axis"),
    [
        ((), (), None),
        ((7,), (7,), None),
        ((0, 3), (3,), None),
        ((3, 0, 2), (3, 0), None),
        ((5, 4), (5, 4), None),
        ((2, 3, 4, 5), (3,), None),
        ((2, 3, 4, 5), (2, 3), None),
        ((2, 3, 4, 5), (3, 1, 5), None),
        ((2, 3, 4, 5), (2, 3, 4, 5), None),
        ((2, 3, 4, 5), (5,), -1),
        ((2, 3, 4, 3), (2, 3), (0, 3)),
        ((33, 17), (33,), 0),
    ],
)
def test_prelu_in_pieces(
    shape: tuple[int, ...], gamma_shape: tuple[int, ...], axis: Any, dtype: Any, order: str
) -> None:
    x = save("x.npy", numbers(shape, dtype, order))
    floats = np.asarray(leaky_relu(x)).dtype
    other = "F" if order == "C" else "C"
    gamma = save("g.npy", numbers(gamma_shape, floats, other, seed=1))
    d_y = save("dy.npy", numbers(shape, floats, other, seed=2))
    options = ["--act-type", "prelu", "--gamma", "g.npy"]
    options += ["--dtype", "bfloat16"] if dtype is BFLOAT16 else []
    if axis is not None:
        options.append(f"--axis={','.join(map(str, np.atleast_1d(axis)))}")
    y, pullback = vjp(x, gamma, "prelu", axis=axis)
    d_x, d_gamma = pullback(d_y)
    assert apply(*options) == file_of(y)
    assert apply(*options, "--grad", "dy.npy") == file_of(d_x)
    assert apply(*options, "--grad", "dy.npy", "--grad-gamma", "dg.npy") == file_of(d_x)
    written = np.load("dg.npy").view(np.asarray(d_gamma).dtype)
    assert written.shape == np.shape(d_gamma)
    # The pieces' float64 sums are added in another order than the whole array's: a few units of float64, once rounded.
    unit = np.finfo(np.float64 if floats == np.float64 else np.float32).eps if floats.itemsize > 2 else 2.0**-8
    np.testing.assert_allclose(written.astype(np.float64), np.asarray(d_gamma, np.float64), rtol=4 * unit, atol=1e-14)


@pytest.mark.usefixtures("small_pieces")
def test_gamma_gradient_is_rounded_once() -> None:
    """1 + 2^-8 + 2^-30 is above the middle of two bfloat16 numbers, and would be at it in float32."""
    save("x.npy", np.full((3,), -1, BFLOAT16))
    save("dy.npy", -np.array([1, 2.0**-8, 2.0**-30], BFLOAT16))
    save("g.npy", np.full((1,), 0.5, BFLOAT16))
    apply(*words("--act-type prelu --gamma g.npy --grad dy.npy --grad-gamma dg.npy --dtype bfloat16"))
    assert np.load("dg.npy").view(BFLOAT16) == BFLOAT16.type(1 + 2.0**-7)


def test_gradient_of_another_dtype_is_cast() -> None:
    x = save("x.npy", numbers((50,), np.float32))
    d_y = save("dy.npy", numbers((50,), np.float64, seed=1))
    assert apply("--act-type", "gelu", "--grad", "dy.npy") == file_of(vjp(x, act_type="gelu")[1](d_y))


@pytest.mark.usefixtures("threads")
def test_threads_option() -> None:
    x = save("x.npy", numbers((50,), np.float32))
    assert apply("--threads", "1") == file_of(leaky_relu(x))
    assert rectifier.get_num_threads() == 1


def test_a_fresh_key_is_told_and_repeats_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    save("x.npy", numbers((50,), np.float32))
    first = apply("--act-type", "rrelu", "--training")
    told = re.fullmatch(r"rectifier: drew --rng (\d+)\n", capsys.readouterr().err)
    assert told
    assert apply("--act-type", "rrelu", "--training", "--rng", told[1]) == first


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("most", [1, 2, 5, 12, 1000])
@pytest.mark.parametrize("shape", [*SHAPES, (2, 1, 7, 3)])
def test_boxes_cover_the_storage_in_order(shape: tuple[int, ...], most: int, order: Any) -> None:
    places = np.arange(np.prod(shape, dtype=int)).reshape(shape, order=order)
    cut = [places[box].ravel(order=order) for box in files.boxes(shape, most, fortran=order == "F")]
    assert all(0 < len(part) <= most for part in cut)
    assert np.array_equal(np.concatenate([*cut, np.empty(0, int)]), np.arange(places.size))


def on_terminal(script: str, *arguments: str) -> str:
    """What a child writes to stderr when that is a terminal."""
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with subprocess.Popen([sys.executable, "-c", script, *arguments], stderr=theirs) as process:
        os.close(theirs)
        written = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # how Linux tells that the other end is closed
                break
            if not part:
                break
            written += part
    os.close(ours)
    assert process.returncode == 0
    return written.decode()


@posix
@pytest.mark.parametrize("with_tqdm", [True, False])
def test_progress_on_a_terminal(with_tqdm: bool) -> None:
    save("x.npy", numbers((1 << 13,), np.float32))
    without = "" if with_tqdm else "sys.modules['tqdm'] = None; "
    script = f"import sys; {without}from rectifier.cli import main; sys.exit(main(sys.argv[1:]))"
    shown = on_terminal(script, *words("apply x.npy -o y.npy"))
    assert ("100%|" in shown) == with_tqdm
    assert ("100 %" in shown) != with_tqdm


def test_silent_in_a_pipe() -> None:
    save("x.npy", numbers((100,), np.float32))
    result = child(*words("-m rectifier apply x.npy -o y.npy"))
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_info_names_what_is_there_and_imports_none_of_it() -> None:
    script = """
import sys
from rectifier.cli import main
assert main(["info"]) == 0
assert not {"torch", "jax", "dask", "cupy", "onnx"} & set(sys.modules)
"""
    result = child("-c", script)
    assert result.returncode == 0, result.stderr
    facts = dict(re.split(r" {2,}", line, maxsplit=1) for line in result.stdout.splitlines())
    config = rectifier.show_config(mode="dicts")
    assert config is not None
    assert facts["rectifier"] == version("rectifier")
    assert facts["CPU target"] == f"{config['cpu_target']} (of {', '.join(config['cpu_targets'])})"
    assert facts["threads"] == str(config["num_threads"])
    assert f"numpy {np.__version__}" in facts["back-ends"]


def test_version_and_entry_points(capsys: pytest.CaptureFixture[str]) -> None:
    result = child("-m", "rectifier", "--version")
    assert (result.returncode, result.stdout) == (0, f"rectifier {version('rectifier')}\n")
    (script,) = entry_points(group="console_scripts", name="rectifier")
    assert script.load() is main


def test_help_has_examples_and_names_every_activation(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["apply", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert f"one of {', '.join(ACTIVATIONS)}" in text
    assert "rectifier apply in.npy -o out.npy --act-type elu --slope 0.3" in text
