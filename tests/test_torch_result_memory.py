"""The memory of results where the compiled node makes them: recycled, and a tensor's memory like any other."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from rectifier import _core, leaky_relu, release_buffers, set_buffer_limit
from threaded import in_threads
from torch_cases import torch

pytestmark = pytest.mark.usefixtures("plain_start")

LARGE = 2**18  # elements of float32 in the smallest result with a block, 1 MiB


@pytest.fixture
def plain_start(compiled_node):
    """The node, in use, with nothing kept and the default limit."""
    from rectifier._torch import nodes

    before = nodes.module
    leaky_relu(torch.ones(1))  # the first call on a tensor goes the general way
    nodes.use(compiled_node)
    set_buffer_limit(None)
    release_buffers()
    yield
    set_buffer_limit(None)
    nodes.use(before)


def counts():
    return dict(zip(("kept", "in_use", "hits", "misses", "limit"), _core.buffer_counts(), strict=True))


def negatives(size=LARGE):
    return torch.full((size,), -1.0)


def gradient(x, y):
    return torch.autograd.grad(y, x, torch.ones_like(y))[0]


@pytest.mark.parametrize(("size", "blocks"), [(LARGE - 1, 0), (LARGE, 1), (LARGE + 1, 1)])
def test_blocks_from_one_mebibyte_on(size, blocks):
    begin = counts()
    x = negatives(size).requires_grad_()
    y = leaky_relu(x, slope=0.5)
    assert counts()["misses"] - begin["misses"] == blocks
    g = gradient(x, y)
    assert counts()["misses"] - begin["misses"] == 2 * blocks
    assert (y == -0.5).all()
    assert (g == 0.5).all()
    in_use = counts()["in_use"] - begin["in_use"]
    assert in_use >= 2 * blocks * 4 * size
    assert (in_use > 0) == (blocks > 0)
    del y, g
    assert counts()["in_use"] == begin["in_use"]
    assert counts()["kept"] == in_use
    leaky_relu(x, slope=0.5)
    assert counts()["hits"] - begin["hits"] == blocks


def test_a_block_is_free_only_once_the_last_view_is_gone():
    begin = counts()["in_use"]
    y = leaky_relu(negatives())[5:].view(-1, 1)
    assert counts()["in_use"] > begin
    del y
    assert counts()["in_use"] == begin


def test_with_the_limit_zero_all_is_torchs():
    set_buffer_limit(0)
    begin = counts()
    x = negatives().requires_grad_()
    y = leaky_relu(x)
    gradient(x, y)
    assert counts() == begin


def test_a_result_may_outlive_a_change_of_the_limit():
    y = leaky_relu(negatives())
    set_buffer_limit(0)
    assert (y == -0.25).all()
    del y
    assert counts()["kept"] == counts()["in_use"] == 0


@pytest.mark.parametrize("size", [16, LARGE])
@pytest.mark.parametrize("factor", [2, 1000])
def test_a_result_may_be_resized(size, factor):
    begin = counts()["in_use"]
    x = negatives(size).requires_grad_()
    results = [leaky_relu(x.detach()), gradient(x, leaky_relu(x))]
    for result, expected in zip(results, (-0.25, 0.25), strict=True):
        result.resize_(min(factor * size, 8 * LARGE))
        assert (result[:size] == expected).all()
        result[size:] = 3
        assert (result[size:] == 3).all()
        result.resize_(1)
        result.untyped_storage().resize_(0)
    del result, results
    assert counts()["in_use"] == begin


def test_a_result_is_set_shared_and_pickled():
    y = leaky_relu(negatives())
    assert (pickle.loads(pickle.dumps(y)) == -0.25).all()
    assert not y.is_pinned()
    assert not y.is_shared()
    other = torch.empty(0).set_(y)
    assert other.data_ptr() == y.data_ptr()
    assert y.share_memory_().is_shared()
    assert (y == -0.25).all()
    assert (other == -0.25).all()
    del y
    assert (other == -0.25).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_layouts_are_those_of_torch(dtype):
    whole = torch.randn(4, 6, 8, 10).to(dtype)
    layouts = [whole, whole.to(memory_format=torch.channels_last), whole.permute(3, 1, 0, 2), whole[:, ::2],
               whole[:, :1].expand(4, 6, 8, 10), whole[:0], whole[:1, :1]]  # fmt: skip
    for data in layouts:
        y, like = leaky_relu(data), torch.empty_like(data)
        assert (y.shape, y.stride(), y.dtype, y.layout) == (like.shape, like.stride(), like.dtype, like.layout)
        assert y.untyped_storage().nbytes() == like.untyped_storage().nbytes()


def test_threads_make_and_free():
    begin = counts()
    made = []

    def work():
        x = negatives().requires_grad_()
        for _ in range(20):
            y = leaky_relu(x)
            assert (y == -0.25).all()
            assert (gradient(x, y) == 0.25).all()
        made.append(y)

    in_threads(4, work)
    assert len(made) == 4
    assert all((y == -0.25).all() for y in made)
    in_threads(4, made.pop)  # freed by threads that did not make them
    assert counts()["in_use"] == begin["in_use"]
    assert counts()["hits"] > begin["hits"]


def test_without_the_node_results_are_as_before(compiled_node):
    from rectifier._torch import nodes

    nodes.use(None)
    begin = counts()["misses"]
    y = leaky_relu(negatives())
    assert counts()["misses"] == begin + 1
    assert (y == -0.25).all()
    nodes.use(compiled_node)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_starts_with_nothing_kept(compiled_node):
    """In a process of its own: OpenMP's threads are lost in the child, so both use one."""
    program = f"""
import os, torch
import rectifier.torch
from rectifier import _core, leaky_relu
from rectifier._torch import nodes
assert nodes.state() == 'in use'
torch.set_num_threads(1)
x = torch.full(({LARGE},), -1.0, requires_grad=True)
y = leaky_relu(x, slope=0.5)
leaky_relu(x, slope=0.5)
kept, in_use, *_ = _core.buffer_counts()
assert kept > 0 and in_use > 0, (kept, in_use)
if (child := os.fork()) == 0:
    assert _core.buffer_counts()[0] == 0
    z = leaky_relu(x, slope=0.25)
    assert torch.autograd.grad(z.sum(), x)[0].eq(0.25).all() and z.eq(-0.25).all() and y.eq(-0.5).all()
    del y, z
    os._exit(7)
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 7
assert y.eq(-0.5).all()
"""
    cache = Path(compiled_node.__file__).parent
    environment = {**os.environ, "RECTIFIER_CACHE": str(cache)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
