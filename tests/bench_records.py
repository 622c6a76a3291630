"""What the tests of the benchmark share: records with times of their own making, and a machine."""

from __future__ import annotations

from pathlib import Path

from benchmarks.speed import results
from benchmarks.speed.cells import Cell
from benchmarks.speed.results import Record

ROOT = Path(__file__).parents[1]
MACHINE = {
    "date": "2030-01-02T03:04:05Z",
    "complete": True,
    "cpu": "Some CPU",
    "cores": 2,
    "caches": {"L2": 2**20, "L3": 2**25},
    "system": "Linux x86_64, Python 3.12.0",
    "cpu_target": "v3",
    "versions": {"rectifier": "0.1.0", "torch": "2.13.0"},
    "copies": [{"bytes": 4_000_000, "threads": 2, "way": "one memcpy"}],
}


def made(cell: Cell, **seconds: float) -> Record:
    """A record with these times."""
    return results.record(cell, {name: [time] for name, time in seconds.items()}, {})
