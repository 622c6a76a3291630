"""From how many elements on `accelerate` computes an operator itself: measured, and the only place that says so."""

from __future__ import annotations

from collections.abc import Mapping

import torch

__all__ = ["LEAST"]

_HALF, _BRAIN, _SINGLE, _DOUBLE = torch.float16, torch.bfloat16, torch.float32, torch.float64

LEAST: Mapping[str, Mapping[torch.dtype, int]] = {
    row: {_HALF: 4096, _BRAIN: 4096, _SINGLE: 4096, _DOUBLE: 4096}
    for row in (
        "elu", "elu_backward", "gelu", "gelu_backward", "leaky_relu", "leaky_relu_backward",
        "prelu", "prelu_backward", "rrelu",
    )
}
