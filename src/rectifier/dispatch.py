"""From the type of the data to the back-end that computes it, without importing any framework."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import NamedTuple

from .backends import numpy as numpy_backend

__all__ = ["BACKENDS", "Backend", "backend_of"]


class Backend(NamedTuple):
    """One row of the registry: a module of `rectifier.backends`, and the arrays that it takes."""

    module: str
    library: str  # the module that defines the arrays' type; it is never imported by us
    array: str  # the name of that type there


# Whatever is none of these goes to NumPy's, which turns it into an array.
BACKENDS = (
    Backend("numpy", "numpy", "ndarray"),
    Backend("jax", "jax", "Array"),
)

_known: dict[type, ModuleType] = {}


def backend_of(data: object) -> ModuleType:
    """The back-end for this data. NumPy's takes everything that can become an array without another library."""
    kind = type(data)
    module = _known.get(kind)
    return _find(data) if module is None else module


def _find(data: object) -> ModuleType:
    for row in BACKENDS:
        # A library that nobody has imported has made no array.
        array = getattr(sys.modules.get(row.library), row.array, None)
        if array is not None and isinstance(data, array):
            module = importlib.import_module(f"{__package__}.backends.{row.module}")
            _known[type(data)] = module
            return module
    return numpy_backend
