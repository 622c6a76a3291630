"""PRelu's slope on the wrong axis: models of MXNet's own exporter and of other makers, repaired or left alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from rectifier import leaky_relu, mx
from rectifier.onnx import export, fix_prelu

SPOILT = Path(__file__).parent / "spoilt"
MXNET = "mxnet_converted_model"
GAMMA = np.array([0.5, -0.25, 2], np.float32)
X = -np.random.default_rng(0).uniform(1, 2, (2, 3, 4, 3)).astype(np.float32)
EXPECTED = leaky_relu(X, GAMMA, act_type="prelu")


def run(model, **arrays):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"]).run(None, arrays)


def checked(model, **options):
    """The repaired model, and the verdicts by node. The given one stays, and a second repair finds nothing."""
    before = model.SerializeToString(deterministic=True)
    result, found = fix_prelu(model, **options)
    assert model.SerializeToString(deterministic=True) == before
    onnx.checker.check_model(result, full_check=True)
    again, second = fix_prelu(result, **options)
    assert again == result
    assert [one.verdict for one in second] == [one.verdict.replace("repaired", "right") for one in found]
    return result, {one.node: one.verdict for one in found}


def made(nodes, initializers=(), *, name=MXNET, shape=(2, 3, 4, 3), opset=13, ir_version=7, inputs=(), outputs="y"):
    """A model from x to y, of MXNet's exporter unless another name is given."""
    ends = [helper.make_tensor_value_info(one, TensorProto.FLOAT, shape) for one in ("x", *outputs)]
    graph = helper.make_graph(nodes, name, [ends[0], *inputs], ends[1:], list(initializers))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)


def node(slope="g", data="x", output="y"):
    return helper.make_node("PRelu", [data, slope], [output])


def tensor(array=GAMMA, name="g"):
    return numpy_helper.from_array(array, name)


# --- what MXNet's own exporter wrote; tests/mxnet/make_spoilt.py made these files


@pytest.mark.parametrize(
    ("name", "verdicts"),
    [
        ("fails", {"fails": "repaired"}),
        ("trap", {"trap": "repaired"}),
        ("network", {"first": "repaired", "second": "repaired", "third": "repaired", "right": "right"}),
        ("shared", {"one": "repaired", "two": "repaired", "three": "right"}),
    ],
)
def test_models_of_mxnets_exporter(name, verdicts):
    model = onnx.load(SPOILT / f"spoilt-{name}.onnx")
    with np.load(SPOILT / f"spoilt-{name}.npz") as arrays:
        data, expected = arrays["data"], arrays["output"]
    bound = 1e-6 * np.abs(expected).max()
    if name == "fails":
        with pytest.raises(Exception, match="PRelu"):
            run(model, data=data)
    else:
        assert np.abs(run(model, data=data)[0] - expected).max() > 1e4 * bound
    repaired, found = checked(model)
    assert found == verdicts
    assert np.abs(run(repaired, data=data)[0] - expected).max() <= bound


def test_from_a_file():
    path = SPOILT / "spoilt-trap.onnx"
    assert fix_prelu(path)[0] == fix_prelu(onnx.load(path))[0]


# --- what a slope of one dimension means


@pytest.mark.parametrize("name", [MXNET, "torch_jit"])
@pytest.mark.parametrize(
    ("shape", "size", "by_mxnet", "by_others"),
    [
        ((2, 3, 4, 5), 3, "repaired", "repaired"),
        ((2, 3, 4, 3), 3, "repaired", "undecided"),
        ((2, 3, 4), 4, "right", "right"),
        ((2, 3, 3), 3, "repaired", "undecided"),
        ((2, 3, 4, 5), 6, "undecided", "undecided"),
        ((2, 3, 4, 5), 1, "right", "right"),
        ((2, 3), 3, "right", "right"),
        ((2, 3), 2, "undecided", "undecided"),
        ((3,), 3, "right", "right"),
        (("N", 3, "H", "W"), 3, "repaired", "undecided"),
        (("N", 3, "H", 4), 3, "repaired", "repaired"),
        (("N", "C", "H", 3), 3, "repaired", "undecided"),
        (("N", 5, "H", "W"), 3, "right", "right"),
        ((2, 3, 4, 5, 3), 3, "repaired", "undecided"),
    ],
)
def test_the_rule(name, shape, size, by_mxnet, by_others):
    model = made([node()], [tensor(np.full(size, 0.5, "f"))], name=name, shape=shape)
    result, found = checked(model)
    assert found == {"y": by_mxnet if name == MXNET else by_others}
    if found["y"] == "repaired":
        assert list(result.graph.initializer[0].dims) == [size] + [1] * (len(shape) - 2)
    else:
        assert result == model


def test_the_axis_can_be_said():
    others = made([node()], [tensor()], name="torch_jit")
    repaired, found = checked(others, axis=1)
    assert found == {"y": "repaired"}
    np.testing.assert_array_equal(run(repaired, x=X)[0], EXPECTED)
    result, found = checked(made([node()], [tensor()]), axis=-1)
    assert found == {"y": "right"}
    assert list(result.graph.initializer[0].dims) == [3]
    clear = made([node()], [tensor()], shape=(2, 3, 4, 5))  # here the last axis is impossible
    assert checked(clear, axis=-1)[1] == {"y": "repaired"}


@pytest.mark.parametrize("shape", [(3, 1, 1), (1, 3, 1, 1), (2, 3, 4, 3), (4, 3), (1, 1, 1)])
def test_slopes_of_full_rank_are_right(shape):
    model = made([node()], [tensor(np.ones(shape, "f"))])
    assert checked(model) == (model, {"y": "right"})


def test_a_slope_of_two_dimensions():
    model = made([node()], [tensor(np.ones((2, 3), "f"))], shape=(2, 3, 4, 5))
    result, found = checked(model)
    assert found == {"y": "repaired"}
    assert list(result.graph.initializer[0].dims) == [2, 3, 1, 1]


def test_before_opset_7_the_slope_belongs_to_the_channels():
    ends = [helper.make_tensor_value_info("g", TensorProto.FLOAT, [3])]
    model = made([node()], [tensor()], opset=6, ir_version=3, inputs=ends)
    assert checked(model) == (model, {"y": "right"})


def test_our_own_exports_are_right():
    symbol = mx.sym.LeakyReLU(mx.sym.Variable("x"), act_type="prelu", name="a")
    model = export(symbol, {"a_gamma": GAMMA}, {"x": ("N", 3, 4, 3)})
    assert checked(model) == (model, {"a_output": "right"})


# --- where the slope comes from


def test_shared_with_a_right_node_and_with_other_readers():
    flat = [
        node(output="y"),
        helper.make_node("ReduceMean", ["x"], ["m"], axes=[2, 3], keepdims=0),
        node(data="m", output="n"),
        helper.make_node("Mul", ["g", "g"], ["square"]),
    ]
    model = made(flat, [tensor()])
    result, found = checked(model)
    assert found == {"y": "repaired", "n": "right"}
    assert {one.name: list(one.dims) for one in result.graph.initializer} == {"g": [3], "g_slope_3x1x1": [3, 1, 1]}
    np.testing.assert_array_equal(run(result, x=X)[0], EXPECTED)


def test_shared_by_spoilt_nodes_of_two_ranks():
    flatter = helper.make_node("ReduceMax", ["x"], ["m"], axes=[3], keepdims=0)
    model = made([node(), flatter, node(data="m", output="n")], [tensor()])
    result, found = checked(model)
    assert found == {"y": "repaired", "n": "repaired"}
    dims = {tuple(one.dims) for one in result.graph.initializer if one.name != "g"}
    assert dims == {(3, 1, 1), (3, 1)}


@pytest.mark.parametrize("opset", [9, 13])
@pytest.mark.parametrize("source", ["Constant", "Identity", "Reshape", "Squeeze", "input", "Dropout"])
def test_computed_slopes_get_a_reshape(source, opset):
    inputs, tensors, arrays = [], [tensor(GAMMA.reshape(1, 3), "w"), tensor(GAMMA, "v")], {"x": X}
    makers = {
        "Constant": [helper.make_node("Constant", [], ["g"], value=tensor())],
        "Identity": [helper.make_node("Identity", ["v"], ["g"])],
        "Dropout": [helper.make_node("Dropout", ["v"], ["g"])],
        "Reshape": [helper.make_node("Reshape", ["w", "s"], ["g"])],
        "Squeeze": [helper.make_node("Squeeze", ["w"], ["g"], axes=[0])]
        if opset < 13
        else [helper.make_node("Squeeze", ["w", "a"], ["g"])],
        "input": [],
    }
    tensors += [tensor(np.array([-1]), "s"), tensor(np.array([0]), "a")]
    if source == "input":
        inputs, arrays = [helper.make_tensor_value_info("g", TensorProto.FLOAT, [3])], {"x": X, "g": GAMMA}
    read = {name for one in makers[source] for name in one.input}
    tensors = [one for one in tensors if one.name in read]
    result, found = checked(made([*makers[source], node()], tensors, opset=opset, inputs=inputs))
    assert found == {"y": "repaired"}
    assert [one.op_type for one in result.graph.node][-3:] == ["Constant", "Reshape", "PRelu"]
    np.testing.assert_array_equal(run(result, **arrays)[0], EXPECTED)


@pytest.mark.parametrize("extra", [[], [helper.make_node("Neg", ["g"], ["z"])]])
def test_arrays_that_are_inputs_too(extra):
    inputs = [helper.make_tensor_value_info("g", TensorProto.FLOAT, [3])]
    result, _ = checked(made([node(), *extra], [tensor()], opset=8, ir_version=3, inputs=inputs))
    shapes = {
        one.name: [size.dim_value for size in one.type.tensor_type.shape.dim]
        for one in result.graph.input
        if one.name != "x"
    }
    assert shapes == ({"g": [3], "g_slope_3x1x1": [3, 1, 1]} if extra else {"g": [3, 1, 1]})
    np.testing.assert_array_equal(run(result, x=X)[0], EXPECTED)


def test_external_data_are_not_read(tmp_path):
    gamma = np.arange(1, 2001, dtype=np.float32)
    model = made([node()], [tensor(gamma)], shape=(1, 2000, 1, 2000))
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    content = (tmp_path / "m.data").read_bytes()
    result, (found,) = fix_prelu(tmp_path / "m.onnx")
    assert found.verdict == "repaired"
    (array,) = result.graph.initializer
    assert array.data_location == TensorProto.EXTERNAL
    assert list(array.dims) == [2000, 1, 1]
    onnx.save(result, tmp_path / "fixed.onnx")
    assert (tmp_path / "m.data").read_bytes() == content
    x = -np.ones((1, 2000, 1, 2000), np.float32)
    (y,) = onnxruntime.InferenceSession(tmp_path / "fixed.onnx").run(None, {"x": x})
    np.testing.assert_array_equal(y[0, :, 0, 0], -gamma)


def branches(then, other, initializers=()):
    """An If between two graphs of one output, which read x and g of the outer graph."""
    end = helper.make_tensor_value_info
    bodies = [
        helper.make_graph(nodes, name, [], [end(nodes[-1].output[0], TensorProto.FLOAT, None)], list(arrays))
        for name, nodes, arrays in (("then", then, initializers), ("else", other, ()))
    ]
    return [helper.make_node("If", ["c"], ["y"], then_branch=bodies[0], else_branch=bodies[1])]


def test_subgraphs():
    condition = helper.make_tensor_value_info("c", TensorProto.BOOL, [])
    inner = tensor(2 * GAMMA, "h")
    nodes = branches([node(output="a")], [node(output="p"), node("g", "p", "b")])
    model = made([*nodes, helper.make_node("Neg", ["g"], ["z"])], [tensor()], inputs=[condition])
    result, found = checked(model)
    assert found == {"a": "repaired", "p": "repaired", "b": "repaired"}
    np.testing.assert_array_equal(run(result, x=X, c=np.array(True))[0], EXPECTED)
    expected = leaky_relu(EXPECTED, GAMMA, act_type="prelu")
    np.testing.assert_array_equal(run(result, x=X, c=np.array(False))[0], expected)
    own = made(branches([node("h", output="a")], [helper.make_node("Neg", ["x"], ["b"])], [inner]), inputs=[condition])
    result, found = checked(own)
    assert found == {"a": "repaired"}
    expected = leaky_relu(X, 2 * GAMMA, act_type="prelu")
    np.testing.assert_array_equal(run(result, x=X, c=np.array(True))[0], expected)


def test_a_loop():
    info = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["d"]), node("g", "a", "b")],
        "body",
        [info("i", TensorProto.INT64, []), info("c", TensorProto.BOOL, []), info("a", TensorProto.FLOAT, X.shape)],
        [info("d", TensorProto.BOOL, []), info("b", TensorProto.FLOAT, X.shape)],
    )
    loop = helper.make_node("Loop", ["n", "", "x"], ["y"], body=body)
    result, found = checked(made([loop], [tensor(), tensor(np.array(2), "n")]))
    assert found == {"b": "repaired"}
    np.testing.assert_array_equal(run(result, x=X)[0], leaky_relu(EXPECTED, GAMMA, act_type="prelu"))


# --- what cannot be decided


def test_unknown_ranks_are_reported():
    inputs = [helper.make_tensor_value_info("s", TensorProto.INT64, ["R"])]
    model = made(
        [helper.make_node("Reshape", ["x", "s"], ["r"]), node(data="r", output="p")], [tensor()], inputs=inputs
    )
    result, (found,) = fix_prelu(model)
    assert result == model
    assert found.verdict == "undecided"
    assert found.reason == "the number of the data's dimensions is unknown, slope of shape (3,)"
    single = made(model.graph.node, [tensor(np.ones(1, "f"))], inputs=inputs)
    assert fix_prelu(single)[1][0].verdict == "right"


def test_a_slope_of_unknown_shape_is_reported():
    inputs = [helper.make_tensor_value_info("g", TensorProto.FLOAT, None)]
    assert fix_prelu(made([node()], inputs=inputs))[1][0].reason == "the slope's shape is unknown"


def test_the_reasons():
    (found,) = fix_prelu(made([node()], [tensor()], name="other"))[1]
    assert found.reason == (
        "it fits axis 1 and the last axis: `axis` says which, slope of shape (3,) for data of shape (2, 3, 4, 3)"
    )
    (found,) = fix_prelu(made([node()], [tensor(np.ones(7, "f"))]))[1]
    assert found.reason == "it fits no axis, slope of shape (7,) for data of shape (2, 3, 4, 3)"


def test_functions_are_reported():
    model = made([helper.make_node("F", ["x"], ["y"], domain="own")])
    imports = [helper.make_opsetid("", 13)]
    model.functions.append(helper.make_function("own", "F", ["a"], ["b"], [node("s", "a", "b")], imports))
    with pytest.raises(ValueError, match=r"`model` must be one that ONNX can infer shapes of: .*No opset import"):
        fix_prelu(model)
    model.opset_import.append(helper.make_opsetid("own", 1))
    (found,) = fix_prelu(model)[1]
    assert (found.node, found.verdict) == ("F/b", "undecided")


def test_a_model_that_was_wrong_before_is_repaired_all_the_same():
    old = helper.make_node("BatchNormalization", ["y", "g", "g", "g", "g"], ["b"], spatial=1)
    model = made([node(), old], [tensor()])
    with pytest.raises(onnx.checker.ValidationError):
        onnx.checker.check_model(model)
    assert fix_prelu(model)[1][0].verdict == "repaired"


@pytest.mark.parametrize("axis", [0, 2, True, "1"])
def test_refuses_other_axes(axis):
    with pytest.raises(ValueError, match="`axis` must be None, 1 or -1, got"):
        fix_prelu(made([node()], [tensor()]), axis=axis)


@pytest.mark.parametrize("content", [b"no model", b""])
def test_refuses_what_is_no_model(tmp_path, content):
    path = tmp_path / "m.onnx"
    with pytest.raises(FileNotFoundError):
        fix_prelu(path)
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not an ONNX model"):
        fix_prelu(path)
