"""One conversion in a process of its own, which prints its seconds and memory as JSON.

python -m benchmarks.networks.convert FOLDER OPSET INPUT SHAPE
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def peak() -> float:
    """The largest resident memory of this process so far, in MiB. (ru_maxrss starts at the parent's.)"""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 1024


def main(folder: str, opset: str, name: str, shape: str) -> None:
    """From MXNet's two files to an ONNX file with a free batch size."""
    from rectifier.onnx import export

    before, begin = peak(), time.perf_counter()
    files = Path(folder, "model-symbol.json"), Path(folder, "model-0000.params")
    sizes = json.loads(shape)
    model = Path(folder, "model.onnx")
    export(*files, {name: ("N", *sizes[1:])}, int(opset), path=model)
    seconds = time.perf_counter() - begin
    print(json.dumps({"seconds": seconds, "peak_mib": peak(), "start_mib": before, "bytes": model.stat().st_size}))


if __name__ == "__main__":
    main(*sys.argv[1:])
