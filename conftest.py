"""Leave modules alone whose library is not installed; with CI set they are to fail."""

from __future__ import annotations

import importlib.util
import os

MODULES = {
    "torch": (
        *("backends/torch.py", "_torch/*", "torch/*", "mx/nd/*", "mx/gluon/*"),
        *(f"mx/{name}.py" for name in ("autograd", "binding", "compute", "context", "executor", "initializer")),
        *(f"mx/{name}.py" for name in ("model", "random", "run_graph")),
    ),
    "triton": ("kernels/triton/*",),
    "jax": ("backends/jax*.py", "jax.py", "flax.py"),
    "flax": ("flax.py",),
    "dask": ("backends/dask.py",),
    "onnx": ("onnx/*", "_torch/onnx_nodes.py"),
}

collect_ignore_glob = [
    f"src/rectifier/{place}"
    for library, places in MODULES.items()
    if not os.environ.get("CI") and importlib.util.find_spec(library) is None
    for place in places
]
