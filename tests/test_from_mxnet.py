"""The code of docs/from-mxnet.md does what the page says, on the files of examples/model."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from torch_library import torch  # noqa: F401 - skips without it

ROOT = Path(__file__).parents[1]

if not os.environ.get("CI"):  # there, a missing library is a failure
    for library in ("onnx", "onnxruntime"):
        pytest.importorskip(library)


@pytest.fixture
def check_examples(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tools")
    import check_examples

    return check_examples


def test_page(check_examples, tmp_path, monkeypatch):
    for path in (ROOT / "examples" / "model").iterdir():
        shutil.copy(path, tmp_path)
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "from-mxnet.md").read_text(encoding="utf-8").replace("<!-- not run -->", "")
    names = {"__name__": "__main__"}
    found = check_examples.blocks(text)
    assert len(found) > 8
    for block in found:
        assert check_examples.run(block, "from-mxnet.md", names) == []


def test_script_runs(capfd):
    import runpy

    runpy.run_path(str(ROOT / "examples" / "mxnet_script.py"), run_name="__main__")
    assert "imported float32 (2, 3)" in capfd.readouterr().out
    assert "mxnet" not in sys.modules
