"""What autograd keeps of a call: counted in bytes."""

from __future__ import annotations

import pytest

from rectifier import leaky_relu
from torch_cases import gamma_for, torch

from rectifier._torch import nodes  # isort: skip  (after torch is known to be there)

pytestmark = pytest.mark.usefixtures("autograd")

N = 3 * 1000


def saved(function, *inputs):
    """The storages that autograd saves while the function runs, and their bytes."""
    kept = {}

    def pack(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        y = function(*inputs)
    return y, kept


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("keywords", "expected"),
    [
        ({"act_type": "leaky"}, "output"),
        ({"act_type": "leaky", "slope": 0.0}, "output"),
        ({"act_type": "leaky", "slope": -0.5}, "bits"),
        ({"act_type": "rrelu"}, "output"),
        ({"act_type": "rrelu", "training": True}, "output"),
        ({"act_type": "rrelu", "training": True, "lower_bound": -0.5}, "bits"),
        ({"act_type": "elu"}, "input"),
        ({"act_type": "selu"}, "input"),
        ({"act_type": "gelu"}, "input"),
        ({"act_type": "prelu"}, "input"),
    ],
)
def test_saved_bytes(keywords, expected, dtype):
    x = torch.randn(1000, 3).to(dtype).requires_grad_()
    keywords = gamma_for(keywords, 3)
    y, kept = saved(lambda x: leaky_relu(x, **keywords), x)
    whole = {x.untyped_storage().data_ptr(): "input", y.untyped_storage().data_ptr(): "output"}
    size = N * x.element_size()
    assert {whole[place] for place in kept if place in whole} == ({expected} if expected != "bits" else set())
    rest = sum(bytes for place, bytes in kept.items() if place not in whole)
    # The compiled node holds the key itself.
    key, gamma = 8 * (keywords.get("training", False) and nodes.call is None), 12 * ("gamma" in keywords)
    assert rest == key + gamma + (N // 8 if expected == "bits" else 0)
    assert sum(kept.values()) - rest == (0 if expected == "bits" else size)


def test_the_helper_sees_what_is_saved():
    x = torch.randn(1000, 3).requires_grad_()
    _, kept = saved(lambda x: torch.nn.functional.rrelu(x, training=True), x)
    assert sum(kept.values()) >= 2 * N * 4  # the input and torch's tensor of slopes
