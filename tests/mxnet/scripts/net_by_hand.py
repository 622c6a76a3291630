"""A small net for three classes, trained by hand: `mx.nd`, `autograd`, prelu's own slopes, and a step of one's own."""

import os
import tempfile

import numpy as np

from rectifier import mx
from rectifier.mx import autograd, nd


class Softsquare(autograd.Function):
    """x·|x|, with the gradient said by hand."""

    def forward(self, x):
        self.save_for_backward(x)
        return x * nd.abs(x)

    def backward(self, dy):
        (x,) = self.saved_tensors
        return 2 * nd.abs(x) * dy


def data(count, ctx):
    """Points on three arms."""
    rng = np.random.RandomState(1)
    label = rng.randint(0, 3, count)
    points = np.stack([np.cos(label * 2.1), np.sin(label * 2.1)], axis=1) + 0.3 * rng.randn(count, 2)
    return nd.array(points, ctx=ctx), nd.array(label, ctx=ctx), rng


def accuracy(output, label):
    """The share of rows whose greatest element is at the label."""
    predictions = nd.argmax(output, axis=1)
    return nd.mean(predictions == label).asscalar()


def net(x, params, act_type):
    """Two layers."""
    w1, b1, gamma, w2, b2 = params
    hidden = nd.dot(x, w1) + b1
    if act_type == "prelu":
        hidden = nd.LeakyReLU(hidden, gamma, act_type="prelu")
    elif act_type == "own":
        hidden = Softsquare()(hidden)
    else:
        hidden = nd.LeakyReLU(hidden, act_type=act_type, slope=0.1)
    return nd.dot(hidden, w2) + b2


def softmax_cross_entropy(yhat, y):
    """The loss of each row."""
    return -nd.pick(nd.log_softmax(yhat), y)


def train(act_type, ctx):
    """A few passes of gradient descent."""
    x, y, rng = data(96, ctx)
    shapes = [(2, 8), (8,), (8,), (8, 3), (3,)]
    params = [nd.array(0.5 * rng.randn(*shape), ctx=ctx) for shape in shapes]
    params[2][:] = 0.25
    for param in params:
        param.attach_grad()
    batch_size, moving = 32, None
    for epoch in range(6):
        total = 0.0
        for start in range(0, len(x), batch_size):
            rows, labels = x[start : start + batch_size], y[start : start + batch_size]
            with autograd.record():
                output = net(rows, params, act_type)
                loss = softmax_cross_entropy(output, labels)
            loss.backward()
            for param in params:
                param[:] = param - 0.3 * param.grad / batch_size
            total += nd.sum(loss).asscalar()
            now = nd.mean(loss).asscalar()
            moving = now if moving is None else 0.9 * moving + 0.1 * now
        share = accuracy(net(x, params, act_type), y)
        print(act_type, "epoch", epoch, f"{total / len(x):.3g} {moving:.3g} {share:.3g}")
    print(act_type, " ".join(f"{number:.3g}" for number in params[2].asnumpy()), f"{params[0].norm().asscalar():.3g}")
    probabilities = nd.softmax(net(x[:2], params, act_type))
    print(probabilities.shape, probabilities.dtype.__name__, probabilities.sum(axis=1).asnumpy().round(3))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "net.params")
        nd.save(path, {f"p{i}": param for i, param in enumerate(params)})
        again = nd.load(path)
    print(sorted(again), accuracy(net(x, [again[f"p{i}"] for i in range(5)], act_type), y) > 0.5)


if __name__ == "__main__":
    mx.random.seed(1)
    for name in ("leaky", "elu", "gelu", "prelu", "own"):  # not selu: MXNet's gradient of it is wrong
        train(name, mx.cpu())
