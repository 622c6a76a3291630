"""From the type of the data to the back-end that computes it, without importing any framework."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from . import _core, backends
from .backends import numpy as numpy_backend

__all__ = ["BACKENDS", "QUICK", "Backend", "backend_of"]


class Backend(NamedTuple):
    """One row of the registry: a module of `rectifier.backends`, and the arrays that it takes."""

    module: str
    library: str  # the module that defines the arrays' type; it is never imported by us
    array: str  # the name of that type there


# Whatever is none of these goes to NumPy's, which turns it into an array.
BACKENDS = (Backend("numpy", "numpy", "ndarray"), Backend("torch", "torch", "Tensor"))

# The quick path of each type of data: the operator's arguments in, and the result out, or NotImplemented.
QUICK: dict[type, Callable[..., Any]] = {np.ndarray: _core.call}

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
            _load(row.module)
            module: ModuleType = getattr(backends, row.module)
            _known[type(data)] = module
            if hasattr(module, "quick"):
                QUICK[type(data)] = module.quick
            return module
    return numpy_backend


def _load(name: str) -> None:
    importlib.import_module(f"{backends.__name__}.{name}")


# A first call under torch.compile loads the back-end while it traces: what `assume_constant_result` of torch would set.
vars(_load)["_dynamo_marked_constant"] = True
