"""`accelerate`: torch's own operators on our kernels, and what has to stay as it was."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from rectifier import _core
from rectifier.torch import accelerate, is_accelerated, thresholds
from rectifier.torch.aten import KERNELS
from torch_library import torch

F = torch.nn.functional
aten = torch.ops.aten

DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
# Both are within about 2 ULP of the truth in float32 and float64, and rounded once to the 16-bit types.
TOLERANCE = {torch.float16: 1e-3, torch.bfloat16: 8e-3, torch.float32: 5e-7, torch.float64: 3e-15}
FUNCTIONS = {
    "elu": lambda x, w: F.elu(x, 0.7),
    "selu": lambda x, w: F.selu(x),
    "gelu": lambda x, w: F.gelu(x),
    "leaky_relu": lambda x, w: F.leaky_relu(x, 0.1),
    "leaky_relu, negative": lambda x, w: F.leaky_relu(x, -0.1),
    "prelu": F.prelu,
    "prelu, shared": lambda x, w: F.prelu(x, w[:1]),
    "rrelu, eval": lambda x, w: F.rrelu(x, 0.1, 0.3),
    "elu in place": lambda x, w: F.elu(x * 1, 0.7, inplace=True),
    "selu in place": lambda x, w: F.selu(x * 1, inplace=True),
    "leaky_relu in place": lambda x, w: F.leaky_relu(x * 1, 0.1, inplace=True),
}
FORMATS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}


@pytest.fixture(autouse=True)
def _every_size(request, monkeypatch):
    """Every size is ours, so that small tensors test the kernels."""
    if "measured" not in request.keywords.get("usefixtures", pytest.mark.usefixtures()).args:
        rows = {row for row, _ in KERNELS.values()}
        monkeypatch.setattr(thresholds, "SWITCHES", {row: dict.fromkeys(DTYPES, (1,)) for row in rows})


@pytest.fixture
def measured():
    """The table of thresholds as it is."""


@pytest.fixture
def calls(monkeypatch):
    """Counts what the core computes."""
    counted = []

    def counting(function):
        return lambda *arguments: (counted.append(threading.get_ident()), function(*arguments))[1]

    for name in ("apply", "gamma_pullback"):
        monkeypatch.setattr(_core, name, counting(getattr(_core, name)))
    return counted


@pytest.fixture(autouse=True)
def _all_is_as_before():
    """No test leaves a kernel behind."""
    yield
    assert not is_accelerated()


def data(shape=(2, 3, 4, 5), dtype=torch.float32, memory_format=torch.contiguous_format, seed=1):
    x = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return x.to(dtype).contiguous(memory_format=memory_format)


def value_and_gradients(function, x, dtype):
    leaf = x.clone().requires_grad_()
    weight = torch.tensor([0.5, -0.25, 0.125], dtype=dtype, requires_grad=True)
    y = function(leaf, weight)
    y.backward(data(x.shape, dtype, seed=2).contiguous(memory_format=torch.preserve_format))
    return [y.detach(), leaf.grad, weight.grad]


def dumps():
    """What torch's dispatcher calls for each of the operators."""
    return [torch._C._dispatch_dump_table(f"aten::{name}") for name in KERNELS]


# --- the same numbers


@pytest.mark.parametrize("layout", FORMATS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_and_gradients_agree(name, dtype, layout, calls):
    if name.startswith("rrelu") and dtype is torch.float16:
        pytest.skip("torch has no rrelu of float16")
    x = data(dtype=dtype, memory_format=FORMATS[layout])
    expected = value_and_gradients(FUNCTIONS[name], x, dtype)
    assert calls == []
    with accelerate():
        actual = value_and_gradients(FUNCTIONS[name], x, dtype)
    assert calls
    for mine, theirs in zip(actual, expected, strict=True):
        if theirs is not None:
            torch.testing.assert_close(mine, theirs, rtol=TOLERANCE[dtype], atol=2 * TOLERANCE[dtype])
            assert mine.stride() == theirs.stride()


def test_the_kernels_are_ours_where_torch_loses_the_tail():
    x = torch.tensor([-7.25])
    assert F.gelu(x).item() == 0
    with accelerate():
        assert F.gelu(x).item() == pytest.approx(-1.5096e-12, rel=1e-4)
    assert F.gelu(x).item() == 0


OUT = {
    "elu": lambda x, out: aten.elu.out(x, 0.7, out=out),
    "gelu": lambda x, out: aten.gelu.out(x, out=out),
    "leaky_relu": lambda x, out: aten.leaky_relu.out(x, 0.1, out=out),
    "elu_backward": lambda x, out: aten.elu_backward.grad_input(x, 0.7, 1, 1, False, x, grad_input=out),
    "gelu_backward": lambda x, out: aten.gelu_backward.grad_input(x, x, grad_input=out),
    "leaky_relu_backward": lambda x, out: aten.leaky_relu_backward.grad_input(x, x, 0.1, False, grad_input=out),
}


@pytest.mark.parametrize("name", OUT)
def test_out_is_written_and_returned(name, calls):
    x = data()
    expected, out = torch.empty_like(x), torch.empty_like(x)
    OUT[name](x, expected)
    with accelerate():
        assert OUT[name](x, out) is out
        same = x.clone()
        OUT[name](same, same)
    assert len(calls) == 2
    torch.testing.assert_close(out, expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(same, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", OUT)
def test_out_that_does_not_fit_is_torchs_affair(name, calls):
    x = data()
    with accelerate():
        strided = torch.zeros(2, 3, 4, 10)[..., ::2]
        OUT[name](x, strided)
        memory = torch.zeros(121)
        with pytest.raises(RuntimeError, match="single memory location"):
            OUT[name](memory[1:].view(2, 3, 4, 5), memory[:-1].view(2, 3, 4, 5))
    assert calls == []
    expected = torch.zeros(2, 3, 4, 10)[..., ::2]  # torch's bits depend on the layout
    OUT[name](x, expected)
    assert torch.equal(strided, expected)


def test_gelu_in_place(calls):
    x = data()
    expected = F.gelu(x)
    with accelerate():
        assert aten.gelu_(x) is x
    assert len(calls) == 1
    torch.testing.assert_close(x, expected, rtol=1e-6, atol=5e-7)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.celu(x, 0.7),
        lambda x: aten.elu(x, 0.7, 1.5),
        lambda x: F.elu(x[..., ::2]),
        lambda x: F.gelu(x.transpose(0, 1)),
        lambda x: F.prelu(x.transpose(0, 2), torch.tensor([0.5])),
        lambda x: F.leaky_relu(x.to(torch.float32).expand(2, *x.shape)),
        lambda x: aten._prelu_kernel_backward(x, x, torch.full((1, 3, 1, 1), 0.5))[1],
    ],
    ids=["celu", "scaled elu", "strided", "transposed", "transposed prelu", "expanded", "prelu's gradient, directly"],
)
def test_what_stays_with_torch_has_torchs_bits(function, calls):
    x = data()
    expected = function(x)
    with accelerate():
        actual = function(x)
    assert calls == []
    assert torch.equal(actual, expected)
    assert actual.stride() == expected.stride()


def test_other_devices_and_dtypes_are_not_concerned(calls):
    with accelerate():
        assert F.elu(torch.empty(3, device="meta")).is_meta
        with pytest.raises(RuntimeError, match="not implemented for"):
            F.elu(torch.ones(3, dtype=torch.int64))
        assert F.elu(torch.ones(0)).shape == (0,)
    assert calls == []


# --- prelu's gradient, which is summed by us and not by autograd's engine


def test_prelu_gradient_of_the_weight_is_summed_in_one_pass(calls):
    x, weight = data((64, 3, 16, 16), torch.float32), torch.full((3,), 0.5, requires_grad=True)
    with accelerate():
        F.prelu(x.requires_grad_(), weight).backward(torch.full_like(x, 3.0))
    expected = (3 * x.detach().double().clamp(max=0)).sum((0, 2, 3))
    assert torch.equal(weight.grad, expected.float())
    assert len(calls) == 2


def test_prelu_sums_halves_without_overflow():
    x = torch.full((1, 1, 2), -300.0, dtype=torch.float16, requires_grad=True)
    weight = torch.ones(1, dtype=torch.float16, requires_grad=True)
    with accelerate():
        F.prelu(x, weight).backward(torch.tensor([[[300.0, -299.0]]], dtype=torch.float16))
    assert weight.grad.item() == -300.0


@pytest.mark.parametrize("which", ["x", "weight"])
def test_prelu_with_one_gradient_wanted(which):
    x, weight = data(), torch.full((3,), 0.5)
    wanted = {"x": x, "weight": weight}[which].requires_grad_()
    expected = torch.autograd.grad(F.prelu(x, weight).sum(), wanted)
    with accelerate():
        actual = torch.autograd.grad(F.prelu(x, weight).sum(), wanted)
    torch.testing.assert_close(actual, expected)


def prelu_loss(weight, x):
    return F.prelu(x, weight).square().sum()


def batched_gradients(weight, x):
    y = F.prelu(x.requires_grad_(), weight.requires_grad_())
    g = torch.stack([data(y.shape, torch.float64, seed=s) for s in (3, 4)])
    return torch.autograd.grad(y, (x, weight), g, is_grads_batched=True)


def gradients_of_gradients(weight, x):
    y = F.prelu(x.requires_grad_(), weight.requires_grad_())
    first = torch.autograd.grad(y, (x, weight), data(y.shape, torch.float64, seed=3), create_graph=True)
    return torch.autograd.grad(sum(g.pow(3).sum() for g in first), (x, weight))


def compiled(weight, x):
    function = torch.compile(lambda w, v: F.prelu(v * 2, w), backend="aot_eager", fullgraph=True)
    y = function(weight.requires_grad_(), x.requires_grad_())
    return torch.autograd.grad(y, (x, weight), data(y.shape, torch.float64, seed=3))


def checkpointed(weight, x):
    y = torch.utils.checkpoint.checkpoint(F.prelu, x.requires_grad_(), weight.requires_grad_(), use_reentrant=False)
    return torch.autograd.grad(y, (x, weight), data(y.shape, torch.float64, seed=3))


def offloaded(weight, x):
    with torch.autograd.graph.save_on_cpu():
        y = F.prelu(x.requires_grad_(), weight.requires_grad_())
    return torch.autograd.grad(y, (x, weight), data(y.shape, torch.float64, seed=3))


@pytest.mark.parametrize(
    "function",
    [
        torch.func.grad(prelu_loss),
        torch.func.vmap(torch.func.grad(prelu_loss), (None, 0)),
        torch.func.vmap(torch.func.grad(prelu_loss), (0, None)),
        torch.func.hessian(prelu_loss),
        torch.func.jacrev(F.prelu, argnums=1),
        batched_gradients,
        gradients_of_gradients,
        compiled,
        checkpointed,
        offloaded,
    ],
    ids=[
        "grad", "a gradient for each sample", "a gradient for each weight", "hessian", "jacrev", "batched gradients",
        "gradients of gradients", "compiled", "checkpointed", "offloaded",
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:An output with one or more elements was resized:UserWarning")  # torch's own
@pytest.mark.filterwarnings("ignore:.*torch.jit.script.* is deprecated:DeprecationWarning")  # by torch.func itself
def test_prelu_under_every_transform(function, request):
    x, weight = data((2, 3, 4, 5), torch.float64), data((3,), torch.float64)
    if "each" in request.node.callspec.id:
        x, weight = data((2, 1, 3, 4, 5), torch.float64), data((3,), torch.float64)
    if "each weight" in request.node.callspec.id:
        x, weight = data((2, 3, 4, 5), torch.float64), data((2, 3), torch.float64)
    arguments = (x, weight) if "jacrev" in request.node.callspec.id else (weight, x)
    expected = function(*(a.clone() for a in arguments))
    with accelerate():
        actual = function(*(a.clone() for a in arguments))
    torch.testing.assert_close(actual, expected, rtol=1e-13, atol=1e-13)


def test_gradients_in_float64_are_those_of_finite_differences():
    x = data((2, 3, 4), torch.float64).requires_grad_()
    weight = torch.tensor([0.5, -0.25, 0.125], dtype=torch.float64, requires_grad=True)
    with accelerate():
        for name, function in FUNCTIONS.items():
            assert torch.autograd.gradcheck(function, (x, weight)), name
            if "in place" not in name:
                assert torch.autograd.gradgradcheck(function, (x, weight)), name


# --- rrelu


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_rrelu_draws_by_torchs_generator_and_keeps_torchs_contract(dtype, inplace, calls):
    x = data((40, 50), dtype).requires_grad_()
    with accelerate():
        torch.manual_seed(7)
        y = F.rrelu(x * 1, 0.1, 0.4, training=True, inplace=inplace)
        torch.manual_seed(7)
        again = F.rrelu(x * 1, 0.1, 0.4, training=True)
        other = F.rrelu(x * 1, 0.1, 0.4, training=True)
    y.sum().backward()  # what was saved is torch's, and so is the gradient, here outside
    assert len(calls) == 6
    assert torch.equal(y, again)
    assert not torch.equal(y, other)
    assert bool((x.grad[x > 0] == 1).all())
    slopes = x.grad[x <= 0]
    assert 0.1 - 1e-3 <= slopes.min().item() < 0.12 < 0.38 < slopes.max().item() <= 0.4 + 1e-3
    torch.testing.assert_close(y, x * x.grad)


def test_rrelu_to_out_with_noise_and_a_generator(calls):
    x, noise, out = data((30, 30)), torch.empty(30, 30), torch.empty(30, 30)
    generator = torch.Generator().manual_seed(3)
    with accelerate():
        state = torch.get_rng_state()
        assert aten.rrelu_with_noise.out(x, noise, 0.1, 0.4, True, generator, out=out) is out
        assert torch.equal(torch.get_rng_state(), state)
    assert len(calls) == 2
    assert torch.equal(out, x * noise)
    assert torch.equal(noise == 1, x > 0)


def test_rrelu_with_equal_bounds():
    x = data((10, 10)).requires_grad_()
    with accelerate():
        y = F.rrelu(x, 0.25, 0.25, training=True)
        y.sum().backward()
    assert torch.equal(y.detach(), F.leaky_relu(x.detach(), 0.25))
    assert torch.equal(x.grad, torch.where(x > 0, 1.0, 0.25))


def test_rrelu_with_bounds_in_the_wrong_order_is_torchs_error():
    with pytest.raises(RuntimeError, match="Lower bound should be less than or equal"), accelerate():
        F.rrelu(torch.ones(3), 0.5, 0.25, training=True)


# --- on and off


def test_leaving_restores_every_kernel(monkeypatch):
    before = dumps()
    with accelerate():
        assert is_accelerated()
        assert all(a != b for a, b in zip(before, dumps(), strict=True))
    assert dumps() == before


def test_leaving_by_an_exception_restores_too():
    before = dumps()
    with pytest.raises(KeyError, match="mine"), accelerate():
        raise KeyError("mine")
    assert dumps() == before


def test_nested_use():
    before = dumps()
    with accelerate() as outer:
        within = dumps()
        with accelerate():
            pass
        assert dumps() == within
        with outer:
            pass
        assert is_accelerated()
    assert dumps() == before


def test_as_a_switch():
    before = dumps()
    switch = accelerate()
    assert is_accelerated()
    switch.disable()
    switch.disable()
    assert dumps() == before
    switch.enable()
    assert is_accelerated()
    with switch:
        pass
    assert is_accelerated()
    switch.disable()
    with switch:
        assert is_accelerated()


def test_as_a_decorator():
    @accelerate()
    def countdown(n):
        """Of steps."""
        assert is_accelerated()
        return n if n == 0 else countdown(n - 1)

    assert not is_accelerated()
    assert (countdown(2), countdown.__name__, countdown.__doc__) == (0, "countdown", "Of steps.")


def test_generators_and_coroutines_are_not_decorated():
    def generator():
        yield

    async def coroutine():
        pass

    for function in (generator, coroutine):
        with pytest.raises(TypeError, match="`function` must be a plain function, got a generator or coroutine"):
            accelerate()(function)


def test_a_failure_on_the_way_in_leaves_nothing_behind(monkeypatch):
    before, get = dumps(), torch.library.get_kernel

    def failing(name, key):
        if "prelu" in name:
            raise RuntimeError("no such kernel")
        return get(name, key)

    monkeypatch.setattr(torch.library, "get_kernel", failing)
    with pytest.raises(RuntimeError, match="no such kernel"):
        accelerate()
    assert dumps() == before


# --- with the rest of torch


def test_threads_share_it(calls):
    x = data((50, 50))
    expected = F.elu(x)

    def work(_):
        with accelerate():
            leaf = x.clone().requires_grad_()
            y = F.elu(leaf)
            y.sum().backward()
            return y.detach()

    with accelerate(), ThreadPoolExecutor(4) as pool:
        results = list(pool.map(work, range(40)))
    assert all(torch.allclose(y, expected, rtol=1e-6, atol=1e-7) for y in results)
    assert len(calls) == 80
    assert len(set(calls)) > 1


def test_what_other_threads_call_while_it_is_on(calls):
    with accelerate(), ThreadPoolExecutor(1) as pool:
        pool.submit(F.elu, data()).result()
    assert len(calls) == 1


def test_compiled_code_and_scripts(calls):
    x = data()
    expected = F.elu(x)
    function = torch.compile(lambda v: F.elu(v), backend="eager", fullgraph=True)
    with accelerate():
        results = [function(x)]
        function_within = torch.compile(lambda v: F.elu(v) * 1, backend="aot_eager", fullgraph=True)
        results.append(function_within(x))
    assert len(calls) == 2
    results.append(function_within(x))
    assert len(calls) == 2
    assert torch.equal(results[2], expected)
    for y in results[:2]:
        torch.testing.assert_close(y, expected, rtol=1e-6, atol=1e-7)


def test_inside_of_a_compiled_function(calls):
    x = data()

    def within(v):
        with accelerate():
            return F.elu(v) + is_accelerated()

    decorated = accelerate()(lambda v: F.elu(v) + is_accelerated())
    with torch._dynamo.config.patch(error_on_recompile=True):
        for count, function in enumerate((within, decorated)):
            compiled = torch.compile(function, backend="eager")
            for _ in range(10):
                torch.testing.assert_close(compiled(x), F.elu(x) + 1, rtol=1e-6, atol=1e-7)
                assert not is_accelerated()
            assert len(calls) == 10 * (count + 1)
    torch._dynamo.reset()
    with pytest.raises(torch._dynamo.exc.Unsupported, match="`accelerate` stands around a compiled function"):
        torch.compile(within, backend="eager", fullgraph=True)(x)


def test_inference_mode_and_autocast(calls):
    x = data((8, 8))
    with accelerate(), torch.inference_mode():
        assert F.elu(x).is_inference()
    with accelerate(), torch.autocast("cpu", torch.bfloat16):
        assert F.gelu(x @ x).dtype is torch.bfloat16
    assert len(calls) == 2


def test_wherever_new_tensors_are_made(calls):
    x, weight = data((2, 3, 8)).requires_grad_(), torch.ones(3, requires_grad=True)
    noise = torch.empty(2, 3, 8)
    with accelerate(), torch.device("meta"):
        F.prelu(x, weight).sum().backward()
        y = torch.ops.aten.rrelu_with_noise(x.detach(), noise, training=True)
    assert len(calls) == 4
    assert torch.equal(x.grad, torch.ones(2, 3, 8))
    torch.testing.assert_close(weight.grad, x.detach().clamp(max=0).sum((0, 2)))
    assert torch.equal(y, x.detach() * noise)


def test_results_can_be_shared_and_saved(tmp_path):
    with accelerate():
        y = F.elu(data((1 << 19,)))
    torch.save(y, tmp_path / "y.pt")
    assert torch.equal(torch.load(tmp_path / "y.pt"), y)
    copied = y.clone()
    assert torch.equal(y.share_memory_(), copied)


# --- the table


@pytest.mark.usefixtures("measured")
def test_the_table_has_every_row_and_rising_sizes():
    assert set(thresholds.SWITCHES) == {row for row, _ in KERNELS.values()}
    for row in thresholds.SWITCHES.values():
        assert set(row) == set(DTYPES)
        for points in row.values():
            assert list(points) == sorted(set(points))
            assert all(point > 0 for point in points)
    assert thresholds.SWITCHES["rrelu"][torch.float16] == (), "torch refuses it, at every size"


@pytest.mark.usefixtures("measured")
def test_the_table_is_obeyed_on_both_sides_of_each_point(calls):
    points = thresholds.SWITCHES["gelu"][torch.float64]
    assert len(points) == 3
    with accelerate():
        for point, (below, above) in zip(points, ((0, 1), (1, 0), (0, 1)), strict=True):
            for size, expected in ((point - 1, below), (point, above)):
                calls.clear()
                F.gelu(torch.ones(size, dtype=torch.float64))
                assert len(calls) == expected


def test_an_operator_without_a_row_is_not_touched(monkeypatch):
    monkeypatch.setattr(thresholds, "SWITCHES", {"elu": {torch.float32: (1,)}})
    before = torch._C._dispatch_dump_table("aten::gelu")
    with accelerate():
        assert torch._C._dispatch_dump_table("aten::gelu") == before
        F.elu(torch.ones(3, dtype=torch.float64))
