"""Faults of a worker, which loads this file at its start: what lies in the folder $FAULTS tells it what to do.

At the piece that begins where the file `row` says, a worker

- with a file `die` there, ends as if the system had killed it;
- with a pipe `hold` there, writes its process's number to it, and goes on when it can read the pipe `release`.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from rectifier.pieces import PiecewiseOperator

FAULTS = Path(os.environ.get("FAULTS", os.devnull))


def patched(compute: Any) -> Any:
    def faulty(self: PiecewiseOperator, box: Any) -> Any:
        row = FAULTS / "row"
        if row.exists() and int(row.read_text()) == box[0].start:
            if (FAULTS / "die").exists():
                os.kill(os.getpid(), signal.SIGKILL)
            if (FAULTS / "hold").exists():
                (FAULTS / "hold").write_text(str(os.getpid()))
                (FAULTS / "release").read_text()
        return compute(self, box)

    return faulty


if PiecewiseOperator.compute.__name__ == "compute":  # Dask loads this file more than once
    PiecewiseOperator.compute = patched(PiecewiseOperator.compute)  # type: ignore[method-assign]
