"""The Triton kernels compiled for a GPU, without one: what the interpreter computed is what the machine code does."""

import functools
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


@functools.cache
def compiled(capability, kind):
    return json.loads(in_plain_python(str(HERE / "triton_compile.py"), str(capability), kind))


# The kernels for whole arrays on two generations; every kernel there is takes minutes.
everything = pytest.mark.parametrize(
    ("capability", "kind"), [(80, "quick"), (90, "quick"), pytest.param(90, "all", marks=pytest.mark.slow)]
)


@everything
def test_no_approximation_no_flush_to_zero_no_local_memory(capability, kind):
    for name, found in compiled(capability, kind).items():
        assert found["approximate"] == [], name
        assert found["flushed"] == 0, name
        assert found["spilled"] == 0, name


@everything
def test_every_fma_is_in_the_source_and_every_other_product_is_not_fused(capability, kind):
    """Two bodies, with and without a mask; 32 bytes a thread."""
    for name, found in compiled(capability, kind).items():
        layout, element, *rest = name.split()
        if layout != "flat" or rest[0] not in FUSED:
            continue
        table = FUSED_SHORT if element in ("fp16", "bf16") else FUSED_DOUBLE if element == "fp64" else FUSED
        elements = {"fp16": 32, "bf16": 32, "fp32": 16, "fp64": 8}[element]
        assert found["fused"] == elements * table[rest[0]][rest[1] == "pullback"], name
        # The assembler uses an FFMA or DFMA for a constant now and then, but never one for each element.
        assert 0 <= found["contracted"] - found["fused"] < elements / 2, name


@everything
def test_slopes_have_one_fma_and_nothing_else_is_fused(capability, kind):
    """As on the CPU, where a drawn slope is one fma, and slope times x a product."""
    for name, found in compiled(capability, kind).items():
        if name.split()[0] in ("flat", "tile") and "leaky" not in name and name.split()[2] not in FUSED:
            one = "drawn" in name or "shifted" in name
            assert "gelu_tanh" in name or (found["fused"] > 0) == one, name


@everything
def test_double_arithmetic_only_for_float64(capability, kind):
    for name, found in compiled(capability, kind).items():
        # gelu_tanh computes all in float64.
        if name.startswith(("flat", "tile")) and " fp64 " not in name and "gelu_tanh" not in name:
            assert found["double"] == 0, name


@everything
def test_each_byte_is_moved_once_and_16_at_a_time(capability, kind):
    """An input more for a gradient; both bodies, 32 bytes a thread of each array."""
    for name, found in compiled(capability, kind).items():
        layout, element, *rest = name.split()
        if layout != "flat" or rest[0] not in FUSED | {"gelu_tanh": ()}:
            continue
        wide = "v2.b64" if element == "fp64" else "v4.b32"
        assert found["stores"] == 4 * [wide], name
        assert found["loads"] == (8 if rest[-1] == "pullback" else 4) * [wide], name


@pytest.mark.slow
def test_gradients_of_prelu_move_16_bytes_at_a_time():
    for name, found in compiled(90, "all").items():
        kind, element, *layout = name.split()
        if kind != "gamma" or layout == ["each"]:
            continue
        wide = "v2.b64" if element == "fp64" else "v4.b32"
        bytes_of = {"fp16": 2, "bf16": 2, "fp32": 4, "fp64": 8}[element]
        each = 2048 * bytes_of // (256 * 16)  # of a program's 2048 elements and 256 threads
        assert found["loads"].count(wide) >= 2 * each, name
        assert found["stores"].count(wide) == (0 if layout == ["slopes", "only"] else each), name
        assert found["registers"] <= 128, name


def test_every_key_has_the_same_kernel():
    code = """
import fake_gpu, torch
from rectifier.kernels import triton as verbs
driver = fake_gpu.compiled_for(90)
for shape in ((1024,), (8, 64)):
    x = torch.empty(shape, device="meta")[..., :: len(shape)]
    for key, first in ((1, 0), (16, 0), (7, 64), (2**64 - 16, 4), (2**64 - 1, 2**40)):
        verbs.apply(0, x, x, None, None, 0.0, key, 0.1, 0.3, first)
print([len({launch.kernel.hash for launch in driver.launches[at : at + 5]}) for at in (0, 5)])
"""
    assert in_plain_python("-c", code).strip() == "[1, 1]"


def test_kernels_start_on_the_current_stream_and_nothing_waits():
    """Both stages of prelu; the tensors have no memory, so nothing can have been read on the CPU."""
    code = """
import fake_gpu, torch
from rectifier.kernels import triton as verbs
driver = fake_gpu.compiled_for(90)
driver.stream = 7
x, gamma = torch.empty(1 << 20, 8, device="meta"), torch.empty(1, 8, device="meta")
verbs.gamma_pullback(x, torch.empty_like(gamma), x, x, gamma)
print([(launch.kernel.name, launch.stream) for launch in driver.launches])
"""
    assert in_plain_python("-c", code).strip() == "[('gamma_kernel', 7), ('reduce_kernel', 7)]"


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
