"""Blocks and files against MXNet 1.6.0: what one of the two writes, the other loads and runs."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mxnet_process import PYTHON
from number_programs import run_ours

from torch_library import torch  # noqa: F401 - skips without it

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS = (
    EXAMPLES / "mxnet_script.py",
    *(Path(__file__).parent / "scripts" / name for name in ("net_by_hand.py", "executor_and_block.py")),
)
IMPORTS = {"from rectifier import mx\n": "import mxnet as mx\n", "from rectifier.mx": "from mxnet"}

BUILD = """
nn = mx.gluon.nn
net = nn.HybridSequential(prefix='net_')
with net.name_scope():
    net.add(nn.LeakyReLU(0.1), nn.PReLU(), nn.ELU(), nn.ELU(0.5), nn.SELU(), nn.GELU(), nn.Swish())
    net.add(nn.PReLU(prefix='own_'), nn.Activation('tanh'), nn.HybridSequential())
    net[-1].add(nn.PReLU(mx.init.Constant(0.5)), nn.Activation('softrelu'))
net.initialize()
"""
WRITE = """
net.hybridize()
x = mx.nd.array(arrays['x'])
found['y'] = net(x).asnumpy()
net.export({path!r}, epoch=2)
net.save_parameters({path!r} + '.parameters')
"""
READ = """
x = mx.nd.array(arrays['x'])
block = mx.gluon.SymbolBlock.imports({path!r} + '-symbol.json', ['data'], {path!r} + '-0002.params')
found['block'] = block(x).asnumpy()
symbol, arguments, states = mx.model.load_checkpoint({path!r}, 2)
found['symbol'] = symbol.bind(mx.cpu(), dict(arguments, data=x)).forward()[0].asnumpy()
net.load_parameters({path!r} + '.parameters')
found['net'] = net(x).asnumpy()
found['again'] = net(x).asnumpy()
net.collect_params().load({path!r} + '-0002.params')
"""


@pytest.fixture
def x():
    return np.random.default_rng(5).uniform(-2, 3, (4, 3)).astype(np.float32)


def assert_all_close(arrays, y):
    assert arrays
    for name, array in arrays.items():
        np.testing.assert_allclose(array, y, rtol=1e-5, atol=1e-6, err_msg=name)


def test_mxnet_loads_what_we_export(mxnet, tmp_path, x):
    path = str(tmp_path / "net")
    y = run_ours(BUILD + WRITE.format(path=path), x=x)["y"]
    _, theirs = mxnet.run(BUILD + READ.format(path=path), x=x)
    assert_all_close(theirs, y)


def test_we_load_what_mxnet_exports(mxnet, tmp_path, x):
    path = str(tmp_path / "net")
    _, theirs = mxnet.run(BUILD + WRITE.format(path=path), x=x)
    assert_all_close(run_ours(BUILD + READ.format(path=path), x=x), theirs["y"])


def test_both_export_the_same_bytes(mxnet, tmp_path, x):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    run_ours(BUILD + WRITE.format(path=str(ours)), x=x)
    mxnet.run(BUILD + WRITE.format(path=str(theirs)), x=x)
    for ending in ("-symbol.json", "-0002.params", ".parameters"):
        assert Path(f"{ours}{ending}").read_bytes() == Path(f"{theirs}{ending}").read_bytes(), ending


def test_repr_and_names(mxnet):
    code = (
        BUILD
        + "result = [repr(net), repr(net.collect_params()), repr(net[0:2]), net.name, len(net), repr(net[1].alpha)]"
    )
    expected, _ = mxnet.run(code)
    assert run_ours(code + "\nfound['result'] = result")["result"] == expected


def test_model_of_the_migration_guide_is_what_mxnet_writes(mxnet_installed, tmp_path):
    script = Path(__file__).with_name("make_model.py")
    subprocess.run([PYTHON, "-W", "ignore", script, tmp_path], check=True, capture_output=True)
    for path in (EXAMPLES / "model").iterdir():
        if path.suffix == ".json":
            assert path.read_bytes() == (tmp_path / path.name).read_bytes()
    from rectifier.mx import params_file

    for name in ("channels-0000.params", "channels-check.params"):
        ours, again = params_file.load(EXAMPLES / "model" / name), params_file.load(tmp_path / name)
        assert ours.keys() == again.keys()
        for key in ours:
            np.testing.assert_allclose(ours[key], again[key], rtol=1e-4, atol=1e-6)


def words(text):
    """The words of a text, those that are numbers as numbers."""
    for word in text.replace("[", " [ ").replace("]", " ] ").split():
        try:
            yield float(word)
        except ValueError:
            yield word


def assert_same_text(found, expected):
    """Assert the same words; numbers may differ in the last of four digits."""
    for ours, theirs in zip(found.splitlines(), expected.splitlines(), strict=True):
        for a, b in zip(words(ours), words(theirs), strict=True):
            assert a == b or (isinstance(a, float) and a == pytest.approx(b, rel=2e-3, abs=1e-6)), (
                f"{ours!r}, not {theirs!r}"
            )


@pytest.mark.parametrize("wrong", ["a 1.5", "b 1.25", "a 1.25 c", "a 1.25\nc"])
def test_assert_same_text_finds_a_difference(wrong):
    assert_same_text("a [1.25]", "a [1.2501]")
    with pytest.raises((AssertionError, ValueError)):
        assert_same_text(wrong, "a 1.25")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_script_prints_the_same_but_for_its_import_lines(mxnet_installed, tmp_path, script):
    text = script.read_text()
    assert text.count("rectifier") == sum(map(text.count, IMPORTS))
    for ours, mxnets in IMPORTS.items():
        text = text.replace(ours, mxnets)
    theirs = tmp_path / "script.py"
    theirs.write_text(text)
    ran = [
        subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path).stdout
        for command in ([sys.executable, script], [PYTHON, "-W", "ignore", theirs])
    ]
    assert len(ran[0].splitlines()) > 30
    assert_same_text(*ran)
