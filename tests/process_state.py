"""The settings of a process that decide what tests compute; conftest.py holds each module to leaving them alone."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

import rectifier
from rectifier import _core


def process_state() -> dict[str, Any]:
    """What a test may change for the whole process, of the libraries that are loaded."""
    rectifier.release_buffers()  # which ends what large results have made of the limit
    state = {
        "threads": rectifier.get_num_threads(),
        "CPU target": _core.cpu_target(),
        "buffer limit": rectifier.show_config(mode="dicts")["buffer_limit"],
        "NumPy's errors": np.geterr(),
    }
    readings: list[tuple[str, str, Callable[[Any], Any]]] = [
        ("mpmath", "mpmath's precision", lambda mpmath: mpmath.mp.prec),
        ("torch", "torch's default dtype", lambda torch: torch.get_default_dtype()),
        ("torch", "torch's threads", lambda torch: torch.get_num_threads()),
        ("torch", "torch's recording", lambda torch: torch.is_grad_enabled()),
        ("jax", "JAX's float64", lambda jax: jax.config.jax_enable_x64),
    ]
    return state | {what: read(sys.modules[name]) for name, what, read in readings if name in sys.modules}
