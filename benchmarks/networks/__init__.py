"""Whole networks of MXNet 1.6.0, converted and compared: `make networks`.

``python -m benchmarks.networks`` writes the published networks of `tests/mxnet/networks` with MXNet, converts them,
compares onnxruntime and PyTorch with MXNet's outputs, runs 300 random networks, and writes one JSON file to
``benchmarks/results/networks`` and the tables of docs/networks.md. Its steps are ``make``, ``convert``, ``compare``,
``pt2``, ``opsets``, ``random`` and ``page``: some of them can be named, and some networks behind ``--only``.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "mxnet"))
