"""Dask within xarray: labels and chunks stay."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from dask_cases import CHUNKS, GAMMA, NAMES, X, da, everything, parameters_of
from needed import needed
from rectifier import leaky_relu
from ulp import assert_same_bits


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
