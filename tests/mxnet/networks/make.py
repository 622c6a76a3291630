"""Write a network as MXNet's own files, with an input and what MXNet 1.6.0 computes of it. Runs in MXNet's interpreter.

    .venv-mxnet/bin/python -W ignore tests/mxnet/networks/make.py 'ResNet-18 v1' folder [small]

leaves model-symbol.json, model-0000.params, and values.npz with the input under its name and the outputs under their
places: "0", "1" and so on.
"""

import sys
from pathlib import Path

import numpy as np

if __package__:
    from . import NETWORKS, weights
else:
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from networks import NETWORKS, weights


def make(mx, name, folder, small=False):
    """Write the three files."""
    network = NETWORKS[name]
    with mx.name.NameManager():
        symbol = network.symbol(mx.sym, small)
    data = weights.data_of(network, network.small_shape if small else network.shape)
    arguments, states = weights.arrays_of(mx, symbol, {network.input_name: data})
    arguments, states = ({k: mx.nd.array(v) for k, v in each.items()} for each in (arguments, states))
    mx.model.save_checkpoint(str(Path(folder) / "model"), 0, symbol, arguments, states)
    outputs = forward(mx, symbol, {**arguments, network.input_name: mx.nd.array(data)}, states)
    named = {str(i): output.asnumpy() for i, output in enumerate(outputs)}
    np.savez(Path(folder) / "values.npz", **{network.input_name: data, **named})


def forward(mx, symbol, arguments, states):
    """The outputs in inference; labels, which inference does not read, are zero."""
    shapes = {name: array.shape for name, array in arguments.items()}
    found, _, _ = symbol.infer_shape(**shapes)
    for name, shape in zip(symbol.list_arguments(), found, strict=True):
        if name not in arguments:
            arguments[name] = mx.nd.zeros(shape)
    return symbol.bind(mx.cpu(), arguments, aux_states=states, grad_req="null").forward(is_train=False)


if __name__ == "__main__":
    import mxnet

    make(mxnet, sys.argv[1], sys.argv[2], "small" in sys.argv[3:])
