"""No full-size temporaries, and what a pullback keeps; measured as peak memory in a child process."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from typing import Any

import numpy as np
import pytest

from rectifier import vjp
from rectifier.parameters import ACTIVATIONS

MIB = 2**20

PROLOGUE = """
import numpy as np
import rectifier
n = 2**24
def peak():
    # Not getrusage: its peak outlives exec, so that a child would start with its parent's.
    status = open("/proc/self/status").read()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024
def fresh(shape=(n,)):
    a = np.empty(shape, np.float32); a[...] = -1.5; return a
x, g, out, dx = fresh(), fresh(), fresh(), fresh()
rectifier.leaky_relu(np.ones(2**18, np.float32), act_type="gelu")
"""

CALLS = {
    "forward": "rectifier.leaky_relu(x, act_type=ACT, out=out, **KW)",
    "gradient": "y, pullback = rectifier.vjp(x, act_type=ACT, out=out, **KW); pullback(g, out=DX)",
    "transposed": "rectifier.leaky_relu(x.reshape(4096, -1).T, act_type=ACT, out=out.reshape(-1, 4096), **KW)",
    "every other": "rectifier.leaky_relu(x[::2], act_type=ACT, out=out[::2], **KW)",
    "in place": "rectifier.leaky_relu(x, act_type=ACT, out=x, **KW)",
}


def growth(code: str) -> int:
    """How many bytes the peak of resident memory grows by while the code runs."""
    script = PROLOGUE + f"before = peak()\n{code}\nprint(peak() - before)"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    return int(result.stdout)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("act_type", ACTIVATIONS)
def test_no_full_size_temporary(act_type: str, call: str) -> None:
    keywords: dict[str, Any] = {"rrelu": {"training": True, "rng": 1}, "prelu": {"gamma": 0.25}}.get(act_type, {})
    dx = "(dx, None)" if act_type == "prelu" else "dx"
    code = CALLS[call].replace("ACT", repr(act_type)).replace("KW", repr(keywords)).replace("DX", dx)
    # An array of the data's size has 64 MiB, one of bits 2 MiB.
    assert growth(code) < 4 * MIB


@pytest.mark.parametrize("turn", ["", ".transpose()"], ids=["C order", "transposed"])
def test_no_full_size_temporary_with_a_full_gamma(turn: str) -> None:
    code = (
        "gamma = fresh((1, 16, 2**20)); d_gamma = fresh((1, 16, 2**20)); s = (1, 16, 2**20); before = peak()\n"
        f"x, out, g, dx = (a.reshape(s){turn} for a in (x, out, g, dx))\n"
        f"y, pullback = rectifier.vjp(x, gamma=gamma{turn}, act_type='prelu', axis=(0, 1, 2), out=out)\n"
        f"pullback(g, out=(dx, d_gamma{turn}))"
    )
    assert growth(code) < 4 * MIB


def test_the_measure_sees_a_temporary() -> None:
    assert growth("y = np.negative(x)") > 60 * MIB


def kept_bytes(act_type: str, **keywords: Any) -> int:
    """What vjp keeps besides its result, once the caller has let go of the data."""
    x = np.random.default_rng(1).standard_normal(2**22).astype(np.float32)
    out = np.empty_like(x)
    vjp(x[:8], act_type=act_type, out=out[:8], **keywords)  # what a first call loads is not kept for its sake
    tracemalloc.start()
    # A copy made under the tracer's eyes, which vjp alone may keep.
    y, pullback = vjp(x.copy(), act_type=act_type, out=out, **keywords)
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert y is out
    assert np.asarray(pullback(x)[0] if act_type == "prelu" else pullback(x)).any()
    return kept


@pytest.mark.parametrize(
    ("act_type", "keywords"),
    [("leaky", {}), ("leaky", {"slope": 0.0}), ("rrelu", {}), ("rrelu", {"training": True, "rng": 1})],
)
def test_leaky_and_rrelu_keep_no_input(act_type: str, keywords: dict[str, Any]) -> None:
    assert kept_bytes(act_type, **keywords) < 0.1 * MIB


@pytest.mark.parametrize(
    ("act_type", "keywords"),
    [("leaky", {"slope": -0.5}), ("rrelu", {"lower_bound": -0.5, "training": True, "rng": 1})],
)
def test_a_negative_slope_costs_one_bit(act_type: str, keywords: dict[str, Any]) -> None:
    assert kept_bytes(act_type, **keywords) < 2**22 // 8 + 0.1 * MIB


@pytest.mark.parametrize("act_type", [row.name for row in ACTIVATIONS.values() if not row.is_leaky])
def test_the_others_keep_the_input_alone(act_type: str) -> None:
    assert 16 * MIB <= kept_bytes(act_type) < 16.1 * MIB
