"""Exported models in onnxruntime against MXNet 1.6.0 itself."""

import numpy as np
import pytest
from comparison import EVALUATE, OPSETS, difference, in_onnxruntime
from programs import random_formula, run_ours

from rectifier.onnx import export


def in_mxnet(mxnet, code, **arrays):
    _, found = mxnet.run(code + EVALUATE, **arrays)
    return [found[str(i)] for i in range(len(found))]


def symbol_of(code):
    return run_ours(code + "\nresult = s\n")


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("act_type", ["leaky", "elu", "selu", "gelu", "prelu", "rrelu"])
def test_activations(mxnet, act_type, dtype, opset):
    code = f"s = mx.sym.LeakyReLU(mx.sym.Variable('x'), act_type={act_type!r}, name='a')[0]\n"
    rng = np.random.default_rng(5)
    x = rng.normal(0, 3, (2, 3, 4, 5)).astype(dtype)
    arrays = {"x": x, "a_gamma": rng.uniform(-1, 1, 3).astype(dtype)}
    model = export(symbol_of(code), {"a_gamma": arrays["a_gamma"]}, {"x": x.shape}, opset, dtype=dtype)
    (found,), (expected,) = in_onnxruntime(model, x=x), in_mxnet(mxnet, code, **arrays)
    # MXNet computes float64 with float32's slopes, and gelu in float32.
    assert difference(found, expected) <= (1e-3 if dtype == "float16" else 3e-7)


@pytest.mark.parametrize("gamma", [(3,), (1,), (2, 3), (1, 3), (2, 1), (1, 1), (2,)])
@pytest.mark.parametrize("data", [(2, 3), (2, 3, 4), (2, 3, 4, 3), (3, 3, 3, 3), (2, 3, 3, 2, 3)])
def test_slopes_stand_on_their_axis(mxnet, data, gamma):
    """Data whose last size is that of the channels is the trap: ONNX aligns from the last axis."""
    if any(size not in (1, axis) for size, axis in zip(gamma[::-1], data[1::-1], strict=False)) and gamma != data[:1]:
        pytest.skip("MXNet refuses this gamma")
    code = "s = mx.sym.LeakyReLU(mx.sym.Variable('x'), act_type='prelu', name='a')\n"
    rng = np.random.default_rng(6)
    arrays = {"x": -rng.uniform(1, 2, data).astype("f"), "a_gamma": rng.uniform(-1, 1, gamma).astype("f")}
    (expected,) = in_mxnet(mxnet, code, **arrays)
    for opset in (9, 17):
        model = export(symbol_of(code), {"a_gamma": arrays["a_gamma"]}, {"x": data}, opset)
        assert difference(in_onnxruntime(model, x=arrays["x"])[0], expected) == 0
        inputs = {"x": data, "a_gamma": gamma}
        assert difference(in_onnxruntime(export(symbol_of(code), None, inputs, opset), **arrays)[0], expected) == 0


def test_random_graphs(mxnet):
    worst = 0.0
    for number in range(200):
        rng = np.random.default_rng([17, number])
        code = random_formula(rng)
        arrays = {"x": rng.uniform(-2, 2, (2, 3, 4)).astype("f"), "y": rng.uniform(0.5, 2, (2, 3, 4)).astype("f")}
        arrays.update({f"g{i}": rng.uniform(-1, 1, 3).astype("f") for i in range(20)})
        symbol = symbol_of(code)
        params = {name: arrays[name] for name in symbol.list_arguments() if name.startswith("g")}
        shapes = {name: ("N", 3, 4) for name in symbol.list_arguments() if name not in params}
        model = export(symbol, params, shapes, int(rng.choice(OPSETS)), exact=bool(rng.random() < 0.5))
        expected = in_mxnet(mxnet, code, **arrays)
        for one, other in zip(in_onnxruntime(model, **arrays), expected, strict=True):
            worst = max(worst, difference(one, other))
            assert worst < 1e-5, f"{worst} with opset {model.opset_import[0].version} in\n{code}"
    print(f"largest difference, relative to the output's range: {worst:.2g}")


@pytest.mark.parametrize("opset", [9, 11, 17])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_arithmetic_on_special_values(mxnet, opset, dtype):
    values = np.array([-np.inf, -2.5, -1, -0.0, 0.0, 0.5, 1, 2.5, np.inf, np.nan], dtype)
    x, y = (each.copy() for each in np.meshgrid(values, values))
    lines = "x, y = mx.sym.Variable('x'), mx.sym.Variable('y')\n"
    both = "x + y, x - y, x * y, x > y, x >= y, x < y, x <= y, x == y, x != y, x - 2, 3 - x, x / 2, x * 3, abs(x), -x"
    unary = ", ".join(f"mx.sym.{name}(x)" for name in ("relu", "sigmoid", "tanh", "square", "identity", "softsign"))
    code = f"{lines}s = mx.sym.Group([{both}, {unary}, x > 0.5, x == 1, x != 1, mx.sym.maximum(x, 1)])\n"
    model = export(symbol_of(code), None, {"x": x.shape, "y": y.shape}, opset, dtype=dtype)
    names = [node.name for node in model.graph.output]
    for name, found, expected in zip(
        names, in_onnxruntime(model, x=x, y=y), in_mxnet(mxnet, code, x=x, y=y), strict=True
    ):
        if name.startswith(("relu", "_maximumscalar", "softsign")):  # NaN and infinity: each library its own rule
            found, expected = (np.where(np.isfinite(x), each, 0) for each in (found, expected))
        np.testing.assert_allclose(found, expected, rtol=2e-7 if dtype == "float32" else 1e-14, err_msg=name)


@pytest.mark.parametrize("opset", [9, 11, 17])
def test_the_rest_of_arithmetic(mxnet, opset):
    rng = np.random.default_rng(8)
    x, y = rng.uniform(-3, 3, (2, 3, 4)).astype("f"), rng.uniform(0.5, 2, (2, 3, 4)).astype("f")
    x[0, 0] = [2, -2, 4.5, 0]
    y[0, 0] = [1, 0.5, 2, 1.5]
    code = """
x, y = mx.sym.Variable('x'), mx.sym.Variable('y')
s = mx.sym.Group([x % y, x % 1.5, 2 % y, y ** x, y ** 2, 2 ** x, 2 / y, mx.sym.hypot(x, y), mx.sym.hypot(x, 3),
    mx.sym.maximum(x, y), mx.sym.minimum(x, y), mx.sym.minimum(x, 1), mx.sym.log(y), mx.sym.sqrt(y), mx.sym.exp(x),
    mx.sym.reciprocal(y), mx.sym.negative(x), mx.sym.BlockGrad(x), mx.sym.Flatten(x), mx.sym.add_n(x, y, x),
    mx.sym.sum(x), mx.sym.mean(x), mx.sym.sum(x, axis=1), mx.sym.mean(x, axis=(0, 2), keepdims=True),
    mx.sym.sum(x, axis=1, exclude=True), mx.sym.sum(x, axis=-1), mx.sym.Cast(x, dtype='float16'),
    mx.sym.Cast(x, dtype='int32'), mx.sym.broadcast_mul(x, mx.sym.mean(y, axis=1, keepdims=True)),
    mx.sym.Activation(x, act_type='softrelu'), mx.sym.Activation(x, act_type='softsign'),
    mx.sym.Activation(x, act_type='relu'), mx.sym.Activation(x, act_type='sigmoid'),
    mx.sym.Activation(x, act_type='tanh')])
"""
    model = export(symbol_of(code), None, {"x": x.shape, "y": y.shape}, opset)
    names = [node.name for node in model.graph.output]
    expected = in_mxnet(mxnet, code, x=x, y=y)
    for name, one, other in zip(names, in_onnxruntime(model, x=x, y=y), expected, strict=True):
        assert difference(one, other) < 1e-6, name
