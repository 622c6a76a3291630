"""The steps for the published networks. Each leaves its figures in a JSON file beside the network's own files."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from comparison import in_onnxruntime, in_torch, largest_difference, numbered
from mxnet_process import PYTHON

from networks import NETWORKS
from rectifier import mx

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "networks"
OPSET = 17


def folder_of(name: str) -> Path:
    return FOLDER / name.replace(" ", "-")


def keep(name: str, step: str, figures: dict[str, Any]) -> None:
    (folder_of(name) / f"{step}.json").write_text(json.dumps(figures), encoding="utf-8")
    print(name, step, figures, flush=True)


def figures_of(name: str) -> dict[str, Any]:
    """What all steps found."""
    found: dict[str, Any] = {"network": name}
    for step in ("make", "convert", "compare"):
        found.update(json.loads((folder_of(name) / f"{step}.json").read_text(encoding="utf-8")))
    return found


def make(name: str) -> None:
    """MXNet writes the network and what it computes."""
    folder = folder_of(name)
    folder.mkdir(parents=True, exist_ok=True)
    program = ROOT / "tests" / "mxnet" / "networks" / "make.py"
    subprocess.run([PYTHON, "-W", "ignore", program, name, folder], check=True)
    nodes = json.loads((folder / "model-symbol.json").read_text(encoding="utf-8"))["nodes"]
    operators = [node["op"] for node in nodes if node["op"] != "null"]
    params = mx.params_file.load(folder / "model-0000.params")
    sizes = {key: int(np.prod(array.shape)) for key, array in params.items()}
    keep(
        name,
        "make",
        {
            "input": list(NETWORKS[name].shape),
            "operators": len(operators),
            "kinds": sorted(set(operators)),
            "parameters": sum(size for key, size in sizes.items() if key.startswith("arg:")),
            "statistics": sum(size for key, size in sizes.items() if key.startswith("aux:")),
        },
    )


def convert(name: str) -> None:
    """The conversion in a process of its own, measured."""
    network = NETWORKS[name]
    words = [folder_of(name), OPSET, network.input_name, json.dumps(network.shape)]
    command = [sys.executable, "-m", "benchmarks.networks.convert", *map(str, words)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    keep(name, "convert", {"opset": OPSET, **json.loads(done.stdout)})


def compare(name: str) -> None:
    """Both libraries' outputs against MXNet's."""
    folder, key = folder_of(name), NETWORKS[name].input_name
    arrays = np.load(folder / "values.npz")
    data, expected = {key: arrays[key]}, numbered(arrays)
    found = {"onnxruntime": largest_difference(in_onnxruntime(folder / "model.onnx", **data), expected)}
    begin = time.perf_counter()
    module = mx.to_torch(folder / "model-symbol.json", folder / "model-0000.params")
    seconds = time.perf_counter() - begin
    found["torch"] = largest_difference(in_torch(module, **data), expected)
    keep(name, "compare", {"difference": found, "torch_seconds": seconds})
