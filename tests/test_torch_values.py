"""Tensors: NumPy's bits in any dtype and layout, keys from torch's generators, `out`, and the words of errors."""

from __future__ import annotations

import importlib
import warnings

import numpy as np
import pytest

from rectifier import leaky_relu, rrelu_slopes, vjp
from torch_cases import CALLS, DTYPES, bits_of, call_id, gamma_for, torch
from ulp import assert_same_bits

pytestmark = pytest.mark.usefixtures("autograd")

SHAPE = (4, 3, 5, 2)


def numbers(seed, dtype=torch.float32, shape=SHAPE):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def as_numpy(keywords):
    return {name: bits_of(v) if isinstance(v, torch.Tensor) else v for name, v in keywords.items()}


LAYOUTS = {
    "contiguous": lambda x: x,
    "channels_last": lambda x: x.to(memory_format=torch.channels_last),
    "transposed": lambda x: x.transpose(0, 2).contiguous().transpose(0, 2),
    "every other": lambda x: torch.stack([x, x], -1).flatten(3)[..., ::2],
    "expanded": lambda x: x[:1].expand(4, -1, -1, -1),
}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("keywords", CALLS, ids=call_id)
def test_values_and_gradients_have_numpys_bits(keywords, layout, dtype):
    x, g = LAYOUTS[layout](numbers(0, dtype)), LAYOUTS[layout](numbers(1, dtype))
    keywords = gamma_for(keywords, 3, torch.float64 if dtype == torch.float64 else torch.float32)
    expected, pullback = vjp(bits_of(x), **as_numpy(keywords))
    d_expected = pullback(bits_of(g))
    y = leaky_relu(x, **keywords)
    assert y.stride() == torch.empty_like(x).stride()
    assert_same_bits(bits_of(y), expected)
    leaf = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    inputs = [leaf]
    if "gamma" in keywords:
        keywords["gamma"].requires_grad_()
        inputs.append(keywords["gamma"])
        d_expected = list(d_expected)
    else:
        d_expected = [d_expected]
    y = leaky_relu(leaf, **keywords)
    assert_same_bits(bits_of(y), expected)
    for got, wanted in zip(torch.autograd.grad(y, inputs, g), d_expected, strict=True):
        assert_same_bits(bits_of(got), wanted)
    y, pullback = vjp(x, **{k: v.detach() if k == "gamma" else v for k, v in keywords.items()})
    assert_same_bits(bits_of(y), expected)
    got = pullback(g)
    for one, wanted in zip(got if isinstance(got, tuple) else [got], d_expected, strict=True):
        assert_same_bits(bits_of(one), wanted)


@pytest.mark.parametrize("keywords", CALLS, ids=call_id)
@pytest.mark.parametrize("shape", [(), (0, 3), (3, 3)])
def test_shapes_without_elements_or_axes(keywords, shape):
    x = numbers(2, shape=shape).requires_grad_()
    keywords = gamma_for(keywords, 1)
    y = leaky_relu(x, **keywords)
    y.backward(torch.ones(shape))
    assert (y.shape, x.grad.shape) == (shape, shape)
    assert_same_bits(bits_of(y), np.asarray(leaky_relu(bits_of(x), **as_numpy(keywords))))


def test_large_results_are_right_after_their_memory_was_used_before():
    x = numbers(3, shape=(1 << 10, 1 << 9))
    expected = leaky_relu(bits_of(x), act_type="elu")
    for _ in range(3):
        y = leaky_relu(x, act_type="elu")
        kept = y[5:7]
        del y
        assert_same_bits(bits_of(kept), expected[5:7])
        assert_same_bits(bits_of(leaky_relu(x.t(), act_type="elu").t()), expected)
    assert leaky_relu(x.t(), act_type="elu").stride() == x.t().stride()


def test_integers_become_the_default_dtype():
    y = leaky_relu(torch.tensor([-2, 0, 3]))
    assert y.dtype == torch.get_default_dtype()
    assert y.tolist() == [-0.5, 0.0, 3.0]
    assert leaky_relu(torch.tensor([True])).tolist() == [1.0]


def test_gamma_never_promotes_and_its_gradient_has_its_dtype():
    x = numbers(4, torch.bfloat16)
    for dtype in DTYPES:
        gamma = torch.full((3,), 0.25, dtype=dtype, requires_grad=True)
        y = leaky_relu(x, gamma, "prelu")
        y.float().sum().backward()
        assert (y.dtype, gamma.grad.dtype) == (torch.bfloat16, dtype)
    assert leaky_relu(x, [0.5, 0.25, 0.125], "prelu").dtype == torch.bfloat16
    nhwc = x.movedim(1, -1)
    assert torch.equal(leaky_relu(nhwc, gamma, "prelu", axis=-1).movedim(-1, 1), leaky_relu(x, gamma, "prelu"))


# --- where the slopes come from

X = -torch.ones(50)
RRELU = {"act_type": "rrelu", "training": True}


@pytest.mark.parametrize("grad", [False, True])
def test_manual_seed_governs(grad):
    x = X.clone().requires_grad_(grad)
    torch.manual_seed(3)
    first, second = leaky_relu(x, **RRELU), leaky_relu(x, **RRELU)
    torch.manual_seed(3)
    assert torch.equal(leaky_relu(x, **RRELU), first)
    assert not torch.equal(first, second)
    torch.manual_seed(3)
    assert torch.equal(leaky_relu(X, **RRELU), first)  # the quick path and the one of autograd draw the same key


@pytest.mark.parametrize("rng", [None, 7])
@pytest.mark.parametrize("where", [None, "meta"])
def test_the_key_is_drawn_on_the_cpu_wherever_new_tensors_are_made(where, rng):
    x = numbers(0).requires_grad_()
    found = []
    for device in ("cpu", where):
        torch.manual_seed(3)
        with torch.device(device or "cpu"):
            y = leaky_relu(x, act_type="rrelu", training=True, rng=rng)
            found.append((y, *torch.autograd.grad(y.sum(), x)))
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_generators_are_taken():
    made = [leaky_relu(X, rng=torch.Generator().manual_seed(5), **RRELU) for _ in range(2)]
    assert torch.equal(*made)
    made = [leaky_relu(X, rng=np.random.default_rng(5), **RRELU) for _ in range(2)]
    assert_same_bits(bits_of(made[0]), leaky_relu(bits_of(X), rng=np.random.default_rng(5), **RRELU))
    generator = torch.Generator().manual_seed(5)
    state = generator.get_state()
    leaky_relu(X, act_type="rrelu", rng=generator)
    assert torch.equal(generator.get_state(), state)


@pytest.mark.parametrize("key", [0, 7, 2**63, 2**64 - 1])
def test_an_integer_gives_numpys_slopes(key):
    for x in (X, X.clone().requires_grad_()):
        assert_same_bits(bits_of(leaky_relu(x, rng=key, **RRELU)), -rrelu_slopes(50, key))


# --- out


@pytest.mark.parametrize("keywords", CALLS, ids=call_id)
def test_out_may_be_another_tensor_or_the_data(keywords):
    x, keywords = numbers(6), gamma_for(keywords, 3)
    expected = leaky_relu(x, **keywords)
    out = torch.empty_like(x)
    before = out._version
    assert leaky_relu(x, out=out, **keywords) is out
    assert out._version > before
    assert torch.equal(out, expected)
    room = torch.empty(x.numel() + 1)
    shifted = room[1:].view(SHAPE)
    shifted.copy_(x)
    overlapping = room[:-1].view(SHAPE)
    assert torch.equal(leaky_relu(shifted, out=overlapping, **keywords), expected)
    assert torch.equal(leaky_relu(x.clone(), **keywords), expected)
    again = x.clone()
    assert leaky_relu(again, out=again, **keywords) is again
    assert torch.equal(again, expected)


@pytest.mark.parametrize("keywords", CALLS, ids=call_id)
def test_in_place_is_differentiable_with_slopes_of_any_sign(keywords):
    x, g, keywords = numbers(7), numbers(8), gamma_for(keywords, 3)
    plain = x.clone().requires_grad_()
    y = leaky_relu(plain, **keywords)
    y.backward(g)
    leaf = x.clone().requires_grad_()
    data = leaf * 1
    assert leaky_relu(data, out=data, **keywords) is data
    data.backward(g)
    assert torch.equal(data, y)
    assert torch.equal(leaf.grad, plain.grad)
    leaf.grad = None
    data = leaf * 1
    y, pullback = vjp(data, out=data, **keywords)
    d_data = pullback(g)
    assert torch.equal(d_data[0] if isinstance(d_data, tuple) else d_data, plain.grad)


@pytest.mark.parametrize("differentiable", [(True, True), (True, False), (False, True)])
def test_prelu_in_place_is_differentiable_in_whatever_wants_it(differentiable):
    x, gamma = numbers(12, torch.float64), torch.tensor([0.5, 0.25, -0.5], dtype=torch.float64)
    inputs = [tensor.requires_grad_(wanted) for tensor, wanted in zip((x, gamma), differentiable, strict=True)]

    def function(x, gamma):
        data = x * 1
        return leaky_relu(data, gamma, "prelu", out=data)

    assert torch.autograd.gradcheck(function, inputs)
    assert torch.autograd.gradgradcheck(function, inputs)


def test_a_change_of_what_was_saved_is_found():
    y = leaky_relu(numbers(9).requires_grad_())
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    y = leaky_relu(numbers(9).requires_grad_(), slope=-1.0)
    y.add_(1).sum().backward()  # bits are nobody else's


def test_pullback_writes_to_out():
    x, g = numbers(10), numbers(11)
    _, pullback = vjp(x, act_type="gelu")
    out = torch.empty_like(x)
    assert pullback(g, out) is out
    assert torch.equal(out, pullback(g))
    gamma = torch.tensor([0.5, 0.25, -0.5])
    _, pullback = vjp(x, gamma, "prelu")
    outs = torch.empty_like(x), torch.empty(3)
    assert all(a is b for a, b in zip(pullback(g, outs), outs, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(pullback(g), outs, strict=True))


# --- errors

V = torch.zeros(2, 3)


def nested(layout):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls them a prototype
        return torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=layout)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: leaky_relu(V.to(torch.complex64)), TypeError, "`data` must be of dtype float16.*got torch.complex64"),
        (lambda: leaky_relu(V.to(torch.float8_e5m2)), TypeError, "`data` must be of dtype float16.*got torch.float8"),
        (lambda: leaky_relu(V.to_sparse()), TypeError, "`data` must be a tensor with strides, got one with layout"),
        (
            lambda: leaky_relu(V, V.to_sparse(), "prelu"),
            TypeError,
            "`gamma` must be a tensor with strides, got one with",
        ),
        (lambda: leaky_relu(V, out=V.to_sparse()), TypeError, "`out` must be a tensor with strides, got one with"),
        (
            lambda: leaky_relu(nested(torch.strided)),
            TypeError,
            "`data` must be a tensor with strides, got one that is nested",
        ),
        (
            lambda: leaky_relu(nested(torch.jagged)),
            TypeError,
            "`data` must be a tensor with strides, got one that is nested",
        ),
        (lambda: vjp(V)[1](V.to_sparse()), TypeError, "`d_out` must be a tensor with strides, got one with layout"),
        (lambda: leaky_relu(V, V[:, :2], "prelu"), ValueError, "`gamma` must align"),
        (lambda: leaky_relu(V, "word", "prelu"), TypeError, "`gamma` must be an array of real numbers, got str"),
        (lambda: leaky_relu(V, V.to("meta"), "prelu"), ValueError, "`gamma` must be on the device of `data`, cpu"),
        (lambda: leaky_relu(V, V, "leaky"), ValueError, "`gamma` must be None unless"),
        (lambda: leaky_relu(V, out=V.numpy()), TypeError, "`out` must be a tensor or None, got ndarray"),
        (lambda: leaky_relu(V, out=V[:1]), ValueError, r"`out` must have shape \(2, 3\), got \(1, 3\)"),
        (lambda: leaky_relu(V, out=V.double()), TypeError, "`out` must be of dtype torch.float32, got torch.float64"),
        (lambda: leaky_relu(V, out=V.to("meta")), ValueError, "`out` must be on the device cpu, got meta"),
        (lambda: leaky_relu(V, out=V[:1].expand(2, 3)), ValueError, "`out` must have memory for each element"),
        (lambda: leaky_relu(V.clone().requires_grad_(), out=V.clone()), ValueError, "`out` must be `data` itself"),
        (lambda: in_place(V.clone().requires_grad_()), ValueError, "`out` must not be a leaf"),
        (lambda: leaky_relu(V, rng="x"), TypeError, "`rng` must be.*a torch.Generator, a numpy.random.Generator or"),
        (lambda: leaky_relu(V, rng=-1), ValueError, "`rng` must be.*got -1"),
        (lambda: vjp(V)[1](V[:1]), ValueError, r"`d_out` must have shape \(2, 3\), got \(1, 3\)"),
        (lambda: vjp(V)[1]("x"), TypeError, "`d_out` must be an array of real numbers, got str"),
        (lambda: vjp(V)[1](V.to(torch.complex64)), TypeError, "`d_out` must be of dtype"),
        (lambda: vjp(V, 0.5, "prelu")[1](V, V), TypeError, "`out` must be a pair of tensors for 'prelu'"),
    ],
)
def test_errors_in_the_projects_words(call, error, message):
    with pytest.raises(error, match=message):
        call()


def in_place(x):
    return leaky_relu(x, out=x)


def test_what_inference_mode_has_made_is_not_written_outside_of_it():
    with torch.inference_mode():
        inside = numbers(13)
        expected = leaky_relu(inside)
        assert torch.equal(in_place(inside.clone()), expected)
        other = inside.clone()
    with pytest.raises(RuntimeError, match="Inplace update to inference tensor outside InferenceMode"):
        other.mul_(2)
    for out in (inside, inside.transpose(0, 1)):  # the quick way, and the other one
        with pytest.raises(ValueError, match="`out` must not be a tensor of inference mode outside of it"):
            in_place(out)
        assert torch.equal(inside, numbers(13))


def test_rectifier_torch_has_the_functions():
    import rectifier.torch

    assert rectifier.torch.leaky_relu is rectifier.leaky_relu
    assert rectifier.torch.vjp is rectifier.vjp


@pytest.mark.parametrize("bounds", [{}, {"lower_bound": -0.3, "upper_bound": 0.25}])
@pytest.mark.parametrize("requires_grad", [False, True])
def test_one_key_is_drawn_for_a_call(bounds, requires_grad):
    """Whichever way the call takes, torch's generator moves on once, and only after all is found to be right."""
    x = -torch.ones(5, requires_grad=requires_grad)
    torch.manual_seed(9)
    with pytest.raises(ValueError, match="`lower_bound` must be at most"):
        leaky_relu(x, act_type="rrelu", lower_bound=2.0, upper_bound=1.0, training=True)
    y = leaky_relu(x, act_type="rrelu", training=True, **bounds)
    after = torch.rand(())
    torch.manual_seed(9)
    key = importlib.import_module("rectifier.backends.torch").draw_key(None)
    assert torch.equal(torch.rand(()), after)
    slopes = rrelu_slopes(5, key.item() % 2**64, **bounds)
    assert torch.equal(y.detach(), -torch.from_numpy(slopes))
