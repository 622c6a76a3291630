"""torch, for the tests of what stands on it: a visible skip where it is missing, and a failure in CI."""

from __future__ import annotations

import os

import pytest

if os.environ.get("CI"):
    import torch
else:
    torch = pytest.importorskip("torch")

__all__ = ["torch"]
