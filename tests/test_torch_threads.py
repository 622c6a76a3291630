"""Tensors on the threads of torch's OpenMP: the bits of any number of threads, and none of them in a forked child."""

from __future__ import annotations

import subprocess
import sys

import pytest

import rectifier
from rectifier import leaky_relu
from threaded import in_threads
from torch_cases import torch
from ulp import assert_same_bits

pytestmark = pytest.mark.usefixtures("threads")


@pytest.fixture(autouse=True)
def torchs_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def step(n):
    x = torch.randn(n, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    gamma = torch.tensor([0.5, -0.25, 2.0]).requires_grad_()
    y = leaky_relu(x, gamma, "prelu", axis=-1)
    results = [y, *torch.autograd.grad(y, [x, gamma], torch.cos(x.detach()))]
    slopes = leaky_relu(x.detach(), None, "rrelu", training=True, rng=5)
    negative = leaky_relu(x, slope=-0.5)
    return [*results, slopes, *torch.autograd.grad(negative, x, torch.sin(x.detach()))]


@pytest.mark.parametrize("n", [10, 5000, 40_001, 400_000])
@pytest.mark.parametrize("counts", [(2, 2), (3, 3), (2, 3), (3, 1), (70, 70)], ids=str)
def test_bits_of_any_number_of_threads(n, counts):
    rectifier.set_num_threads(1)
    expected = step(n)
    rectifier.set_num_threads(counts[0])
    torch.set_num_threads(counts[1])
    for one, other in zip(step(n), expected, strict=True):
        assert_same_bits(one.detach().numpy(), other.detach().numpy())


def test_callers_in_several_threads():
    rectifier.set_num_threads(2)
    torch.set_num_threads(2)
    expected = step(60_000)
    wrong = []

    def work():
        for _ in range(5):
            wrong.extend(n for n, pair in enumerate(zip(step(60_000), expected, strict=True)) if not torch.equal(*pair))

    in_threads(4, work)
    assert not wrong


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_forked_child_has_threads_of_its_own():
    program = """
import os, sys, torch, rectifier
rectifier.set_num_threads(2)
torch.set_num_threads(2)
x = torch.linspace(-1, 1, 1_000_000)
expected = rectifier.leaky_relu(x)
child = os.fork()
if child == 0:
    os._exit(0 if rectifier.leaky_relu(x)[:9].tolist() == expected[:9].tolist() else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", program], timeout=60).returncode == 0
