"""Models of MXNet's own exporter, made anew: spoilt as they are, and MXNet's results once repaired."""

import make_spoilt
import numpy as np
import onnxruntime
import pytest

from rectifier.onnx import fix_prelu

# In MXNet's process: the networks of make_spoilt.py under other seeds.
EXPORT = """
import sys, tempfile, pathlib, numpy
sys.path.insert(0, FOLDER)
import make_spoilt
with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder, "m.onnx")
    data, output = make_spoilt.export(mx, make_spoilt.networks(mx)[NAME], SEED, path)
    model = numpy.frombuffer(path.read_bytes(), numpy.uint8)
found = {"model": model, "data": data, "output": output}
"""


@pytest.mark.parametrize("seed", [100, 101, 102])
@pytest.mark.parametrize("name", ["fails", "trap", "network", "shared"])
def test_repaired_models_give_mxnets_results(mxnet, name, seed, tmp_path):
    folder = str(make_spoilt.FOLDER.parent / "mxnet")
    _, found = mxnet.run(EXPORT.replace("FOLDER", repr(folder)).replace("NAME", repr(name)).replace("SEED", str(seed)))
    path = tmp_path / "m.onnx"
    path.write_bytes(found["model"].tobytes())
    model, report = fix_prelu(path)
    assert "repaired" in {one.verdict for one in report}
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (output,) = session.run(None, {"data": found["data"]})
    assert np.abs(output - found["output"]).max() <= 1e-6 * np.abs(found["output"]).max()
