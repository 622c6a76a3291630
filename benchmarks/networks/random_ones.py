"""The random networks: largest differences, and what failed."""

from __future__ import annotations

import collections
import json
import time
from typing import Any

from comparison import LARGEST_DIFFERENCE, OPSETS, random_case, random_differences, random_model, report
from mxnet_process import Oracle

from rectifier import mx

from .published import FOLDER

COUNT = 300


def run() -> dict[str, Any]:
    """All of them, with the opsets in turn; a failing one is printed with its seed and JSON."""
    worst: dict[str, float] = collections.defaultdict(float)
    kinds: set[str] = set()
    nodes, outputs, refused, failed, begin = 0, 0, 0, [], time.perf_counter()
    with Oracle() as mxnet:
        for seed in range(COUNT):
            opset = OPSETS[seed % len(OPSETS)]
            text, inputs, params, expected = random_case(mxnet, seed)
            if seed % 2:
                refused += random_model(mx.sym.load_json(text), params, inputs, opset, True)[1]
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
        "free_batch": COUNT // 2 - refused,
        "difference": dict(worst),
        "failed": failed,
        "seconds": time.perf_counter() - begin,
    }
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "random.json").write_text(json.dumps(figures), encoding="utf-8")
    print({key: value for key, value in figures.items() if key != "kinds"}, len(kinds), "kinds")
    return figures
