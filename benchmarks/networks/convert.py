"""One conversion in a process of its own, which prints its seconds and memory as JSON.

python -m benchmarks.networks.convert FOLDER OPSET INPUT SHAPE
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from pathlib import Path


def peak() -> float:
    """The largest resident memory of this process so far, in MiB. (ru_maxrss starts at the parent's.)"""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 1024


def main(folder: str, opset: str, name: str, shape: str) -> int:
    """From MXNet's two files to an ONNX file with a free batch size, by ``rectifier convert``."""
    from rectifier import cli, onnx  # noqa: F401 - its import is no part of what is measured

    before, begin = peak(), time.perf_counter()
    model, sizes = Path(folder, "model.onnx"), json.loads(shape)
    files = [str(Path(folder, ending)) for ending in ("model-symbol.json", "model-0000.params")]
    given = f"{name}={','.join(map(str, ['N', *sizes[1:]]))}"
    with contextlib.redirect_stdout(sys.stderr):
        status = cli.main(["convert", *files, "-o", str(model), "--input", given, "--opset", opset])
    seconds = time.perf_counter() - begin
    found = {"seconds": seconds, "peak_mib": peak(), "start_mib": before, "bytes": model.stat().st_size}
    print(json.dumps(found))
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
