"""The command: all steps, or those that are named."""

from __future__ import annotations

import argparse
import datetime
import json
import platform
from importlib.metadata import version
from typing import Any

from ..speed.results import processor
from . import opsets, page, published, random_ones

STEPS = (*published.STEPS, "opsets", "random", "page")
RESULTS = published.ROOT / "benchmarks" / "results" / "networks"


def main(arguments: list[str] | None = None) -> int:
    """Return 1 if a network differs by more than is allowed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.networks", description=__doc__)
    parser.add_argument("steps", nargs="*", choices=[[], *STEPS], help="all of them by default")
    parser.add_argument("--only", nargs="+", choices=list(published.NETWORKS), help="the published networks to take")
    options = parser.parse_args(arguments)
    steps = options.steps or STEPS
    for name in options.only or published.NETWORKS:
        for step in published.STEPS:
            if step in steps:
                getattr(published, step)(name)
    if "opsets" in steps:
        opsets.run()
    if "random" in steps:
        random_ones.run()
    return finish() if "page" in steps else 0


def finish() -> int:
    """Write the results and the page's tables."""
    rows = [published.figures_of(name) for name in published.NETWORKS]
    random = json.loads((published.FOLDER / "random.json").read_text(encoding="utf-8"))
    small = json.loads((published.FOLDER / "opsets.json").read_text(encoding="utf-8"))
    found = {"machine": machine(), "networks": rows, "opsets": small, "random": random}
    RESULTS.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    (RESULTS / f"{datetime.date.today()}.json").write_text(text, encoding="utf-8")
    page.write(found)
    worst = max(
        small["difference"], *(size for row in rows for size in (*row["difference"].values(), row["pt2_difference"]))
    )
    return int(bool(random["failed"]) or worst > random_ones.LARGEST_DIFFERENCE)


def machine() -> dict[str, Any]:
    """Processor, versions and date."""
    libraries = ("rectifier", "onnx", "onnxruntime", "torch", "numpy")
    return {
        **processor(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in libraries},
        "mxnet": "1.6.0",
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat("T", "seconds"),
    }
