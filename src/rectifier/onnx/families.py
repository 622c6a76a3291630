"""The modules that enter translators in the table."""

from __future__ import annotations

from . import (
    activations,
    arrays,
    detections,
    images,
    indexing,
    layers,
    mathematics,
    normalization,
    outputs,
    pooling,
    products,
    reductions,
)

__all__ = ["FAMILIES"]

FAMILIES = (
    activations,
    arrays,
    detections,
    images,
    indexing,
    layers,
    mathematics,
    normalization,
    outputs,
    pooling,
    products,
    reductions,
)
