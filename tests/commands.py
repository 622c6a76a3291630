"""What the tests of the command line share: files, and calls of `rectifier` here and in a process of its own."""

from __future__ import annotations

import io
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from rectifier.cli import main

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
words = shlex.split


def numbers(shape: tuple[int, ...], dtype: Any, order: Any = "C", seed: int = 0) -> np.ndarray[Any, Any]:
    values = np.asarray(np.random.default_rng(seed).standard_normal(shape) * 3)
    return values.astype(dtype).copy(order=order)


def file_of(array: Any) -> bytes:
    room = io.BytesIO()
    np.save(room, np.asarray(array))
    return room.getvalue()


def save(name: str, array: Any) -> Any:
    Path(name).write_bytes(file_of(array))
    return array


def apply(*arguments: str, data: str = "x.npy", output: str = "y.npy") -> bytes:
    """What `rectifier apply` writes."""
    assert main(["apply", data, "-o", output, *arguments]) == 0
    return Path(output).read_bytes()


def child(*arguments: str, **keywords: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=120, **keywords)
