"""One of two processes of tests/test_torch_distributed.py: shards, and compares with the whole.

python torch_distributed_process.py RANK STORE_FILE
"""

from __future__ import annotations

import sys

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import Partial, Replicate, Shard, distribute_tensor

import rectifier
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


def main():
    rank, store = int(sys.argv[1]), sys.argv[2]
    torch.set_num_threads(1)
    rectifier.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    mesh = init_device_mesh("cpu", (2,))
    for check in (check_values_and_gradients, check_slopes, check_fully_sharded):
        check(mesh)
        print(check.__name__, flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
