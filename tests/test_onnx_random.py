"""rrelu that draws its slopes in ONNX: bit for bit those of NumPy for the same key, in every opset."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from rectifier import leaky_relu, mx, rrelu_slopes
from rectifier.onnx import export, latest_opset, node_keys, rrelu_nodes
from rectifier.onnx.builder import Builder
from rectifier.onnx.random_nodes import _fma
from rectifier.random import _fma_float32, philox
from ulp import assert_same_bits

KEYS = (0, 7, 2**32 + 5, 2**64 - 1)


def session(model):
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def rrelu(rng, opset, dtype="float32", **bounds):
    symbol = mx.sym.LeakyReLU(mx.sym.Variable("x"), act_type="rrelu", name="r", **bounds)
    return export(symbol, None, {"x": ("N", "M")}, opset, dtype=dtype, training=True, rng=rng)


@pytest.mark.parametrize("opset", range(9, latest_opset() + 1))
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_bits_in_every_opset(opset, dtype):
    key = KEYS[opset % len(KEYS)]
    runs = session(rrelu(key, opset, dtype))
    for shape in [(1, 1), (1, 2), (3, 1), (4, 1), (5, 7), (0, 4), (3, 0), (31, 33)]:
        if shape == (3, 0) and opset < 14:
            continue  # before `allowzero`, Reshape cannot say 0 after the first size
        x = np.random.default_rng(opset).normal(size=shape).astype(dtype)
        value, mask = runs.run(None, {"x": x})
        assert_same_bits(value, leaky_relu(x, act_type="rrelu", training=True, rng=key))
        slopes = rrelu_slopes(shape, key)
        assert_same_bits(mask, np.where(x > 0, np.float32(1), slopes).astype(dtype))
        assert_same_bits(value, runs.run(None, {"x": x})[0])  # the next run repeats it


@pytest.mark.parametrize("opset", [9, 17, 18])
@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    ("lower", "upper"),
    [(0.125, 0.333999991), (-0.5, 0.25), (0.0, 1e-30), (1.0, 1.0000001), (-1e30, 1e-3), (0.3, 0.3), (-1.0, 1e-10)],
)
def test_bits_between_any_bounds(opset, key, lower, upper):
    x = -np.ones((45, 23), np.float32)
    (_, mask) = session(rrelu(key, opset, lower_bound=lower, upper_bound=upper)).run(None, {"x": x})
    assert_same_bits(mask, rrelu_slopes(x.shape, key, lower, upper))


def fma_model(step, lowest):
    b = Builder(18)
    result = _fma(b, "n", step, lowest)
    ends = [helper.make_tensor_value_info(name, kind, [None]) for name, kind in (("n", 13), (result, 1))]
    tensors = [onnx.numpy_helper.from_array(weight.read(), name) for name, weight in b.initializers.items()]
    graph = helper.make_graph(b.nodes, "g", ends[:1], ends[1:], tensors)
    return session(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8))


@settings(max_examples=40, deadline=None)
@given(st.floats(-90, 30), st.floats(-90, 30), st.sampled_from([-1, 1]), st.integers(0, 2**32))
def test_fma_is_rounded_once(step_exponent, lowest_exponent, sign, seed):
    step, lowest = np.float32(2.0**step_exponent), np.float32(sign * 2.0**lowest_exponent)
    numbers = np.random.default_rng(seed).integers(2**24, size=500).astype(np.uint32)
    (found,) = fma_model(step, lowest).run(None, {"n": numbers.astype(np.uint64)})
    assert_same_bits(found, _fma_float32(numbers.astype(np.float32), step, lowest))


@pytest.mark.parametrize("sign", [1, -1])
def test_a_sum_half_way_between_two_numbers_needs_its_error(sign):
    """8384513 * 8392705 is 2**46 + 1: the sum is 2**-70 above the middle of two float32, which float64 cannot tell."""
    number, step, lowest = 8384513, np.float32(sign * 8392705 * 2.0**-70), np.float32(sign)
    twice = np.float32(np.float64(number) * np.float64(step) + np.float64(lowest))
    (found,) = fma_model(step, lowest).run(None, {"n": np.array([number, 0], np.uint64)})
    assert found.tolist() == [sign * (1 + 2.0**-23), sign]
    assert twice == sign


@pytest.mark.parametrize("opset", [9, 18])
def test_dynamic_ranks_and_scalars(opset):
    for shape in [(), (6,), (2, 3, 5, 7)]:
        x = np.full(shape, -1, np.float32)
        nodes, tensors = rrelu_nodes("x", "y", 11, opset=opset)
        ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "xy"]
        graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], tensors)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=4)
        onnx.checker.check_model(model, full_check=True)
        assert_same_bits(session(model).run(None, {"x": x})[0], np.asarray(-rrelu_slopes(shape, 11)))


def test_nodes_for_a_graph_of_ones_own():
    one, first = rrelu_nodes("x", "h", 3, mask="m", dtype="float64")
    two, second = rrelu_nodes("h", "y", 4, -1, 0.5, dtype="float64")
    ends = [helper.make_tensor_value_info(name, TensorProto.DOUBLE, ["N", 3]) for name in "xym"]
    graph = helper.make_graph(one + two, "g", ends[:1], ends[1:], first + second)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    assert all(name in ("h", "m") or name.startswith("h/") for node in one for name in node.output)
    x = np.random.default_rng(0).normal(size=(5, 3))
    h = leaky_relu(x, act_type="rrelu", training=True, rng=3)
    y = leaky_relu(h, act_type="rrelu", training=True, rng=4, lower_bound=-1, upper_bound=0.5)
    found = session(model).run(None, {"x": x})
    assert_same_bits(found[0], y)
    assert_same_bits(found[1], np.where(x > 0, 1, rrelu_slopes(x.shape, 3, dtype=np.float64)))


def two_rrelus():
    x = mx.sym.Variable("x")
    first = mx.sym.LeakyReLU(x, act_type="rrelu", name="same")[0]
    return mx.sym.Group([first, mx.sym.LeakyReLU(x, act_type="rrelu", name="same")[0]])


def test_each_node_has_a_key_of_its_own():
    x = -np.ones((4, 5), np.float32)
    model = export(two_rrelus(), None, {"x": x.shape}, training=True, rng=7)
    keys = node_keys(7)
    expected = [next(keys), next(keys)]
    assert expected[0] == 7
    low, high = philox([1, 0, 0, 1], [7, 0])[:2].tolist()
    assert expected[1] == low + 2**32 * high
    for found, key in zip(session(model).run(None, {"x": x}), expected, strict=True):
        assert_same_bits(found, -rrelu_slopes(x.shape, key))
    assert {entry.key: int(entry.value) for entry in model.metadata_props} == {
        "rectifier.rng.same": expected[0],
        "rectifier.rng.same_": expected[1],
    }


def test_a_generator_draws_each_key():
    x = -np.ones((4, 5), np.float32)
    model = export(two_rrelus(), None, {"x": x.shape}, training=True, rng=np.random.default_rng(5))
    rng = np.random.default_rng(5)
    for found in session(model).run(None, {"x": x}):
        assert_same_bits(found, leaky_relu(x, act_type="rrelu", training=True, rng=rng))


def test_a_fresh_key_is_in_the_metadata():
    x = -np.ones((4, 5), np.float32)
    model = export(two_rrelus()[0], None, {"x": x.shape}, training=True)
    (entry,) = model.metadata_props
    assert_same_bits(session(model).run(None, {"x": x})[0], -rrelu_slopes(x.shape, int(entry.value)))


def test_without_training_nothing_is_drawn():
    model = export(two_rrelus(), None, {"x": (4, 5)}, rng=7)
    assert {"LeakyRelu"} <= {node.op_type for node in model.graph.node} <= {"LeakyRelu", "Greater", "Where"}
    assert not model.metadata_props


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"rng": -1}, ValueError, r"`rng` must be an integer from 0 to 2\*\*64 - 1"),
        ({"rng": "7"}, TypeError, "`rng` must be an integer .*, got str"),
        ({"rng": 7, "opset": 8}, ValueError, r"`opset` must be an integer from 9 to \d+, got 8"),
        ({"rng": 7, "dtype": "int8"}, ValueError, "`dtype` must be float16, float32 or float64, got int8"),
        ({"rng": 7, "lower_bound": 2}, ValueError, "`lower_bound` must be at most `upper_bound`"),
        ({"rng": 7, "upper_bound": 1e39}, ValueError, "`upper_bound` must be finite as float32"),
    ],
)
def test_refuses(options, kind, words):
    with pytest.raises(kind, match=words):
        rrelu_nodes("x", "y", **options)


def test_export_checks_the_key_without_training_too():
    with pytest.raises(TypeError, match="`rng` must be an integer"):
        export(two_rrelus(), None, {"x": (2, 3)}, rng=True)
