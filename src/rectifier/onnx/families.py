"""The modules that enter translators in the table."""

from __future__ import annotations

from . import activations, arrays, indexing, mathematics, products, reductions

__all__ = ["FAMILIES"]

FAMILIES = (activations, arrays, indexing, mathematics, products, reductions)
