"""A script for MXNet 1.6.0 that uses the activations in MXNet's four ways: arrays, gradients, symbols, blocks.

It runs here as it runs there, but for one line: MXNet's is ``import mxnet as mx``.
"""

import os
import tempfile

import numpy as np

from rectifier import mx


def show(title, *arrays):
    """Print arrays with the digits that both have in common."""
    for array in arrays:
        numbers = array.asnumpy() if hasattr(array, "asnumpy") else np.asarray(array)
        print(title, numbers.dtype, numbers.shape, " ".join("%.4g" % (number + 0.0) for number in numbers.ravel()))


def arrays():
    """``mx.nd``: the operator and arithmetic on arrays."""
    x = mx.nd.array([[-2.0, -0.5, 0.0], [1.5, -1.0, 3.0]])
    for act_type in ("leaky", "elu", "selu", "gelu"):
        show(act_type, mx.nd.LeakyReLU(x, act_type=act_type))
    gamma = mx.nd.array([0.1, 0.2, 0.3])
    show("prelu", mx.nd.LeakyReLU(x, gamma, "prelu"))
    show("rrelu", mx.nd.LeakyReLU(data=x, act_type="rrelu", lower_bound=0.1, upper_bound=0.3)[0])
    out = mx.nd.zeros((2, 3))
    mx.nd.LeakyReLU(x, slope=0.1, out=out, name="unused")
    out[0] = 7
    out[:, 1] += 0.5
    show("written", out, out.T, out.reshape((0, -1, 1)), out[1, 1:])
    show("arithmetic", 1 - x * 2 + x / 4, x**2, x > 0, abs(x) % 2, mx.nd.broadcast_add(x, gamma), x.astype("int32") / 2)
    show("reduced", x.sum(), x.mean(axis=1), x.max(axis=0), x[0:1].mean(keepdims=True))
    print(x)


def gradients():
    """``mx.autograd``: what is written, and what is added."""
    x = mx.nd.array([[-2.0, -0.5], [1.5, -1.0]])
    gamma = mx.nd.array([0.1, 0.2])
    x.attach_grad()
    gamma.attach_grad(grad_req="add")
    for _ in range(3):
        with mx.autograd.record():
            y = mx.nd.LeakyReLU(x, gamma, act_type="prelu")
            loss = (y * y).sum()
        loss.backward()
        show("step", loss, x.grad, gamma.grad)
        x[:] -= 0.1 * x.grad
    with mx.autograd.record(train_mode=False):
        z = mx.nd.LeakyReLU(x, act_type="elu", slope=1.0)
        with mx.autograd.pause():
            weight = z * 2
    z.backward(weight, retain_graph=True)
    show("weighted", x.grad)
    show("grad", mx.autograd.grad(z, x)[0])


def symbols(folder):
    """``mx.sym``: a graph, its executor, and its files."""
    data = mx.sym.Variable("data")
    hidden = mx.sym.LeakyReLU(data, act_type="prelu", name="act")
    net = mx.sym.LeakyReLU(hidden * 2 + 1, act_type="elu", slope=0.5, name="last")
    print(net.list_arguments(), net.list_outputs(), net.infer_shape(data=(2, 3)))
    executor = net.simple_bind(mx.cpu(), grad_req={"data": "write", "act_gamma": "null"}, data=(2, 3))
    executor.copy_params_from({"act_gamma": mx.nd.array([0.1, 0.2, 0.3])})
    executor.forward(is_train=True, data=mx.nd.array([[-1.0, 2.0, -3.0], [0.5, -0.25, 0.0]]))
    executor.backward(mx.nd.ones((2, 3)))
    show("executor", executor.outputs[0], executor.grad_dict["data"])
    prefix = os.path.join(folder, "net")
    mx.model.save_checkpoint(prefix, 1, net, {"act_gamma": executor.arg_dict["act_gamma"]}, {})
    loaded, arguments, _ = mx.model.load_checkpoint(prefix, 1)
    show("loaded", *loaded.eval(data=mx.nd.array([[-1.0, -1.0, -1.0]]), **arguments))
    with open(prefix + "-symbol.json") as file:
        print(file.read())


class Net(mx.gluon.HybridBlock):
    """A scaled activation between two others."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.first = mx.gluon.nn.PReLU()
            self.last = mx.gluon.nn.ELU(alpha=0.5)
            self.scale = self.params.get("scale", shape=(3,), init=mx.init.Constant(2.0))

    def hybrid_forward(self, F, x, scale):
        return self.last(F.broadcast_mul(self.first(x), scale))


def blocks(folder):
    """``mx.gluon``: blocks, a few steps of training, and the files they write."""
    mx.random.seed(7)
    net = mx.gluon.nn.HybridSequential(prefix="net_")
    with net.name_scope():
        net.add(Net(), mx.gluon.nn.LeakyReLU(0.1), mx.gluon.nn.GELU(), mx.gluon.nn.Activation("tanh"))
    net.initialize()
    print(net, net.collect_params())
    x = mx.nd.array([[-1.0, 2.0, -0.5], [0.25, -0.75, 1.0]])
    target = mx.nd.array([[0.1, 0.9, 0.2], [0.4, 0.1, 0.8]])
    for _ in range(5):
        with mx.autograd.record():
            loss = ((net(x) - target) ** 2).mean()
        loss.backward()
        for parameter in net.collect_params().values():
            parameter.set_data(parameter.data() - 0.5 * parameter.grad())
        show("loss", loss)
    net.hybridize()
    show("trained", net(x), *(parameter.data() for parameter in net.collect_params().values()))
    prefix = os.path.join(folder, "blocks")
    net.export(prefix)
    imported = mx.gluon.SymbolBlock.imports(prefix + "-symbol.json", ["data"], prefix + "-0000.params")
    show("imported", imported(x))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        arrays()
        gradients()
        symbols(folder)
        blocks(folder)
