"""The example of PyTorch, end to end on a few images."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[1] / "examples" / "torch_digits.py"


def test_the_example_of_pytorch(tmp_path: Path) -> None:
    if not os.environ.get("CI"):  # there, a missing library is a failure
        for module in ("torch", "sklearn", "matplotlib", "tqdm"):
            pytest.importorskip(module)
    command = [sys.executable, "-W", "error", str(EXAMPLE), "--epochs", "2", "--images", "320", "--output", "a.png"]
    alone = os.environ | {"OMP_NUM_THREADS": "1"}  # layers this small gain nothing from more threads
    result = subprocess.run(command, cwd=tmp_path, env=alone, capture_output=True, text=True, timeout=300)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.count("swapped: 4\n") == 2
    pattern = r"^(\w+) +([\w.]+) +([\d.]+)% +([\d.]+) +([\d.]+) MB +([\d.]+) ms a step$"
    rows = {(a, n): tuple(map(float, v)) for a, n, *v in re.findall(pattern, result.stdout, re.MULTILINE)}
    assert list(rows) == [(a, n) for a in ("prelu", "rrelu") for n in ("torch.nn", "rectifier")]
    # Ten digits: a network that learns nothing has 10 %.
    assert all(accuracy > 40 for accuracy, *_ in rows.values())
    # torch keeps an input and the slopes for each of rrelu's four layers, of 2 * 16 * 16**2 + 2 * 32 * 8**2 elements an
    # image, float32, in a batch of 64; rectifier's are kept by the layer after them in any case.
    saved = rows["rrelu", "torch.nn"][2] - rows["rrelu", "rectifier"][2]
    assert saved == pytest.approx(2 * 64 * 4 * (2 * 16 * 16**2 + 2 * 32 * 8**2) / 1e6, rel=0.01)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
