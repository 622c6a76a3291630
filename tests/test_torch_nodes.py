"""The compiled autograd node: when it is in use, what it computes and keeps, and the life of its file.

That all else is as without it, the modules with the fixture `autograd` test.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import rectifier
from rectifier import leaky_relu
from threaded import in_threads
from torch_cases import CALLS, DTYPES, bits_of, call_id, gamma_for, torch
from ulp import assert_same_bits

from rectifier._torch import nodes  # isort: skip  (after torch is known to be there)

NAME = "RectifierBackward"
SIZES = [(0, 3), (1, 3), (2, 3, 7), (3, 3, 2731), (2, 3, 60_000), (1, 3, 300_000)]


@pytest.fixture
def node(compiled_node):
    """The node, in use."""
    before = nodes.module
    leaky_relu(torch.ones(1))  # the first call on a tensor goes the general way
    nodes.use(compiled_node)
    yield compiled_node
    nodes.use(before)


def numbers(seed, dtype=torch.float32, shape=(2, 3, 4)):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def through_both(node, function):
    """What the function returns with the node and without."""
    results = []
    for loaded in (node, None):
        nodes.use(loaded)
        results.append(function())
    nodes.use(node)
    return results


def bits(tensors):
    return [None if tensor is None else bits_of(tensor) for tensor in tensors]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SIZES, ids=str)
@pytest.mark.parametrize("keywords", CALLS, ids=call_id)
def test_values_and_gradients_have_the_bits_of_the_way_through_python(node, keywords, shape, dtype):
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    x, g = numbers(0, dtype, shape), numbers(1, dtype, shape)
    keywords = gamma_for(keywords, 3, wide)

    def step():
        leaf = x.clone().requires_grad_()
        inputs = [leaf, keywords["gamma"].clone().requires_grad_()] if "gamma" in keywords else [leaf]
        y = leaky_relu(leaf, **{**keywords, **({"gamma": inputs[1]} if "gamma" in keywords else {})})
        return y.grad_fn.name(), [y, *torch.autograd.grad(y, inputs, g)]

    (name, ours), (other, expected) = through_both(node, step)
    assert (name, other) == (NAME, "ValueBackward")
    for one, wanted in zip(bits(ours), bits(expected), strict=True):
        assert_same_bits(one, wanted)


@pytest.mark.parametrize(
    ("shape", "of_gamma", "axis"),
    [
        ((4, 3, 2), (1,), None),
        ((4, 3, 2), (), None),
        ((4, 3, 2), (3,), None),
        ((4, 3, 2), (2,), -1),
        ((4, 3, 2), (4,), 0),
        ((4, 3, 2), (4, 3, 2), None),
        ((4, 3, 2), (1, 1, 1), None),
        ((5,), (5,), 0),
        ((5,), (5,), -1),
        ((5,), (1,), None),
        ((), (1,), None),
        ((), (), None),
        ((4, 1), (1,), 1),
    ],
)
@pytest.mark.parametrize("wanted", ["both", "data", "gamma"])
def test_gamma_of_every_form(node, shape, of_gamma, axis, wanted):
    def step():
        x, gamma = numbers(0, shape=shape), numbers(1, shape=of_gamma)
        x.requires_grad_(wanted != "gamma")
        gamma.requires_grad_(wanted != "data")
        y = leaky_relu(x, gamma, "prelu", axis=axis)
        y.backward(numbers(2, shape=shape))
        return [y, x.grad, gamma.grad]

    ours, expected = through_both(node, step)
    assert ours[0].grad_fn.name() == NAME
    for one, other in zip(ours, expected, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            assert one.shape == other.shape
            assert_same_bits(bits_of(one), bits_of(other))


def test_gamma_of_a_dtype_that_widens_and_of_every_other_element(node):
    def step():
        base = numbers(1, torch.bfloat16, (6,)).requires_grad_()
        y = leaky_relu(numbers(0).requires_grad_(), base[::2], "prelu")
        return [y, torch.autograd.grad(y, base, numbers(2))[0]]

    for one, other in zip(*through_both(node, step), strict=True):
        assert one.dtype == other.dtype
        assert_same_bits(bits_of(one), bits_of(other))


@pytest.mark.parametrize("wanted", ["gamma", "data"])
@pytest.mark.parametrize("shape", [(4,), (2,), (3, 2), (1,)], ids=str)
def test_gamma_may_not_change_its_shape_before_the_gradient(node, shape, wanted):
    x, gamma = numbers(0).requires_grad_(), torch.ones(3).requires_grad_()
    y = leaky_relu(x, gamma, "prelu")
    gamma.data = torch.ones(shape)
    with pytest.raises(RuntimeError, match="gamma has another shape"):
        torch.autograd.grad(y.sum(), x if wanted == "data" else gamma)


def test_a_gradient_without_strides_of_its_own(node):
    x = numbers(0).requires_grad_()
    leaky_relu(x).sum().backward()
    assert torch.equal(x.grad, torch.where(x > 0, 1.0, 0.25))


@pytest.mark.parametrize("bounds", [(0.1, 0.3), (-0.3, 0.3)])
def test_the_same_key_is_drawn(node, bounds):
    def step():
        torch.manual_seed(7)
        x = numbers(0).requires_grad_()
        y = leaky_relu(x, None, "rrelu", lower_bound=bounds[0], upper_bound=bounds[1], training=True)
        return [y, torch.autograd.grad(y, x, numbers(1))[0], torch.rand(3)]

    for one, other in zip(*through_both(node, step), strict=True):
        assert_same_bits(bits_of(one), bits_of(other))


def test_the_second_derivative_and_a_graph_of_it(node):
    x, gamma = numbers(0).double().requires_grad_(), numbers(1, shape=(3,)).double().requires_grad_()
    function = lambda x, gamma: leaky_relu(x, gamma, "prelu")  # noqa: E731
    assert function(x, gamma).grad_fn.name() == NAME
    assert torch.autograd.gradgradcheck(function, [x, gamma])
    (g,) = torch.autograd.grad(leaky_relu(x, None, "gelu").sum(), x, create_graph=True)
    assert torch.autograd.grad(g.sum(), x)[0].abs().max() > 0


def test_a_change_in_place_of_what_was_kept_is_found(node):
    x = numbers(0).requires_grad_()
    y = leaky_relu(x)
    y.detach().zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    z = x * 1
    y = leaky_relu(z, None, "elu")
    z.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_buffers_are_freed_unless_kept(node):
    x = numbers(0).requires_grad_()
    y = leaky_relu(x)
    first, second = (torch.autograd.grad(y.sum(), x, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(first, second)
    torch.autograd.grad(y.sum(), x)
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        torch.autograd.grad(y.sum(), x)


def test_hooks_see_the_gradient_and_may_change_it(node):
    x = numbers(0).requires_grad_()
    y = leaky_relu(x, slope=0.5)
    seen = []
    y.register_hook(lambda g: 2 * g)
    y.grad_fn.register_hook(lambda d_inputs, d_outputs: seen.append((d_inputs, d_outputs)))
    y.sum().backward()
    assert torch.equal(x.grad, torch.where(x > 0, 2.0, 1.0))
    assert torch.equal(seen[0][0][0], x.grad)
    assert torch.equal(seen[0][1][0], torch.full_like(x, 2.0))


def test_what_is_kept_may_be_packed(node):
    x = numbers(0).requires_grad_()
    with torch.autograd.graph.save_on_cpu():
        y = leaky_relu(x, None, "gelu")
    expected = torch.autograd.grad(leaky_relu(x, None, "gelu").sum(), x)[0]
    assert torch.equal(torch.autograd.grad(y.sum(), x)[0], expected)


class Silent(torch.autograd.Function):
    """Hands no gradient on."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, g):
        return None


def test_no_gradient_comes_in(node):
    x = numbers(0).requires_grad_()
    y = Silent.apply(leaky_relu(x))
    assert torch.autograd.grad(y.sum(), x, allow_unused=True) == (None,)


def test_a_gradient_that_is_not_plain_takes_the_operators(node):
    x = numbers(0).requires_grad_()
    y = leaky_relu(x, None, "gelu")
    g = numbers(1, shape=(5, *x.shape))
    (batched,) = torch.autograd.grad(y, x, g, is_grads_batched=True, retain_graph=True)
    for k in range(5):
        assert torch.equal(batched[k], torch.autograd.grad(y, x, g[k], retain_graph=True)[0])


def test_threads_run_backwards_at_once(node):
    x = numbers(0, shape=(3, 40_000))
    expected = torch.where(x > 0, 1.0, 0.25)
    wrong = []

    def step():
        leaf = x.clone().requires_grad_()
        for _ in range(20):
            (got,) = torch.autograd.grad(leaky_relu(leaf), leaf, torch.ones_like(x))
            if not torch.equal(got, expected):
                wrong.append(got)

    in_threads(4, step)
    assert not wrong


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # torch's own asking
@pytest.mark.parametrize("keywords", CALLS, ids=call_id)
def test_compiled_autograd(node, keywords):
    keywords = gamma_for(keywords, 3)
    x = numbers(0).requires_grad_()
    expected = torch.autograd.grad(leaky_relu(x, **keywords).sum(), x)[0]
    y = leaky_relu(x, **keywords)
    assert y.grad_fn.name() == NAME
    with torch._dynamo.compiled_autograd._enable(lambda graph: graph):
        y.sum().backward()
    assert torch.equal(x.grad, expected)


def test_what_is_not_plain_is_not_for_the_node(node):
    x = numbers(0).requires_grad_()
    assert leaky_relu(x).grad_fn.name() == NAME
    assert leaky_relu(x, 0.5 * torch.ones(3), "prelu").grad_fn.name() == NAME
    assert leaky_relu(x, [0.5], "prelu").grad_fn.name() != NAME
    assert leaky_relu(x * 1, out=None).grad_fn.name() == NAME
    z = x * 1
    assert leaky_relu(z, out=z).grad_fn.name() != NAME
    assert leaky_relu(torch.empty(3, device="meta", requires_grad=True)).grad_fn.name() != NAME
    assert leaky_relu(x.detach()).grad_fn is None
    with torch.no_grad():
        assert leaky_relu(x).grad_fn is None


# --- the file


@pytest.fixture
def cache(node, tmp_path, monkeypatch):
    """An empty cache, and a compiler that copies the node instead of making it."""
    content = Path(node.__file__).read_bytes()[:-32]
    (tmp_path / "made.so").write_bytes(content)
    compiler = tmp_path / "compiler"
    compiler.write_text(
        f"""#!{sys.executable}
import shutil, sys
open({str(tmp_path / "calls")!r}, "a").write("x")
shutil.copyfile({str(tmp_path / "made.so")!r}, sys.argv[sys.argv.index("-o") + 1])
"""
    )
    compiler.chmod(compiler.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("CXX", str(compiler))
    monkeypatch.setenv("RECTIFIER_CACHE", str(tmp_path / "cache"))
    nodes.use(None)
    return tmp_path / "cache"


def compilations(cache):
    calls = cache.parent / "calls"
    return len(calls.read_text()) if calls.exists() else 0


def test_built_once_and_found_later(cache):
    path = Path(nodes.build_nodes())
    assert list(cache.iterdir()) == [path]
    assert rectifier.show_config("dicts")["torch_nodes"] == "in use"
    nodes.use(None)
    assert rectifier.show_config("dicts")["torch_nodes"] == "not in use"
    nodes.build_nodes()
    assert compilations(cache) == 1
    nodes.use(None)
    nodes.use_if_built()
    assert nodes.call is not None


def test_nothing_is_compiled_at_import(cache):
    nodes.use_if_built()
    assert nodes.call is None
    assert compilations(cache) == 0


def test_another_torch_has_another_file(cache, monkeypatch):
    path = nodes.build_nodes()
    nodes.use(None)
    monkeypatch.setattr(torch, "__version__", "99.0")
    nodes.use_if_built()
    assert nodes.call is None
    assert nodes.build_nodes() != path
    assert compilations(cache) == 2


@pytest.mark.parametrize(
    "spoil", [lambda content: content[:1000], lambda content: b"", lambda content: b"\0" + content[1:]]
)
def test_a_spoilt_file_is_ignored_and_made_anew(cache, spoil):
    path = Path(nodes.build_nodes())
    content = path.read_bytes()
    nodes.use(None)
    path.unlink()  # a library that is loaded must not change in place
    path.write_bytes(spoil(content))
    nodes.use_if_built()
    assert nodes.call is None
    assert rectifier.show_config("dicts")["torch_nodes"] == f"spoilt: {path}"
    nodes.build_nodes()
    assert nodes.call is not None
    assert path.read_bytes() == content


def test_a_file_that_does_not_load_is_ignored(cache):
    (cache.parent / "made.so").write_bytes(b"no library")
    with pytest.raises(ImportError):
        nodes.build_nodes()
    nodes.use_if_built()
    assert nodes.call is None
    assert nodes.state().startswith("not loaded: ")


@pytest.mark.parametrize(
    ("compiler", "message"),
    [
        ("/nowhere/c++", r"needs a C\+\+ compiler: /nowhere/c\+\+: No such file or directory"),
        ("false", "the compiler failed on the autograd node:\nfalse -std"),
    ],
)
def test_without_a_compiler_that_works(cache, monkeypatch, compiler, message):
    monkeypatch.setenv("CXX", compiler)
    with pytest.raises(RuntimeError, match=message):
        nodes.build_nodes()
    assert nodes.call is None
    assert list(cache.iterdir()) == []


def test_two_processes_build_at_once(cache):
    program = "import torch, rectifier.torch as rt; print(rt.build_nodes())"
    processes = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) for _ in range(2)]
    outputs = {process.communicate()[0] for process in processes}
    assert [process.returncode for process in processes] == [0, 0]
    assert len(outputs) == 1
    assert [str(path) for path in cache.iterdir()] == [outputs.pop().decode().strip()]
    nodes.use_if_built()
    assert nodes.call is not None


def test_import_takes_the_file_that_is_there(cache):
    nodes.build_nodes()
    program = "import torch, rectifier.torch; print(rectifier.show_config('dicts')['torch_nodes'])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "in use"
    assert done.stderr == ""
    assert compilations(cache) == 1


def test_an_older_torch_is_refused():
    program = """
import torch
del torch.Tensor.__dlpack_c_exchange_api__
import rectifier
try:
    rectifier.leaky_relu(torch.ones(1))
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert done.stdout == (
        f"tensors need PyTorch 2.10 or later, got {torch.__version__}: pip install 'rectifier[torch]'\n"
    )


def test_the_directory_is_that_of_the_users_caches(monkeypatch):
    monkeypatch.delenv("RECTIFIER_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert nodes._path().parent == Path("/somewhere/rectifier")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert nodes._path().parent == Path(os.path.expanduser("~/.cache/rectifier"))
