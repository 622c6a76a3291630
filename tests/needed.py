"""Libraries that tests need: a visible skip where one is missing, and an error in CI."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import pytest


def needed(name: str, hardware: str = "") -> Any:
    """The module of this name. Of what needs hardware, or has no wheel for this Python, CI may lack the library too."""
    required = os.environ.get("CI") and not hardware and sys.version_info >= (3, 11)
    return importlib.import_module(name) if required else pytest.importorskip(name)
