"""Files that MXNet 1.6.0 writes, read here, and the other way round."""

from pathlib import Path

import numpy as np
import pytest

from rectifier.mx import params_file

CORPUS = Path(__file__).parents[1] / "corpus"
DTYPES = ("float16", "float32", "float64", "uint8", "int8", "int32", "int64", "bool")


def random_arrays(rng):
    shapes = [tuple(rng.integers(1, 4, rng.integers(1, 5)).tolist()) for _ in range(rng.integers(1, 5))]
    return [(100 * rng.normal(size=shape)).astype(rng.choice(DTYPES)) for shape in shapes]


@pytest.mark.parametrize("kind", ["list", "dict"])
@pytest.mark.parametrize("part", range(4))
def test_byte_for_byte_and_value_for_value(mxnet, tmp_path, kind, part):
    rng = np.random.default_rng([19, part])
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    for _ in range(25):
        arrays = random_arrays(rng)
        code = f"""
data = [mx.nd.array(arrays['a%d' % i], dtype=arrays['a%d' % i].dtype) for i in range({len(arrays)})]
mx.nd.save({str(theirs)!r}, data if {kind == "list"} else {{'arg:w%d' % i: each for i, each in enumerate(data)}})
"""
        mxnet.run(code, **{f"a{i}": array for i, array in enumerate(arrays)})
        found = params_file.load(theirs)
        params_file.save(ours, found)
        assert ours.read_bytes() == theirs.read_bytes()
        for one, other in zip(found if kind == "list" else found.values(), arrays, strict=True):
            assert one.dtype == other.dtype
            assert one.tobytes() == other.tobytes()
        code = f"""
data = mx.nd.load({str(ours)!r})
data = data if {kind == "list"} else [data['arg:w%d' % i] for i in range(len(data))]
found = {{str(i): each.asnumpy() for i, each in enumerate(data)}}
"""
        _, back = mxnet.run(code)
        for i, array in enumerate(arrays):
            assert back[str(i)].dtype == array.dtype
            assert back[str(i)].tobytes() == array.tobytes()


def test_sparse_arrays(mxnet, tmp_path):
    path = tmp_path / "sparse"
    for number in range(30):
        rng = np.random.default_rng([20, number])
        dense = (rng.normal(size=(5, 4)) * (rng.random((5, 1)) < 0.5) * (rng.random((5, 4)) < 0.6)).astype("f")
        code = f"""
data = mx.nd.array(arrays['a'])
sparse = {{kind: data.tostype(kind) for kind in ('row_sparse', 'csr')}}
mx.nd.waitall()
mx.nd.save({str(path)!r}, sparse)
"""
        mxnet.run(code, a=dense)
        for array in params_file.load(path).values():
            assert array.tolist() == dense.tolist()
        before = path.read_bytes()
        params_file.save(path, params_file.load(path, dense=False))
        assert path.read_bytes() == before


@pytest.mark.parametrize("version", ["", "-v0", "-v1"])
def test_mxnet_reads_the_older_files_of_the_corpus_alike(mxnet, version):
    path = CORPUS / f"dense{version}.params"
    _, found = mxnet.run(f"found = {{name: array.asnumpy() for name, array in mx.nd.load({str(path)!r}).items()}}\n")
    for name, array in params_file.load(path).items():
        assert array.dtype == found[name].dtype
        assert array.tobytes() == found[name].tobytes()
