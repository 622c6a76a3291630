"""Layers of networks: exported models in onnxruntime against MXNet 1.6.0 itself, and the package's shapes."""

from collections import defaultdict

import numpy as np
import pytest
from comparison import EVALUATE, difference, in_onnxruntime
from layer_cases import CASES, arrays, labels, random_window, symbol
from mxnet_process import MXNetError

from rectifier.onnx import export, latest_opset

OPSETS = (9, 11, 13, 17, latest_opset())
# Of the output's range.
BOUND = 1e-4


worst = defaultdict(float)


@pytest.fixture(scope="module", autouse=True)
def report():
    yield
    for op, size in sorted(worst.items()):
        print(f"{op}: {size:.2g}")


def opsets(case):
    """onnxruntime has MaxRoiPool in opsets before 22, and detection needs 11."""
    least = 11 if case.op == "_contrib_MultiBoxDetection" else 9
    return [opset for opset in OPSETS if opset >= least and (case.op != "ROIPooling" or opset < 22)]


def comparable(case, found):
    """Without the rest of rows that `nms_topk` leaves out: MXNet keeps numbers there that mean nothing."""
    if "nms_topk" not in case.attrs:
        return found
    return np.where(np.arange(found.shape[1])[:, None] < int(case.attrs["nms_topk"]), found, found[..., :1])


def of_mxnet(mxnet, graph, given):
    names, found = mxnet.run(
        f"s = mx.sym.load_json({graph.tojson()!r})\n{EVALUATE}result = s.list_outputs()\n", **given
    )
    assert names == graph.list_outputs()
    return [found[str(i)] for i in range(len(found))]


def free_batch(shapes):
    return {name: ("N" if shape[0] > 1 else 1, *shape[1:]) for name, shape in shapes.items()}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_layer(mxnet, case):
    graph, given = symbol(case), arrays(case)
    expected = of_mxnet(mxnet, graph, given)
    _, shapes, _ = graph.infer_shape(**case.shapes)
    assert shapes == [each.shape for each in expected]
    params = {name: array for name, array in given.items() if name not in case.shapes and name not in labels(case)}
    free = not (case.op == "BatchNorm" and case.attrs.get("axis") == "0") and "rois" not in case.shapes
    for opset in opsets(case):
        model = export(graph, params, free_batch(case.shapes) if free else case.shapes, opset)
        inputs = [one.name for one in model.graph.input]
        assert inputs == list(case.shapes), "labels are no inputs"
        for found, wanted in zip(in_onnxruntime(model, **given), expected, strict=True):
            size = difference(comparable(case, found), comparable(case, wanted))
            worst[case.op] = max(worst[case.op], size)
            assert size <= BOUND, f"opset {opset}: {size}"


def test_random_windows(mxnet):
    """With every size free and with all known. A mean over windows outside the data, of nothing, is refused."""
    compared = defaultdict(int)
    for number in range(250):
        case = random_window(np.random.default_rng([3, number]))
        try:
            graph, given = symbol(case), arrays(case)
            (expected,) = of_mxnet(mxnet, graph, given)
        except (ValueError, MXNetError) as error:  # both refuse windows that do not fit
            compared[type(error).__name__] += 1
            continue
        params = {name: array for name, array in given.items() if name != "data"}
        rank = expected.ndim
        for opset, shape in ((9, given["data"].shape), (13, ("N", 4, "depth", "height", "width")[:rank])):
            try:
                model = export(graph, params, {"data": shape}, opset)
            except ValueError:
                if case.attrs.get("pool_type") != "avg":
                    raise
                compared["refused"] += 1
                continue
            (found,) = in_onnxruntime(model, data=given["data"])
            size = difference(found, expected)
            worst[f"random {case.op}"] = max(worst[f"random {case.op}"], size)
            assert size <= BOUND, f"{case} in opset {opset}: {size}"
            compared[case.op] += 1
    print(dict(compared))
    assert min(compared[op] for op in ("Pooling", "Convolution", "Deconvolution")) > 50
    assert compared["refused"] < 40
