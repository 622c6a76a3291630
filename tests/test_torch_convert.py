"""`convert` and `revert`: the modules of an existing model, swapped in place."""

from __future__ import annotations

import copy
import pickle

import pytest

import rectifier.torch as rt
from torch_library import torch

nn = torch.nn
parametrize = torch.nn.utils.parametrize


class Clamped(nn.PReLU):
    """Somebody's own PReLU."""

    def forward(self, input):
        return nn.functional.prelu(input, self.weight.clamp(0, 1))


class Halved(nn.Module):
    def forward(self, weight):
        return weight / 2


def model():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.PReLU(4), nn.Sequential(nn.ELU(0.5, inplace=True), nn.GELU()), nn.SELU(),
        nn.LeakyReLU(-0.1), nn.RReLU(), nn.ReLU(),
    )  # fmt: skip


def data():
    return torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def kinds(module):
    return [type(m) for m in module.modules() if not isinstance(m, nn.Sequential)]


def test_swaps_the_six_activations_and_computes_the_same():
    before, after = model().eval(), model().eval()
    report = rt.convert(after)
    assert kinds(after) == [
        nn.Conv2d, rt.PReLU, rt.ELU, rt.GELU, rt.SELU, rt.LeakyReLU, rt.RReLU, nn.ReLU
    ]  # fmt: skip
    assert [change.names for change in report.swapped] == [("1",), ("2.0",), ("2.1",), ("3",), ("4",), ("5",)]
    assert (report.left, report.unchanged, report.model) == ([], [], after)
    torch.testing.assert_close(after(data()), before(data()), rtol=2e-6, atol=2e-7)


def test_the_report_reads():
    m = nn.Sequential(nn.PReLU(4), Clamped())
    assert str(rt.convert(m)) == (
        "swapped: 1\n  0: PReLU(num_parameters=4)\nleft: 1\n  1: Clamped(num_parameters=1): "
        f"{Clamped.__module__}.Clamped is a subclass, which may compute something else"
    )
    assert str(rt.convert(nn.Linear(1, 1))) == "swapped: 0"
    assert "model=" not in repr(rt.convert(m))


def test_an_activation_alone_is_converted_too():
    module = nn.GELU()
    assert str(rt.convert(module)) == "swapped: 1\n  (the model itself): GELU(approximate='none')"
    assert type(module) is rt.GELU


def test_parameters_stay_the_same_objects_and_the_optimizer_goes_on():
    m = model()
    optimizer = torch.optim.SGD(m.parameters(), lr=0.1, momentum=0.9)

    def step():
        optimizer.zero_grad()
        m(data()).square().mean().backward()
        optimizer.step()

    step()
    parameters, state = list(m.parameters()), m.state_dict()
    rt.convert(m)
    assert all(a is b for a, b in zip(parameters, m.parameters(), strict=True))
    assert list(m.state_dict()) == list(state)
    slope = m[1].weight.detach().clone()
    step()
    assert m[1].weight is parameters[2]
    assert not torch.equal(m[1].weight, slope)


def test_hooks_flags_and_attributes_stay():
    m, seen = model().eval(), []
    m[1].register_forward_hook(lambda module, args, out: seen.append(type(module)))
    m[1].tag = "mine"
    m[5].train()
    rt.convert(m)
    m(data())
    assert seen == [rt.PReLU]
    assert (m[1].tag, m[1].training, m[5].training) == ("mine", False, True)


def test_a_module_in_two_places_is_reported_once_with_both_names():
    shared = nn.PReLU()
    m = nn.ModuleDict({"first": shared, "second": nn.Sequential(shared)})
    report = rt.convert(m)
    assert [change.names for change in report.swapped] == [("first", "second.0")]
    assert m["first"] is m["second"][0] is shared
    assert str(report).endswith("first, second.0: PReLU(num_parameters=1)")


def test_twice_is_the_same_as_once():
    m = model()
    first, second = rt.convert(m), rt.convert(m)
    assert second.swapped == []
    assert [c.names for c in second.unchanged] == [c.names for c in first.swapped]


def test_revert_is_the_way_back():
    m, reference = model(), model()
    rt.convert(m)
    report = rt.revert(m)
    assert kinds(m) == kinds(reference)
    assert len(report.swapped) == 6
    assert repr(m) == repr(reference)
    assert [list(vars(x)) for x in m.modules()] == [list(vars(x)) for x in reference.modules()]
    assert torch.equal(m.eval()(data()), reference.eval()(data()))
    assert rt.revert(m).swapped == []


def test_revert_leaves_what_torch_cannot_compute():
    m = nn.Sequential(
        rt.PReLU(3, axis=-1), rt.PReLU((3, 4)), rt.ELU(-0.5, inplace=True), rt.LeakyReLU(-0.5, inplace=True),
        rt.RReLU(-0.5, 0.5, inplace=True), rt.PReLU(3, axis=1), rt.ELU(-0.5),
    )  # fmt: skip
    report = rt.revert(m)
    assert [change.names[0] for change in report.swapped] == ["5", "6"]
    assert [change.reason for change in report.left] == [
        "torch's weight belongs to axis 1",
        "torch's weight has one dimension",
        *["torch refuses to overwrite the input where a slope is negative"] * 3,
    ]


# --- what takes care


def test_a_subclass_is_left():
    m = nn.Sequential(Clamped())
    report = rt.convert(m)
    assert type(m[0]) is Clamped
    assert "is a subclass" in report.left[0].reason


def test_a_module_with_its_own_forward_is_left():
    m = nn.Sequential(nn.ELU())
    m[0].forward = lambda x: x
    assert rt.convert(m).left[0].reason == "has a `forward` of its own"
    assert type(m[0]) is nn.ELU


def test_parameters_of_other_dtypes_are_left():
    m = nn.Sequential(nn.PReLU(dtype=torch.complex64))
    assert rt.convert(m).left[0].reason == "has parameters of torch.complex64"


def test_a_scripted_module_is_left():
    with pytest.warns(DeprecationWarning, match="torch.jit.script"):
        m = nn.Sequential(torch.jit.script(nn.ELU()), nn.ELU())
    report = rt.convert(m)
    assert [(c.names, c.reason) for c in report.left] == [(("0",), "compiled by TorchScript")]
    assert len(report.swapped) == 1


def test_gelu_by_tanh_is_swapped():
    report = rt.convert(nn.Sequential(nn.GELU("tanh")))
    assert report.left == []
    assert len(report.swapped) == 1


def test_a_parametrized_module_is_swapped_and_stays_parametrized():
    m = nn.Sequential(nn.PReLU(2))
    parametrize.register_parametrization(m[0], "weight", Halved())
    x = torch.tensor([[-1.0, -2.0]])
    expected, original = m(x), m[0].parametrizations.weight.original
    report = rt.convert(m)
    assert len(report.swapped) == 1
    assert isinstance(m[0], rt.PReLU)
    assert torch.equal(m(x), expected)
    assert m[0].parametrizations.weight.original is original
    assert rt.convert(m).swapped == []
    assert len(rt.revert(m).swapped) == 1
    assert not isinstance(m[0], rt.PReLU)
    rt.convert(m)
    parametrize.remove_parametrizations(m[0], "weight")
    assert type(m[0]) is rt.PReLU
    assert torch.equal(m(x), expected)


def test_one_parametrized_module_does_not_change_another():
    m, other = nn.PReLU(2), nn.PReLU(2)
    for module in (m, other):
        parametrize.register_parametrization(module, "weight", Halved())
    rt.convert(m)
    assert not isinstance(other, rt.PReLU)


def test_copies_and_pickles_of_a_converted_model():
    m = model().eval()
    rt.convert(m)
    for twin in (copy.deepcopy(m), pickle.loads(pickle.dumps(m))):
        assert kinds(twin) == kinds(m)
        assert torch.equal(twin(data()), m(data()))


def test_what_is_not_a_module_is_refused():
    for function in (rt.convert, rt.revert):
        with pytest.raises(TypeError, match=r"`model` must be a torch\.nn\.Module, got list"):
            function([nn.ELU()])
