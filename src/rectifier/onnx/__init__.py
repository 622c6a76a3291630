"""MXNet's graphs as ONNX models, and ONNX models of these activations as graphs.

Needs the package `onnx` (``pip install rectifier[onnx]``).
"""

from __future__ import annotations

try:
    import onnx as _onnx  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("rectifier.onnx needs the package onnx: pip install 'rectifier[onnx]'") from error

from .converting import Summary, convert
from .exporter import UnsupportedOperators, export, latest_opset
from .importer import import_model
from .prelu import SlopeFound, fix_prelu
from .random_nodes import node_keys, rrelu_nodes

__all__ = [
    "SlopeFound",
    "Summary",
    "UnsupportedOperators",
    "convert",
    "export",
    "fix_prelu",
    "import_model",
    "latest_opset",
    "node_keys",
    "rrelu_nodes",
]
