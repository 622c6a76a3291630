"""The modules that enter translators in the table, imported for that."""

from __future__ import annotations

from . import (  # noqa: F401
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

__all__: list[str] = []
