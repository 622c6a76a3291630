"""Every module that enters translators in the table; importing this fills it."""

from __future__ import annotations

from . import activations, detections, images, layers, normalization, outputs, pooling

__all__ = ["activations", "detections", "images", "layers", "normalization", "outputs", "pooling"]
