"""Graphs of single layers, which `rectifier.mx.sym` does not offer, and onnxruntime on what they become."""

from __future__ import annotations

import numpy as np
import onnxruntime

from rectifier.mx.graph import Entry, Node
from rectifier.mx.operators import operator_of, parameters_of, visible_count
from rectifier.mx.symbol import Symbol

__all__ = ["IMAGE", "layer", "node", "numbers", "run", "variable"]

IMAGE = (2, 4, 9, 10)


def node(op, *inputs, name="layer", **attrs):
    """A node that reads these entries; variables stand in for the other inputs."""
    made = Node(op, name, {key: str(value) for key, value in attrs.items()})
    row = operator_of(op)
    names = row.input_names(parameters_of(made)) if row else ()
    made.inputs = list(inputs)
    made.inputs += [Entry(Node(None, f"{name}_{other}")) for other in names[len(inputs) :]]
    return made


def variable(name="data"):
    return Entry(Node(None, name))


def layer(op, **attrs):
    made = node(op, variable(), **attrs)
    return Symbol([Entry(made, i) for i in range(visible_count(made))])


def run(model, **given):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, given)


def numbers(shape, seed=0):
    return np.random.default_rng(seed).normal(0, 1, shape).astype("f")
