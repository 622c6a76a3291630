"""MXNet's own terms: symbols and files of MXNet, read, written and run without MXNet.

    from rectifier import mx

stands for ``import mxnet as mx`` in code that uses the six activations and basic arithmetic.
"""

from __future__ import annotations

import importlib
from typing import Any

from . import attribute, base, context, graph, name, random, symbol
from .attribute import AttrScope
from .base import MXNetError
from .context import Context, cpu, cpu_pinned, current_context, gpu, num_gpus
from .coverage import need_torch
from .symbol import Group, Symbol, Variable

__all__ = [
    "AttrScope",
    "Context",
    "Group",
    "MXNetError",
    "Symbol",
    "Variable",
    "attribute",
    "base",
    "context",
    "cpu",
    "cpu_pinned",
    "current_context",
    "gpu",
    "graph",
    "name",
    "num_gpus",
    "random",
    "rnd",
    "sym",
    "symbol",
]

__version__ = "1.6.0"  # the release whose terms these are: scripts ask for it

sym = symbol
rnd = random

# Imported at the first use: these need a library that stores and computes arrays.
_LAZY = {
    "autograd": "autograd",
    "executor": "executor",
    "gluon": "gluon",
    "init": "initializer",
    "initializer": "initializer",
    "model": "model",
    "nd": "nd",
    "ndarray": "nd",
}

# Functions of modules that need PyTorch.
_FUNCTIONS = {"from_torch": "torch_network", "save_pt2": "torch_export", "to_torch": "torch_network"}


def __getattr__(wanted: str) -> Any:
    if wanted in _FUNCTIONS:
        need_torch(f"`rectifier.mx.{wanted}`")
        return getattr(importlib.import_module(f"{__name__}.{_FUNCTIONS[wanted]}"), wanted)
    if wanted in _LAZY:
        return importlib.import_module(f"{__name__}.{_LAZY[wanted]}")
    offered = ", ".join(sorted({*__all__, *_LAZY, *_FUNCTIONS}))
    raise AttributeError(f"module {__name__!r} has no attribute {wanted!r}: it covers {offered}")
