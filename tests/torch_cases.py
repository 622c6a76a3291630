"""What the tests of PyTorch share: torch itself, and one call of each activation."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

if os.environ.get("CI"):
    import torch
else:
    torch = pytest.importorskip("torch", reason="torch is not installed")

from rectifier.parameters import ACTIVATIONS

__all__ = ["CALLS", "DTYPES", "bits_of", "call_id", "gamma_for", "torch"]

DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]

# Every activation, with slopes of both signs; rrelu in both modes.
CALLS: list[dict[str, Any]] = [{"act_type": name} for name in ACTIVATIONS if name != "rrelu"] + [
    {"act_type": "leaky", "slope": -0.5},
    {"act_type": "elu", "slope": -0.75},
    {"act_type": "rrelu"},
    {"act_type": "rrelu", "training": True, "rng": 5},
    {"act_type": "rrelu", "training": True, "rng": 5, "lower_bound": -0.5},
]


def call_id(keywords: dict[str, Any]) -> str:
    return "-".join(str(value) for value in keywords.values())


def gamma_for(keywords: dict[str, Any], size: int, dtype: Any = torch.float32) -> dict[str, Any]:
    """The call with the gamma that it needs."""
    if not ACTIVATIONS[keywords["act_type"]].has_gamma:
        return keywords
    return {**keywords, "gamma": torch.linspace(-0.5, 0.5, size).to(dtype)}


def bits_of(tensor: Any) -> np.ndarray:
    """The tensor as an array of NumPy, bfloat16 included."""
    import ml_dtypes

    tensor = tensor.detach()
    if tensor.dtype == torch.bfloat16:
        return tensor.contiguous().view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return tensor.numpy()
