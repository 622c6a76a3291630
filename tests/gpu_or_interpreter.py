"""Where the tests of the Triton kernels run: on a GPU where there is one, else in Triton's interpreter on the CPU.

Import this before anything that imports triton: the interpreter is chosen when a kernel is defined. Its name sorts so
among the modules that are collected; the two that need a process of their own are left out in conftest.py.
"""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest


def _required(name):
    if os.environ.get("CI") == "true":
        return __import__(name)
    return pytest.importorskip(name)


torch = _required("torch")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
if DEVICE == "cpu":
    if "triton" in sys.modules and not os.environ.get("TRITON_INTERPRET"):
        raise RuntimeError("triton was imported before its interpreter was chosen: its own kernels would not run in it")
    os.environ["TRITON_INTERPRET"] = "1"
triton = _required("triton")

from exact_fma import fma  # noqa: E402

if DEVICE == "cpu":
    from triton.runtime import interpreter

    def _create_fma(self, x, y, z):
        return interpreter.TensorHandle(fma(x.data, y.data, z.data), z.dtype.scalar)

    # The interpreter's own rounds twice.
    interpreter.InterpreterBuilder.create_fma = _create_fma

TYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32, "float64": torch.float64}


def to_device(array):
    """A copy of a NumPy array as a tensor on the device."""
    array = np.asarray(array)
    if array.dtype.name == "bfloat16":
        return to_device(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array).clone().to(DEVICE)


def to_numpy(tensor):
    """The tensor's numbers as a NumPy array."""
    import ml_dtypes

    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.int16).cpu().numpy().view(ml_dtypes.bfloat16)
    return tensor.cpu().numpy()


def on_the_device():
    """Whether the tests run on a GPU."""
    return DEVICE == "cuda"
