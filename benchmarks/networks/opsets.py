"""Small versions of the published networks at every opset, with a fixed and with a free batch size."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from comparison import free_batch, in_onnxruntime, largest_difference, numbered
from mxnet_process import Oracle

from networks import NETWORKS
from rectifier.onnx import export, latest_opset

from .published import FOLDER

OLDEST = 9


def run() -> dict[str, Any]:
    """The number of models and the largest difference of all."""
    found: list[float] = []
    with Oracle() as mxnet, tempfile.TemporaryDirectory() as folder:
        for place, name in enumerate(NETWORKS):
            path = Path(folder, str(place))
            path.mkdir()
            mxnet.run(f"import networks.make\nnetworks.make.make(mx, {name!r}, {str(path)!r}, small=True)")
            found += differences(path, NETWORKS[name].input_name)
    figures = {"models": len(found), "difference": max(found), "opsets": [OLDEST, latest_opset()]}
    (FOLDER / "opsets.json").write_text(json.dumps(figures), encoding="utf-8")
    print(figures)
    return figures


def differences(folder: Path, name: str) -> list[float]:
    """Of one network, for each opset and batch."""
    arrays = np.load(folder / "values.npz")
    data, expected = arrays[name], numbered(arrays)
    files = folder / "model-symbol.json", folder / "model-0000.params"
    shapes = data.shape, free_batch(data.shape)
    models = (export(*files, {name: shape}, opset) for opset in range(OLDEST, latest_opset() + 1) for shape in shapes)
    return [largest_difference(in_onnxruntime(model, **{name: data}), expected) for model in models]
