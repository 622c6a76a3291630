"""The modules of `rectifier.torch`: torch.nn's names, arguments, state and results; in place with any slope."""

from __future__ import annotations

import copy
import inspect
import io
import pickle
import re

import mpmath
import numpy as np
import pytest

import rectifier.torch as rt
from torch_library import torch
from ulp import assert_within_ulp

pytestmark = pytest.mark.usefixtures("autograd")

nn = torch.nn

NAMES = ("LeakyReLU", "ELU", "SELU", "GELU", "PReLU", "RReLU")
# Arguments that torch's and our classes share, more than one set of them for each.
ARGUMENTS = {
    "LeakyReLU": [{}, {"negative_slope": 0.3}, {"negative_slope": 0.2, "inplace": True}],
    "ELU": [{}, {"alpha": 0.5}, {"alpha": 0.5, "inplace": True}],
    "SELU": [{}, {"inplace": True}],
    "GELU": [{}, {"approximate": "none"}],
    "PReLU": [{}, {"num_parameters": 3, "init": 0.1}, {"dtype": torch.float64}],
    "RReLU": [{}, {"lower": 0.1, "upper": 0.2}, {"lower": 0.1, "upper": 0.4, "inplace": True}],
}
CASES = [(name, arguments) for name in NAMES for arguments in ARGUMENTS[name]]
IN_PLACE = [
    ("LeakyReLU", {"negative_slope": 0.3}),
    ("LeakyReLU", {"negative_slope": 0.0}),
    ("LeakyReLU", {"negative_slope": -0.3}),
    ("ELU", {"alpha": 0.7}),
    ("ELU", {"alpha": -0.7}),
    ("SELU", {}),
    ("RReLU", {"lower": 0.1, "upper": 0.3}),
    ("RReLU", {"lower": -0.3, "upper": 0.3}),
]


def data(shape=(2, 3, 4, 5), dtype=torch.float32):
    """Normal numbers, none of them close to the kink at 0."""
    x = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    return (x + 0.05 * x.sign()).to(dtype)


def pair(name, arguments):
    return getattr(rt, name)(**arguments), getattr(nn, name)(**arguments)


@pytest.mark.parametrize("name", NAMES)
def test_arguments_and_defaults_are_those_of_torch(name):
    ours = inspect.signature(getattr(rt, name).__init__).parameters
    theirs = inspect.signature(getattr(nn, name).__init__).parameters
    assert [n for n in ours if n != "axis"] == list(theirs)
    assert {n: ours[n].default for n in theirs} == {n: theirs[n].default for n in theirs}
    assert "axis" not in ours or ours["axis"].kind is inspect.Parameter.KEYWORD_ONLY


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_representation_attributes_and_class(name, arguments):
    ours, theirs = pair(name, arguments)
    assert repr(ours) == repr(theirs)
    assert isinstance(ours, type(theirs))
    public = {k: v for k, v in vars(theirs).items() if not k.startswith("_")}
    assert {k: vars(ours)[k] for k in public} == public


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_values_and_gradients_are_those_of_torch(name, arguments):
    ours, theirs = (m.eval() for m in pair(name, arguments))
    dtype = arguments.get("dtype", torch.float32)
    x, g = data(dtype=dtype), data(dtype=dtype).flip(0)
    results = []
    for module in (ours, theirs):
        leaf = x.clone().requires_grad_()
        y = module(leaf * 1)
        y.backward(g)
        results.append([y.detach(), leaf.grad, *(p.grad for p in module.parameters())])
    for mine, expected in zip(*results, strict=True):
        torch.testing.assert_close(mine, expected, rtol=3e-6, atol=3e-7)


def test_the_comparison_with_torch_sees_a_wrong_value():
    with pytest.raises(AssertionError):
        torch.testing.assert_close(torch.ones(3) * (1 + 5e-6), torch.ones(3), rtol=3e-6, atol=3e-7)


def test_gelu_keeps_the_digits_of_the_tail():
    x = torch.tensor([-5.5, -7.25, -9.0, -12.0])
    expected = [float(v * mpmath.ncdf(v)) for v in map(mpmath.mpf, x.tolist())]
    assert_within_ulp(rt.GELU()(x).numpy(), expected, bound=1.0, dtype=np.float32, inputs=x.numpy())


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_state_loads_both_ways(name, arguments):
    ours, theirs = pair(name, arguments)
    with torch.no_grad():
        for p in ours.parameters():
            p.fill_(0.75)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    file = io.BytesIO()
    torch.save(ours.state_dict(), file)
    file.seek(0)
    theirs.load_state_dict(torch.load(file, weights_only=True))
    assert all(bool((p == 0.75).all()) for p in theirs.parameters())
    fresh = getattr(rt, name)(**arguments)
    fresh.load_state_dict(theirs.state_dict())
    assert all(bool((p == 0.75).all()) for p in fresh.parameters())


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
@pytest.mark.parametrize(("name", "arguments"), [*CASES, ("PReLU", {"num_parameters": 5, "axis": -1})])
def test_copies_compute_the_same(name, arguments, copied):
    module = getattr(rt, name)(**arguments).eval()
    twin = copied(module)
    assert type(twin) is type(module)
    assert repr(twin) == repr(module)
    x = data(dtype=arguments.get("dtype", torch.float32))
    assert torch.equal(twin(x.clone()), module(x.clone()))


# --- in place


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("name", "arguments"), IN_PLACE)
def test_in_place_is_the_same_as_apart(name, arguments, training):
    results = []
    for inplace in (False, True):
        torch.manual_seed(5)
        module = getattr(rt, name)(**arguments, inplace=inplace).train(training)
        leaf = data(dtype=torch.float64).requires_grad_()
        before = leaf * 1
        after = module(before)
        assert (after.data_ptr() == before.data_ptr()) is inplace
        (d,) = torch.autograd.grad((after * data(dtype=torch.float64).flip(0)).sum(), leaf)
        results.append((after.detach(), d))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])


@pytest.mark.parametrize(("name", "arguments"), IN_PLACE)
def test_gradients_in_place_are_those_of_finite_differences(name, arguments):
    module = getattr(rt, name)(**arguments, inplace=True).eval()
    x = data((2, 7), torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda v: module(v * 1), (x,))
    assert torch.autograd.gradgradcheck(lambda v: module(v * 1), (x,))


def test_torch_refuses_in_place_what_we_compute():
    x = data().requires_grad_()
    with pytest.raises(RuntimeError, match="negative slope"):
        nn.LeakyReLU(-0.3, inplace=True)(x * 1).sum().backward()
    rt.LeakyReLU(-0.3, inplace=True)(x * 1).sum().backward()
    assert torch.equal(x.grad, torch.where(x > 0, 1.0, -0.3))


def test_autograd_notices_that_the_input_has_gone():
    x = data().requires_grad_()
    before = x * 1
    other = before.square()
    rt.ELU(inplace=True)(before)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        other.sum().backward()


def test_a_leaf_that_requires_a_gradient_is_left_as_it_is():
    x = data().requires_grad_()
    kept = x.detach().clone()
    with pytest.raises(ValueError, match="`out` must not be a leaf of autograd's graph where a gradient is recorded"):
        rt.ELU(inplace=True)(x)
    assert torch.equal(x.detach(), kept)
    with torch.no_grad():
        assert rt.ELU(inplace=True)(x) is x
    assert torch.equal(x.detach(), rt.ELU()(kept))


@pytest.mark.parametrize("module", [rt.ELU(inplace=True), rt.LeakyReLU(inplace=True), rt.LeakyReLU(-1.0, inplace=True)])
def test_a_view_that_torch_refuses_is_left_as_it_is(module):
    x = data().requires_grad_() * 1
    with torch.no_grad():
        made_without_grad = x[0]
    for view, message in ((x.unbind()[0], "returns multiple views"), (made_without_grad, "created in no_grad mode")):
        with pytest.raises(RuntimeError, match=message):
            nn.ELU(inplace=True)(view)
        with pytest.raises(RuntimeError, match=message):
            module(view)
    assert torch.equal(x.detach(), data())


def test_in_place_on_memory_that_repeats_is_refused():
    with pytest.raises(ValueError, match="`out` must have memory for each element, got an expanded tensor"):
        rt.LeakyReLU(inplace=True)(torch.ones(3, 1).expand(3, 4))


def test_in_place_on_a_strided_view_writes_to_its_base():
    base = data((4, 6))
    expected = base.clone()
    expected[:, ::2] = rt.LeakyReLU(0.5)(base[:, ::2])
    rt.LeakyReLU(0.5, inplace=True)(base[:, ::2])
    assert torch.equal(base, expected)


def saved_bytes(function):
    """The bytes that autograd keeps while the function runs, each storage once."""
    storages = {}

    def pack(t):
        storages[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        result = function()
    return sum(storages.values()), result


@pytest.mark.parametrize(
    ("slope", "expected"), [(0.1, 4096), (-0.1, 1024 // 8)], ids=["the result itself", "one bit an element"]
)
def test_what_leaky_in_place_keeps(slope, expected):
    x = data((1024,)).requires_grad_()
    before = x * 1
    kept, after = saved_bytes(lambda: rt.LeakyReLU(slope, inplace=True)(before))
    assert kept == expected
    assert after.data_ptr() == before.data_ptr()


# --- PReLU


def test_prelu_slopes_of_channels_that_come_last():
    x, module = data((2, 4, 3)), rt.PReLU(3, axis=-1)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([0.1, 0.2, 0.3]))
    assert torch.equal(module(x), torch.where(x > 0, x, module.weight * x))


def test_prelu_slope_of_each_element():
    x, module = data((2, 3, 4, 5)), rt.PReLU((3, 4, 5))
    with torch.no_grad():
        module.weight.copy_(data((3, 4, 5)))
    y = module(x)
    assert torch.equal(y, torch.where(x > 0, x, module.weight * x))
    y.sum().backward()
    expected = torch.where(x > 0, 0, x).double().sum(0)
    torch.testing.assert_close(module.weight.grad.double(), expected, rtol=1e-7, atol=1e-8)
    assert repr(module) == "PReLU(num_parameters=(3, 4, 5))"


def test_prelu_takes_axis_1_even_where_only_axis_0_fits():
    # The operator's own rule would try axis 0 next; torch's module has the channels on axis 1 and nowhere else.
    with pytest.raises(ValueError, match=r"`gamma` must have size 1 or 3 along axis 1 of `data`"):
        rt.PReLU(2)(data((2, 3)))


def test_prelu_of_one_slope_takes_any_shape():
    for shape in ((), (4,), (2, 3, 4)):
        x = data(shape)
        assert torch.equal(rt.PReLU()(x), torch.where(x > 0, x, 0.25 * x))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_prelu_sums_halves_without_overflow(dtype):
    x = torch.full((1, 1, 2), -300.0, dtype=dtype, requires_grad=True)
    module = rt.PReLU(1, dtype=dtype)
    module(x).backward(torch.tensor([300.0, -299.0], dtype=dtype).view(1, 1, 2))
    expected = -300.0 * (300.0 + float(torch.tensor(-299.0, dtype=dtype)))
    assert module.weight.grad.item() == expected


# --- RReLU


def test_rrelu_follows_train_and_eval():
    module, x = rt.RReLU(0.125, 0.375), torch.full((1000,), -1.0)
    torch.manual_seed(1)
    first = module(x)
    assert first.unique().numel() > 900
    assert bool(((first <= -0.125) & (first > -0.375)).all())
    assert not torch.equal(module(x), first)
    torch.manual_seed(1)
    assert torch.equal(module(x), first)
    module.eval()
    assert torch.equal(module(x), torch.full((1000,), -0.25))


def test_rrelu_gradient_has_the_slopes_of_the_value():
    x = -torch.ones(1000, requires_grad=True)
    leaf = x.detach().requires_grad_()
    y = rt.RReLU()(leaf)
    y.sum().backward()
    assert torch.equal(leaf.grad, -y.detach())


# --- compiled, errors


def _layers(inplace):
    return nn.Sequential(
        rt.PReLU(3),
        rt.PReLU((3, 1, 1)),
        rt.ELU(0.7, inplace=inplace),
        rt.SELU(inplace=inplace),
        rt.GELU(),
        rt.LeakyReLU(-0.2, inplace=inplace),
    )


@pytest.mark.parametrize("dynamic", [None, True])
@pytest.mark.parametrize("inplace", [False, True])
def test_compiled_without_a_graph_break(inplace, dynamic):
    torch._dynamo.reset()
    model = _layers(inplace)
    compiled = torch.compile(model, fullgraph=True, dynamic=dynamic, backend="aot_eager")
    for shape in ((2, 3, 4, 5), (5, 3, 2, 7), (6, 3, 4, 4)):
        results = []
        for function in (model, compiled):
            leaf = data(shape).requires_grad_()
            model.zero_grad()
            y = function(leaf)
            y.sum().backward()
            results.append((y.detach(), leaf.grad, model[0].weight.grad.clone()))
        for mine, expected in zip(*results, strict=True):
            assert torch.equal(mine, expected)


@pytest.mark.parametrize(("name", "arguments"), [*CASES, ("PReLU", {"num_parameters": 4, "axis": -2})])
def test_traced_by_torch_fx(name, arguments):
    module = getattr(rt, name)(**arguments)
    model = nn.Sequential(module, nn.Identity())
    graph = pickle.loads(pickle.dumps(torch.fx.symbolic_trace(model)))
    x = data(dtype=arguments.get("dtype", torch.float32))
    torch.manual_seed(0)
    expected = model(x.clone())
    torch.manual_seed(0)
    assert torch.equal(graph(x.clone()), expected)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("name", NAMES)
def test_torchscript_says_what_to_do(name):
    model = nn.Sequential(getattr(rt, name)())
    with pytest.raises(TypeError, match=r"must be torch's own for TorchScript: call `rectifier.torch.revert\(model\)`"):
        torch.jit.script(model)
    rt.revert(model)
    torch.jit.script(model)


SIZES = "`num_parameters` must be an integer or a tuple of integers, 0 or more, got "
ERRORS = [
    (lambda: rt.GELU("erf"), ValueError, "`approximate` must be 'none' or 'tanh', got 'erf'"),
    (lambda: rt.LeakyReLU(float("inf")), ValueError, "`negative_slope` must be a finite number, got inf"),
    (lambda: rt.LeakyReLU(None), TypeError, "`negative_slope` must be a number, got None"),
    (lambda: rt.ELU(float("nan")), ValueError, "`alpha` must be a finite number, got nan"),
    (lambda: rt.ELU("1"), TypeError, "`alpha` must be a number, got '1'"),
    (lambda: rt.RReLU(0.5, 0.25), ValueError, "`lower` must be at most `upper`, got 0.5 and 0.25"),
    (lambda: rt.RReLU(float("nan"), 0.25), ValueError, "`lower` must be a finite number, got nan"),
    (lambda: rt.RReLU(upper="a"), TypeError, "`upper` must be a number, got 'a'"),
    (lambda: rt.PReLU(-1), ValueError, SIZES + "-1"),
    (lambda: rt.PReLU((3, -1)), ValueError, SIZES + "(3, -1)"),
    (lambda: rt.PReLU(True), TypeError, SIZES + "True"),
    (lambda: rt.PReLU((3, 1.5)), TypeError, SIZES + "1.5"),
    (lambda: rt.PReLU(3, init="a"), TypeError, "`init` must be a number, got 'a'"),
    (lambda: rt.PReLU(3, init=float("nan")), ValueError, "`init` must be a finite number, got nan"),
    (lambda: rt.PReLU(3, dtype=torch.int64), TypeError, "or None, got torch.int64"),
    (lambda: rt.PReLU(3, axis=1.5), TypeError, "`axis` must be an integer or a tuple of integers, got 1.5"),
    (lambda: rt.PReLU(3, axis=4)(data()), ValueError, "`axis` must lie between -4 and 3 for data with ndim 4, got 4"),
]


@pytest.mark.parametrize(("make", "kind", "words"), ERRORS)
def test_errors(make, kind, words):
    with pytest.raises(kind, match=re.escape(words)):
        make()


def test_an_attribute_set_later_is_checked_by_the_call():
    module = rt.ELU()
    module.alpha = float("nan")
    with pytest.raises(ValueError, match="`slope` must be a finite number, got nan"):
        module(data())


def test_gelu_by_tanh():
    x = data(dtype=torch.float64)
    wanted = torch.tensor([tanh_gelu(v) for v in x.flatten().tolist()], dtype=torch.float64)
    torch.testing.assert_close(rt.GELU("tanh")(x).flatten(), wanted, rtol=1e-13, atol=0)


@mpmath.workdps(40)
def tanh_gelu(x):
    v = mpmath.mpf(x)
    return float(v / 2 * (1 + mpmath.tanh(mpmath.sqrt(2 / mpmath.pi) * (v + mpmath.mpf("0.044715") * v**3))))


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2)])
@pytest.mark.parametrize("module", [rt.ELU(), rt.RReLU(), rt.PReLU()], ids=lambda m: type(m).__name__)
def test_shapes_without_elements_and_without_axes(module, shape):
    x = torch.zeros(shape, requires_grad=True)
    y = module(x)
    y.sum().backward()
    assert y.shape == x.grad.shape == shape
