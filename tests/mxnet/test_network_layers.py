"""Layers of networks: exported models in onnxruntime against MXNet 1.6.0 itself, and the package's shapes."""

from collections import defaultdict

import pytest
from layer_cases import CASES, arrays, labels, symbol
from test_onnx_agreement import difference, in_onnxruntime

from rectifier.onnx import export, latest_opset

OPSETS = (9, 11, 13, 17, latest_opset())
# Of the output's range.
BOUND = 1e-4

EVALUATE = """
s = mx.sym.load_json(text)
given = {name: mx.nd.array(array, dtype=array.dtype) for name, array in arrays.items()}
states = {name: given[name] for name in s.list_auxiliary_states()}
arguments = {name: given[name] for name in s.list_arguments()}
outputs = s.bind(mx.cpu(), arguments, aux_states=states).forward(is_train=False)
found = {str(i): output.asnumpy() for i, output in enumerate(outputs)}
result = s.list_outputs()
"""

worst = defaultdict(float)


@pytest.fixture(scope="module", autouse=True)
def report():
    yield
    for op, size in sorted(worst.items()):
        print(f"{op}: {size:.2g}")


def opsets(case):
    """onnxruntime has MaxRoiPool in opsets before 22."""
    return [opset for opset in OPSETS if case.op != "ROIPooling" or opset < 22]


def of_mxnet(mxnet, graph, given):
    names, found = mxnet.run(f"text = {graph.tojson()!r}\n{EVALUATE}", **given)
    assert names == graph.list_outputs()
    return [found[str(i)] for i in range(len(found))]


def free_batch(shapes):
    return {name: ("N", *shape[1:]) for name, shape in shapes.items()}


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
            size = difference(found, wanted)
            worst[case.op] = max(worst[case.op], size)
            assert size <= BOUND, f"opset {opset}: {size}"
