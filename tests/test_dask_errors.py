"""Dask: chunk sizes that are not known, and what is refused, while the graph is built where that can be known."""

from __future__ import annotations

import numpy as np
import pytest

from dask_cases import CHUNKS, D_OUT, GAMMA, NAMES, X, da, dask, everything, failing, parameters_of, unknown
from rectifier import leaky_relu, vjp
from ulp import assert_same_bits

# --- unknown chunk sizes


def test_unknown_sizes_are_fine_where_no_index_is_needed():
    data, known = unknown(X, CHUNKS), da.from_array(X, chunks=CHUNKS)
    for act_type in NAMES:
        parameters = {**parameters_of(act_type), "training": False}
        expected = everything(known, known, **parameters)
        for lazy, wanted in zip(everything(data, data, **parameters), expected, strict=True):
            assert lazy.ndim == 1 or np.isnan(lazy.shape[0])
            assert_same_bits(lazy.compute(), wanted.compute())
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
