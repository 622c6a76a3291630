"""The fixtures of the comparison with MXNet 1.6.0."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from mxnet_process import PYTHON, Oracle

# Programs that MXNet itself runs.
collect_ignore = ["make_corpus.py", "make_model.py", "make_spoilt.py", "mxnet_process.py", "oracle.py"]


@pytest.fixture(scope="session")
def mxnet_installed():
    """Skips where `.venv-mxnet` is missing; in continuous integration that is an error."""
    if PYTHON.exists():
        return
    message = "no .venv-mxnet: `make test-mxnet` makes it"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def mxnet(mxnet_installed):
    """MXNet 1.6.0 in a process that all tests share; one that makes it crash starts its own."""
    with Oracle() as oracle:
        yield oracle
