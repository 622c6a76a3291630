"""The random networks: largest differences, and what failed."""

from __future__ import annotations

import collections
import json
import time
from typing import Any

from comparison import LARGEST_DIFFERENCE, OPSETS, random_case, random_differences, report
from mxnet_process import Oracle

from .published import FOLDER

COUNT = 300


def run() -> dict[str, Any]:
    """All of them, with the opsets in turn; a failing one is printed with its seed and JSON."""
    worst: dict[str, float] = collections.defaultdict(float)
    kinds: set[str] = set()
    nodes, outputs, failed, begin = 0, 0, [], time.perf_counter()
    with Oracle() as mxnet:
        for seed in range(COUNT):
            opset = OPSETS[seed % len(OPSETS)]
            text, _, _, expected = random_case(mxnet, seed)
            operators = [node["op"] for node in json.loads(text)["nodes"] if node["op"] != "null"]
            kinds.update(operators)
            nodes, outputs = nodes + len(operators), outputs + len(expected)
            try:
                found = random_differences(mxnet, seed, opset)
            except Exception:
                found = {"failed": float("inf")}
            if max(found.values()) > LARGEST_DIFFERENCE:
                print(report(mxnet, seed, opset), flush=True)
                failed.append(seed)
            else:
                worst.update({library: max(worst[library], size) for library, size in found.items()})
    figures = {
        "count": COUNT,
        "nodes": nodes,
        "outputs": outputs,
        "kinds": sorted(kinds),
        "opsets": OPSETS,
        "difference": dict(worst),
        "failed": failed,
        "seconds": time.perf_counter() - begin,
    }
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "random.json").write_text(json.dumps(figures), encoding="utf-8")
    print({key: value for key, value in figures.items() if key != "kinds"}, len(kinds), "kinds")
    return figures
