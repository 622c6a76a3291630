"""Whole networks through onnxruntime and PyTorch against MXNet 1.6.0: published ones in small, and random ones."""

import comparison
import numpy as np
import pytest
from comparison import (
    LARGEST_DIFFERENCE,
    OPSETS,
    difference,
    free_batch,
    in_onnxruntime,
    in_torch,
    largest_difference,
    numbered,
    random_differences,
    report,
    shrunk,
)
from networks import NETWORKS

from rectifier import mx
from rectifier.onnx import export

RANDOM_NETWORKS = 60  # the first of the 300 that `python -m benchmarks.networks` runs

COUNT = """
from networks import NETWORKS
from networks.weights import LABELS
result = {}
for name, network in NETWORKS.items():
    symbol = network.symbol(mx.sym)
    shapes, _, _ = symbol.infer_shape(**{network.input_name: network.shape})
    given = dict(zip(symbol.list_arguments(), shapes))
    sizes = [mx.nd.array(shape).prod() for key, shape in given.items() if key not in (*LABELS, network.input_name)]
    result[name] = int(sum(int(size.asscalar()) for size in sizes))
"""


@pytest.mark.parametrize(
    ("found", "expected", "size"),
    [([1.0, 2], [1.0, 2], 0), ([1.0, 3], [1.0, 2], 0.5), ([np.nan, 2], [1.0, 2], np.inf), ([np.nan], [np.nan], 0)],
)
def test_difference(found, expected, size):
    assert difference(np.array(found), np.array(expected)) == size
    assert largest_difference([np.ones(1), np.array(found)], [np.ones(1), np.array(expected)]) == size


def test_shrunk_finds_the_smallest():
    assert shrunk(lambda steps: "wrong" if steps >= 3 else None) == (3, "wrong")
    assert shrunk(lambda steps: None) is None


def test_a_failing_network_is_reported_with_its_seed_and_json(mxnet, monkeypatch):
    monkeypatch.setattr(comparison, "LARGEST_DIFFERENCE", -1)
    first, text = report(mxnet, 3, 17).split("\n", 1)
    assert first.startswith("random network 3 at opset 17, 1 steps: {'onnxruntime': ")
    assert len(mx.sym.load_json(text).list_outputs()) == 1


def test_published_numbers_of_parameters(mxnet):
    found, _ = mxnet.run(COUNT)
    assert all(network.parameters in (None, found[name]) for name, network in NETWORKS.items()), found


@pytest.fixture(scope="module")
def made(mxnet, tmp_path_factory):
    """MXNet's files of small versions of the published networks, by name."""
    folders = {name: tmp_path_factory.mktemp("network") for name in NETWORKS}
    code = "import networks.make\n"
    code += "".join(f"networks.make.make(mx, {name!r}, {str(path)!r}, small=True)\n" for name, path in folders.items())
    mxnet.run(code)
    return folders


@pytest.mark.parametrize("place", range(2))
@pytest.mark.parametrize("name", NETWORKS)
def test_published(made, name, place):
    network, folder = NETWORKS[name], made[name]
    files = folder / "model-symbol.json", folder / "model-0000.params"
    opset = OPSETS[(2 * list(NETWORKS).index(name) + place) % len(OPSETS)]
    arrays = np.load(folder / "values.npz")
    data, expected = arrays[network.input_name], numbered(arrays)
    shape = free_batch(data.shape) if place else data.shape
    model = export(*files, {network.input_name: shape}, opset)
    found = in_onnxruntime(model, **{network.input_name: data})
    assert largest_difference(found, expected) <= LARGEST_DIFFERENCE, opset
    if not place:
        found = in_torch(mx.to_torch(*files), **{network.input_name: data})
        assert largest_difference(found, expected) <= LARGEST_DIFFERENCE


@pytest.mark.parametrize("seed", range(RANDOM_NETWORKS))
def test_random(mxnet, seed):
    opset = OPSETS[seed % len(OPSETS)]
    try:
        found = random_differences(mxnet, seed, opset)
    except Exception:
        pytest.fail(report(mxnet, seed, opset))
    assert max(found.values()) <= LARGEST_DIFFERENCE, report(mxnet, seed, opset)
