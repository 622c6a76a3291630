"""Small networks in MXNet's operators, for the tests that turn them into modules of PyTorch."""

import json

import numpy as np

from rectifier import mx

__all__ = ["conv_net", "graph", "layer", "params_of"]


def graph(*nodes):
    """A symbol of ``(op, name, attrs, inputs)``: an input is a node's name, ``name:1`` for its second output."""
    places = {}
    listed = []
    for op, name, attrs, inputs in nodes:
        for one in inputs:
            if one.partition(":")[0] not in places:
                places[one] = len(listed)
                listed.append({"op": "null", "name": one, "inputs": []})
        entries = [[places[one.partition(":")[0]], int(one.partition(":")[2] or 0), 0] for one in inputs]
        places[name] = len(listed)
        attrs = {key: str(value) for key, value in attrs.items()}
        listed.append({"op": op, "name": name, "attrs": attrs, "inputs": entries})
    read = {entry[0] for node in listed for entry in node["inputs"]}
    heads = [[i, 0, 0] for i, node in enumerate(listed) if i not in read]
    variables = [i for i, node in enumerate(listed) if node["op"] == "null"]
    text = {"nodes": listed, "arg_nodes": variables, "heads": heads, "attrs": {"mxnet_version": ["int", 10600]}}
    return mx.sym.load_json(json.dumps(text))


def layer(op, name, data, *names, **attrs):
    """A node whose parameters are ``name_weight`` and so on."""
    return op, name, attrs, (data, *(f"{name}_{one}" for one in names))


def conv_net(act_type="prelu", **batch_norm):
    """Two convolutions with BatchNorm, activation and pooling, and a classifier for 5 classes."""
    gamma = ("gamma",) if act_type == "prelu" else ()
    states = ("gamma", "beta", "moving_mean", "moving_var")
    return graph(
        layer("Convolution", "conv0", "data", "weight", kernel=(3, 3), num_filter=4, pad=(1, 1), no_bias=True),
        layer("BatchNorm", "bn0", "conv0", *states, fix_gamma=False, eps=2e-5, **batch_norm),
        layer("LeakyReLU", "act0", "bn0", *gamma, act_type=act_type),
        layer("Pooling", "pool0", "act0", kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="max"),
        layer("Convolution", "conv1", "pool0", "weight", "bias", kernel=(3, 3), num_filter=6, num_group=2),
        layer("BatchNorm", "bn1", "conv1", *states, momentum=0.8),
        layer("Activation", "act1", "bn1", act_type="relu"),
        layer("Pooling", "pool1", "act1", kernel=(1, 1), global_pool=True, pool_type="avg"),
        layer("FullyConnected", "fc", "pool1", "weight", "bias", num_hidden=5),
        layer("SoftmaxOutput", "softmax", "fc", "label"),
    )


def params_of(symbol, seed=0, **shapes):
    """Random float32 arrays for every variable but the inputs and labels, by the names in a `.params` file."""
    rng = np.random.default_rng(seed)
    found, _, states = symbol.infer_shape(**shapes)
    arguments = dict(zip(symbol.list_arguments(), found, strict=True))
    given = {
        f"arg:{name}": rng.normal(0, 0.5, shape).astype("f")
        for name, shape in arguments.items()
        if name not in shapes and not name.endswith("label")
    }
    for name, shape in zip(symbol.list_auxiliary_states(), states, strict=True):
        given[f"aux:{name}"] = rng.uniform(0.5, 2, shape).astype("f")
    return given
