"""Arrays of Dask for the tests, cut in ways that have nothing even, and what is computed from them."""

from __future__ import annotations

import math
import sys

import numpy as np

import rectifier
from needed import needed
from rectifier import vjp

da = needed("dask.array")
dask = sys.modules["dask"]

NAMES = list(rectifier.parameters.ACTIVATIONS)
X = np.random.default_rng(0).normal(size=(6, 8, 5)).astype(np.float32)
D_OUT = np.random.default_rng(1).normal(size=X.shape).astype(np.float32)
GAMMA = np.linspace(-0.5, 1, 8, dtype=np.float32)
CHUNKS = ((2, 3, 1), (3, 3, 2), (4, 1))


def parameters_of(act_type):
    named = {"prelu": {"gamma": GAMMA}, "rrelu": {"training": True, "rng": 2**63 + 5}}
    return {"act_type": act_type, **named.get(act_type, {})}


def everything(x, g, **parameters):
    """The value, the gradient, and that of gamma."""
    y, pullback = vjp(x, **parameters)
    found = pullback(g)
    return (y, *(found if isinstance(found, tuple) else (found,)))


def unknown(x, chunks):
    """The same array, with no chunk sizes along axis 0."""
    array = da.from_array(x, chunks=chunks)
    array._chunks = ((math.nan,) * array.numblocks[0], *array.chunks[1:])
    return array


def failing(block):
    raise RuntimeError("a chunk was computed")
