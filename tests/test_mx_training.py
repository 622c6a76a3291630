"""What trains a net of these activations: `Trainer`, losses, initializers, and `nd`'s functions for a net by hand."""

import numpy as np
import pytest

from mx_arrays import assert_array
from rectifier import mx

nd, autograd, gluon, nn = mx.nd, mx.autograd, mx.gluon, mx.gluon.nn


def gradient_of(function, *arrays):
    for array in arrays:
        array.attach_grad()
    with autograd.record():
        result = function(*arrays)
    result.backward()
    return [array.grad.asnumpy() for array in arrays]


@pytest.mark.parametrize(
    ("a", "b", "options", "equation"),
    [
        ((2, 3), (3, 4), {}, "ij,jk->ik"),
        ((3,), (3,), {}, "i,i->"),
        ((2, 3), (3,), {}, "ij,j->i"),
        ((2, 3, 4), (4, 5), {}, "hij,jk->hik"),
        ((3, 2), (3, 4), {"transpose_a": True}, "ji,jk->ik"),
        ((2, 3), (4, 3), {"transpose_b": True}, "ij,kj->ik"),
        ((2, 3, 4), (2, 5), {"transpose_a": True}, "jab,jk->abk"),
        ((5, 4), (2, 3, 4), {"transpose_b": True}, "ij,abj->iab"),
    ],
)
def test_dot(a, b, options, equation):
    rng = np.random.default_rng(1)
    x, y = (rng.integers(-5, 6, shape).astype(np.float32) for shape in (a, b))
    expected = np.einsum(equation, x, y)
    assert_array(nd.dot(nd.array(x), nd.array(y), **options), expected.reshape(expected.shape or 1))


def test_gradient_of_dot():
    x, w = nd.array([[1, 2], [3, 4]]), nd.array([[5], [6]])
    d_x, d_w = gradient_of(nd.dot, x, w)
    assert d_x.tolist() == [[5, 6], [5, 6]]
    assert d_w.tolist() == [[4], [6]]
    with pytest.raises(mx.MXNetError):
        nd.dot(x, nd.ones((3, 1)))


def test_softmax_and_pick():
    x = np.random.default_rng(2).normal(size=(4, 3)).astype(np.float32)
    expected = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    np.testing.assert_allclose(nd.softmax(nd.array(x)).asnumpy(), expected, rtol=1e-6)
    np.testing.assert_allclose(nd.array(x).log_softmax(axis=1).asnumpy(), np.log(expected), rtol=1e-5)
    np.testing.assert_allclose(nd.softmax(nd.array(x), axis=0).asnumpy().sum(0), 1, rtol=1e-6)
    label = np.array([0, 2, 1, 9])
    (found,) = gradient_of(lambda x: -nd.pick(nd.log_softmax(x), nd.array(label)), nd.array(x))
    np.testing.assert_allclose(found, expected - np.eye(3)[np.minimum(label, 2)], rtol=1e-5, atol=1e-6)
    assert_array(nd.pick(nd.array([[1, 2], [3, 4]]), nd.array([1, 0]), axis=0), [3, 2])
    assert_array(nd.pick(nd.array([[1, 2], [3, 4]]), nd.array([1, -1]), keepdims=True), [[2], [3]])


def test_argmax_norm_where():
    x = nd.array([[3, 1, 2], [4, 4, 0]])
    assert_array(x.argmax(axis=1), [0, 0])
    assert_array(nd.argmin(x, axis=1, keepdims=True), [[1], [2]])
    assert_array(x.argmax(), [3])
    assert_array(x.norm(ord=1, axis=0), [7, 5, 2])
    assert nd.norm(x).asscalar() == pytest.approx(46**0.5)
    with pytest.raises(ValueError, match="`ord` must be 1 or 2, got 3"):
        x.norm(ord=3)
    assert_array(nd.where(x > 2, x, -x), [[3, -1, -2], [4, 4, -0.0]])
    with pytest.raises(mx.MXNetError, match="`where` must have arrays of one shape"):
        nd.where(x, x, nd.ones((3,)))


class Cube(autograd.Function):
    """A step of two inputs and two outputs, whose gradients are wrong on purpose."""

    def forward(self, x, y):
        assert not autograd.is_recording()
        self.save_for_backward(x)
        return x**3, y

    def backward(self, d_cube, d_y):
        (x,) = self.saved_tensors
        return 30 * d_cube * x**2, 5 * d_y


def test_function_of_ones_own():
    x, y = nd.array([1, 2]), nd.array([3, 4])
    d_x, d_y = gradient_of(lambda x, y: nd.add(*Cube()(x * 2, y)), x, y)
    assert d_x.tolist() == [240, 960]  # 30·(2x)²·2
    assert d_y.tolist() == [5, 5]
    step = Cube()
    assert_array(step(x, y)[0], [1, 8])
    with pytest.raises(AssertionError, match="can only be called once"):
        step(x, y)


def test_function_checks_the_shapes_of_its_gradients():
    class Wrong(autograd.Function):
        def forward(self, x):
            return x

        def backward(self, d_x):
            return nd.ones((3,))

    with pytest.raises(ValueError, match=r"`backward` must return arrays of shapes \[\(2,\)\], got \[\(3,\)\]"):
        gradient_of(lambda x: Wrong()(x), nd.ones((2,)))


def trained(optimizer, options, steps=3):
    """The alphas after each step down the gradient of Σ prelu(x)², which is 2·alpha at x = -1."""
    layer = nn.PReLU()
    layer.initialize()
    trainer = gluon.Trainer(layer.collect_params(), optimizer, options)
    alphas = []
    for _ in range(steps):
        with autograd.record():
            loss = layer(nd.array([-1, 2])) ** 2
        loss.backward()
        trainer.step(2)
        alphas.append(layer.alpha.data().asscalar())
    return alphas


def test_sgd():
    np.testing.assert_allclose(trained("sgd", {"learning_rate": 0.5}), [0.125, 0.0625, 0.03125], rtol=1e-6)
    # By hand: change = 0.9·change - 0.5·(alpha + 0.1·alpha).
    alpha, change, expected = 0.25, 0.0, []
    for _ in range(3):
        change = 0.9 * change - 0.5 * 1.1 * alpha
        alpha += change
        expected.append(alpha)
    options = {"learning_rate": 0.5, "momentum": 0.9, "wd": 0.1}
    np.testing.assert_allclose(trained("sgd", options), expected, rtol=1e-5)
    clipped = trained("sgd", {"learning_rate": 1.0, "clip_gradient": 0.1, "rescale_grad": 4.0})
    np.testing.assert_allclose(clipped, [0.15, 0.05, -0.05], rtol=1e-5)


def test_adam_begins_with_steps_of_the_learning_rate():
    np.testing.assert_allclose(trained("adam", {"learning_rate": 0.01}, 2), [0.24, 0.23], rtol=1e-3)


def test_scheduler():
    assert trained("sgd", {"lr_scheduler": lambda step: 1.0 if step == 2 else 0.0}) == [0.25, 0.0, 0.0]


def test_trainer_errors():
    parameters = [gluon.Parameter("w", shape=(1,))]
    with pytest.raises(ValueError, match="`optimizer` must be one of sgd, adam, got 'nag'"):
        gluon.Trainer(parameters, "nag")
    with pytest.raises(ValueError, match="`optimizer_params` must be of learning_rate, momentum, wd"):
        gluon.Trainer(parameters, "sgd", {"beta1": 1})
    with pytest.raises(TypeError, match="`params` must hold Parameters, got int"):
        gluon.Trainer([3], "sgd")
    with pytest.raises(TypeError, match="`params` must hold Parameters, got int"):
        gluon.Trainer(3, "sgd")
    trainer = gluon.Trainer(parameters, "sgd", {"lr_scheduler": lambda step: 1})
    with pytest.raises(UserWarning, match="LRScheduler"):
        trainer.set_learning_rate(1)
    trainer = gluon.Trainer({"w": parameters[0]}, "sgd")
    trainer.set_learning_rate(0.3)
    assert trainer.learning_rate == 0.3


def test_parameters_without_a_gradient_stay():
    layer = nn.PReLU()
    layer.initialize()
    layer.alpha.grad_req = "null"
    gluon.Trainer(layer.collect_params(), "sgd").step(1)
    assert layer.alpha.data().asscalar() == 0.25


def test_losses():
    a, b = nd.array([[1, 2], [3, 4]]), nd.array([[0, 1], [2, 2]])
    assert_array(gluon.loss.L2Loss()(a, b), [0.5, 1.25])
    assert_array(gluon.loss.L2Loss(3, batch_axis=1)(a, b), [1.5, 3.75])
    assert_array(gluon.loss.L1Loss()(a, b, nd.array([[1], [2]])), [1, 3])
    assert_array(gluon.loss.L2Loss()(nd.ones((2, 1)), nd.array([3, 4])), [2, 4.5])
    assert gluon.loss.L2Loss()(mx.sym.Variable("x"), mx.sym.Variable("y")).list_arguments() == ["y", "x"]
    assert repr(gluon.loss.L1Loss()) == "L1Loss(batch_axis=0, w=None)"
    with pytest.raises(AttributeError, match=r"`mx\.gluon\.loss` has no `HuberLoss`"):
        _ = gluon.loss.HuberLoss


def test_xavier():
    mx.random.seed(4)
    weight = nd.zeros((100, 200))
    mx.init.Xavier()("w_weight", weight)
    bound = (3 / 150) ** 0.5
    assert 0.99 * bound < weight.abs().max().asscalar() < bound
    mx.init.create('["msraprelu", {"factor_type": "in", "slope": 0.5}]')("w_weight", weight)
    assert weight.asnumpy().std() == pytest.approx((2 / 1.25 / 200) ** 0.5, rel=0.02)
    assert mx.init.MSRAPrelu("out").dumps() == '["msraprelu", {"factor_type": "out", "slope": 0.25}]'
    with pytest.raises(ValueError, match=r"must have a weight of two axes or more, got shape \(3,\)"):
        mx.init.Xavier()("w_weight", nd.zeros((3,)))
    with pytest.raises(ValueError, match="`factor_type` must be one of avg, in, out, got 'all'"):
        mx.init.Xavier(factor_type="all")


def test_lambdas():
    x = nd.array([[-1, 2]])
    assert_array(nn.Lambda("relu")(x), [[0, 2]])
    assert_array(nn.HybridLambda("relu")(x), [[0, 2]])
    assert repr(nn.HybridLambda("relu")) == "HybridLambda(relu)"
    layer = nn.HybridLambda(lambda F, x: F.LeakyReLU(x, slope=0.5, name="act"))
    assert_array(layer(x), [[-0.5, 2]])
    assert layer(mx.sym.Variable("x")).list_outputs()[0].endswith("act_output")
    assert nn.Flatten()(nd.ones((2, 3, 4))).shape == (2, 12)
    with pytest.raises(ValueError, match="`function` must be a function or the name of one, got 3"):
        nn.Lambda(3)


FLAT_HEADS = ("mx.sym.BlockGrad(x)", "x > 0", "mx.sym.broadcast_equal(x, x)", "mx.sym.floor(x)", "mx.sym.zeros_like(x)")


@pytest.mark.parametrize("head", FLAT_HEADS)
def test_outputs_whose_gradient_is_zero_need_none(head):
    x = mx.sym.Variable("x")
    second = eval(head, {"mx": mx, "x": x})
    executor = mx.sym.Group([mx.sym.MakeLoss(x * 2), second]).simple_bind(mx.cpu(), x=(2,))
    executor.forward(is_train=True)
    executor.backward()
    assert_array(executor.grad_dict["x"], [2, 2])


def test_outputs_with_a_gradient_need_one():
    x = mx.sym.Variable("x")
    executor = mx.sym.Group([mx.sym.MakeLoss(x * 2), mx.sym.sign(x)]).simple_bind(mx.cpu(), x=(2,))
    executor.forward(is_train=True)
    with pytest.raises(mx.MXNetError, match="head_gradient is required"):
        executor.backward()


def test_names_that_are_not_here():
    for module in ("autograd", "nd.random"):
        with pytest.raises(AttributeError, match=f"`mx.{module}` has no `nothing`: it covers"):
            eval(f"mx.{module}.nothing", {"mx": mx})
    with pytest.raises(AttributeError, match="the operators that are its methods are abs, ceil"):
        _ = mx.sym.Variable("x").nothing
    with pytest.raises(TypeError, match="`data` must be an NDArray, or a list or a dictionary of these, got int"):
        nd.save("unwritten", 3)
    assert mx.__version__ == "1.6.0"
    assert nd.random.randn(2, 3).shape == (2, 3)
    assert mx.context.num_gpus() == mx.num_gpus() >= 0


def test_parameters_move():
    layer = nn.PReLU()
    with pytest.raises(ValueError, match=r"Cannot reset context for Parameter .* because it has not been initialized"):
        layer.collect_params().reset_ctx(mx.cpu())
    layer.initialize()
    layer.alpha.set_data(nd.array([3]))
    layer.collect_params().reset_ctx([mx.cpu(1)])
    assert layer.alpha.list_ctx() == [mx.cpu(1)]
    assert layer.alpha.data().asscalar() == 3
    assert_array(layer.alpha.grad(), [0])


@pytest.mark.parametrize(
    "line",
    [
        "from rectifier.mx import autograd, context, gluon, init, initializer, model, name, nd, ndarray, sym, symbol",
        "import sys, rectifier.mx.ndarray; assert sys.modules['rectifier.mx.ndarray'] is mx.nd",
        "from rectifier.mx.ndarray import NDArray; assert NDArray is mx.nd.NDArray",
        "from rectifier.mx.gluon import HybridBlock, Trainer, loss, nn; assert nn is mx.gluon.nn",
        "from rectifier.mx.gluon.nn import HybridSequential, PReLU; assert PReLU is mx.gluon.nn.PReLU",
        "from rectifier.mx.gluon.loss import L2Loss",
        "from rectifier.mx.autograd import Function, record",
        "from rectifier.mx.initializer import MSRAPrelu",
    ],
)
def test_ways_to_import(line):
    exec(line, {"mx": mx})
