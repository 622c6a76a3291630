"""Write examples/model with MXNet 1.6.0: the small model that docs/from-mxnet.md takes to ONNX and to PyTorch.

    .venv-mxnet/bin/python -W ignore tests/mxnet/make_model.py [folder]

The model has three channels. It scales and shifts each, applies prelu with a slope for each, scales again, and applies
gelu. It is trained for a few steps, so that no parameter is where it started, and exported as gluon exports:
channels-symbol.json and channels-0000.params. channels-check.params holds an input and what MXNet makes of it. The
data is as wide as there are channels: the case in which slopes on the wrong axis go unnoticed.
"""

import os
import sys

import numpy as np

import mxnet as mx

FOLDER = os.path.join(os.path.dirname(__file__), "..", "..", "examples", "model")


class Channels(mx.gluon.HybridBlock):
    """Scale, shift, prelu and gelu, with parameters for each channel."""

    def __init__(self, channels, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            for name, start in (("scale", 1.0), ("shift", 0.0), ("head", 1.0)):
                init = mx.init.Constant(start)
                setattr(self, name, self.params.get(name, shape=(1, channels, 1, 1), init=init))
            self.gamma = self.params.get("gamma", shape=(channels,), init=mx.init.Constant(0.25))

    def hybrid_forward(self, F, x, scale, shift, head, gamma):
        y = F.broadcast_add(F.broadcast_mul(x, scale), shift)
        y = F.LeakyReLU(y, gamma, act_type="prelu", name="prelu")
        return F.LeakyReLU(F.broadcast_mul(y, head), act_type="gelu", name="gelu")


def trained():
    """The model after a few steps towards another one, and an input."""
    rng = np.random.default_rng(16)
    x = mx.nd.array(rng.normal(size=(2, 3, 4, 3)))
    target = mx.nd.array(rng.normal(size=(2, 3, 4, 3)))
    net = Channels(3, prefix="channels_")
    net.initialize()
    for _ in range(10):
        with mx.autograd.record():
            loss = ((net(x) - target) ** 2).sum()
        loss.backward()
        for parameter in net.collect_params().values():
            parameter.set_data(parameter.data() - 0.01 * parameter.grad())
    return net, x


def main(folder):
    """Write the three files."""
    net, x = trained()
    net.hybridize()
    output = net(x)
    net.export(os.path.join(folder, "channels"))
    mx.nd.save(os.path.join(folder, "channels-check.params"), {"data": x, "output": output})


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else FOLDER)
