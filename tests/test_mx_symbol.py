"""`rectifier.mx.sym`: names, attributes, composition, inference, errors. tests/mxnet compares it with MXNet itself."""

from __future__ import annotations

import copy
import json
import pickle
import re
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest

from rectifier import mx
from rectifier.mx.operators import callable_names, operator_of
from rectifier.mx.symbol_type import call_operator
from rectifier.parameters import ACTIVATIONS


@pytest.fixture(autouse=True)
def fresh_names():
    with mx.name.NameManager():
        yield


@pytest.fixture
def x():
    return mx.sym.Variable("x")


# --- names


def test_automatic_names_count_up_by_operator(x):
    made = [
        mx.sym.LeakyReLU(x),
        mx.sym.LeakyReLU(x),
        x + 1,
        x + x,
        x + 2,
        mx.sym.elemwise_add(x, x),
        mx.sym.LeakyReLU(x),
    ]
    names = ["leakyrelu0", "leakyrelu1", "_plusscalar0", "_plus0", "_plusscalar1", "elemwise_add0", "leakyrelu2"]
    assert [symbol.name for symbol in made] == names


def test_a_given_name_uses_up_no_number(x):
    assert [mx.sym.LeakyReLU(x, name=name).name for name in ("a", None, "b", None)] == [
        "a",
        "leakyrelu0",
        "b",
        "leakyrelu1",
    ]


def test_managers_nest(x):
    with mx.name.Prefix("outer_"):
        assert (x + 1).name == "outer__plusscalar0"
        with mx.name.NameManager():
            assert (x + 1).name == "_plusscalar0"
        assert (x + 1).name == "outer__plusscalar1"
    assert (x + 1).name == "_plusscalar0"


def test_each_thread_counts_for_itself(x):
    assert mx.sym.LeakyReLU(x).name == "leakyrelu0"
    found = []
    thread = threading.Thread(target=lambda: found.append(mx.sym.LeakyReLU(x).name))
    thread.start()
    thread.join()
    assert found == ["leakyrelu0"]


def test_scopes_end_after_an_error(x):
    with pytest.raises(KeyError), mx.AttrScope(__a__="1"), mx.name.Prefix("p_"):
        raise KeyError
    assert mx.sym.LeakyReLU(x).attr("__a__") is None
    assert mx.sym.LeakyReLU(x).name == "leakyrelu1"


# --- the activations


@pytest.mark.parametrize("act_type", [row.name for row in ACTIVATIONS.values() if row.in_mxnet])
def test_inputs_and_outputs_of_each_activation(x, act_type):
    symbol = mx.sym.LeakyReLU(x, act_type=act_type, name="a")
    assert symbol.list_arguments() == (["x", "a_gamma"] if act_type == "prelu" else ["x"])
    assert symbol.list_outputs() == (["a_output", "a_mask"] if act_type == "rrelu" else ["a_output"])
    assert symbol.list_attr() == {"act_type": act_type}


def test_gamma_is_made_or_given(x):
    made = mx.sym.LeakyReLU(x, act_type="prelu")
    assert made.list_arguments() == ["x", "leakyrelu0_gamma"]
    assert made.attr_dict()["leakyrelu0_gamma"] == {"act_type": "prelu", "__init__": '["Constant", {"value": 0.25}]'}
    given = mx.sym.LeakyReLU(x, mx.sym.Variable("g", init="zeros"), "prelu")
    assert given.list_arguments() == ["x", "g"]
    assert given.attr_dict()["g"] == {"__init__": "zeros"}


def test_positional_arguments(x):
    gamma = mx.sym.Variable("g")
    assert mx.sym.LeakyReLU(x, gamma, "prelu").list_arguments() == ["x", "g"]
    assert mx.sym.LeakyReLU(x, None, "elu", 0.5).list_attr() == {"act_type": "elu", "slope": "0.5"}
    assert call_operator("sum", x, (0, 1), True).list_attr() == {"axis": "(0, 1)", "keepdims": "True"}


def test_numpy_numbers_stand_as_numbers(x):
    for value, text in (
        (np.int64(2), "2"),
        (np.float64(0.1), "0.1"),
        (np.float32(0.1), "0.1"),
        (1, "1"),
        (1e-30, "1e-30"),
    ):
        assert mx.sym.LeakyReLU(x, slope=value).attr("slope") == text
        assert (x + value).attr("scalar") == text
        assert (value * x).attr("scalar") == text


# --- arithmetic

OPERATORS = {
    "x + y": "elemwise_add", "x - y": "elemwise_sub", "x * y": "elemwise_mul", "x / y": "elemwise_div", "x % y": "_mod",
    "x ** y": "_power", "x == y": "_equal", "x != y": "_not_equal", "x > y": "_greater", "x >= y": "_greater_equal",
    "x < y": "_lesser", "x <= y": "_lesser_equal", "x + 2": "_plus_scalar", "2 + x": "_plus_scalar",
    "x - 2": "_minus_scalar", "2 - x": "_rminus_scalar", "x * 2": "_mul_scalar", "2 * x": "_mul_scalar",
    "x / 2": "_div_scalar", "2 / x": "_rdiv_scalar", "x % 2": "_mod_scalar", "2 % x": "_rmod_scalar",
    "x ** 2": "_power_scalar", "2 ** x": "_rpower_scalar", "-x": "_mul_scalar", "abs(x)": "abs",
    "x == 2": "_equal_scalar", "2 != x": "_not_equal_scalar",
    "2 > x": "_lesser_scalar",
    "2 <= x": "_greater_equal_scalar",
}  # fmt: skip


@pytest.mark.parametrize("expression", OPERATORS)
def test_python_operators(expression):
    symbol = eval(expression, {"x": mx.sym.Variable("x"), "y": mx.sym.Variable("y")})
    assert symbol.attr("op_name") == OPERATORS[expression]


@pytest.mark.parametrize("name", callable_names())
def test_every_operator_can_be_called_saved_and_loaded(name):
    row = operator_of(name)
    inputs = [mx.sym.Variable(f"i{i}") for i in range(1 if row.count or row.all_inputs == ("data",) else 2)]
    values = {
        p.name: {"scalar": 2, "dtype": "float16", "act_type": "relu"}[p.name]
        for p in row.parameters
        if p.required and p.name != row.count
    }
    if name == "LeakyReLU":
        values["act_type"] = "prelu"
    symbol = getattr(mx.sym, name)(*inputs, **values)
    assert symbol.name == f"{name.lower()}0"
    assert symbol.attr("op_name") == row.name
    assert mx.sym.load_json(symbol.tojson()).tojson() == symbol.tojson()
    shapes, outputs, _ = symbol.infer_shape(**{f"i{i}": (2, 3) for i in range(len(inputs))})
    assert len(shapes) == len(inputs)
    assert outputs[0]


def test_numbers_without_symbols_stay_numbers():
    assert mx.sym.maximum(2, 3.5) == 3.5
    assert mx.sym.pow(2, 3) == mx.sym.power(2, 3) == 8
    with pytest.raises(TypeError, match="inputs must be symbols or numbers, got str and int"):
        mx.sym.minimum("a", 3)


def test_the_methods(x):
    assert x.exp().attr("op_name") == "exp"
    assert x.sum(axis=1, keepdims=True).list_attr() == {"axis": "1", "keepdims": "True"}
    assert x.astype(np.float16).list_attr() == {"dtype": "float16"}


# --- groups, indexing, composition


def test_groups_and_their_parts(x):
    r = mx.sym.LeakyReLU(x, act_type="rrelu", name="r")
    group = mx.sym.Group([x, r, x + 1])
    assert repr(group) == "<Symbol group [x, r, r, _plusscalar0]>"
    assert len(group) == 4
    assert [part.list_outputs()[0] for part in group] == group.list_outputs()
    assert group[2].list_outputs() == group["r_mask"].list_outputs() == ["r_mask"]
    assert group[1:3].list_outputs() == r.list_outputs()
    assert (group.name, r.name, r[1].name) == (None, "r", "r")


def test_internals_and_children(x):
    y = mx.sym.LeakyReLU(x + 1, act_type="prelu", name="a")
    assert y.get_internals().list_outputs() == ["x", "_plusscalar0_output", "a_gamma", "a_output"]
    assert y.get_internals()["_plusscalar0_output"].list_arguments() == ["x"]
    assert y.get_children().list_outputs() == ["_plusscalar0_output", "a_gamma"]
    assert x.get_children() is None


def test_composition_leaves_the_original_alone(x):
    f = mx.sym.LeakyReLU(act_type="elu", name="f") + x
    before = f.tojson()
    g = f(f_data=x * 2, x=mx.sym.Variable("z"), name="g")
    assert g.list_arguments() == ["x", "z"]
    assert g.name == "g"
    assert f.tojson() == before
    assert x(x=f).tojson() == before


def test_copies_are_apart(x):
    y = mx.sym.LeakyReLU(x, name="a")
    for other in (copy.copy(y), copy.deepcopy(y), pickle.loads(pickle.dumps(y))):
        other._set_attr(__new__="1")
        assert other.attr("__new__") == "1"
        assert y.attr("__new__") is None


def test_attributes(x):
    with mx.AttrScope(__group__="1", lr_mult="2"), mx.AttrScope(__inner__="3"):
        y = mx.sym.LeakyReLU(x, name="a", attr={"__own__": "4"})
    assert y.list_attr() == {"__group__": "1", "__lr_mult__": "2", "lr_mult": "2", "__inner__": "3", "__own__": "4"}
    assert y.attr("lr_mult") == y.attr("__lr_mult__") == "2"
    assert y.attr("absent") is None
    y._set_attr(slope="0.5")
    assert y.attr_dict()["a"]["slope"] == "0.5"


# --- inference


def test_shapes_go_both_ways(x):
    y = mx.sym.Variable("y")
    assert (x + y).infer_shape(y=(2, 3)) == ([(2, 3), (2, 3)], [(2, 3)], [])
    assert (x + y).infer_shape(x=(2, 0), y=(0, 3)) == ([(2, 3), (2, 3)], [(2, 3)], [])
    assert (x + y).infer_shape((2, 3), None) == ([(2, 3), (2, 3)], [(2, 3)], [])
    assert mx.sym.broadcast_add(x, y).infer_shape(x=(2, 1, 4), y=(3, 1)) == ([(2, 1, 4), (3, 1)], [(2, 3, 4)], [])


def test_shapes_that_variables_have(x):
    y = mx.sym.Variable("y", shape=(0, 3)) + x
    assert y.infer_shape(x=(2, 0))[1] == [(2, 3)]
    assert y.infer_shape(y=(4, 5))[1] == [(4, 5)]


def test_unknown_shapes_warn(x):
    y = mx.sym.LeakyReLU(x, act_type="prelu", name="a")
    with pytest.warns(UserWarning, match=r"the shape of these inputs does not follow .*: x: \(0, 3\)"):
        assert y.infer_shape(x=(0, 3)) == (None, None, None)
    assert y.infer_shape_partial(x=(0, 3)) == ([(0, 3), (3,)], [(0, 3)], [])
    assert y.infer_shape_partial() == ([(), ()], [()], [])
    with pytest.warns(UserWarning, match="the dtype of these inputs does not follow"):
        assert y.infer_type() == (None, None, None)
    assert y.infer_type_partial() == ([None, None], [None], [])


def test_dtypes(x):
    y = mx.sym.Cast(mx.sym.LeakyReLU(x, act_type="prelu"), dtype="float16")
    assert y.infer_type(x="float64") == ([np.float64, np.float64], [np.float16], [])
    assert y.infer_type("float64") == y.infer_type(x=np.float64)
    assert mx.sym.Variable("y", dtype="int8").infer_type() == ([np.int8], [np.int8], [])


@pytest.mark.parametrize(
    ("axis", "keepdims", "exclude", "shape"),
    [
        (None, False, False, (1,)),
        (None, True, False, (1, 1, 1)),
        (1, False, False, (2, 4)),
        ((0, -1), True, False, (1, 3, 1)),
        (1, False, True, (3,)),
        ((), False, False, (1,)),
        ((0, 1, 2), False, False, (1,)),
        ((0, 1, 2), True, True, (2, 3, 4)),
    ],
)
def test_shapes_of_reductions(x, axis, keepdims, exclude, shape):
    y = mx.sym.sum(x, axis=axis, keepdims=keepdims, exclude=exclude)
    assert y.infer_shape(x=(2, 3, 4)) == ([(2, 3, 4)], [shape], [])


def test_a_large_chain_is_inferred(x):
    for _ in range(3000):
        x = mx.sym.relu(x)
    assert x.infer_shape(x=(2, 3))[1] == [(2, 3)]
    assert x.infer_type(x="float16")[1] == [np.float16]


# --- errors


def errors():
    x, y = mx.sym.Variable("x"), mx.sym.Variable("y")
    a = mx.sym.LeakyReLU(x, act_type="prelu", name="a")
    names = "leaky, elu, selu, gelu, prelu, rrelu"
    return [
        (
            lambda: mx.sym.LeakyReLU(x, act_type="relu", name="n"),
            mx.MXNetError,
            f"`act_type` must be one of {names}, got 'relu'",
        ),
        (lambda: mx.sym.LeakyReLU(x, slope="big"), mx.MXNetError, "`slope` must be a number, got 'big' in node"),
        (lambda: x + True, mx.MXNetError, "`scalar` must be a number, got 'True'"),
        (lambda: x + 1j, mx.MXNetError, "`scalar` must be a number, got '1j'"),
        (
            lambda: mx.sym.LeakyReLU(x, mood=1),
            mx.MXNetError,
            "`mood` must be one of the operator's parameters, which are act_type",
        ),
        (
            lambda: mx.sym.LeakyReLU(x, y),
            mx.MXNetError,
            "`gamma` must be one of the inputs of LeakyReLU still free, which are data",
        ),
        (
            lambda: mx.sym.relu(x, other=y),
            mx.MXNetError,
            "`other` must be one of the inputs of relu still free, which are data",
        ),
        (lambda: mx.sym.LeakyReLU(3), TypeError, "`data` must be a symbol, got 3, in LeakyReLU"),
        (
            lambda: mx.sym.LeakyReLU(mx.sym.Group([x, y])),
            mx.MXNetError,
            "`data` must be a symbol of one output, got one of 2",
        ),
        (lambda: mx.sym.relu(x, data=y), TypeError, "`data` must be given once, by position or by name, in relu"),
        (lambda: mx.sym.relu(x, y), TypeError, "relu takes at most 1 arguments (data), got 2"),
        (lambda: mx.sym.add_n(x, 2), TypeError, "`1` must be a symbol, got 2, in add_n"),
        (
            lambda: mx.sym.LeakyReLU(x, act_type="prelu", gamma_lr_mult=2),
            mx.MXNetError,
            "`gamma_lr_mult` must be set on the variable",
        ),
        (lambda: mx.sym.Activation(x), mx.MXNetError, "`act_type` must be given in node"),
        (lambda: mx.sym.sum(x, axis="a"), mx.MXNetError, "`axis` must be a tuple of integers, got 'a'"),
        (lambda: mx.sym.sum(x, keepdims="perhaps"), mx.MXNetError, "`keepdims` must be True or False, got 'perhaps'"),
        (
            lambda: mx.sym.sum(x, axis=5).infer_shape(x=(2, 3)),
            mx.MXNetError,
            "`axis` must lie between -2 and 1, got (5,) in node",
        ),
        (lambda: mx.sym.sum(x, axis=(1, 1)).infer_shape(x=(2, 3)), mx.MXNetError, "`axis` must name different axes"),
        (lambda: x + "a", TypeError, "unsupported operand"),
        (lambda: x == "a", TypeError, "a symbol must be compared with a symbol or a number, got str"),
        (lambda: bool(x), TypeError, "a symbol has no truth value"),
        (lambda: hash(x), TypeError, "unhashable type"),
        (lambda: x.absent, AttributeError, "a symbol has no attribute 'absent' here"),
        (
            lambda: mx.sym.Convolution,
            AttributeError,
            "covers the activations and basic arithmetic, which are Activation, BlockGrad",
        ),
        (lambda: mx.absent, AttributeError, "module 'rectifier.mx' has no attribute 'absent': it covers AttrScope"),
        (
            lambda: call_operator("Convolution", x),
            AttributeError,
            "'Convolution' is no operator that can be called here",
        ),
        (lambda: a["absent"], ValueError, "`index` must be the name of one output, got 'absent', the name of none"),
        (
            lambda: mx.sym.Group([x, x])["x"],
            ValueError,
            "`index` must be the name of one output, got 'x', the name of several",
        ),
        (lambda: a[1], IndexError, "`index` must lie between 0 and 0, got 1"),
        (lambda: a[1:], IndexError, "the slice must leave an output"),
        (lambda: a[True], TypeError, "`index` must be an integer, a slice or the name of an output, got True"),
        (lambda: mx.sym.Group([]), TypeError, "`symbols` must be a list of at least one symbol, got []"),
        (lambda: mx.sym.Variable(3), TypeError, "`name` must be a string, got 3"),
        (lambda: mx.sym.Variable("x", mood="1"), ValueError, "`mood` must stand between double underscores"),
        (lambda: mx.sym.Variable("x", attr={"a": 1}), ValueError, "`a` must be a string, got 1"),
        (lambda: mx.sym.Variable("x", dtype="complex64"), TypeError, "`dtype` must be one of float32, float64"),
        (
            lambda: mx.sym.Variable("x", stype="dense"),
            ValueError,
            "`stype` must be one of default, row_sparse, csr, got 'dense'",
        ),
        (lambda: mx.AttrScope(a=1), ValueError, "`a` must be a string, got 1"),
        (lambda: a._set_attr(mood="x"), mx.MXNetError, "`mood` must be one of the operator's parameters"),
        (lambda: a(y), mx.MXNetError, "inputs of a graph must be given by name, which are x, a_gamma"),
        (lambda: a(y, x=y), TypeError, "inputs must be given either by position or by name, not both"),
        (lambda: a(z=y), mx.MXNetError, "`z` must be one of the graph's inputs, which are x, a_gamma"),
        (lambda: a(x=3), TypeError, "inputs must be symbols, got int"),
        (lambda: a(x=mx.sym.Group([x, y])), mx.MXNetError, "`x` must be a symbol of one output, got one of 2"),
        (lambda: a.infer_shape(z=(2, 3)), mx.MXNetError, "`z` must be one of the graph's inputs, which are x, a_gamma"),
        (lambda: a.infer_shape(x=[2, 3]), TypeError, "`x` must be a shape, a tuple, got [2, 3]"),
        (
            lambda: a.infer_shape((2, 3), x=(2, 3)),
            ValueError,
            "shapes must be given either by position or by name, not both",
        ),
        (lambda: a.infer_shape((2,), (2,), (2,)), mx.MXNetError, "at most 2 shapes must be given (x, a_gamma), got 3"),
        (
            lambda: a.infer_shape(x=(5,)),
            mx.MXNetError,
            "gamma's shape must be given for data of shape (5,), which has no channels",
        ),
        (
            lambda: (x + y).infer_shape(x=(2, 3), y=(2, 4)),
            mx.MXNetError,
            "shapes (2, 3) and (2, 4) do not agree in node",
        ),
        (
            lambda: (x + y).infer_shape(x=(2, 0), y=(3, 0)),
            mx.MXNetError,
            "shapes (2, ?) and (3, ?) do not agree in node",
        ),
        (
            lambda: mx.sym.broadcast_add(x, y).infer_shape(x=(2, 3), y=(2,)),
            mx.MXNetError,
            "shapes (2, 3) and (2,) do not broadcast",
        ),
        (
            lambda: (x + y).infer_type(x="float32", y="float16"),
            mx.MXNetError,
            "dtypes float32 and float16 do not agree in node",
        ),
        (lambda: mx.sym.load_json(3), TypeError, "`json_str` must be a string, got int"),
        (
            lambda: mx.sym.Variable("x", __shape__="(a)").infer_shape(),
            mx.MXNetError,
            "`__shape__` must be a tuple of integers, got '(a)', in variable 'x'",
        ),
        (
            lambda: mx.sym.Variable("x", __dtype__="99").infer_type(),
            mx.MXNetError,
            "`__dtype__` must be one of MXNet's numbers, got '99', in variable 'x'",
        ),
    ]


@pytest.mark.parametrize("number", range(len(errors())))
def test_errors(number):
    call, kind, words = errors()[number]
    with pytest.raises(kind, match=re.escape(words)):
        call()


def test_mxnets_error_is_a_value_error():
    assert issubclass(mx.MXNetError, ValueError)
    assert mx.MXNetError is mx.base.MXNetError


def test_no_framework_is_imported():
    code = "import sys; from rectifier import mx; print({'torch', 'onnx', 'jax', 'mxnet'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_saved_files_are_replaced_whole(tmp_path, x):
    path = tmp_path / "m-symbol.json"
    mx.sym.LeakyReLU(x, name="a").save(path)
    assert mx.sym.load(path).list_outputs() == ["a_output"]
    assert json.loads(path.read_text())["attrs"] == {"mxnet_version": ["int", 10600]}
    assert list(tmp_path.iterdir()) == [path]


def test_no_warning_where_all_is_known(x):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert mx.sym.LeakyReLU(x).infer_shape(x=(1,))[1] == [(1,)]
