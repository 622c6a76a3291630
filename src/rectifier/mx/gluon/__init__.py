"""MXNet's ``gluon``: the activations as blocks, and blocks of one's own."""

from __future__ import annotations

from typing import Any

from ..coverage import need_torch, unknown_name

need_torch("`rectifier.mx.gluon`")

from . import loss, nn  # noqa: E402
from .block import Block, HybridBlock  # noqa: E402
from .parameter import DeferredInitializationError, Parameter  # noqa: E402
from .parameter_dict import ParameterDict  # noqa: E402
from .symbol_block import SymbolBlock  # noqa: E402
from .trainer import Trainer  # noqa: E402

__all__ = [
    "Block",
    "DeferredInitializationError",
    "HybridBlock",
    "Parameter",
    "ParameterDict",
    "SymbolBlock",
    "Trainer",
    "loss",
    "nn",
]


def __getattr__(name: str) -> Any:
    unknown_name("mx.gluon", name, __all__)
