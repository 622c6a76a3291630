"""From the type of the data to the back-end that computes it, without importing any framework."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from . import _core, backends
from .backends import numpy as numpy_backend

__all__ = ["BACKENDS", "CORE_ULP", "LABELLED", "QUICK", "Backend", "backend_of"]

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
    lacks: tuple[str, ...] = ()  # the activations that it refuses
    hardware: str = ""  # what it needs beside its library, so that not every machine can test it


# Whatever is none of these goes to NumPy's, which turns it into an array.
BACKENDS = (
    Backend("numpy", "numpy", "ndarray"),
    Backend("torch", "torch", "Tensor"),
    Backend(
        "jax", "jax", "Array", ulp={**CORE_ULP, "float32": 4.0, "float64": 4.0}, flushes=True, lacks=("gelu_tanh",)
    ),
    Backend("dask", "dask.array", "Array"),
)

# What holds an array with labels; the array goes to one of the above.
LABELLED = (
    Backend("labelled", "pandas", "Series"),
    Backend("labelled", "pandas", "DataFrame"),
    Backend("labelled", "xarray", "DataArray"),
)

# The quick path of each type of data: the operator's arguments in, and the result out, or NotImplemented.
QUICK: dict[type, Callable[..., Any]] = {np.ndarray: _core.call}

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
            _load(row.module)
            module: ModuleType = getattr(backends, row.module)
            _known[type(data)] = module
            if hasattr(module, "quick"):
                QUICK[type(data)] = module.quick
            return module
    if hasattr(data, "__dlpack__") and not isinstance(data, np.generic):
        return importlib.import_module(f"{__package__}.backends.foreign")
    return numpy_backend


def _load(name: str) -> None:
    importlib.import_module(f"{backends.__name__}.{name}")


# A first call under torch.compile loads the back-end while it traces: what `assume_constant_result` of torch would set.
vars(_load)["_dynamo_marked_constant"] = True
