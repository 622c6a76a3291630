"""Derivatives of any order, torch.func, torch.compile, export, and whatever else looks at an operator."""

from __future__ import annotations

import pytest

from rectifier.torch import leaky_relu, rrelu_slopes, vjp
from torch_cases import CALLS, call_id, gamma_for, torch

OPERATORS = torch.ops.rectifier
SHAPE = (2, 3, 4)
each_call = pytest.mark.parametrize("keywords", CALLS, ids=call_id)
# torch compiles some of its own derivatives by a means that it warns of itself.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning"),
    pytest.mark.usefixtures("autograd"),
]


def numbers(seed, dtype=torch.float32, shape=SHAPE):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def of(keywords):
    """The call as a function of its differentiable inputs, and these, in float64."""
    keywords = gamma_for(keywords, 3, torch.float64)
    if "gamma" not in keywords:
        return (lambda x: leaky_relu(x, **keywords)), [numbers(0, torch.float64).requires_grad_()]
    gamma = keywords["gamma"] + 0.1
    inputs = [numbers(0, torch.float64).requires_grad_(), gamma.requires_grad_()]
    return (lambda x, gamma: leaky_relu(x, **{**keywords, "gamma": gamma})), inputs


@each_call
def test_first_derivatives(keywords):
    function, inputs = of(keywords)
    assert torch.autograd.gradcheck(
        function, inputs, check_forward_ad=True, check_batched_grad=True, check_batched_forward_grad=True
    )


@each_call
def test_second_derivatives(keywords):
    function, inputs = of(keywords)
    assert torch.autograd.gradgradcheck(function, inputs, check_fwd_over_rev=True, check_batched_grad=True)


@pytest.mark.parametrize("act_type", ["elu", "selu", "gelu"])
def test_third_derivatives(act_type):
    x = numbers(1, torch.float64, (6,)).requires_grad_()
    first = lambda x: torch.autograd.grad(leaky_relu(x, None, act_type).sum(), x, create_graph=True)[0]  # noqa: E731
    assert torch.autograd.gradgradcheck(first, [x])


@pytest.mark.parametrize("act_type", ["elu", "selu", "gelu"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_second_derivatives_are_finite_for_every_finite_input(act_type, dtype):
    greatest = torch.finfo(dtype).max
    x = torch.tensor([-greatest, -1e3, -50, -1e-30, 0, 1e-30, 50, 1e3, greatest], dtype=dtype).requires_grad_()
    (g,) = torch.autograd.grad(leaky_relu(x, None, act_type).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(g.sum(), x)
    assert second.isfinite().all()


@pytest.mark.parametrize(
    ("operator", "arguments"),
    [
        *(
            (OPERATORS.leaky_relu.default, (numbers(0), None, None, name, slope, 0.1, 0.3))
            for name in ("leaky", "elu", "selu", "gelu")
            for slope in (0.25, -0.5)
        ),
        (OPERATORS.leaky_relu.default, (numbers(0), numbers(1, shape=(1, 3, 1)), None, "prelu", 0.0, 0.1, 0.3)),
        (OPERATORS.leaky_relu.default, (numbers(0), None, torch.tensor(5), "rrelu", 0.0, 0.1, 0.3)),
        (OPERATORS.leaky_relu.default, (numbers(0), None, torch.tensor(5), "rrelu", 0.0, 0.1, 0.3, 7, [100, 10, 1])),
        (OPERATORS.leaky_relu.default, (numbers(0), None, torch.tensor([5, 6]), "rrelu", 0.0, 0.1, 0.3)),
        *(
            (OPERATORS.pullback.default, (numbers(0), numbers(1), None, None, name, 1.0, 0.1, 0.3))
            for name in ("leaky", "elu", "selu", "gelu")
        ),
        (OPERATORS.pullback.default, (numbers(0), numbers(1), numbers(2, shape=(1, 3, 1)), None, "prelu", 0.0, 0, 0)),
        (OPERATORS.pullback.default, (numbers(0), torch.tensor([1, 2, 3]).byte(), None, None, "leaky", -1.0, 0, 0)),
        (OPERATORS.pullback.default, (numbers(0), numbers(1), None, torch.tensor(5), "rrelu", 0.0, 0.1, 0.3)),
        (OPERATORS.gamma_pullback.default, (numbers(0), numbers(1), numbers(2, shape=(1, 3, 1)))),
        (OPERATORS.pack_signs.default, (numbers(0),)),
    ],
)
def test_operators_are_registered_in_full(operator, arguments):
    differentiable = operator is not OPERATORS.pack_signs.default
    arguments = tuple(
        a.clone().requires_grad_(differentiable) if isinstance(a, torch.Tensor) and a.is_floating_point() else a
        for a in arguments
    )
    assert set(torch.library.opcheck(operator, arguments).values()) == {"SUCCESS"}


# --- torch.func


@each_call
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_vmap(keywords, axis):
    keywords = gamma_for(keywords, 1)
    x = numbers(2)
    got = torch.vmap(lambda part: leaky_relu(part, **keywords), in_dims=axis, out_dims=axis)(x)
    assert torch.equal(got, torch.stack([leaky_relu(part, **keywords) for part in x.unbind(axis)], axis))


@each_call
def test_per_example_gradients(keywords):
    keywords = gamma_for(keywords, 3)
    x = numbers(3, shape=(5, 2, 3))
    gamma = keywords.pop("gamma", None)
    loss = lambda x, gamma: leaky_relu(x, gamma, **keywords).sin().sum()  # noqa: E731
    inputs, axes = ((x, gamma), (0, None)) if gamma is not None else ((x, None), (0, None))
    argnums = (0, 1) if gamma is not None else (0,)
    got = torch.vmap(torch.func.grad(loss, argnums), axes)(*inputs)
    wanted = [torch.func.grad(loss, argnums)(part, gamma) for part in x]
    for k, one in enumerate(got):
        torch.testing.assert_close(one, torch.stack([w[k] for w in wanted]), rtol=1e-6, atol=1e-6)


@each_call
def test_jacobians_by_both_ways_and_nested_transforms(keywords):
    function, inputs = of(keywords)
    x, *gamma = (t.detach() for t in inputs)
    by_rows = torch.func.jacrev(lambda x: function(x, *gamma))(x)
    by_columns = torch.func.jacfwd(lambda x: function(x, *gamma))(x)
    torch.testing.assert_close(by_rows, by_columns)
    hessian = torch.func.hessian(lambda x: function(x, *gamma).sin().sum())(x)
    torch.testing.assert_close(hessian, hessian.permute(3, 4, 5, 0, 1, 2))
    _, pullback = torch.func.vjp(function, x, *gamma)
    expected = vjp(x, *gamma, **keywords)[1](torch.ones_like(x))
    for got, wanted in zip(pullback(torch.ones_like(x)), expected if gamma else [expected], strict=True):
        torch.testing.assert_close(got, wanted)


def test_vmap_takes_each_mode_of_randomness():
    function = lambda x: leaky_relu(x, None, "rrelu", training=True)  # noqa: E731
    x = -torch.ones(4, 6)
    with pytest.raises(RuntimeError, match="randomness"):
        torch.vmap(function)(x)
    same = torch.vmap(function, randomness="same")(x)
    assert torch.equal(same, same[:1].expand(4, 6))
    different = torch.vmap(function, randomness="different")(x)
    assert len({tuple(row.tolist()) for row in different}) == 4
    nested = torch.vmap(torch.vmap(function, randomness="different"), randomness="different")(-torch.ones(2, 3, 5))
    assert len({tuple(row.tolist()) for row in nested.reshape(6, 5)}) == 6
    torch.manual_seed(0)
    gradient = torch.vmap(torch.func.grad(lambda x: function(x).sum()), randomness="different")(x)
    torch.manual_seed(0)
    assert torch.equal(gradient, -torch.vmap(function, randomness="different")(x))


@pytest.mark.parametrize("mode", ["error", "same", "different"])
def test_a_key_is_no_randomness(mode):
    got = torch.vmap(lambda x: leaky_relu(x, None, "rrelu", training=True, rng=4), randomness=mode)(-torch.ones(4, 6))
    assert torch.equal(got, -torch.from_numpy(rrelu_slopes(6, 4)).expand(4, 6))


# --- tracing


@each_call
def test_compile_in_one_graph_with_dynamic_shapes(keywords):
    torch._dynamo.reset()
    keywords = gamma_for(keywords, 3)
    function = lambda x: leaky_relu(x, **keywords) * 2  # noqa: E731
    compiled = torch.compile(function, fullgraph=True, dynamic=True, backend="aot_eager")
    for size in (4, 5, 9):
        x, y = (numbers(size, shape=(size + 1, 3, size)).requires_grad_() for _ in range(2))
        compiled(x).sum().backward()
        function(y).sum().backward()
        assert torch.equal(compiled(x), function(y))
        assert torch.equal(x.grad, y.grad)


def test_a_compiled_function_draws_anew_each_time():
    torch._dynamo.reset()
    compiled = torch.compile(lambda x: leaky_relu(x, None, "rrelu", training=True), fullgraph=True, backend="aot_eager")
    x = -torch.ones(20)
    torch.manual_seed(1)
    first, second = compiled(x), compiled(x)
    torch.manual_seed(1)
    assert torch.equal(compiled(x), first)
    assert not torch.equal(first, second)


def test_compile_vjp_and_transforms():
    torch._dynamo.reset()
    gamma = torch.tensor([0.1, -0.2, 0.3])
    loss = lambda x, gamma: leaky_relu(x, gamma, "prelu").sin().sum()  # noqa: E731

    def function(x):
        y, pullback = vjp(x, None, "elu")
        per_example = torch.vmap(torch.func.grad(loss, (0, 1)), (0, None))(x[:, None], gamma)
        return y + pullback(torch.ones_like(y)), *per_example

    x = numbers(4)
    compiled = torch.compile(function, fullgraph=True, backend="aot_eager")
    for got, wanted in zip(compiled(x), function(x), strict=True):
        torch.testing.assert_close(got, wanted)


class Module(torch.nn.Module):
    def __init__(self, keywords):
        super().__init__()
        self.keywords = keywords

    def forward(self, x):
        return leaky_relu(x, **self.keywords)


@each_call
@pytest.mark.parametrize("strict", [False, True])
def test_export(keywords, strict):
    keywords = gamma_for(keywords, 3)
    module = Module(keywords)
    shapes = {"x": {0: torch.export.Dim("batch", min=2, max=9)}}
    program = torch.export.export(module, (numbers(5),), dynamic_shapes=shapes, strict=strict)
    assert OPERATORS.leaky_relu.default in [node.target for node in program.graph.nodes]
    x = numbers(6, shape=(5, 3, 4))
    assert torch.equal(program.module()(x), module(x))


def test_jit_trace_and_make_fx():
    from torch.fx.experimental.proxy_tensor import make_fx

    x = numbers(7)
    function = lambda x: leaky_relu(x, None, "elu")  # noqa: E731
    assert torch.equal(torch.jit.trace(function, (x,))(2 * x), function(2 * x))
    graph = make_fx(torch.func.grad(lambda x: function(x).sum()), tracing_mode="symbolic")(x)
    assert OPERATORS.pullback.default in [node.target for node in graph.graph.nodes]


# --- whoever else looks on


@each_call
def test_meta_and_fake_tensors(keywords):
    keywords = gamma_for(keywords, 3)
    x = numbers(8).to(memory_format=torch.contiguous_format).transpose(0, 2)
    x = x.transpose(0, 2)
    with torch._subclasses.FakeTensorMode(allow_non_fake_inputs=True):
        y = leaky_relu(torch.empty(5, 3, 4), **keywords)
        assert y.shape == (5, 3, 4)
    moved = {k: v.to("meta") if isinstance(v, torch.Tensor) else v for k, v in keywords.items()}
    y = leaky_relu(x.to("meta"), **moved)
    assert (y.device.type, y.shape, y.stride()) == ("meta", x.shape, x.stride())


class Named(torch.Tensor):
    pass


def test_subclasses_and_modes():
    x = numbers(9)
    y = leaky_relu(x.as_subclass(Named), act_type="elu")
    assert type(y) is Named
    assert torch.equal(y.as_subclass(torch.Tensor), leaky_relu(x, act_type="elu"))
    seen = []

    class Listener(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            seen.append(function)
            return function(*args, **(kwargs or {}))

    with Listener():
        z = leaky_relu(x, act_type="elu")
    assert seen == [OPERATORS.leaky_relu.default]
    assert torch.equal(z, leaky_relu(x, act_type="elu"))
    with torch.device("cpu"):
        assert torch.equal(leaky_relu(x, act_type="elu"), z)
    with torch.inference_mode():
        assert torch.equal(leaky_relu(x, act_type="elu"), z)
        inside = x.clone()
        assert torch.equal(leaky_relu(inside, act_type="elu", out=inside), z)
    negative = torch.view_as_complex(torch.stack([x, x], -1)).conj().imag
    assert negative.is_neg()
    assert torch.equal(leaky_relu(negative, act_type="elu"), leaky_relu(-x, act_type="elu"))


@each_call
def test_autocast_and_deterministic_mode(keywords):
    keywords = gamma_for(keywords, 3)
    layer = torch.nn.Linear(4, 4)
    torch.use_deterministic_algorithms(True)
    try:
        with torch.autocast("cpu", torch.bfloat16):
            h = layer(numbers(10))
            y = leaky_relu(h, **keywords)
            y.sum().backward()
    finally:
        torch.use_deterministic_algorithms(False)
    assert y.dtype == torch.bfloat16
    assert layer.weight.grad.dtype == torch.float32


@pytest.mark.parametrize("use_reentrant", [False, True])
def test_a_checkpoint_draws_the_same_slopes_again(use_reentrant):
    from torch.utils.checkpoint import checkpoint, set_checkpoint_early_stop

    x = (-torch.ones(30)).requires_grad_()
    values = []

    def function(x):
        values.append(leaky_relu(x, None, "rrelu", training=True))
        return values[-1] * 1

    with set_checkpoint_early_stop(False):
        y = checkpoint(function, x, use_reentrant=use_reentrant)
    y.sum().backward()
    assert len(values) == 2
    assert torch.equal(*values)
    assert torch.equal(x.grad, -y.detach())
