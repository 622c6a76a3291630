"""A symbol trained by its executor, and a hybrid block trained, exported and loaded again."""

import logging
import os
import tempfile

import numpy as np

from rectifier import mx
from rectifier.mx import autograd, gluon
from rectifier.mx.gluon import nn

logging.basicConfig(level=logging.INFO)
rng = np.random.RandomState(3)
points = rng.uniform(-1, 1, (24, 4)).astype(np.float32)
targets = np.where(points > 0, points, 0.05 * points) * np.float32([1, 2, 3, 4]) + np.float32(0.1)


def numbers(array):
    """Three digits of each element."""
    return " ".join(f"{number:.3g}" for number in array.asnumpy().ravel())


def symbol_and_executor(folder):
    """``bind``, ``simple_bind``, and a loop of forward, backward and update."""
    data, label = mx.sym.Variable("data"), mx.sym.Variable("label")
    scale = mx.sym.Variable("scale", shape=(1, 4), init=mx.init.One())
    act = mx.symbol.LeakyReLU(data=data, act_type="prelu", name="act")
    out = mx.sym.broadcast_mul(act, scale, name="out")
    loss = mx.sym.MakeLoss(mx.sym.mean(mx.sym.square(out - label)), name="loss")
    net = mx.sym.Group([loss, mx.sym.BlockGrad(out)])
    print(net.list_arguments(), net.list_outputs(), net.list_auxiliary_states())
    arg_shapes, out_shapes, _ = net.infer_shape(data=(8, 4), label=(8, 4))
    print(dict(zip(net.list_arguments(), arg_shapes, strict=True)), out_shapes)
    print(net.get_internals()["act_output"].list_arguments(), net.attr_dict()["act"]["act_type"])
    requests = {"data": "null", "label": "null", "act_gamma": "write", "scale": "write"}
    executor = net.simple_bind(ctx=mx.cpu(), grad_req=requests, data=(8, 4), label=(8, 4))
    for name, array in executor.arg_dict.items():
        if name not in ("data", "label"):
            array[:] = 0.25 if name.endswith("gamma") else 1
    for epoch in range(20):
        total = 0
        for start in range(0, 24, 8):
            executor.forward(
                is_train=True, data=mx.nd.array(points[start : start + 8]), label=targets[start : start + 8]
            )
            executor.backward()
            total += executor.outputs[0].asscalar()
            for name, gradient in zip(net.list_arguments(), executor.grad_arrays, strict=True):
                if gradient is not None:
                    executor.arg_dict[name][:] -= 0.5 * gradient
        if epoch % 5 == 4:
            print("epoch", epoch, f"{total:.2g}")
    print(numbers(executor.arg_dict["act_gamma"]), "|", numbers(executor.arg_dict["scale"]))
    prefix = os.path.join(folder, "sym")
    trained = {name: executor.arg_dict[name] for name in ("act_gamma", "scale")}
    mx.model.save_checkpoint(prefix, 20, out, trained, {})
    loaded, arg_params, aux_params = mx.model.load_checkpoint(prefix, 20)
    print(sorted(arg_params), aux_params, loaded.tojson() == out.tojson())
    args = dict(arg_params, data=mx.nd.array(points[:2]))
    grads = {name: mx.nd.zeros(array.shape) for name, array in args.items()}
    bound = loaded.bind(mx.cpu(), args, args_grad=grads, grad_req="add")
    for _ in range(2):
        bound.forward(is_train=True)
        bound.backward(out_grads=mx.nd.ones((2, 4)))
    print(numbers(bound.output_dict["out_output"]), "|", numbers(bound.grad_dict["data"]))
    small = bound.reshape(data=(1, 4))
    small.copy_params_from(arg_params)
    print(numbers(small.forward(data=mx.nd.ones((1, 4)))[0]))


class Net(gluon.HybridBlock):
    """Activations, with a scale between."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.act = nn.PReLU()
            self.scale = self.params.get("scale", shape=(1, 4), init="ones")
            self.rest = nn.HybridSequential(prefix="")
            self.rest.add(nn.LeakyReLU(0.9))
            self.rest.add(nn.HybridLambda(lambda F, x: F.LeakyReLU(x, act_type="elu", slope=0.5)))
            self.rest.add(nn.SELU(), nn.Flatten())

    def hybrid_forward(self, F, x, scale):
        return self.rest(F.broadcast_mul(self.act(x), scale)) + 0.05


def blocks(folder):
    """``initialize``, ``hybridize``, ``Trainer``, ``export`` and ``SymbolBlock.imports``."""
    ctx = mx.cpu()
    net = Net(prefix="net_")
    net.initialize(mx.init.Xavier(), ctx=ctx)
    net.hybridize()
    print(net)
    print(net.collect_params())
    print(list(net.collect_params(".*alpha")))
    loss_fn = gluon.loss.L2Loss()
    for optimizer, options in (
        ("sgd", {"learning_rate": 0.1, "momentum": 0.9, "wd": 1e-3}),
        ("adam", {"learning_rate": 0.01}),
    ):
        trainer = gluon.Trainer(net.collect_params(), optimizer, options)
        x, y = mx.nd.array(points, ctx=ctx), mx.nd.array(targets).as_in_context(ctx)
        for epoch in range(12):
            with autograd.record():
                loss = loss_fn(net(x), y)
            loss.backward()
            trainer.step(x.shape[0])
            if epoch % 4 == 3:
                print(optimizer, epoch, f"{loss.mean().asscalar():.3g}", trainer.learning_rate)
    prefix = os.path.join(folder, "net")
    expected = net(x)
    net.export(prefix, epoch=7)
    net.save_parameters(prefix + ".parameters")
    other = Net(prefix="other_")
    other.load_parameters(prefix + ".parameters", ctx=ctx)
    imported = gluon.SymbolBlock.imports(prefix + "-symbol.json", ["data"], prefix + "-0007.params", ctx=ctx)
    for block in (other, imported):
        print((block(x) == expected).min().asscalar(), numbers(block(x)[0]))
    symbol, arg_params, _ = mx.model.load_checkpoint(prefix, 7)
    print(symbol.list_outputs(), symbol.infer_shape(data=(3, 4))[1], sorted(arg_params))
    print({key: value.shape for key, value in mx.nd.load(prefix + "-0007.params").items()})


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as path:
        symbol_and_executor(path)
        blocks(path)
