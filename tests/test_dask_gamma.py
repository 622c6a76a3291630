"""Dask: gamma's gradient is summed in an order that the chunks alone fix, and rounded once."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dask_cases import D_OUT, GAMMA, X, da, dask
from rectifier import vjp
from ulp import FORMATS, assert_same_bits


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
