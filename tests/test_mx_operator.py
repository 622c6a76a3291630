"""`mx.nd.LeakyReLU`, random numbers and unknown names: as in MXNet 1.6.0, but for its defects."""

import numpy as np
import pytest

import rectifier
from mx_arrays import assert_array
from rectifier import mx

nd = mx.nd


@pytest.fixture
def x():
    return nd.array([[-1, 2, 3], [4, -5, 6]])


# --- the operator


@pytest.mark.parametrize("act_type", ["leaky", "elu", "selu", "gelu"])
def test_operator_is_ours(x, act_type):
    assert_array(nd.LeakyReLU(x, act_type=act_type), rectifier.leaky_relu(x.asnumpy(), act_type=act_type))


def test_calls(x):
    gamma = nd.array([0.1, 0.2, 0.3])
    expected = rectifier.leaky_relu(x.asnumpy(), gamma.asnumpy(), "prelu")
    assert_array(nd.LeakyReLU(x, gamma, "prelu"), expected)
    assert_array(nd.LeakyReLU(data=x, gamma=gamma, act_type="prelu", name="unused"), expected)
    assert_array(nd.LeakyReLU(x, None, "elu", 0.5), rectifier.leaky_relu(x.asnumpy(), act_type="elu", slope=0.5))
    assert_array(nd.LeakyReLU(x, slope="0.5")[0], [-0.5, 2, 3])
    out = nd.zeros((2, 3))
    assert nd.LeakyReLU(x, out=out) is out
    assert_array(out, rectifier.leaky_relu(x.asnumpy()))
    nd.LeakyReLU(x, out=x)
    assert_array(x, out.asnumpy())


def test_rrelu_returns_output_and_mask(x):
    output, mask = nd.LeakyReLU(x, act_type="rrelu")
    assert_array(mask, np.where(x.asnumpy() > 0, 1, np.float32(0.2294999955)))
    assert_array(output, (x * mask).asnumpy())
    mx.random.seed(3)
    with mx.autograd.train_mode():
        output, mask = nd.LeakyReLU(x, act_type="rrelu")
        again, _ = nd.LeakyReLU(x, act_type="rrelu")
        mx.random.seed(3)
        first, _ = nd.LeakyReLU(x, act_type="rrelu")
    assert_array(output, (x * mask).asnumpy())
    assert_array(first, output.asnumpy())
    assert (again.asnumpy() != output.asnumpy()).any()
    slopes = mask.asnumpy()[x.asnumpy() <= 0]
    assert ((slopes >= 0.125) & (slopes < 0.334)).all()
    pair = [nd.zeros((2, 3)), nd.zeros((2, 3))]
    assert nd.LeakyReLU(x, act_type="rrelu", out=pair) is pair
    assert (pair[1].asnumpy() != 0).all()


def test_slopes_do_not_move_the_generator_in_inference(x):
    mx.random.seed(3)
    nd.LeakyReLU(x, act_type="rrelu")
    with mx.autograd.train_mode():
        one = nd.LeakyReLU(x, act_type="rrelu")[0]
        mx.random.seed(3)
        assert_array(one, nd.LeakyReLU(x, act_type="rrelu")[0].asnumpy())


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: nd.LeakyReLU(x, act_type="foo"), mx.MXNetError, "`act_type` must be one of leaky, elu"),
        (lambda x: nd.LeakyReLU(x, slope="x"), mx.MXNetError, "`slope` must be a number, got 'x'"),
        (lambda x: nd.LeakyReLU(x, foo=1), mx.MXNetError, "`foo` must be one of the operator's parameters"),
        (lambda x: nd.LeakyReLU(x, act_type="prelu"), mx.MXNetError, "expects 2 inputs, but got 1 instead"),
        (lambda x: nd.LeakyReLU(x, nd.ones((1,))), mx.MXNetError, "expects 1 inputs, but got 2 instead"),
        (lambda x: nd.LeakyReLU(), mx.MXNetError, "expects at least 1 input, but got 0 instead"),
        (lambda x: nd.LeakyReLU(x.asnumpy()), TypeError, "`data` must be an NDArray, got ndarray"),
        (lambda x: nd.LeakyReLU(x, "g", "prelu"), TypeError, "`gamma` must be an NDArray, got str"),
        (lambda x: nd.LeakyReLU(x, nd.ones((4,)), "prelu"), mx.MXNetError, "`gamma` must align with axis 1"),
        (lambda x: nd.LeakyReLU(x, nd.ones((1,), dtype="float64"), "prelu"), mx.MXNetError, "float32, got float64"),
        (lambda x: nd.LeakyReLU(x.astype("int32")), mx.MXNetError, "only support floating point types, not int32"),
        (lambda x: nd.LeakyReLU(x, slope=float("nan")), mx.MXNetError, "`slope` must be a finite number"),
        (lambda x: nd.LeakyReLU(x, out=nd.zeros((3,))), mx.MXNetError, r"Expecting \[2, 3\] got \[3\]"),
        (lambda x: nd.LeakyReLU(x, out=nd.zeros((2, 3), dtype="float64")), mx.MXNetError, "Provided = float64"),
        (lambda x: nd.LeakyReLU(x, act_type="rrelu", out=x), mx.MXNetError, "expects 2 outputs, but got 1"),
        (lambda x: nd.LeakyReLU(x, out=x.asnumpy()), TypeError, "`out` must be an NDArray"),
    ],
)
def test_operator_refusals(x, call, error, message):
    with pytest.raises(error, match=message):
        call(x)


# --- random numbers and names


def test_random_numbers_repeat_by_seed():
    mx.random.seed(7)
    first = nd.random.uniform(-1, 1, shape=(2, 3)).asnumpy()
    assert ((first >= -1) & (first < 1)).all()
    mx.random.seed(7)
    assert_array(mx.random.uniform(-1, 1, (2, 3)), first)
    assert mx.rnd is mx.random
    assert nd.random.normal(shape=3, dtype="float64").dtype is np.float64
    out = nd.zeros((4,))
    assert nd.random.normal(out=out) is out
    mx.random.seed(-1, ctx="all")
    for wrong in (1.5, "a", None, True):
        with pytest.raises(ValueError, match="`seed_state` must be int, got"):
            mx.random.seed(wrong)


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("FullyConnected", "nd"),
        ("dense", "gluon"),
        ("Dense", "gluon.nn"),
        ("Orthogonal", "init"),
        ("gamma", "random"),
    ],
)
def test_an_unknown_name_says_what_the_module_covers(name, module):
    found = mx
    for part in module.split("."):
        found = getattr(found, part)
    with pytest.raises(AttributeError, match=f"`mx.{module}` has no `{name}`: it covers MXNet's LeakyReLU"):
        getattr(found, name)


def test_an_unknown_attribute_of_an_array_says_what_there_is(x):
    with pytest.raises(AttributeError, match=r"`NDArray` has no `topk`: it covers .*asnumpy"):
        _ = x.topk
    assert not hasattr(x, "__cuda_array_interface__")
    assert {"LeakyReLU", "broadcast_add", "exp", "array"} <= set(dir(nd))
