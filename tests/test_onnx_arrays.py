"""Operators on arrays in ONNX, against NumPy: settings, dtypes, free sizes, special values, and what is refused."""

from __future__ import annotations

import json
import math

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rectifier import mx
from rectifier.onnx import export, latest_opset

OPSETS = (9, 10, 11, 13, 18, latest_opset())
X = np.random.default_rng(1).uniform(-3, 3, (2, 3, 4)).astype("f")
Y = np.random.default_rng(2).uniform(-3, 3, (4, 5, 2)).astype("f")
INDEX = np.array([[0, 2, 1], [-1, 5, 3]], "f")


def graph(op, inputs=1, outputs=1, **attrs):
    """A symbol of one operator, as a file has it: inputs `a`, `b`, `c`."""
    nodes = [{"op": "null", "name": name, "inputs": []} for name in "abc"[:inputs]]
    text = {key: str(value) for key, value in attrs.items()}
    nodes.append({"op": op, "name": "node", "attrs": text, "inputs": [[i, 0, 0] for i in range(inputs)]})
    fields = {"nodes": nodes, "arg_nodes": list(range(inputs)), "heads": [[inputs, i, 0] for i in range(outputs)]}
    return mx.sym.load_json(json.dumps({**fields, "attrs": {"mxnet_version": ["int", 10600]}}))


def computed(symbol, arrays, opset=17, free=(), **options):
    """What onnxruntime computes of the exported symbol; the first input's axes in `free` have names for sizes."""
    named = dict(zip("abc", arrays, strict=False))
    shapes = {name: list(array.shape) for name, array in named.items()}
    for axis in free:
        shapes["a"][axis] = f"size{axis}"
    model = export(symbol, None, shapes, opset, **options)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, named)


def clipped(size):
    return np.clip(INDEX, 0, size - 1).astype(int)


# Operator, parameters, inputs, what NumPy makes of them, and the axes that may be free.
SETTINGS = [
    ("Concat", {"num_args": 2, "dim": 1}, (X, X), np.concatenate([X, X], 1), (0, 2)),
    ("stack", {"num_args": 2, "axis": -1}, (X, X), np.stack([X, X], -1), (0,)),
    ("Flatten", {}, (X,), X.reshape(2, 12), (0,)),
    ("transpose", {}, (X,), X.T, (0, 1, 2)),
    ("transpose", {"axes": "(1, 0, 2)"}, (X,), X.transpose(1, 0, 2), (0, 1)),
    ("SwapAxis", {"dim1": 0, "dim2": 2}, (X,), X.swapaxes(0, 2), (0,)),
    ("expand_dims", {"axis": -1}, (X,), X[..., None], (0, 1, 2)),
    ("squeeze", {"axis": 1}, (X[:, :1],), X[:, 0], (0, 2)),
    ("reverse", {"axis": "(1,)"}, (X,), X[:, ::-1], (0, 2)),
    ("tile", {"reps": "(2, 1, 3)"}, (X,), np.tile(X, (2, 1, 3)), (0, 1)),
    ("tile", {"reps": "(2, 1, 1, 3)"}, (X,), np.tile(X, (2, 1, 1, 3)), (0, 1)),
    ("repeat", {"repeats": 2}, (X,), X.repeat(2), (0, 1)),
    ("repeat", {"repeats": 2, "axis": 1}, (X,), X.repeat(2, 1), (0, 1, 2)),
    ("broadcast_to", {"shape": "(2, 0, 4)"}, (X[:1],), np.broadcast_to(X[:1], X.shape), (1,)),
    ("broadcast_axis", {"axis": 0, "size": 5}, (X[:1],), np.broadcast_to(X[:1], (5, 3, 4)), (1, 2)),
    ("broadcast_like", {}, (X[:1], X), np.broadcast_to(X[:1], X.shape), (1,)),
    ("reshape_like", {}, (X, X.reshape(6, 4)), X.reshape(6, 4), ()),
    ("shape_array", {}, (X,), np.array([2, 3, 4]), (0, 1)),
    ("size_array", {}, (X,), np.array([24]), (0, 1)),
    ("zeros_like", {}, (X * np.nan,), np.zeros_like(X), (0,)),
    ("ones_like", {}, (X,), np.ones_like(X), (0,)),
    ("slice", {"begin": "(0, None, -3)", "end": "(1, 2, None)"}, (X,), X[0:1, :2, -3:], (2,)),
    ("slice_axis", {"axis": 1, "begin": 1, "end": None}, (X,), X[:, 1:], (0, 1)),
    ("slice_like", {"axes": "(1, 2)"}, (X, X[:, :2, :3]), X[:, :2, :3], (0,)),
    ("where", {}, (X > 0, X, -X), np.abs(X), ()),
    ("where", {}, (np.array([0, 2], "f"), X, -X), np.stack([-X[0], X[1]]), ()),
    ("take", {}, (Y, INDEX), Y[clipped(4)], (0, 1)),
    ("take", {"axis": 1}, (Y, INDEX), Y[:, clipped(5)], (0, 1)),
    ("take", {"axis": -1, "mode": "wrap"}, (Y, INDEX), Y[..., INDEX.astype(int) % 2], (0, 2)),
    ("pick", {"axis": 1}, (Y[..., 0], np.array([0, 9, -1, 2], "f")), Y[range(4), [0, 4, 0, 2], 0], (0, 1)),
    ("gather_nd", {}, (Y, np.array([[0, 3], [4, 1]], "f")), Y[[0, 3], [4, 1]], (0,)),
    ("one_hot", {"depth": 3}, (np.array([0, 2, -1, 3], "f"),), np.eye(4, 3, dtype="f")[[0, 2, 3, 3]], (0,)),
    ("topk", {"k": 2, "ret_typ": "value"}, (X,), -np.sort(-X)[..., :2], (0, 1)),
    ("topk", {"k": 2}, (X,), np.argsort(-X)[..., :2].astype("f"), (0, 1)),
    ("sort", {"axis": 0}, (X,), np.sort(X, 0), (1,)),
    ("argsort", {"is_ascend": False}, (X,), np.argsort(-X).astype("f"), (0,)),
    ("sum", {"axis": "(0, 2)"}, (X,), X.sum((0, 2)), (0, 1, 2)),
    ("mean", {"axis": 1, "exclude": True}, (X,), X.mean((0, 2)), (0,)),
    ("max", {"axis": -1, "keepdims": True}, (X,), X.max(-1, keepdims=True), (0, 1)),
    ("min", {}, (X,), X.min(keepdims=True).reshape(1), (0, 1, 2)),
    ("prod", {"axis": 2}, (X,), X.prod(2), (0,)),
    ("nansum", {"axis": 1}, (np.where(X > 2, np.nan, X),), np.nansum(np.where(X > 2, np.nan, X), 1), (0,)),
    ("norm", {"axis": 1}, (X,), np.linalg.norm(X, axis=1), (0, 2)),
    ("norm", {"ord": 1, "keepdims": True}, (X,), np.abs(X).sum(keepdims=True), (0,)),
    ("argmax", {"axis": 1}, (X,), X.argmax(1).astype("f"), (0,)),
    ("argmin", {}, (X,), np.array([X.argmin()], "f"), (0, 1, 2)),
    ("clip", {"a_min": -1, "a_max": 0.5}, (X,), X.clip(-1, 0.5), (0,)),
    ("dot", {}, (X, Y), np.tensordot(X, Y, 1), (0, 1)),
    ("dot", {"transpose_a": True, "transpose_b": True}, (Y, X), np.tensordot(Y, X, ((0,), (2,))), (1, 2)),
    ("batch_dot", {"transpose_b": True}, (X, X), X @ X.swapaxes(1, 2), ()),
    ("_linalg_gemm2", {"transpose_a": True, "alpha": 2}, (X, X), 2 * X.swapaxes(1, 2) @ X, ()),
    ("logical_not", {}, (X > 0,), X <= 0, (0,)),
    ("_logical_xor_scalar", {"scalar": 1}, (np.trunc(X),), np.trunc(X) == 0, (0,)),
    ("rint", {}, (np.array([-1.5, 1.5, 2.5, 0.49999997, 8388609], "f"),), [-2, 1, 2, 0, 8388609], (0,)),
    ("round", {}, (np.array([-1.5, 1.5, 2.5, 0.49999997, 8388609], "f"),), [-2, 2, 3, 0, 8388609], (0,)),
    ("fix", {}, (X,), np.trunc(X), (0,)),
    ("cbrt", {}, (X,), np.cbrt(X), (0,)),
    ("log2", {}, (np.abs(X),), np.log2(np.abs(X)), (0,)),
    ("degrees", {}, (X,), np.degrees(X), (0,)),
    ("hard_sigmoid", {}, (X,), np.clip(0.2 * X + 0.5, 0, 1), (0,)),
    ("smooth_l1", {"scalar": 2}, (X,), np.where(abs(X) < 0.25, 2 * X**2, abs(X) - 0.125), (0,)),
]  # fmt: skip


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize(("op", "attrs", "arrays", "expected", "free"), SETTINGS)
def test_against_numpy(op, attrs, arrays, expected, free, opset):
    arrays = [np.asarray(array, "f") for array in arrays]
    expected = np.asarray(expected)
    wanted = "i8" if op in ("shape_array", "size_array") else "f4"
    for axes in {(), free}:
        (found, *_) = computed(graph(op, len(arrays), **attrs), arrays, opset, axes)
        assert found.shape == expected.shape
        assert found.dtype == wanted
        np.testing.assert_allclose(found, expected.astype(wanted), rtol=3e-6, atol=3e-6)


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize(
    ("op", "attrs", "count", "expected"),
    [
        ("SliceChannel", {"num_outputs": 3}, 3, np.split(X, 3, 1)),
        ("SliceChannel", {"num_outputs": 3, "squeeze_axis": True}, 3, [X[:, 0], X[:, 1], X[:, 2]]),
        ("_split_v2", {"indices": "(0, 1, 3)", "axis": 2}, 3, np.split(X, (1, 3), 2)),
        ("topk", {"k": 1, "axis": 1, "ret_typ": "both"}, 2, [X.max(1)[:, None], X.argmax(1)[:, None]]),
    ],
)
def test_several_outputs(op, attrs, count, expected, opset):
    found = computed(graph(op, 1, count, **attrs), [X], opset, (0,))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("opset", [9, 11, 18])
def test_made_arrays(opset):
    attrs = {"start": 1, "stop": 3, "step": 0.5, "repeat": 2}
    np.testing.assert_array_equal(computed(graph("_arange", 0, **attrs), (), opset)[0], np.arange(1, 3, 0.5).repeat(2))
    np.testing.assert_array_equal(computed(graph("_arange", 0, start=3, dtype="int32"), (), opset)[0], [0, 1, 2])
    (found,) = computed(graph("_full", 0, shape="(2, 1)", value=2.5, dtype="float64"), (), opset)
    assert found.dtype == np.float64
    assert found.tolist() == [[2.5], [2.5]]
    assert computed(graph("_zeros", 0, shape="(2,)"), (), opset)[0].tolist() == [0, 0]
    assert computed(graph("_ones", 0, shape="(2,)", dtype="int64"), (), opset)[0].tolist() == [1, 1]


@pytest.mark.parametrize("opset", [9, 11, 18])
def test_expm1_and_log1p_keep_the_digits_next_to_0(opset):
    x = np.concatenate([np.geomspace(1e-30, 0.9, 200), -np.geomspace(1e-30, 0.9, 200), [0.0, np.inf]]).astype("f")
    for op, function in (("expm1", np.expm1), ("log1p", np.log1p)):
        np.testing.assert_allclose(computed(graph(op), [x], opset)[0], function(x.astype("f8")), rtol=1e-6, atol=1e-45)
    assert computed(graph("log1p"), [np.array([-1], "f")], opset)[0].tolist() == [-np.inf]
    assert computed(graph("expm1"), [np.array([-np.inf], "f")], opset)[0].tolist() == [-1]


@pytest.mark.parametrize("dtype", ["float16", "float64"])
@pytest.mark.parametrize("opset", [9, 13, 18])
def test_other_dtypes(dtype, opset):
    x = X.astype(dtype)
    for op, attrs, expected in [
        ("Reshape", {"shape": "(0, -1)"}, x.reshape(2, 12)),
        ("slice_axis", {"axis": 1, "begin": 1, "end": 3}, x[:, 1:]),
        ("transpose", {}, x.T),
        ("sum", {"axis": 1}, x.sum(1)),
        ("clip", {"a_min": -1, "a_max": 1}, x.clip(-1, 1)),
        ("_mul_scalar", {"scalar": 0.5}, x * x.dtype.type(0.5)),
    ]:
        (found,) = computed(graph(op, **attrs), [x], opset, (0,), dtype=dtype)
        assert found.dtype == dtype
        # Two roundings of sums below 8.
        np.testing.assert_allclose(found, expected, rtol=0, atol=8 * np.finfo(dtype).eps)


# --- Reshape's codes


@st.composite
def reshapes(draw):
    """A shape, codes for it, and the result, told together while going along the axes."""
    shape = draw(st.lists(st.integers(1, 6), min_size=1, max_size=5))
    codes, result, inferred, i = [], [], False, 0
    while i < len(shape):
        size = shape[i]
        kind = draw(st.sampled_from(["0", "size", "-1", "-2", "-3", "-4"]))
        if kind == "-2":
            codes.append(-2)
            result += shape[i:]
            break
        if kind == "-3" and i + 1 < len(shape):
            codes.append(-3)
            result.append(size * shape[i + 1])
            i += 2
            continue
        if kind == "-4":
            first = draw(st.sampled_from([n for n in range(1, size + 1) if size % n == 0]))
            codes += [-4, *draw(st.sampled_from([(first, size // first), (-1, size // first), (first, -1)]))]
            result += [first, size // first]
        else:
            code = {"0": 0, "size": size, "-1": 0 if inferred else -1}.get(kind, 0)
            inferred = inferred or code == -1
            codes.append(code)
            result.append(size)
        i += 1
    ones = draw(st.integers(0, 2))
    return shape, codes + [1] * ones, result + [1] * ones


@given(reshapes(), st.booleans(), st.sampled_from((9, 13, 18)), st.data())
@settings(max_examples=150, deadline=None)
def test_reshape_codes(case, reverse, opset, data):
    shape, codes, result = case
    if reverse:  # the same from the right; the two sizes of a split stay behind their -4 when read
        shape, codes, result = shape[::-1], codes[::-1], result[::-1]
    free = data.draw(st.sets(st.integers(0, len(shape) - 1)))
    array = np.arange(math.prod(shape), dtype="f").reshape(shape)
    symbol = graph("Reshape", shape=tuple(codes), reverse=reverse)
    assert symbol.infer_shape(a=tuple(shape))[1] == [tuple(result)]
    (found,) = computed(symbol, [array], opset, free)
    np.testing.assert_array_equal(found, array.reshape(result))


def test_a_free_size_stays_out_of_constants_and_shape_arithmetic():
    model = export(graph("Reshape", shape="(0, 0, -1)"), None, {"a": ("N", "C", 7, 7)})
    assert [node.op_type for node in model.graph.node] == ["Reshape"]
    assert onnx.numpy_helper.to_array(model.graph.initializer[0]).tolist() == [0, 0, -1]
    model = export(graph("Reshape", shape="(-3, 4)"), None, {"a": ("N", 3, 4)})
    assert onnx.numpy_helper.to_array(model.graph.initializer[0]).tolist() == [-1, 4]


# --- what is refused

BAD = [
    ("Reshape", {"shape": "(5, -1)"}, ((2, 3),), r"`shape` must keep the number of elements of \(2, 3\), got \(5, "),
    ("Reshape", {"shape": "(-1, -1)"}, ((2, 3),), "`shape` must leave one size at most to be inferred"),
    ("Reshape", {"shape": "(0, 0, 0)"}, ((2, 3),), "`shape` must not read more than the 2 sizes of the data"),
    ("Reshape", {"shape": "(-5,)"}, ((2, 3),), "`shape` must have sizes and the codes 0 to -4, got -5"),
    ("Reshape", {"shape": "(-4, 3, 2, -2)"}, ((2, 3),), "`shape` must split a size of 2 evenly, got 3 and 2"),
    ("Reshape", {"shape": "(-4, -1, -1)"}, ((2, 3),), "`shape` must give at least one of two sizes after -4, got -1"),
    ("Reshape", {}, ((2, 3),), "`shape` must be given"),
    ("Reshape", {"shape": "(a, b)"}, ((2, 3),), r"`shape` must be a tuple of integers, got '\(a, b\)'"),
    ("slice", {"begin": "(x,)", "end": "(1,)"}, ((2, 3),), "`begin` must be a tuple of integers and None, got"),
    ("slice", {"begin": "(1.5,)", "end": "(1,)"}, ((2, 3),), "`begin` must be a tuple of integers and None, got"),
    ("reshape_like", {"lhs_begin": 3}, ((2, 3), (2, 3)), "`lhs_begin` and `lhs_end` must be places in 2 axes, got 3"),
    ("transpose", {"axes": "(0, 0)"}, ((2, 3),), r"`axes` must be an order of 2 axes, got \(0, 0\)"),
    ("expand_dims", {"axis": 3}, ((2, 3),), "`axis` must lie between -3 and 2, got 3"),
    ("squeeze", {"axis": 0}, ((2, 3),), r"`axis` must name axes of size 1 of shape \(2, 3\), got \(0,\)"),
    ("squeeze", {}, (("N", 3),), "`axis` must be given where sizes are free"),
    ("slice", {"begin": "(2,)", "end": "(2,)"}, ((2, 3),), "a slice of 2 elements must not be empty, got 2 to 2"),
    ("slice", {"begin": "(2,)", "end": "(2, 3)"}, ((2, 3),), "`begin`, `end` and `step` must be equally long, up to 2"),
    ("slice", {"begin": "(0,)", "end": "(2,)", "step": "(0,)"}, ((2, 3),), "`step` must not be 0"),
    ("slice_axis", {"axis": 0, "begin": 0, "end": 3}, ((2, 3),), "`begin` and `end` must lie within an axis of 2 elem"),
    ("slice_like", {}, ((2, 3), (3, 3)), r"the first shape \(2, 3\) must not be smaller than \(3, 3\)"),
    ("_split_v2", {"indices": "()", "sections": 2}, ((2, 3),), "`sections` must divide a size of 3, got 2"),
    ("_split_v2", {"indices": "(0, 3)"}, ((2, 3),), r"`indices` must increase within a size of 3, got \(0, 3\)"),
    ("tile", {"reps": "(0, 1)"}, ((2, 3),), r"`reps` must be positive, got \(0, 1\)"),
    ("repeat", {"repeats": 0}, ((2, 3),), "`repeats` must be positive, got 0"),
    ("space_to_depth", {"block_size": 2}, ((2, 3),), "`block_size` must be positive, and the data have 4 dimensions"),
    ("space_to_depth", {"block_size": 2}, ((1, 2, 3, 4),), "`block_size` must fit into a size of 3, which 2 does not"),
    ("dot", {}, ((2, 3), (2, 3)), r"the sizes that are summed over must agree, got \(3,\) and \(2,\)"),
    ("batch_dot", {}, ((2, 3), (2,)), r"there must be stacks of matrices, got shapes \(2, 3\) and \(2,\)"),
    ("_linalg_gemm2", {}, ((2, 3), (2,)), r"there must be stacks of matrices, got shapes \(2, 3\) and \(2,\)"),
    ("_linalg_gemm2", {"axis": -1}, ((2, 3), (3, 2)), "`axis` must not be the last of 2, got -1"),
    ("gather_nd", {}, ((2, 3), (3, 2)), r"the indices must have a first size from 1 to 2, got shape \(3, 2\)"),
    ("topk", {"k": 4}, ((2, 3),), "`k` must be at most 3, the size of the axis, got 4"),
    ("topk", {"axis": None, "ret_typ": "mask"}, ((3,),), "`axis` must be one of known size where `ret_typ` is mask"),
    ("broadcast_to", {"shape": "(2,)"}, ((2, 3),), r"`shape` must have 2 sizes, got \(2,\)"),
    ("broadcast_to", {"shape": "(2, 4)"}, ((2, 3),), r"shape \(2, 3\) must broadcast to \(2, 4\)"),
    ("broadcast_like", {"lhs_axes": 0}, ((1, 3), (2, 3)), "`lhs_axes` and `rhs_axes` must be given for the same"),
    ("broadcast_axis", {"axis": 0}, ((1, 3),), r"`axis` and `size` must be equally long, got \(0,\) and \(\)"),
    ("_arange", {"start": 3, "stop": 1}, (), "`start`, `stop` and `step` must make at least one number, got 3.0, 1.0"),
    ("_zeros", {"shape": "(0, 3)"}, (), "all sizes of an array that is made must be known"),
    ("norm", {"ord": 3}, ((2, 3),), "`ord` must be 1 or 2, got 3"),
    ("pick", {"axis": None}, ((3,), (1,)), "`axis` must be given"),
    ("one_hot", {}, ((3,),), "`depth` must be given in node 'node'"),
    ("take", {"mode": "x"}, ((3,), (1,)), "`mode` must be one of clip, raise, wrap, got 'x' in node 'node'"),
    ("stack", {"num_args": 3}, ((3,), (3,)), "there must be 3 inputs and 1 outputs, got 2 and 1 in node 'node'"),
]  # fmt: skip


@pytest.mark.parametrize(("op", "attrs", "shapes", "words"), BAD)
def test_refuses(op, attrs, shapes, words):
    with pytest.raises(ValueError, match=words):
        export(graph(op, len(shapes), **attrs), None, dict(zip("abc", shapes, strict=False)))


@pytest.mark.parametrize(
    ("op", "attrs", "shapes", "words"),
    [
        ("reverse", {"axis": 0}, (("N", 3),), "an axis of free size that is reversed must have opset 10 or later"),
        ("sort", {"axis": 0}, (("N", 3),), "an axis of free size that is sorted must have opset 10 or later"),
        ("slice", {"begin": "(None,)", "end": "(None,)", "step": "(2,)"}, (("N", 3),), "in steps of an axis of free"),
        ("slice_like", {}, ((4, 3), ("N", 3)), "to an end that is found at run time, must have opset 10 or later"),
        ("gather_nd", {}, ((4, "C"), (2, 3)), "all sizes that the indices count must be known below opset 11"),
    ],
)
def test_what_needs_a_later_opset(op, attrs, shapes, words):
    given = dict(zip("ab", shapes, strict=False))
    with pytest.raises(ValueError, match=f"{words}.* in node 'node'"):
        export(graph(op, len(shapes), **attrs), None, given, 9)
    export(graph(op, len(shapes), **attrs), None, given, 11)


def test_data_of_unknown_dimensions_is_refused():
    with pytest.raises(ValueError, match="the number of dimensions of 'a' must be known, in node 'node'"):
        export(graph("sum"))
