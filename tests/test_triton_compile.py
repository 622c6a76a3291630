"""The Triton kernels compiled for a GPU, without one: what the interpreter computed is what the machine code does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gpu_or_interpreter  # noqa: F401  skips, or fails in CI, where torch or triton is missing
from exact_fma import fma

HERE = Path(__file__).parent
# fma in the source of each formula, value and pullback.
FUSED = {"leaky": (0, 0), "elu": (11, 11), "selu": (13, 12), "gelu": (37, 36)}
FUSED_SHORT = {**FUSED, "gelu": (25, 26)}
FUSED_DOUBLE = {**FUSED, "elu": (15, 15), "selu": (17, 16), "gelu": (62, 59)}


def in_plain_python(*words):
    """Run Python where kernels are defined for a GPU."""
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment["PYTHONPATH"] = os.pathsep.join([str(HERE), environment.get("PYTHONPATH", "")])
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def compiled():
    return json.loads(in_plain_python(str(HERE / "triton_compile.py")))


def test_no_approximation_no_flush_to_zero_no_spill(compiled):
    for name, found in compiled.items():
        assert found["approximate"] == [], name
        assert found["flushed"] == 0, name
        assert found["spilled"] == 0, name


def test_every_fma_is_in_the_source_and_every_other_product_is_not_fused(compiled):
    """Two bodies, with and without a mask; 32 bytes a thread."""
    for name, found in compiled.items():
        kind, *words = name.split()
        if kind != "flat" or words[1] not in FUSED:
            continue
        element, *rest = words
        table = FUSED_SHORT if element in ("fp16", "bf16") else FUSED_DOUBLE if element == "fp64" else FUSED
        elements = {"fp16": 32, "bf16": 32, "fp32": 16, "fp64": 8}[element]
        assert found["fused"] == elements * table[rest[0]][rest[1] == "pullback"], name
        # The assembler uses an FFMA or DFMA for a constant now and then, but never one for each element.
        assert 0 <= found["contracted"] - found["fused"] < elements / 2, name


def test_double_arithmetic_only_for_float64(compiled):
    for name, found in compiled.items():
        if name.startswith(("flat", "tile")) and " fp64 " not in name:
            assert found["double"] == 0, name


def test_memory_is_moved_16_bytes_at_a_time(compiled):
    for name, found in compiled.items():
        if name.startswith("flat") and "signs" not in name and "drawn pullback" not in name:
            assert found["widest"][-1] in ("v4.b32", "v2.b64"), name


def test_neither_triton_nor_torch_is_imported_before_its_data_come():
    code = "import sys, rectifier, rectifier.kernels; print([m for m in ('triton', 'torch') if m in sys.modules])"
    assert in_plain_python("-c", code).strip() == "[]"


def test_the_exact_fma_rounds_once():
    """The interpreter's stand-in against fractions, and against two roundings."""
    from fractions import Fraction

    rng = np.random.default_rng(0)
    for dtype in (np.float32, np.float64):
        a, b = (rng.standard_normal(500).astype(dtype) for _ in range(2))
        c = (-(a * b) * (1 + rng.choice([0, 1e-7, 1e-16, 1], 500))).astype(dtype)
        exact = [Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z)) for x, y, z in zip(a, b, c, strict=True)]
        wanted = np.array([float(e) for e in exact])
        if dtype == np.float64:
            assert np.array_equal(fma(a, b, c), wanted)
        else:
            near = np.abs(fma(a, b, c).astype(float) - wanted) <= 0.5 * np.spacing(np.abs(wanted).astype(np.float32))
            assert near.all()
        assert not np.array_equal(fma(a, b, c), a * b + c)
