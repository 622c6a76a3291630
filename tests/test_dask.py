"""Dask: NumPy's bits by any chunks and any scheduler, lazily, with one task and one thread for each chunk."""

from __future__ import annotations

import functools
import itertools
import math
import os
import pickle
import subprocess
import sys

import hypothesis
import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import strategies as st

import rectifier
from needed import needed
from rectifier import _core, leaky_relu, vjp
from ulp import FORMATS, assert_same_bits

da = needed("dask.array")
dask = sys.modules["dask"]

NAMES = list(rectifier.parameters.ACTIVATIONS)
X = np.random.default_rng(0).normal(size=(6, 8, 5)).astype(np.float32)
D_OUT = np.random.default_rng(1).normal(size=X.shape).astype(np.float32)
GAMMA = np.linspace(-0.5, 1, 8, dtype=np.float32)
CHUNKS = ((2, 3, 1), (3, 3, 2), (4, 1))
NAN = math.nan


def parameters_of(act_type):
    named = {"prelu": {"gamma": GAMMA}, "rrelu": {"training": True, "rng": 2**63 + 5}}
    return {"act_type": act_type, **named.get(act_type, {})}


def tupled(found):
    return found if isinstance(found, tuple) else (found,)


def everything(x, g, **parameters):
    """The value, the gradient, and that of gamma."""
    y, pullback = vjp(x, **parameters)
    return (y, *tupled(pullback(g)))


def tasks(*collections):
    """The keys of all tasks that run, beside those that hold data."""
    (*optimized,) = dask.optimize(*collections)
    graph = {}
    for one in optimized:
        graph.update(dask._task_spec.convert_legacy_graph(dict(one.__dask_graph__())))
    nodes = dask._task_spec
    return [key for key, node in graph.items() if not isinstance(node, (nodes.DataNode, nodes.Alias))]


def unknown(x, chunks):
    """The same array, with no chunk sizes along axis 0."""
    array = da.from_array(x, chunks=chunks)
    array._chunks = ((NAN,) * array.numblocks[0], *array.chunks[1:])
    return array


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
@hypothesis.settings(max_examples=150)
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
    assert len(tasks(leaky_relu(data * 2, **parameters_of(act_type)) + 1)) == 18


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


def failing(block):
    raise RuntimeError("a chunk was computed")


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


# --- gamma's gradient


def test_one_chunk_gives_numpys_sums():
    _, expected = vjp(X, GAMMA, "prelu")[1](D_OUT)
    _, d_gamma = vjp(da.from_array(X, chunks=-1), GAMMA, "prelu")[1](D_OUT)
    assert_same_bits(d_gamma.compute(), expected)


@pytest.mark.parametrize("dtype", FORMATS, ids=str)
def test_sums_are_added_in_float64_and_rounded_once(dtype):
    x = -np.abs(np.random.default_rng(2).normal(size=3000)).astype(dtype)
    g = np.random.default_rng(3).normal(size=3000).astype(dtype)
    _, d_gamma = vjp(da.from_array(x, chunks=7), dtype.type(0.5), "prelu")[1](g)
    products = x.astype(np.float64) * g.astype(np.float64)  # exact, but for float64
    exact, size = math.fsum(products), np.abs(products).sum()
    bound = 0.5 * 2.0 ** (math.frexp(exact)[1] - FORMATS[dtype].precision) + 64 * 2**-53 * size
    assert d_gamma.dtype == dtype
    assert abs(float(d_gamma.compute()) - exact) <= bound


def test_the_order_of_summation_is_that_of_the_chunks():
    """No setting and no scheduler changes a bit, where another order does."""
    x = -np.abs(np.random.default_rng(2).normal(size=(40, 50)))
    data = da.from_array(x, chunks=(3, 4))

    def summed():
        return vjp(data, 0.5, "prelu")[1](data)[1]

    lazy = summed()
    once = lazy.compute(scheduler="sync")
    with dask.config.set(split_every=2):
        assert summed().name == lazy.name
        for workers in (1, 2, 5):
            assert_same_bits(summed().compute(scheduler="threads", num_workers=workers), once)
    others = {float(vjp(da.from_array(x, chunks=c), 0.5, "prelu")[1](x)[1].compute()) for c in (5, 7, 11, 13, -1)}
    assert others != {float(once)}


def test_sums_over_many_chunks_take_few_at_a_time():
    data = da.from_array(np.ones(1000, np.float32), chunks=1)
    _, d_gamma = vjp(data, 0.5, "prelu")[1](data)
    graph = dask._task_spec.convert_legacy_graph(dict(d_gamma.__dask_graph__()))
    assert max(len(node.dependencies) for node in graph.values()) == 16


# --- where chunks are computed


@pytest.fixture(scope="module")
def client():
    """Two worker processes of dask.distributed."""
    distributed = needed("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=2, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def everywhere():
    """All values and gradients of all activations, lazily, and what NumPy gives."""
    data, d_out = da.from_array(X, chunks=CHUNKS), da.from_array(D_OUT, chunks=(6, 4, 3))
    lazy = [one for name in NAMES for one in everything(data, d_out, **parameters_of(name))]
    rounded = [one for name in NAMES for one in everything(X, D_OUT, **parameters_of(name))]
    return lazy, rounded


def assert_everywhere(everywhere, **scheduler):
    lazy, expected = everywhere
    alone = dask.compute(*lazy, scheduler="sync")
    for actual, wanted, here in zip(dask.compute(*lazy, **scheduler), expected, alone, strict=True):
        assert_same_bits(actual, here)
        if actual.shape == X.shape:  # the sums of gamma's gradient are in the order of the chunks
            assert_same_bits(actual, wanted)


@pytest.mark.parametrize("scheduler", ["sync", "threads", "processes"])
def test_schedulers(everywhere, scheduler):
    assert_everywhere(everywhere, scheduler=scheduler, num_workers=2)


def test_distributed(everywhere, client):
    assert_everywhere(everywhere, scheduler=client)


def test_what_travels_with_a_task_is_small():
    data = da.from_array(X, chunks=CHUNKS)
    for lazy in (leaky_relu(data, **parameters_of("rrelu")), *everything(data, data, **parameters_of("prelu"))[:2]):
        graph = dict(lazy.__dask_graph__())
        assert all(len(pickle.dumps(task)) < 1000 for key, task in graph.items() if key[0] == lazy.name)
    y = pickle.loads(pickle.dumps(leaky_relu(data)))
    assert_same_bits(y.compute(), leaky_relu(X))


# --- threads


def count_threads(block, found):
    found.append(_core.num_threads())
    return block


def test_a_task_has_one_thread(threads, monkeypatch):
    """And what else the same thread runs has all of them."""
    from rectifier.backends import dask as backend

    rectifier.set_num_threads(3)
    within, between = [], []

    def apply(*arguments):
        within.append(_core.num_threads())
        return original(*arguments)

    original = backend._apply
    monkeypatch.setattr(backend, "_apply", apply)
    data = da.from_array(X, chunks=CHUNKS).map_blocks(count_threads, between, dtype=np.float32, meta=X[:0])
    leaky_relu(data).compute(scheduler="sync")
    assert (set(within), set(between)) == ({1}, {3})
    assert rectifier.get_num_threads() == 3


def test_a_failing_task_gives_its_thread_back(threads, monkeypatch):
    from rectifier.backends import dask as backend

    rectifier.set_num_threads(3)
    monkeypatch.setattr(backend, "_apply", lambda *_: failing(None))
    with pytest.raises(RuntimeError, match="a chunk was computed"):
        leaky_relu(da.from_array(X, chunks=CHUNKS)).compute(scheduler="sync")
    assert rectifier.get_num_threads() == 3


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_no_other_threads_are_started():
    code = """
import os, threading, sys
import numpy as np, dask.array as da, rectifier
from concurrent.futures import ThreadPoolExecutor
def others():
    return len(os.listdir("/proc/self/task")) - threading.active_count()
x = da.from_array(np.ones(2**22, np.float32), chunks=2**20)
before = others()
with ThreadPoolExecutor(2) as pool:
    rectifier.leaky_relu(x, act_type="gelu").compute(scheduler="threads", pool=pool)
    print(others() - before)
rectifier.leaky_relu(np.ones(2**22, np.float32), act_type="gelu")
print(others() - before)
"""
    environment = {**os.environ, "RECTIFIER_NUM_THREADS": "4"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.split() == ["0", "3"]


# --- unknown chunk sizes


def test_unknown_sizes_are_fine_where_no_index_is_needed():
    data = unknown(X, CHUNKS)
    for act_type in NAMES:
        parameters = {**parameters_of(act_type), "training": False}
        expected = everything(X, X, **parameters)
        for lazy, wanted in zip(everything(data, data, **parameters), expected, strict=True):
            if lazy.ndim == 3:
                assert np.isnan(lazy.shape[0])
            assert_same_bits(lazy.compute(), lazy.compute() if lazy.shape == GAMMA.shape else wanted)
    known = da.from_array(X, chunks=CHUNKS)
    kept = known[known[:, 0, 0] > 0]
    assert np.isnan(kept.shape[0])
    assert_same_bits(leaky_relu(kept).compute(), leaky_relu(X[X[:, 0, 0] > 0]))


def test_unknown_sizes_where_slopes_are_drawn():
    with pytest.raises(ValueError, match=r"`data` must have known chunk sizes where rrelu .* `compute_chunk_sizes`"):
        leaky_relu(unknown(X, CHUNKS), act_type="rrelu", training=True, rng=1)
    found = unknown(X, CHUNKS).compute_chunk_sizes()
    y = leaky_relu(found, act_type="rrelu", training=True, rng=1)
    assert_same_bits(y.compute(), leaky_relu(X, act_type="rrelu", training=True, rng=1))


@pytest.mark.parametrize(
    ("gamma", "axis"), [((6, 8), None), ((6,), None), ((6,), 0), ((6, 8, 5), None), ((1, 8, 1), 1), ((8, 6), None)]
)
def test_unknown_sizes_that_gamma_needs(gamma, axis):
    with pytest.raises(ValueError, match="`gamma` must "):
        leaky_relu(unknown(X, CHUNKS), np.ones(gamma), "prelu", axis=axis)


def test_unknown_sizes_of_the_axis_that_would_come_first():
    """Of a gamma that fits axis 0, axis 1 may still be the axis."""
    data = unknown(X, CHUNKS).transpose(1, 0, 2)
    with pytest.raises(ValueError, match=r"`gamma` must not depend on unknown chunk sizes of `data`, got gamma of"):
        leaky_relu(data, GAMMA, "prelu")
    y = leaky_relu(data, GAMMA, "prelu", axis=0)
    assert_same_bits(y.compute(), leaky_relu(X.transpose(1, 0, 2), GAMMA, "prelu", axis=0))


def test_unknown_sizes_of_gamma_and_gradient():
    data = da.from_array(X, chunks=CHUNKS)
    with pytest.raises(ValueError, match=r"`gamma` must have known chunk sizes, got shape \(nan,\)"):
        leaky_relu(data, unknown(GAMMA, 3), "prelu")
    d_out = unknown(D_OUT, CHUNKS)
    assert_same_bits(vjp(data)[1](d_out).compute(), vjp(X)[1](D_OUT))
    with pytest.raises(
        ValueError, match=r"`d_out` must have as many chunks as `data` .* got \(2, 3, 2\) and \(3, 3, 2"
    ):
        vjp(data)[1](unknown(D_OUT, (3, 5, 5)))
    with pytest.raises(ValueError, match=r"`d_out` must have shape \(., ., .\), got \(., ., .\)"):
        vjp(data)[1](unknown(D_OUT, ((3, 2, 1), *CHUNKS[1:]))).compute(scheduler="sync")


# --- what is refused


class Wrapped:
    """An array of another library, as Dask sees one."""

    __array_priority__ = 20
    ndim, shape, dtype = 2, (0, 0), np.dtype(np.float32)

    def __array_function__(self, *_):
        raise NotImplementedError

    def __array_ufunc__(self, *_):
        raise NotImplementedError


def with_meta(meta):
    array = da.from_array(X[0], chunks=4)
    array._meta = meta
    return array


def test_chunks_of_other_libraries_are_refused():
    with pytest.raises(TypeError, match=r"`data` must be a Dask array of NumPy chunks, got chunks of .*\.Wrapped"):
        leaky_relu(with_meta(Wrapped()))
    with pytest.raises(TypeError, match=r"`d_out` must be a Dask array of NumPy chunks"):
        vjp(da.from_array(X[0]))[1](with_meta(Wrapped()))
    with pytest.raises(TypeError, match="`data` must be an array without a mask, got a masked array"):
        leaky_relu(da.ma.masked_less(da.from_array(X), 0))
    hidden = da.from_array(X, chunks=CHUNKS).map_blocks(np.ma.masked_less, 0, meta=X[:0])
    with pytest.raises(TypeError, match="`data` must be an array without a mask, got a masked array"):
        leaky_relu(hidden).compute()


class Child(np.ndarray):
    """A subclass of NumPy's array."""


def test_subclasses_of_numpys_array_count_as_arrays():
    data = da.from_array(X[0].view(Child), chunks=4, asarray=False)
    assert type(data._meta) is Child
    y = leaky_relu(data)
    assert type(y._meta) is np.ndarray
    assert type(y.compute()) is np.ndarray


@pytest.mark.parametrize(
    ("dtype", "words"), [(np.complex64, "complex64"), (object, "object"), ("M8[s]", r"datetime64\[s\]")]
)
def test_other_dtypes_are_refused_while_the_graph_is_built(dtype, words):
    with pytest.raises(TypeError, match=f"`data` must be of dtype float16, .* an integer or bool, got {words}"):
        leaky_relu(da.from_array(np.zeros(3, dtype), chunks=3))
    with pytest.raises(TypeError, match=f"`gamma` must be of dtype float16, .* an integer or bool, got {words}"):
        leaky_relu(da.zeros(3), da.from_array(np.zeros(3, dtype), chunks=3), "prelu")


def test_out_is_refused():
    data = da.from_array(X, chunks=CHUNKS)
    words = "`out` must be None for arrays of Dask, which are not written to, got ndarray"
    for function in (leaky_relu, vjp):
        with pytest.raises(TypeError, match=words):
            function(data, out=np.empty_like(X))
    with pytest.raises(TypeError, match=words):
        vjp(data)[1](data, out=np.empty_like(X))


def test_other_collections_are_refused_and_not_computed():
    data, later = da.from_array(X, chunks=CHUNKS), dask.delayed(failing)(1)
    with pytest.raises(TypeError, match="`gamma` must be an array of Dask or NumPy, got Delayed"):
        leaky_relu(data, later, "prelu")
    with pytest.raises(TypeError, match="`d_out` must be an array of Dask or NumPy, got Delayed"):
        vjp(data)[1](later)


# --- chunks that are not what the array says


def test_a_chunk_of_another_dtype_is_converted():
    data = da.from_array(X, chunks=CHUNKS).map_blocks(lambda b: b.astype(np.float64), meta=X[:0])
    for lazy, wanted in zip(everything(data, data), everything(X, X), strict=True):
        assert_same_bits(lazy.compute(), wanted)


def test_a_chunk_of_another_shape_has_no_slopes():
    data = da.from_array(X, chunks=CHUNKS).map_blocks(lambda b: b[:1], dtype=np.float32, meta=X[:0])
    with pytest.raises(ValueError, match=r"`data` must have chunks of the shapes that it states, got \(1, ., .\) for"):
        leaky_relu(data, act_type="rrelu", training=True, rng=1).compute(scheduler="sync")


# --- xarray


@pytest.fixture
def labelled():
    """The same numbers with labels, in NumPy's array and in Dask's."""
    xarray = needed("xarray")
    labels = {"dims": ("n", "c", "w"), "coords": {"c": range(8)}, "name": "image"}
    return xarray.DataArray(X, **labels), xarray.DataArray(da.from_array(X, chunks=CHUNKS), **labels)


@pytest.mark.parametrize("act_type", NAMES)
def test_xarray_keeps_labels_and_chunks(labelled, act_type):
    here, there = labelled
    expected = everything(here, here, **parameters_of(act_type))
    for lazy, wanted in zip(everything(there, there, **parameters_of(act_type)), expected, strict=True):
        if lazy.shape == X.shape:
            assert lazy.chunks == CHUNKS
            assert lazy.compute().identical(wanted)


def test_an_xarray_gamma_stays_lazy(labelled):
    here, there = labelled
    gamma = there.isel(n=0, w=0).copy(data=da.from_array(GAMMA, chunks=3))
    expected = everything(here, here, gamma=here.isel(n=0, w=0).copy(data=GAMMA), act_type="prelu")
    y, d_data, d_gamma = everything(there, there, gamma=gamma, act_type="prelu")
    assert y.compute().identical(expected[0])
    assert d_data.compute().identical(expected[1])
    assert (d_gamma.dims, d_gamma.chunks) == (("c",), ((3, 3, 2),))
    assert_same_bits(leaky_relu(there.data, gamma, "prelu").compute(), expected[0].to_numpy())


@pytest.mark.parametrize("act_type", [name for name in NAMES if name not in ("prelu", "rrelu")])
def test_apply_ufunc(labelled, act_type):
    xarray = needed("xarray")
    here, there = labelled
    function = functools.partial(leaky_relu, act_type=act_type)
    y = xarray.apply_ufunc(function, there, dask="parallelized", output_dtypes=[np.float32])
    assert y.chunks == CHUNKS
    assert y.compute().identical(function(here))
    assert xarray.apply_ufunc(function, there, dask="allowed").compute().identical(function(here))
    allowed = xarray.apply_ufunc(leaky_relu, there, dask="parallelized")
    assert allowed.compute().identical(leaky_relu(here))
