"""DTensor, FSDP2 and DistributedDataParallel, in two processes that speak by gloo."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from torch_cases import torch


@pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch has no torch.distributed")
def test_two_processes(tmp_path):
    script = Path(__file__).with_name("torch_distributed_process.py")
    command = [sys.executable, str(script)]
    processes = [
        subprocess.Popen(
            [*command, str(rank), str(tmp_path / "store")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for rank in range(2)
    ]
    try:
        outputs = [process.communicate(timeout=100)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], "\n".join(outputs)
    assert all(output.count("check_") == 4 for output in outputs)
