"""From the type of the data to the back-end that computes it, without importing any framework."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from types import MappingProxyType, ModuleType
from typing import NamedTuple

import numpy as np

from .backends import numpy as numpy_backend

__all__ = ["BACKENDS", "CORE_ULP", "LABELLED", "Backend", "backend_of"]

# What the kernels of the core promise: the largest error of a value or gradient, in units in the last place.
CORE_ULP: Mapping[str, float] = MappingProxyType(
    {"float16": 0.505, "bfloat16": 0.505, "float32": 1.0, "float64": 2.0},
)


class Backend(NamedTuple):
    """One row of the registry: a module of `rectifier.backends`, the arrays that it takes, and what it promises."""

    module: str
    library: str  # the module that defines the arrays' type; it is never imported by us
    array: str  # the name of that type there
    ulp: Mapping[str, float] = CORE_ULP
    flushes: bool = False  # whether subnormal numbers may count as zero
    hardware: str = ""  # what it needs beside its library, so that not every machine can test it


# Whatever is none of these goes to NumPy's, which turns it into an array.
BACKENDS = (
    Backend("numpy", "numpy", "ndarray"),
    Backend("jax", "jax", "Array", ulp={**CORE_ULP, "float32": 4.0, "float64": 4.0}, flushes=True),
)

# What holds an array with labels; the array goes to one of the above.
LABELLED = (
    Backend("labelled", "pandas", "Series"),
    Backend("labelled", "pandas", "DataFrame"),
    Backend("labelled", "xarray", "DataArray"),
)

_known: dict[type, ModuleType] = {}


def backend_of(data: object) -> ModuleType:
    """The back-end for this data. NumPy's takes everything that can become an array without another library."""
    kind = type(data)
    module = _known.get(kind)
    return _find(data) if module is None else module


def _find(data: object) -> ModuleType:
    for row in (*BACKENDS, *LABELLED):
        # A library that nobody has imported has made no array.
        array = getattr(sys.modules.get(row.library), row.array, None)
        if array is not None and isinstance(data, array):
            module = importlib.import_module(f"{__package__}.backends.{row.module}")
            _known[type(data)] = module
            return module
    if hasattr(data, "__dlpack__") and not isinstance(data, np.generic):
        return importlib.import_module(f"{__package__}.backends.foreign")
    return numpy_backend
