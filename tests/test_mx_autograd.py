"""`rectifier.mx.autograd`: modes, records and gradients as MXNet 1.6.0 has them."""

import threading

import numpy as np
import pytest

import rectifier
from mx_arrays import assert_array
from rectifier import mx

nd, ag = mx.nd, mx.autograd


@pytest.fixture
def x():
    array = nd.array([[-1, 2, -3], [4, -5, 6]])
    array.attach_grad()
    return array


def modes():
    return ag.is_recording(), ag.is_training()


def test_modes():
    assert modes() == (False, False)
    with ag.record():
        assert modes() == (True, True)
        with ag.pause():
            assert modes() == (False, False)
        with ag.pause(train_mode=True):
            assert modes() == (False, True)
        with ag.predict_mode():
            assert modes() == (True, False)
    with ag.record(train_mode=False):
        assert modes() == (True, False)
        with ag.train_mode():
            assert modes() == (True, True)
    assert (ag.set_recording(True), ag.set_training(True)) == (False, False)
    assert (ag.set_recording(False), ag.set_training(False)) == (True, True)


def test_modes_end_with_an_error_and_belong_to_a_thread():
    seen = []

    def interrupted():
        with ag.record():
            thread = threading.Thread(target=lambda: seen.append(modes()))
            thread.start()
            thread.join()
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
    assert seen == [(False, False)]
    assert modes() == (False, False)


@pytest.mark.parametrize("act_type", ["leaky", "elu", "selu", "gelu"])
def test_gradients_are_ours(x, act_type):
    with ag.record():
        y = nd.LeakyReLU(x, act_type=act_type)
    head = nd.array(np.arange(6).reshape(2, 3))
    y.backward(head)
    expected = rectifier.vjp(x.asnumpy(), act_type=act_type)[1](head.asnumpy())
    assert_array(x.grad, expected)


def test_prelu(x):
    gamma = nd.array([0.5, 0.25, 0.125])
    gamma.attach_grad()
    with ag.record():
        y = nd.LeakyReLU(x, gamma, "prelu")
    y.backward()
    assert_array(x.grad, [[0.5, 1, 0.125], [1, 0.25, 1]])
    assert_array(gamma.grad, [-1, -5, -3])


def test_rrelu_uses_the_slopes_of_its_mask(x):
    with ag.record():
        y, mask = nd.LeakyReLU(x, act_type="rrelu")
        y = y * 2
    y.backward()
    assert_array(x.grad, 2 * mask.asnumpy())


def test_requests(x):
    added, ignored = nd.ones((2, 3)), nd.ones((2, 3))
    added.attach_grad("add")
    ignored.attach_grad(grad_req="null")
    x.grad[:] = 7
    for _ in range(3):
        with ag.record():
            y = x * added * ignored
        y.backward()
    assert_array(x.grad, np.ones((2, 3)))
    assert_array(added.grad, 3 * x.asnumpy())
    assert_array(ignored.grad, np.zeros((2, 3)))


def test_the_sum_over_many_uses_is_right():
    x = nd.ones((1,))
    x.attach_grad("add")
    with ag.record():
        y = x + x + x + x + x  # MXNet: 31
    y.backward()
    assert_array(x.grad, [5])


def test_pause_detach_and_attach_cut_the_record(x):
    with ag.record():
        y = x * 2
        with ag.pause():
            z = y * 3
        w = z * x + y.detach() * x
    w.backward()
    assert_array(x.grad, 8 * x.asnumpy())
    with ag.record():
        y = x * 2
        y.attach_grad()
        z = y * 3
    x.grad[:] = 0
    z.backward()
    assert_array(y.grad, np.full((2, 3), 3))
    assert_array(x.grad, np.zeros((2, 3)))


def test_a_record_is_used_once_unless_kept(x):
    with ag.record():
        y = x * 2
        z = y * 3
    z.backward(retain_graph=True)
    z.backward(nd.ones((2, 3)) * 2)
    assert_array(x.grad, np.full((2, 3), 12))
    for used in (z, y):
        with pytest.raises(mx.MXNetError, match="not in a computational graph"):
            used.backward()
    with ag.record():
        later = y * x  # y is a constant by now
    later.backward()
    assert_array(x.grad, y.asnumpy())


def test_a_variable_is_its_own_gradient(x):
    x.backward()
    assert_array(x.grad, np.ones((2, 3)))


def test_backward_of_several_heads(x):
    with ag.record():
        y, z = x * x, x * 3
    assert ag.backward([y, z], [None, nd.ones((2, 3)) * 2]) is None
    assert_array(x.grad, 2 * x.asnumpy() + 6)


def test_grad(x):
    with ag.record():
        y = x * x
        z = y * x
    (found,) = ag.grad(z, x, head_grads=nd.ones((2, 3)) * 2, retain_graph=True)
    assert_array(found, 6 * x.asnumpy() ** 2)
    assert_array(x.grad, np.zeros((2, 3)))
    assert_array(ag.grad(z, [y, x])[0], x.asnumpy())


def test_gradients_of_gradients(x):
    with ag.record():
        y = nd.LeakyReLU(x, act_type="gelu")
        (first,) = ag.grad(y, x, create_graph=True)
    first.backward()
    small = np.float32(1e-2)
    slope = [rectifier.vjp(x.asnumpy() + d, act_type="gelu")[1](np.ones((2, 3))) for d in (small, -small)]
    np.testing.assert_allclose(x.grad.asnumpy(), (slope[0] - slope[1]) / (2 * small), rtol=1e-2, atol=1e-4)


def test_parts_and_shapes_pass_gradients_on(x):
    with ag.record():
        y = x[0].sum() + x[:, 1].sum() * 2 + x.reshape((3, 2))[2].sum() * 4 + x[[1], [0]].sum() * 8 + x.T[2, 0] * 16
    y.backward()
    assert_array(x.grad, [[1, 3, 17], [8, 6, 4]])


def test_every_greatest_element_gets_the_gradient():
    x = nd.array([[1, 2, 2], [4, 4, 2]])
    x.attach_grad()
    for call, expected in (
        (lambda: x.max(), [[0, 0, 0], [1, 1, 0]]),
        (lambda: x.max(axis=1), [[0, 1, 1], [1, 1, 0]]),
        (lambda: x.min(), [[1, 0, 0], [0, 0, 0]]),
        (lambda: nd.maximum(x, 2), [[0, 1, 1], [1, 1, 1]]),
        (lambda: x.clip(2, 3), [[0, 1, 1], [0, 0, 1]]),
    ):
        with ag.record():
            y = call()
        y.backward()
        assert_array(x.grad, expected)


def test_a_loss_makes_its_own_gradient(x):
    with ag.record():
        y = nd.make_loss(x) * 3 + nd.MakeLoss(x, grad_scale=2) * 5 + nd.BlockGrad(x)
    y.backward()
    assert_array(x.grad, np.full((2, 3), 3))


def test_recorded_arrays_cannot_be_written(x):
    with ag.record():
        y = x * 2
        for write in (
            lambda: x.__setitem__(slice(None), 5),
            lambda: y.__setitem__(0, 5),
            lambda: y.__iadd__(1),
            lambda: nd.LeakyReLU(y, out=x),
            lambda: y.copyto(x),
        ):
            with pytest.raises(mx.MXNetError, match="Assigning to NDArrays that are already in a computational graph"):
                write()
    assert_array(x, [[-1, 2, -3], [4, -5, 6]])


def test_arrays_that_are_written_become_part_of_the_record(x):
    with ag.record():
        z = nd.zeros((2, 3))
        z[:] = x * 2
        w = nd.LeakyReLU(x, out=nd.zeros((2, 3)))
        v = nd.ones((2, 3))
        v[0] = x[1]
        y = z + w + v
    y.backward()
    assert_array(x.grad, [[2.25, 3, 2.25], [4, 3.25, 4]])


def test_data_changed_before_backward_is_noticed(x):
    with ag.record():
        y = x * x
    x[:] = 5
    with pytest.raises(mx.MXNetError, match="changed after it was recorded"):
        y.backward()


def test_marked_variables(x):
    y, gradient = nd.ones((2, 3)), nd.zeros((2, 3))
    ag.mark_variables([y], [gradient], "add")
    with ag.record():
        z = x * y
    z.backward()
    assert_array(gradient, x.asnumpy())
    assert y.grad is gradient


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x, y: (x * 2).backward(), mx.MXNetError, "not in a computational graph"),
        (lambda x, y: nd.ones((1,)).backward(), mx.MXNetError, "not in a computational graph"),
        (
            lambda x, y: y.backward(nd.ones((3,))),
            mx.MXNetError,
            r"must have shape \(2, 3\) and dtype float32, got \(3,\)",
        ),
        (lambda x, y: y.backward(nd.ones((2, 3), dtype="float64")), mx.MXNetError, r"got \(2, 3\) and float64"),
        (lambda x, y: y.backward(np.ones((2, 3))), TypeError, "`head_grads` must be NDArray or None, got ndarray"),
        (lambda x, y: ag.backward([y], [None, None]), ValueError, "one array for each of the 1 heads, got 2"),
        (lambda x, y: ag.grad(y, []), ValueError, "`variables` must be at least one array"),
        (lambda x, y: ag.grad(y, nd.ones((1,))), mx.MXNetError, "not in a computational graph"),
        (lambda x, y: x.attach_grad("foo"), ValueError, "`grad_req` must be 'write', 'add' or 'null', got 'foo'"),
        (lambda x, y: x.attach_grad(stype="csr"), mx.MXNetError, "`stype` must be 'default', got 'csr'"),
    ],
)
def test_refusals(x, call, error, message):
    with ag.record():
        y = x * 2
    with pytest.raises(error, match=message):
        call(x, y)


def test_grad_of_what_has_no_part(x):
    other = nd.ones((1,))
    other.attach_grad()
    with ag.record():
        y = x * 2
    with pytest.raises(mx.MXNetError, match="the 1-th variable because it is unreachable"):
        ag.grad(y, other)
