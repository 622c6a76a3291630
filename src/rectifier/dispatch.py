"""From the type of the data to the back-end that computes it, without importing any framework."""

from __future__ import annotations

from types import ModuleType

from .backends import numpy as numpy_backend

__all__ = ["backend_of"]


def backend_of(data: object) -> ModuleType:
    """The back-end for this data. NumPy's takes everything that can become an array without another library."""
    return numpy_backend
