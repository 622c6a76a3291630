"""Modules that tests need: a visible skip where one is missing, and an error in CI."""

from __future__ import annotations

import importlib
import os
from typing import Any

import pytest


def needed(name: str) -> Any:
    """The module of this name."""
    return importlib.import_module(name) if os.environ.get("CI") else pytest.importorskip(name)
