"""ONNX models of symbols: what is written, what onnxruntime computes, what is read back, what is refused."""

from __future__ import annotations

import math
import sys

import mpmath
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from rectifier import leaky_relu, mx
from rectifier.mx import params_file
from rectifier.mx.graph import Entry, Node
from rectifier.mx.symbol import Symbol
from rectifier.onnx import UnsupportedOperators, export, fix_prelu, import_model, latest_opset
from rectifier.onnx.tail import TAILS
from rectifier.parameters import ACTIVATIONS
from ulp import assert_same_bits, assert_within_ulp

OPSETS = range(9, latest_opset() + 1)
DTYPES = ("float16", "float32", "float64")

# Greatest error of what is spelled out in arithmetic, in ULP, on normal results: onnxruntime's exp and tanh included.
SPELLED_OUT_ULP = {"float16": 0.505, "float32": 6.0, "float64": 8.0}


def run(model, **arrays):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, arrays)


def activation(act_type, **values):
    return mx.sym.LeakyReLU(mx.sym.Variable("x"), act_type=act_type, name="act", **values)


def samples(dtype):
    """Numbers of every size, of both signs, and the special ones."""
    size = np.concatenate([np.geomspace(1e-7, 40, 4001), np.linspace(0, 16, 4000)])
    return np.concatenate([size, -size, [0.0, -0.0, np.inf, -np.inf, np.nan]]).astype(dtype)


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("act_type", [row.name for row in ACTIVATIONS.values() if row.in_mxnet])
def test_every_opset_and_dtype(act_type, dtype, opset):
    x = np.random.default_rng(1).normal(0, 2, (2, 3, 4, 5)).astype(dtype)
    gamma = np.array([0.5, -0.25, 2], dtype)
    params = {"act_gamma": gamma} if ACTIVATIONS[act_type].has_gamma else {}
    model = export(activation(act_type)[0], params, {"x": ("N", 3, 4, 5)}, opset, dtype=dtype)
    assert model.opset_import[0].version == opset
    (found,) = run(model, x=x)
    expected = leaky_relu(x, *params.values(), act_type=act_type)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=2e-3 if dtype == "float16" else 2e-6, atol=1e-6)


@mpmath.workdps(40)
def truth(act_type, x, slope):
    """The activation of one number, to 40 digits."""
    x = mpmath.mpf(float(x))
    if act_type == "gelu":
        return x * mpmath.ncdf(x) if x > -100 else mpmath.mpf(0)
    factor, linear = mpmath.mpf(slope), 1
    if act_type == "selu":
        linear = mpmath.mpf("1.0507009873554804934193349852946")
        factor = linear * mpmath.mpf("1.6732632423543772848170429916717")
    return linear * x if x > 0 else factor * mpmath.expm1(x)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("act_type", "opset"), [("gelu", 9), ("gelu", 19), ("gelu", 20), ("elu", 9), ("selu", 9)])
def test_spelled_out_keeps_its_tail(act_type, opset, dtype):
    x = samples(dtype)
    x = x[np.isfinite(x) & (x != 0)][::4]
    values = {"slope": 0.25} if act_type == "elu" else {}
    (found,) = run(export(activation(act_type, **values), None, {"x": x.shape}, opset, dtype=dtype, exact=True), x=x)
    true = [truth(act_type, one, 0.25) for one in x]
    high = np.array([float(one) for one in true])
    normal = np.abs(high) >= np.finfo(dtype).tiny
    low = np.array(
        [float((t - mpmath.mpf(h)) / mpmath.mpf(math.ulp(h))) if h else 0.0 for t, h in zip(true, high, strict=True)]
    )
    bound = SPELLED_OUT_ULP[dtype]
    assert_within_ulp(found[normal], high[normal], low[normal], bound, dtype=dtype, inputs=x[normal])
    tiny = np.finfo(dtype).smallest_subnormal
    np.testing.assert_allclose(found[~normal].astype("f8"), high[~normal], atol=2 * float(tiny), rtol=0)


def test_gelu_below_opset_20_does_not_lose_its_tail_as_erf_does():
    x = np.array([-5.5, -8, -13], np.float32)
    (found,) = run(export(activation("gelu"), None, {"x": (3,)}, 17), x=x)
    np.testing.assert_allclose(found, [float(truth("gelu", one, 0)) for one in x], rtol=5e-7)
    lost = run(export(activation("gelu"), None, {"x": (3,)}, 20), x=x)
    assert (np.abs(lost[0] / found - 1) > 0.5).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("act_type", ["leaky", "elu", "selu", "gelu", "rrelu"])
def test_special_values(act_type, dtype):
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-7, -1e-7], dtype)
    (found,) = run(export(activation(act_type)[0], None, {"x": x.shape}, 13, dtype=dtype, exact=True), x=x)
    expected = leaky_relu(x, act_type=act_type)
    np.testing.assert_allclose(found, expected, rtol=2e-3 if dtype == "float16" else 1e-6, atol=0)
    number = ~np.isnan(expected)
    assert (np.signbit(found[number]) == np.signbit(expected[number])).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("act_type", ["leaky", "prelu", "rrelu"])
def test_slopes_give_the_same_bits_as_the_core(act_type, dtype):
    x = np.random.default_rng(3).normal(0, 2, (2, 3, 50)).astype(dtype)
    gamma = np.array([0.3, -0.1, 1.7], dtype)
    params = {"act_gamma": gamma} if act_type == "prelu" else {}
    values = {"slope": 0.3} if act_type == "leaky" else {}
    (found,) = run(export(activation(act_type, **values)[0], params, {"x": x.shape}, dtype=dtype), x=x)
    assert_same_bits(found, leaky_relu(x, *params.values(), act_type=act_type, **values))


@pytest.mark.parametrize(
    ("data", "gamma", "slope"),
    [
        ((2, 3, 4, 5), (3,), [3, 1, 1]),
        ((2, 3, 4, 3), (3,), [3, 1, 1]),
        ((3, 3), (3,), [3]),
        ((2, 3), (2, 3), [2, 3]),
        ((2, 3, 4), (2, 3), [2, 3, 1]),
        ((2, 3, 4), (2, 1), [2, 1, 1]),
        ((2, 3, 4), (1,), [1]),
        ((2, 3, 4), (1, 1), [1]),
        ((2, 3, 4), (4,), [4]),
        ((4,), (4,), [4]),
        (("N", 3, "H", 3), (3,), [3, 1, 1]),
        (("N", 3, 4), (1, 3), [3, 1]),
    ],
)
def test_the_slope_stands_on_its_axis(data, gamma, slope):
    array = np.arange(1, 1 + np.prod(gamma), dtype=np.float32).reshape(gamma)
    model = export(activation("prelu"), {"arg:act_gamma": array}, {"x": data})
    (tensor,) = model.graph.initializer
    assert (tensor.name, list(tensor.dims)) == ("act_gamma", slope)
    shape = tuple(size if isinstance(size, int) else 3 for size in data)
    x = -np.ones(shape, np.float32)
    (found,) = run(model, x=x)
    assert_same_bits(found, leaky_relu(x, array, act_type="prelu"))


def test_a_slope_that_something_else_reads_keeps_its_own_shape_too():
    x, gamma = mx.sym.Variable("x"), mx.sym.Variable("g")
    both = mx.sym.Group([mx.sym.LeakyReLU(x, gamma, "prelu", name="a"), gamma * 2, gamma])
    array = np.array([0.5, 2, 3], np.float32)
    model = export(both, {"g": array}, {"x": (2, 3, 3)})
    assert sorted(tuple(tensor.dims) for tensor in model.graph.initializer) == [(), (3,), (3, 1)]
    x = -np.ones((2, 3, 3), np.float32)
    found = run(model, x=x)
    assert_same_bits(found[0], leaky_relu(x, array, act_type="prelu"))
    assert_same_bits(found[1], 2 * array)
    assert_same_bits(found[2], array)
    symbol, params, _ = import_model(model)
    assert {name: value.shape for name, value in params.items()} == {"g": (3,), "g_slope": (3,)}
    assert symbol.list_arguments() == ["x", "g_slope", "g"]


def test_a_computed_slope():
    x = mx.sym.Variable("x")
    slope = mx.sym.mean(x, axis=(0, 2))
    x_array = np.random.default_rng(2).normal(size=(2, 3, 3)).astype("f")
    (found,) = run(export(mx.sym.LeakyReLU(x, slope, "prelu"), None, {"x": (2, 3, 3)}), x=x_array)
    expected = leaky_relu(x_array, x_array.mean((0, 2)), act_type="prelu")
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_names_and_sizes_of_inputs_and_outputs():
    x = mx.sym.Variable("x")
    r = mx.sym.LeakyReLU(x, act_type="rrelu", name="r")
    with mx.name.NameManager():  # the names of other tests count up, too
        model = export(mx.sym.Group([r, x, r[0], r[0] + 1]), None, {"x": ("batch", 3)})
    sizes = [d.dim_param or d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    assert sizes == ["batch", 3]
    assert [one.name for one in model.graph.output] == [
        "r_output",
        "r_mask",
        "x_output",
        "r_output_output",
        "_plusscalar0_output",
    ]
    array = np.array([[-1, 0, 2]], np.float32)
    found = run(model, x=array)
    middle = np.float32((0.125 + 0.333999991) / 2)
    assert_same_bits(found[0], np.array([[-middle, 0, 2]], np.float32))
    assert_same_bits(found[1], np.array([[middle, middle, 1]], np.float32))
    assert_same_bits(found[2], array)
    assert_same_bits(found[3], found[0])
    assert_same_bits(found[4], found[0] + np.float32(1))


def test_two_variables_and_nodes_of_one_name():
    a, b = mx.sym.Variable("x"), mx.sym.Variable("x")
    symbol = mx.sym.LeakyReLU(mx.sym.LeakyReLU(a + b, name="n"), name="n")
    model = export(symbol, None, {"x": (2,)})
    (found,) = run(model, x=np.array([-1, 2], np.float32))
    assert found.tolist() == [-0.125, 4]


def test_from_files_to_a_file(tmp_path):
    activation("prelu").save(tmp_path / "m-symbol.json")
    params_file.save(tmp_path / "m-0000.params", {"arg:act_gamma": np.full(3, 0.5, "f"), "arg:other": np.ones(1, "f")})
    path = tmp_path / "m.onnx"
    model = export(tmp_path / "m-symbol.json", tmp_path / "m-0000.params", {"x": (1, 3)}, path=path)
    assert onnx.load(path) == model
    assert import_model(path)[1]["act_gamma"].tolist() == [0.5, 0.5, 0.5]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["m-0000.params", "m-symbol.json", "m.onnx"]


def test_float64_parameters_make_a_float64_model():
    model = export(activation("prelu"), {"act_gamma": np.array([0.1])}, {"x": (2, 1)})
    (found,) = run(model, x=np.array([[-1.0], [2.0]]))
    assert found.tolist() == [[-0.1], [2.0]]


# --- back to symbols


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("opset", [9, 19, 20, latest_opset()])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("act_type", ["leaky", "elu", "selu", "gelu", "prelu"])
def test_round_trip(act_type, dtype, opset, exact):
    values = {"slope": "0.3"} if act_type in ("leaky", "elu") else {}
    gamma = {"act_gamma": np.array([0.5, 2, 3], dtype)} if act_type == "prelu" else {}
    model = export(activation(act_type, **values), gamma, {"x": (2, 3, 3)}, opset, dtype=dtype, exact=exact)
    symbol, params, states = import_model(model)
    assert symbol.attr_dict()["act"] == {"act_type": act_type, **values}
    assert symbol.list_outputs() == ["act_output"]
    assert states == {}
    assert list(params) == list(gamma)
    for name, array in params.items():
        assert_same_bits(array, gamma[name])


def test_round_trip_of_rrelu_is_leaky_with_the_middle_slope():
    symbol, _, _ = import_model(export(activation("rrelu"), None, {"x": (2, 3)}))
    assert symbol.attr_dict()["act"] == {"act_type": "leaky", "slope": "0.2295"}
    x = np.array([[-1, 0, 1], [2, -3, 4]], np.float32)
    before, after = (
        run(export(activation("rrelu"), None, {"x": (2, 3)}), x=x),
        run(export(symbol, None, {"x": (2, 3)}), x=x),
    )
    for one, other in zip(before, after, strict=True):
        assert_same_bits(one, other)


def test_round_trip_of_arithmetic():
    x, y = mx.sym.Variable("x"), mx.sym.Variable("y")
    z = (1 - x) * y / (x + 2) - abs(y) ** 2 + mx.sym.broadcast_maximum(x, y) + mx.sym.add_n(x, y, x)
    z = mx.sym.tanh(mx.sym.LeakyReLU(z, act_type="gelu")) + mx.sym.sqrt(mx.sym.exp(-x)) + 3 / (2 ** mx.sym.sigmoid(y))
    arrays = {name: np.random.default_rng(4).normal(size=(2, 3)).astype("f") for name in "xy"}
    shapes = {"x": (2, 3), "y": (2, 3)}
    first = export(z, None, shapes, 13)
    again = export(import_model(first)[0], None, shapes, 13)
    assert_same_bits(run(first, **arrays)[0], run(again, **arrays)[0])


def onnx_model(nodes, shape=(2, 3, 4, 3), initializers=(), opset=17):
    """A model of other makers, from x to y."""
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "xy"]
    graph = helper.make_graph(nodes, "g", infos[:1], infos[1:], list(initializers))
    imports = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=imports, ir_version=helper.find_min_ir_version_for(imports))


@pytest.mark.parametrize(
    ("node", "attributes"),
    [
        (helper.make_node("LeakyRelu", ["x"], ["y"]), {"act_type": "leaky", "slope": "0.01"}),
        (helper.make_node("LeakyRelu", ["x"], ["y"], alpha=0.1), {"act_type": "leaky", "slope": "0.1"}),
        (helper.make_node("Elu", ["x"], ["y"]), {"act_type": "elu", "slope": "1.0"}),
        (helper.make_node("Selu", ["x"], ["y"]), {"act_type": "selu"}),
        (helper.make_node("Softplus", ["x"], ["y"]), {"act_type": "softrelu"}),
    ],
)
def test_reads_models_of_other_makers(node, attributes):
    assert import_model(onnx_model([node]))[0].list_attr() == attributes


@pytest.mark.parametrize(
    ("slope", "gamma"),
    [
        ((3, 1, 1), (3,)),
        ((1,), (1,)),
        ((), (1,)),
        ((1, 1, 1), (1,)),
        ((2, 3, 1, 1), (2, 3)),
        ((2, 1, 1, 1), (2, 1)),
        ((4, 1), (4, 1)),
    ],
)
def test_reads_slopes_of_other_makers(slope, gamma):
    array = np.arange(1, 1 + np.prod(slope), dtype=np.float32).reshape(slope)
    node = helper.make_node("PRelu", ["x", "w"], ["y"])
    model = onnx_model([node], initializers=[onnx.numpy_helper.from_array(array, "w")])
    symbol, params, _ = import_model(model)
    assert params["w"].shape == gamma
    x = -np.ones((2, 3, 4, 3), np.float32)
    assert_same_bits(leaky_relu(x, params["w"], act_type="prelu"), run(model, x=x)[0])
    assert_same_bits(run(export(symbol, params, {"x": x.shape}), x=x)[0], run(model, x=x)[0])


# --- what is refused


def test_all_unsupported_operators_are_named_at_once(tmp_path):
    nodes = [Node("_contrib_Proposal", "p"), Node("Custom", "c"), Node("Correlation", "first"), Node("Correlation", "")]
    data = Entry(Node(None, "data"))
    for node in nodes:
        node.inputs.append(data)
        data = Entry(node)
    path = tmp_path / "m.onnx"
    expected = "these operators have no translation: _contrib_Proposal (p); Custom (c); Correlation (first, )"
    with pytest.raises(UnsupportedOperators) as caught:
        export(Symbol([data]), {}, {"data": (1, 3, 8, 8)}, path=path)
    assert str(caught.value) == expected
    assert caught.value.nodes["Correlation"] == ["first", ""]
    assert not path.exists()


EXPORT_ERRORS = [
    ({"opset": 8}, ValueError, r"`opset` must be an integer from 9 to \d+, got 8"),
    ({"opset": "17"}, ValueError, r"`opset` must be an integer from 9 to \d+, got '17'"),
    ({"dtype": "int32"}, ValueError, "`dtype` must be float16, float32 or float64, got int32"),
    ({"shapes": {"z": (2, 3)}}, ValueError, "`shapes` must name inputs of the graph, which are x, act_gamma, got 'z'"),
    ({"shapes": {"x": (2, 0)}}, ValueError, "`shapes` must have sizes of 1 and more, or names, got 0 for 'x'"),
    ({"dtype": "x"}, TypeError, "^`dtype` must be float16, float32 or float64, got 'x'$"),
    ({"shapes": [1]}, TypeError, "^`shapes` must be a mapping or None, got list$"),
    ({"params": 3}, TypeError, "^`params` must be a mapping, a file or None, got int$"),
    ({"shapes": None}, ValueError, "the shape of gamma and the number of the data's dimensions must be known"),
    ({"params": {"act_gamma": np.ones((5, 7), "f")}}, ValueError, "`gamma` must align with axis 1 .* in node 'act'"),
    ({"params": {"act_gamma": np.ones(3, "c8")}}, TypeError, "`dtype` must be one of float32"),
    ({"shapes": {"x": ("N", 3, 4)}, "params": {"act_gamma": np.ones(4, "f")}}, ValueError, "in several ways: give all"),
    (
        {"shapes": {"x": (2, "C")}, "params": {"act_gamma": np.ones(4, "f")}},
        ValueError,
        "for some sizes only: give all",
    ),
    ({"shapes": {"x": (2, "")}}, ValueError, "`shapes` must have sizes of 1 and more, or names, got '' for 'x'"),
    ({"shapes": {"x": (2, True)}}, ValueError, "`shapes` must have sizes of 1 and more, or names, got True for 'x'"),
    ({"shapes": {"x": 3}}, TypeError, "`shapes` must hold sequences of sizes and names, got 3 for 'x'"),
    ({"shapes": {"x": "N3"}}, TypeError, "`shapes` must hold sequences of sizes and names, got 'N3' for 'x'"),
    ({"training": 1}, TypeError, "`training` must be True or False, got 1"),
    ({"exact": None}, TypeError, "`exact` must be True or False, got None"),
    ({"path": 3}, TypeError, "`path` must be a file's name, got int"),
]


@pytest.mark.parametrize(("options", "kind", "words"), EXPORT_ERRORS)
def test_export_refuses(options, kind, words):
    given = {"params": {}, "shapes": {"x": (2, 3)}, **options}
    with pytest.raises(kind, match=words):
        export(activation("prelu"), **given)


def test_what_is_no_file_is_refused():
    for read, name in (
        (export, "symbol"),
        (mx.to_torch, "symbol"),
        (mx.sym.load, "fname"),
        (params_file.load, "source"),
    ):
        with pytest.raises(TypeError, match=rf"`{name}` must be (a Symbol or |bytes or )?a file's name, got NoneType"):
            read(None)
    for read in (import_model, fix_prelu):
        with pytest.raises(TypeError, match=r"`model` must be an onnx.ModelProto or a file's name, got int"):
            read(3)


def test_export_refuses_a_list_of_parameters(tmp_path):
    params_file.save(tmp_path / "list.params", [np.ones(3, "f")])
    with pytest.raises(ValueError, match="`params` must hold arrays with names, got a list"):
        export(activation("prelu"), tmp_path / "list.params", {"x": (2, 3)})


IMPORT_ERRORS = [
    (helper.make_node("Selu", ["x"], ["y"], alpha=1.0), "alpha and gamma must be those of selu, got 1.0 and"),
    (helper.make_node("Flatten", ["x"], ["y"], axis=2, name="f"), "`axis` must be 1, got 2, in node 'f'"),
    (helper.make_node("Max", ["x", "x", "x"], ["y"]), "there must be two inputs, got 3"),
]


@pytest.mark.parametrize(("node", "words"), IMPORT_ERRORS)
def test_import_refuses(node, words):
    with pytest.raises(ValueError, match=words):
        import_model(onnx_model([node], (2, 3) if node.op_type == "Flatten" else (2, 3, 4, 3)))


def test_import_refuses_an_approximate_gelu():
    node = helper.make_node("Gelu", ["x"], ["y"], approximate="tanh")
    with pytest.raises(ValueError, match="`approximate` must be none"):
        import_model(onnx_model([node], opset=20))


def test_import_refuses_a_slope_on_another_axis():
    slope = onnx.numpy_helper.from_array(np.ones((3,), "f"), "w")
    node = helper.make_node("PRelu", ["x", "w"], ["y"])
    with pytest.raises(
        ValueError, match=r"a slope of shape \(3,\) for data of shape \(2, 3, 4, 3\) has no counterpart"
    ):
        import_model(onnx_model([node], initializers=[slope]))


def test_import_names_all_unsupported_operators():
    nodes = [helper.make_node("Sin", ["x"], ["a"], name="one"), helper.make_node("Cos", ["a"], ["y"])]
    with pytest.raises(UnsupportedOperators, match=r"these operators have no translation: Sin \(one\); Cos \(y\)"):
        import_model(onnx_model(nodes))


def test_import_refuses_what_is_no_model(tmp_path):
    path = tmp_path / "m.onnx"
    with pytest.raises(FileNotFoundError):
        import_model(path)
    with pytest.raises(TypeError, match=r"^`model` must be an onnx.ModelProto or a file's name, got int$"):
        import_model(3)
    path.write_bytes(b"no model")
    with pytest.raises(ValueError, match=r"not an? .*ONNX model"):
        import_model(path)
    with pytest.raises(ValueError, match="not a valid ONNX model"):
        import_model(onnx_model([helper.make_node("Selu", ["absent"], ["y"])]))


def test_a_changed_constant_is_no_gelu():
    model = export(activation("gelu"), None, {"x": (2, 3)}, 9)
    for tensor in model.graph.initializer:
        if list(tensor.dims) == [] and onnx.numpy_helper.to_array(tensor) == np.float32(0.5):
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.float32(0.75), tensor.name))
    with pytest.raises(UnsupportedOperators):
        import_model(model)


def test_tails_are_those_of_the_tool():
    sys.path.insert(0, "tools/tables")
    try:
        import make_onnx_gelu
    finally:
        sys.path.pop(0)
    assert make_onnx_gelu.TARGET.read_text() == make_onnx_gelu.text()


@pytest.mark.parametrize("dtype", TAILS)
def test_squares_in_the_tail_are_exact(dtype):
    tail, kind = TAILS[dtype], np.dtype(dtype).type
    h = (np.random.default_rng(1).integers(0, int(tail.reach * tail.steps), 1000) / tail.steps).astype(kind)
    exact = [int(one * tail.steps) ** 2 for one in h.astype(np.float64)]
    assert [int(one) for one in (h * h).astype(np.longdouble) * tail.steps**2] == exact
