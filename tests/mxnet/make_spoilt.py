"""Write models that MXNet 1.6.0's own exporter spoils, with MXNet's results: `tests/spoilt`.

    .venv-mxnet/bin/python tests/mxnet/make_spoilt.py

The exporter was made for onnx 1.3, which has no wheel for a Python that MXNet's NumPy of today runs on. So onnx 1.13.1
is told to write what that wrote: opset 8 and version 3 of the format, in which every array is an input too.
"""

import functools
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parents[1] / "spoilt"
SHAPE = (2, 3, 6, 4)


def networks(mx):
    """Symbols by name, for data of shape `SHAPE`. The last size is 4 wherever 4 channels make the trap."""
    data = mx.sym.Variable("data")
    shared = mx.sym.Variable("shared_gamma")

    def layer(x, channels, name, **options):
        return mx.sym.Convolution(x, kernel=(3, 3), pad=(1, 1), num_filter=channels, name=f"conv_{name}", **options)

    def prelu(x, name, **options):
        return mx.sym.LeakyReLU(x, act_type="prelu", name=name, **options)

    plain = prelu(layer(data, 5, "a"), "fails")
    trap = prelu(layer(data, 4, "a"), "trap")
    normal = mx.sym.BatchNorm(layer(data, 4, "a", no_bias=True), fix_gamma=False, name="norm")
    block = prelu(normal, "first") + layer(prelu(layer(data, 4, "b"), "second"), 4, "c")
    dense = mx.sym.FullyConnected(mx.sym.Flatten(prelu(block, "third")), num_hidden=4, name="dense")
    twice = prelu(layer(prelu(layer(data, 4, "a"), "one", gamma=shared), 4, "b"), "two", gamma=shared)
    last = mx.sym.FullyConnected(mx.sym.Flatten(twice), num_hidden=4, name="dense")
    return {
        "fails": plain,
        "trap": trap,
        "network": prelu(dense, "right"),
        "shared": prelu(last, "three", gamma=shared),
    }


def export(mx, symbol, seed, path):
    """Write a model by MXNet's exporter; the input and MXNet's output."""
    import onnx
    from mxnet.contrib import onnx as exporter

    rng = np.random.default_rng(seed)
    shapes, _, state_shapes = symbol.infer_shape(data=SHAPE)
    arrays = {name: rng.uniform(-1, 1, shape) for name, shape in zip(symbol.list_arguments(), shapes, strict=True)}
    names = symbol.list_auxiliary_states()
    states = {name: rng.uniform(0.5, 1, shape) for name, shape in zip(names, state_shapes, strict=True)}
    arguments = {name: mx.nd.array(array, dtype="float32") for name, array in arrays.items()}
    states = {name: mx.nd.array(array, dtype="float32") for name, array in states.items()}
    params = {name: array for name, array in {**arguments, **states}.items() if name != "data"}
    make_model, versions = onnx.helper.make_model, onnx.checker.DEFAULT_CONTEXT.opset_imports
    old = [onnx.helper.make_opsetid("", 8)]
    onnx.helper.make_model = functools.partial(make_model, opset_imports=old, ir_version=3)
    onnx.checker.DEFAULT_CONTEXT.opset_imports = {"": 8}
    try:
        exporter.export_model(symbol, params, [SHAPE], np.float32, str(path))
    finally:
        onnx.helper.make_model = make_model
        onnx.checker.DEFAULT_CONTEXT.opset_imports = versions
    (output,) = symbol.bind(mx.cpu(), arguments, aux_states=states).forward(is_train=False)
    return arguments["data"].asnumpy(), output.asnumpy()


def main():
    """Write all of them."""
    import mxnet as mx

    for seed, (name, symbol) in enumerate(networks(mx).items()):
        data, output = export(mx, symbol, seed, FOLDER / f"spoilt-{name}.onnx")
        np.savez(FOLDER / f"spoilt-{name}.npz", data=data, output=output)


if __name__ == "__main__":
    main()
