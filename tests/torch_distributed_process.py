"""One of two processes of tests/test_torch_distributed.py: shards, and compares with the whole.

python torch_distributed_process.py RANK STORE_FILE
"""

from __future__ import annotations

import copy
import sys

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import Partial, Replicate, Shard, distribute_tensor
from torch.nn.parallel import DistributedDataParallel

import rectifier
import rectifier.torch as rt
from rectifier import leaky_relu, vjp

SHAPE = (5, 6, 3)


def check_values_and_gradients(mesh):
    torch.manual_seed(0)
    whole, g = torch.randn(SHAPE), torch.randn(SHAPE)
    for act_type in ("leaky", "elu", "selu", "gelu", "prelu"):
        for slope in (0.25, -0.5):
            for placement in (Replicate(), Shard(0), Shard(1), Shard(2)):
                gamma = torch.linspace(-1, 1, 6).requires_grad_() if act_type == "prelu" else None
                x = distribute_tensor(whole, mesh, [placement]).requires_grad_()
                y = leaky_relu(x, gamma, act_type, slope)
                assert y.placements == (placement,), (act_type, placement, y.placements)
                y.backward(distribute_tensor(g, mesh, [placement]))
                expected_gamma = None if gamma is None else gamma.detach().clone().requires_grad_()
                plain = whole.clone().requires_grad_()
                leaky_relu(plain, expected_gamma, act_type, slope).backward(g)
                assert torch.equal(y.full_tensor(), leaky_relu(whole, expected_gamma, act_type, slope))
                assert torch.equal(x.grad.full_tensor(), plain.grad)
                if gamma is not None:
                    torch.testing.assert_close(gamma.grad, expected_gamma.grad)


def check_slopes(mesh):
    torch.manual_seed(1 + dist.get_rank())  # the ranks' generators differ
    whole = -torch.ones(SHAPE)
    for placement in (Replicate(), Shard(0), Shard(1), Shard(2)):
        for lower in (0.125, -0.5):
            keywords = {"act_type": "rrelu", "training": True, "lower_bound": lower}
            x = distribute_tensor(whole, mesh, [placement]).requires_grad_()
            y = leaky_relu(x, rng=7, **keywords)
            assert torch.equal(y.full_tensor(), leaky_relu(whole, rng=7, **keywords))
            y.sum().backward()
            assert torch.equal(x.grad.full_tensor(), -y.detach().full_tensor())
            _, pullback = vjp(x.detach(), rng=7, **keywords)
            for upstream in (placement, Replicate()):
                d_x = pullback(distribute_tensor(torch.ones(SHAPE), mesh, [upstream]))
                assert torch.equal(d_x.full_tensor(), -y.detach().full_tensor())
            drawn = leaky_relu(x.detach(), **keywords).full_tensor()
            first = drawn.clone()
            dist.broadcast(first, 0)
            assert torch.equal(drawn, first)
            assert len(set(drawn.flatten().tolist())) == drawn.numel()
    partial = torch.distributed.tensor.DTensor.from_local(-torch.ones(4), mesh, [Partial()])
    y = leaky_relu(partial, act_type="rrelu", training=True, rng=3).full_tensor()
    assert torch.equal(y, 2 * leaky_relu(-torch.ones(4), act_type="rrelu", training=True, rng=3))


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = torch.nn.Linear(6, 8), torch.nn.Linear(8, 2)
        self.gamma = torch.nn.Parameter(torch.full((8,), 0.25))

    def forward(self, x):
        return self.last(leaky_relu(leaky_relu(self.first(x), self.gamma, "prelu"), slope=-0.1))


def check_fully_sharded(mesh):
    torch.manual_seed(0)
    plain, sharded = Net(), Net()
    sharded.load_state_dict(plain.state_dict())
    fully_shard(sharded, mesh=mesh)
    data = torch.randn(2, 4, 6)
    sharded(data[dist.get_rank()]).square().sum().backward()
    (sum(plain(part).square().sum() for part in data) / 2).backward()
    for (name, ours), theirs in zip(sharded.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours.grad.full_tensor(), theirs.grad, msg=name)


class Activations(torch.nn.Module):
    """Layers with each kind of PReLU between them, and rrelu at the end, which keeps its value for the test."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(6, 8), rt.PReLU(8), torch.nn.Linear(8, 8), rt.PReLU(init=-0.5), rt.GELU(), rt.ELU(-0.3)
        )
        self.last = rt.RReLU(0.1, 0.4)

    def forward(self, x):
        self.drawn = self.last(self.layers(x))
        return self.drawn


def check_data_parallel(mesh):
    torch.manual_seed(0)
    plain = Activations()
    parallel = DistributedDataParallel(copy.deepcopy(plain))
    data = torch.randn(2, 4, 6)
    for step in range(2):  # the second one reduces in buckets that the first one has put in order
        plain.zero_grad()
        parallel.zero_grad()
        values = []
        for rank, part in enumerate(data):
            torch.manual_seed(100 * step + rank)  # the ranks' generators differ, and so do their slopes
            values.append(plain(part))
        (sum(value.square().sum() for value in values) / 2).backward()
        torch.manual_seed(100 * step + dist.get_rank())
        parallel(data[dist.get_rank()]).square().sum().backward()
        assert torch.equal(parallel.module.drawn, values[dist.get_rank()])
        for (name, ours), theirs in zip(parallel.module.named_parameters(), plain.parameters(), strict=True):
            torch.testing.assert_close(ours.grad, theirs.grad, msg=name)
            first = ours.grad.clone()
            dist.broadcast(first, 0)
            assert torch.equal(ours.grad, first), name
    # The same input on both ranks: what differs is the slopes.
    torch.manual_seed(dist.get_rank())
    ours = rt.RReLU()(-torch.ones(64))
    both = [torch.empty(64) for _ in range(2)]
    dist.all_gather(both, ours)
    assert not torch.isin(*both).any()


def main():
    rank, store = int(sys.argv[1]), sys.argv[2]
    torch.set_num_threads(1)
    rectifier.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    mesh = init_device_mesh("cpu", (2,))
    for check in (check_values_and_gradients, check_slopes, check_fully_sharded, check_data_parallel):
        check(mesh)
        print(check.__name__, flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
