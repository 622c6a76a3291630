"""`Symbol.eval`, `bind`, `simple_bind` and the executor, as in MXNet 1.6.0."""

import numpy as np
import pytest

from mx_arrays import assert_array
from rectifier import mx

nd, sym = mx.nd, mx.sym
X = [[-1, 2, -3], [4, -5, 6]]


@pytest.fixture
def x():
    return nd.array(X)


def leaky():
    return sym.LeakyReLU(sym.Variable("data"), name="act")


def prelu():
    return sym.LeakyReLU(sym.Variable("data"), act_type="prelu", name="pre")


def test_eval(x):
    assert_array(leaky().eval(data=x)[0], [[-0.25, 2, -0.75], [4, -1.25, 6]])
    assert_array(leaky().eval(mx.cpu(), data=x, more=x)[0], [[-0.25, 2, -0.75], [4, -1.25, 6]])
    gamma = nd.array([0.5, 0.25, 0.125])
    assert_array(prelu().eval(data=x, pre_gamma=gamma)[0], [[-0.5, 2, -0.375], [4, -1.25, 6]])
    with pytest.raises(ValueError, match="key `data` is missing in `args`"):
        leaky().eval()


def test_bind_shares_the_arrays(x):
    gradient = nd.zeros((2, 3))
    executor = leaky().bind(mx.cpu(), {"data": x}, {"data": gradient})
    first = executor.forward(is_train=True)[0]
    executor.backward(nd.ones((2, 3)))
    assert_array(gradient, [[0.25, 1, 0.25], [1, 0.25, 1]])
    executor.forward(data=nd.ones((2, 3)))
    assert_array(x, np.ones((2, 3)))
    assert_array(first, np.ones((2, 3)))
    assert executor.arg_dict == {"data": x}
    assert executor.output_dict.keys() == {"act_output"}


def test_lists_and_surplus_names(x):
    executor = prelu().bind(mx.cpu(), [x, nd.ones((3,))], [nd.zeros((2, 3)), nd.zeros((3,))], ["null", "add"])
    for _ in range(2):
        executor.forward(is_train=True)
        executor.backward([nd.ones((2, 3))])
    assert_array(executor.grad_dict["pre_gamma"], [-2, -10, -6])
    assert_array(executor.grad_arrays[0], np.zeros((2, 3)))
    assert list(leaky().bind(mx.cpu(), {"data": x, "more": x}).arg_dict) == ["data"]


def test_simple_bind_infers_shapes_and_dtypes():
    executor = prelu().simple_bind(
        mx.cpu(), grad_req={"pre_gamma": "write"}, type_dict={"data": "float64"}, data=(2, 3, 4)
    )
    assert executor.arg_dict["pre_gamma"].shape == (3,)
    assert executor.arg_dict["pre_gamma"].dtype is np.float64
    assert executor.grad_dict["data"] is None
    assert executor.grad_dict["pre_gamma"].shape == (3,)
    assert [array.shape for array in executor.arg_arrays] == [(2, 3, 4), (3,)]
    assert (executor.aux_dict, executor.aux_arrays) == ({}, [])
    with pytest.raises(
        mx.MXNetError, match=r"cannot decide shapes for the following arguments.* data: None, pre_gamma"
    ):
        prelu().simple_bind(mx.cpu())


def test_forward_takes_what_converts_and_writes_nothing_wrong(x):
    executor = leaky().simple_bind(mx.cpu(), data=(2, 3))
    assert_array(executor.forward(data=np.array(X))[0], [[-0.25, 2, -0.75], [4, -1.25, 6]])
    for kwargs, error, message in (
        ({"foo": x}, TypeError, "Unknown argument foo, which must be one of data"),
        ({"data": nd.ones((3, 3))}, ValueError, r"Argument data, need: \(2, 3\), received: \(3, 3\)"),
    ):
        with pytest.raises(error, match=message):
            executor.forward(**kwargs)
    assert_array(executor.arg_dict["data"], X)


def test_backward_after_inference_and_before_forward(x):
    for run in (lambda e: e.forward(is_train=False), lambda e: None):
        executor = leaky().bind(mx.cpu(), {"data": x}, {"data": nd.zeros((2, 3))})
        run(executor)
        executor.backward(nd.ones((2, 3)))
        assert_array(executor.grad_dict["data"], [[0.25, 1, 0.25], [1, 0.25, 1]])
        executor.backward({"act_output": nd.ones((2, 3)) * 2})
        assert_array(executor.grad_dict["data"], [[0.5, 2, 0.5], [2, 0.5, 2]])


def test_gradient_of_gamma_behind_other_operators(x):
    """MXNet's executors return it times gamma."""
    symbol = sym.LeakyReLU(sym.Variable("data") + 1, act_type="prelu", name="pre") * 2
    executor = symbol.simple_bind(mx.cpu(), data=(2, 3))
    executor.copy_params_from({"pre_gamma": nd.array([0.1, 0.2, 0.3])})
    executor.forward(is_train=True, data=x)
    executor.backward(nd.ones((2, 3)))
    assert_array(executor.grad_dict["pre_gamma"], [0, -8, -4])


def test_groups_losses_and_what_has_no_part(x):
    data = sym.Variable("data")
    group = sym.Group([sym.make_loss(sym.sum(leaky()(data=data))), sym.BlockGrad(data), data * sym.Variable("other")])
    executor = group.simple_bind(mx.cpu(), data=(2, 3), other=(2, 3))
    executor.forward(is_train=True, data=x, other=nd.ones((2, 3)))
    executor.backward([None, nd.ones((2, 3)), nd.ones((2, 3))])
    assert_array(executor.grad_dict["data"], [[1.25, 2, 1.25], [2, 1.25, 2]])
    alone = sym.Group([sym.BlockGrad(data) * 2])
    executor = alone.bind(mx.cpu(), {"data": x}, {"data": nd.ones((2, 3))})
    executor.forward(is_train=True)
    executor.backward(nd.ones((2, 3)))
    assert_array(executor.grad_dict["data"], np.zeros((2, 3)))


def test_rrelu_draws_in_training_only(x):
    symbol = sym.LeakyReLU(sym.Variable("data"), act_type="rrelu", name="r")
    executor = symbol.bind(mx.cpu(), {"data": x}, {"data": nd.zeros((2, 3))})
    mask = executor.forward(is_train=True)[1].asnumpy()
    assert len(set(mask[x.asnumpy() < 0].tolist())) == 3
    executor.backward([nd.ones((2, 3)), nd.zeros((2, 3))])
    assert_array(executor.grad_dict["data"], mask)
    assert len(set(executor.forward()[1].asnumpy()[x.asnumpy() < 0].tolist())) == 1
    assert symbol[0].eval(data=x)[0].shape == (2, 3)


def test_copy_params_from_checks_first():
    executor = prelu().simple_bind(mx.cpu(), data=(2, 3))
    executor.copy_params_from({"pre_gamma": nd.array([1, 2, 3]), "more": nd.ones((1,))}, allow_extra_params=True)
    for params, error, message in (
        (({"pre_gamma": nd.zeros((3,)), "more": nd.ones((1,))},), ValueError, '"more" that is not in the arguments'),
        (({}, {"more": nd.ones((1,))}), ValueError, '"more" that is not in the auxiliary states'),
        (({"pre_gamma": nd.zeros((4,))},), mx.MXNetError, r"`pre_gamma` must have shape \(3,\), got \(4,\)"),
    ):
        with pytest.raises(error, match=message):
            executor.copy_params_from(*params)
    assert_array(executor.arg_dict["pre_gamma"], [1, 2, 3])


def test_reshape_shares_parameters():
    executor = prelu().simple_bind(mx.cpu(), data=(4, 3))
    smaller = executor.reshape(data=(2, 3))
    assert smaller.arg_dict["data"].shape == (2, 3)
    assert smaller.arg_dict["pre_gamma"] is executor.arg_dict["pre_gamma"]
    assert smaller.grad_dict["data"].shape == (2, 3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: prelu().bind(mx.cpu(), {"data": x}), ValueError, "key `pre_gamma` is missing in `args`"),
        (lambda x: prelu().bind(mx.cpu(), [x]), ValueError, "as many arrays as there are arguments, 2, got 1"),
        (
            lambda x: leaky().bind(mx.cpu(), x),
            TypeError,
            "must be a list of NDArrays or a dict of str to NDArray, got ND",
        ),
        (lambda x: leaky().bind(mx.cpu(), [1]), TypeError, "`args` must hold NDArrays, got int for 'data'"),
        (
            lambda x: leaky().bind(mx.cpu(), [x], grad_req="foo"),
            ValueError,
            "`grad_req` must be one of write, add, null",
        ),
        (
            lambda x: leaky().bind(mx.cpu(), [x], [nd.zeros((3,))]),
            mx.MXNetError,
            "`args_grad` must have shape and dtype",
        ),
    ],
)
def test_bind_refusals(x, call, error, message):
    with pytest.raises(error, match=message):
        call(x)


@pytest.mark.parametrize(
    ("heads", "error", "message"),
    [
        (None, mx.MXNetError, "head_gradient is required when calling backward"),
        ({"foo": 1}, mx.MXNetError, "head_gradient is required when calling backward"),
        (nd.ones((3,)), mx.MXNetError, r"operands shape mismatch from.shape = \(3,\) to.shape=\(2, 3\)"),
        (np.ones((2, 3)), TypeError, "`out_grads` must be an NDArray, or a list or a dictionary of these, got ndarray"),
        ([np.ones((2, 3))], TypeError, "`out_grads` must hold NDArrays, got ndarray"),
    ],
)
def test_backward_refusals(x, heads, error, message):
    executor = leaky().bind(mx.cpu(), {"data": x}, {"data": nd.zeros((2, 3))})
    executor.forward(is_train=True)
    with pytest.raises(error, match=message):
        executor.backward(heads)


def test_errors_name_the_node(x):
    symbol = sym.LeakyReLU(sym.Variable("a") + sym.Variable("b"), name="act")
    with pytest.raises(
        mx.MXNetError, match=r"Error in operator _plus\d+: Incompatible .* expected \[2, 3\], got \[1, 3\]"
    ):
        symbol.eval(a=x, b=nd.ones((1, 3)))
    nodes = '[{"op": "null", "name": "x", "inputs": []}, {"op": "Pooling", "name": "pool", "inputs": [[0, 0, 0]]}]'
    text = f'{{"nodes": {nodes}, "arg_nodes": [0], "heads": [[1, 0, 0]]}}'
    with pytest.raises(
        mx.MXNetError, match="Error in operator pool: operator Pooling cannot be computed here, only Act"
    ):
        sym.load_json(text).eval(x=x)
