"""The demo, end to end: one epoch of each activation."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[1] / "examples" / "digits.py"


def test_one_epoch_of_the_demo(tmp_path: Path) -> None:
    if not os.environ.get("CI"):  # there, a missing library is a failure
        for module in ("sklearn", "matplotlib", "tqdm"):
            pytest.importorskip(module)
    command = [sys.executable, "-W", "error", str(EXAMPLE), "--epochs", "1", "--output", "curves.png"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert (result.returncode, result.stderr) == (0, "")
    rows = re.findall(r"^(\w+) +([\d.]+)% +([\d.]+) +([\d.]+) s +([\d.]+) s$", result.stdout, re.MULTILINE)
    assert [name for name, *_ in rows] == ["leaky", "elu", "selu", "gelu", "prelu", "rrelu"]
    # Ten digits: a network that learns nothing has 10 %. One epoch gives 80 to 95.
    assert all(float(accuracy) > 60 for _, accuracy, *_ in rows)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
