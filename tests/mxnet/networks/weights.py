"""Random weights with which every layer of a network matters. Runs in MXNet's interpreter."""

import json
import zlib

import numpy as np

LABELS = ("label", "softmax_label")


def generator(*words):
    """A random generator of its own for each name, so that weights do not depend on the order of the graph."""
    return np.random.default_rng([zlib.crc32(str(word).encode()) for word in words])


def data_of(network, shape):
    """An input: pixels as the network expects them, or standard normal numbers."""
    rng = generator("data", network.function)
    if network.module == "arcface":
        return rng.uniform(0, 255, shape).astype(np.float32)
    return rng.normal(0, 1, shape).astype(np.float32)


def arrays_of(mx, symbol, inputs):
    """Arrays for all variables but the inputs and labels: arguments and states, by name.

    Weights follow He et al. (2015), slopes and gammas are random, and moving statistics lie near those of the input's
    own activations, as after training; without that, deep networks drown in numbers that are huge or alike.
    """
    shapes = {name: array.shape for name, array in inputs.items()}
    found, _, states = symbol.infer_shape(**shapes)
    attributes = symbol.attr_dict()
    arguments = {
        name: argument(name, shape, attributes.get(name, {}))
        for name, shape in zip(symbol.list_arguments(), found, strict=True)
        if name not in inputs and name not in LABELS
    }
    named = zip(symbol.list_arguments(), found, strict=True)
    labels = {name: np.zeros(shape, "f") for name, shape in named if name in LABELS}
    states = {
        name: (np.ones if name.endswith("var") else np.zeros)(shape, "f")
        for name, shape in zip(symbol.list_auxiliary_states(), states, strict=True)
    }
    if states:
        states.update(statistics(mx, symbol, {**arguments, **labels, **inputs}, states))
    return arguments, states


def argument(name, shape, attributes):
    """One trained array, by what its name ends in."""
    rng = generator(name)
    if name.endswith("_weight"):
        scores = name.startswith("fc1_") or "_cls_" in name  # of classes: softmax of larger numbers is 0 or 1
        return (rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape) * (0.2 if scores else 1)).astype("f")
    if "__mean__" in attributes:
        return (float(attributes["__mean__"]) * rng.uniform(0.5, 1.5, shape)).astype("f")
    if name.endswith("_act_gamma"):
        return rng.uniform(-0.25, 0.75, shape).astype("f")
    if name.endswith("_gamma"):
        return rng.uniform(0.5, 1.5, shape).astype("f")
    return rng.normal(0, 0.2, shape).astype("f")


def statistics(mx, symbol, arguments, states):
    """Moving statistics: those of this input's activations, each off by a random amount."""
    internals = symbol.get_internals()
    names = [node["name"] for node in json.loads(symbol.tojson())["nodes"] if node["op"] == "BatchNorm"]
    norms = {name: internals[f"{name}_output"].get_children()[0] for name in names}
    heads = mx.sym.Group(list(norms.values()))
    everything = {name: mx.nd.array(array) for name, array in {**arguments, **states}.items()}
    own = {name: everything[name] for name in heads.list_arguments()}
    own_states = {name: everything[name] for name in heads.list_auxiliary_states()}
    outputs = heads.bind(mx.cpu(), own, aux_states=own_states, grad_req="null").forward(is_train=True)
    found = {}
    for name, output in zip(norms, outputs, strict=True):
        data, rng = output.asnumpy().astype("d"), generator(name)
        axes = tuple(i for i in range(data.ndim) if i != 1)
        mean, size = data.mean(axes), np.sqrt((data**2).mean(axes))
        spread = np.maximum(data.std(axes), 0.25 * size) + 1e-3
        found[f"{name}_moving_mean"] = (mean + rng.normal(0, 0.2, mean.shape) * spread).astype("f")
        found[f"{name}_moving_var"] = (spread**2 * rng.uniform(0.6, 1.6, mean.shape)).astype("f")
    return found
