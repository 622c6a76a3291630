"""Dask: every scheduler gives the same bits, with one thread for each task."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

import rectifier
from dask_cases import CHUNKS, D_OUT, NAMES, X, da, dask, everything, failing, parameters_of
from needed import needed
from rectifier import _core, leaky_relu
from ulp import assert_same_bits

# --- where chunks are computed


@pytest.fixture(scope="module")
def client():
    """Two worker processes of dask.distributed."""
    distributed = needed("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=2, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def everywhere():
    """All values and gradients of all activations, lazily, and what NumPy gives."""
    data, d_out = da.from_array(X, chunks=CHUNKS), da.from_array(D_OUT, chunks=(6, 4, 3))
    lazy = [one for name in NAMES for one in everything(data, d_out, **parameters_of(name))]
    alone = [one for name in NAMES for one in everything(X, D_OUT, **parameters_of(name))]
    return lazy, alone


def assert_everywhere(everywhere, **scheduler):
    lazy, expected = everywhere
    in_order = dask.compute(*lazy, scheduler="sync")
    for actual, wanted, one_by_one in zip(dask.compute(*lazy, **scheduler), expected, in_order, strict=True):
        assert_same_bits(actual, one_by_one)
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
