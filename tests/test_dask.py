"""Dask: NumPy's bits by any chunks, lazily, and with one task for each chunk."""

from __future__ import annotations

import itertools
import math

import hypothesis
import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import strategies as st

from dask_cases import CHUNKS, D_OUT, GAMMA, NAMES, X, da, dask, everything, failing, parameters_of
from rectifier import leaky_relu, vjp
from ulp import FORMATS, assert_same_bits

# --- values


@st.composite
def cases(draw):
    dtype = draw(st.sampled_from([*FORMATS, np.dtype(np.int16), np.dtype(bool), np.dtype(">f4")]))
    shape = draw(arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=7))
    x, g = (np.random.default_rng(draw(st.integers(0, 99))).integers(-9, 9, shape).astype(dtype) for _ in range(2))

    def chunks(sizes):
        found = []
        for n in sizes:
            cuts = draw(st.lists(st.integers(0, n), max_size=3))
            edges = [0, *sorted(cuts), n]
            found.append(tuple(b - a for a, b in itertools.pairwise(edges)))
        return tuple(found)

    parameters = parameters_of(draw(st.sampled_from(NAMES)))
    lined_up = None
    if "gamma" in parameters:
        axes = sorted(draw(st.sets(st.sampled_from(range(len(shape))))) if shape else [])
        sizes = tuple(shape[axis] if draw(st.booleans()) else 1 for axis in axes)
        gamma = np.arange(math.prod(sizes), dtype=np.float32).reshape(sizes) / 8 - 1
        parameters |= {"gamma": gamma, "axis": tuple(axes)}
        lined_up = da.from_array(gamma, chunks=chunks(sizes)) if draw(st.booleans()) else gamma
    return x, chunks(shape), g, chunks(shape), parameters, lined_up


@hypothesis.given(cases())
@hypothesis.settings(max_examples=100)
def test_numpys_bits_by_any_chunks(case):
    """Cut in any way, empty chunks too; gamma and the gradient are cut in ways of their own."""
    x, chunks, g, g_chunks, parameters, gamma = case
    expected = everything(x, g, **parameters)
    if gamma is not None:
        parameters = parameters | {"gamma": gamma}
    data, d_out = da.from_array(x, chunks=chunks), da.from_array(g, chunks=g_chunks)
    found = everything(data, d_out, **parameters)
    for lazy, wanted in zip(found, expected, strict=True):
        assert (lazy.shape, lazy.dtype) == (wanted.shape, wanted.dtype)
        actual = lazy.compute(scheduler="sync")
        # Whole numbers: the sums of gamma's gradient are exact in any order.
        assert_same_bits(actual, wanted)
    assert found[0].chunks == found[1].chunks == data.chunks
    assert_same_bits(leaky_relu(data, **parameters).compute(scheduler="sync"), expected[0])


@pytest.mark.parametrize("dtype", FORMATS, ids=str)
def test_random_slopes_by_the_index_in_the_whole(dtype):
    x = -np.ones((9, 10, 11), dtype)
    parameters = {"act_type": "rrelu", "training": True, "rng": 77}
    expected = leaky_relu(x, **parameters)
    for chunks in ((2, 3, 4), (9, 10, 3), (1, 10, 11), (9, 1, 11), ((8, 1), (10,), (5, 6)), -1):
        assert_same_bits(leaky_relu(da.from_array(x, chunks=chunks), **parameters).compute(), expected)


def test_the_layout_of_a_chunk_is_kept():
    found = []
    data = da.from_array(X[0], chunks=3).map_blocks(np.asfortranarray)
    leaky_relu(data).map_blocks(lambda b: found.append(b.flags.f_contiguous) or b, meta=X[0, :0]).compute()
    assert found == [True] * 6


def test_scalars_lists_and_numbers():
    assert leaky_relu(da.from_array(np.float32(-4))).compute() == -1
    _, pullback = vjp(da.from_array(X[0], chunks=3), 0.5, "prelu")
    d_data, d_gamma = pullback(X[0].tolist())
    expected = vjp(X[0], 0.5, "prelu")[1](X[0])
    assert_same_bits(d_data.compute(), expected[0])
    assert (d_gamma.shape, d_gamma.compute()) == ((), expected[1])


# --- the graph
def tasks(*collections):
    """The keys of all tasks that run, beside those that hold data."""
    (*optimized,) = dask.optimize(*collections)
    graph = {}
    for one in optimized:
        graph.update(dask._task_spec.convert_legacy_graph(dict(one.__dask_graph__())))
    nodes = dask._task_spec
    return [key for key, node in graph.items() if not isinstance(node, (nodes.DataNode, nodes.Alias))]


@pytest.mark.parametrize("act_type", NAMES)
def test_one_task_for_each_chunk(act_type):
    data, d_out = da.from_array(X, chunks=CHUNKS), da.from_array(D_OUT, chunks=CHUNKS)
    y, d_data, *_ = everything(data, d_out, **parameters_of(act_type))
    for lazy in (y, d_data):
        layer = lazy.__dask_graph__().layers[lazy.name]
        assert isinstance(layer, dask.blockwise.Blockwise)
        assert not layer.is_materialized()
        assert len(tasks(lazy)) == math.prod(data.numblocks) == 18
        assert not [name for name in lazy.__dask_graph__().layers if "rechunk" in name]
    # What stands before and after joins the same task.
    joined = leaky_relu(data * 2, **parameters_of(act_type)) + 1
    assert len(tasks(joined)) == 18
    assert len(tasks(joined.rechunk((6, 8, 5)))) == 19


def test_the_sums_of_a_chunk_are_one_task():
    data = da.from_array(np.ones((4, 64), np.float32), chunks=(4, 1))
    _, d_gamma = vjp(data, np.float32(0.5), "prelu")[1](data)
    # 64 chunks by 8, by 8 and by 1, for 16 sums over two axes are 4 along each.
    names = [dask.utils.key_split(key) for key in tasks(d_gamma)]
    counts = {name: names.count(name) for name in names}
    assert counts.pop("d_gamma") == 64
    assert sum(counts.values()) == 16 + 4 + 1, counts


def test_data_are_never_rechunked_for_gamma():
    data = da.from_array(X, chunks=CHUNKS)
    gamma = da.from_array(GAMMA, chunks=1)
    y, d_data, d_gamma = everything(data, data, gamma=gamma, act_type="prelu")
    assert y.chunks == d_data.chunks == data.chunks
    assert d_gamma.chunks == gamma.chunks
    for lazy in (y, d_data):
        dependencies = lazy.__dask_graph__().dependencies[lazy.name]
        assert data.name in dependencies


@pytest.mark.parametrize("act_type", NAMES)
def test_nothing_is_computed_while_the_graph_is_built(act_type):
    data = da.from_array(X, chunks=CHUNKS).map_blocks(failing, dtype=np.float32, meta=X[:0])
    parameters = parameters_of(act_type)
    if "gamma" in parameters:
        parameters["gamma"] = da.from_array(GAMMA, chunks=3).map_blocks(failing, dtype=np.float32, meta=GAMMA[:0])
    for lazy in everything(data, data.rechunk((3, 3, 3)), **parameters):
        with pytest.raises(RuntimeError, match="a chunk was computed"):
            lazy.compute(scheduler="sync")


@pytest.mark.parametrize("dtype", [*FORMATS, np.dtype(np.int8), np.dtype(np.int64), np.dtype(bool)], ids=str)
def test_meta_tells_what_comes(dtype):
    x = np.ones((4, 6)).astype(dtype)
    data = da.from_array(x, chunks=3)
    for gamma_dtype in FORMATS:
        gamma = np.full(6, 0.5, gamma_dtype)
        expected = everything(x, x, gamma=gamma, act_type="prelu")
        for lazy, wanted in zip(everything(data, data, gamma=gamma, act_type="prelu"), expected, strict=True):
            assert type(lazy._meta) is np.ndarray
            assert (lazy._meta.shape, lazy._meta.dtype) == ((0,) * wanted.ndim, wanted.dtype)
            actual = lazy.compute()
            assert (actual.shape, actual.dtype) == (wanted.shape, wanted.dtype)


def test_names_are_functions_of_the_arguments():
    data = da.from_array(X, chunks=CHUNKS)
    calls = [parameters_of(act_type) for act_type in NAMES]
    calls += [{"slope": 0.5}, {**parameters_of("rrelu"), "rng": 6}, {**parameters_of("prelu"), "gamma": GAMMA[:1]}]
    once, again = ([lazy.name for call in calls for lazy in everything(data, data, **call)] for _ in range(2))
    assert once == again
    assert len(set(once)) == len(once)
    drawn = [leaky_relu(data, act_type="rrelu", training=True).name for _ in range(2)]
    assert drawn[0] != drawn[1]


def test_later_changes_by_the_caller_do_not_count():
    gamma, data = GAMMA.copy(), da.from_array(X, chunks=CHUNKS)
    y, pullback = vjp(data, gamma, "prelu")
    data[data < 0] = 7
    gamma[:] = 9
    expected, pull = vjp(X, GAMMA, "prelu")
    assert_same_bits(y.compute(), expected)
    assert_same_bits(pullback(D_OUT)[0].compute(), pull(D_OUT)[0])
