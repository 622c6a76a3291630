"""Operators on arrays, exported to ONNX and run in onnxruntime, against MXNet 1.6.0 itself."""

import json

import numpy as np
import pytest
from array_cases import CASES, arrays_of, code_of
from comparison import EVALUATE, difference, in_onnxruntime
from mxnet_process import MXNetError

from rectifier import mx
from rectifier.mx.base import DTYPES
from rectifier.mx.infer import node_shapes, node_types
from rectifier.mx.number_operators import NUMBER_ROWS
from rectifier.mx.shape_operators import SHAPE_ROWS
from rectifier.onnx import export, latest_opset
from rectifier.onnx.translators import TRANSLATORS

ROWS = (*SHAPE_ROWS, *NUMBER_ROWS)
OPSETS = (9, 10, 11, 13, 17, 18, latest_opset())

# Relative to the output's range; the largest difference measured is 1.9e-7.
LARGEST = 1e-6

REGISTRY = """
import ctypes
from mxnet.base import _LIB, check_call, py_str
result = {}
for wanted in names:
    handle, count = ctypes.c_void_p(), ctypes.c_uint32()
    check_call(_LIB.NNGetOpHandle(wanted.encode(), ctypes.byref(handle)))
    name, text, variable, returned = (ctypes.c_char_p() for _ in range(4))
    arguments, kinds, texts = (ctypes.POINTER(ctypes.c_char_p)() for _ in range(3))
    places = (name, text, count, arguments, kinds, texts, variable, returned)
    check_call(_LIB.MXSymbolGetAtomicSymbolInfo(handle, *map(ctypes.byref, places)))
    pairs = [(py_str(arguments[i]), py_str(kinds[i])) for i in range(count.value)]
    result[wanted] = py_str(name.value), py_str(variable.value), pairs
"""


def in_mxnet(mxnet, case):
    """The symbol, and what MXNet computes of it."""
    text, found = mxnet.run(code_of(case) + EVALUATE + "result = s.tojson()\n", **arrays_of(case))
    return mx.sym.load_json(text), [found[str(i)] for i in range(len(found))]


def shapes_of(case, symbol, free):
    shapes = {name: list(array.shape) for name, array in arrays_of(case).items() if name in symbol.list_arguments()}
    for axis in free:
        shapes["a"][axis] = f"size{axis}"
    return shapes


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_setting_in_every_opset(mxnet, case, record_property):
    symbol, expected = in_mxnet(mxnet, case)
    worst = 0.0
    for opset in OPSETS:
        for free in {(), case.free if opset >= case.free_opset else ()}:
            model = export(symbol, None, shapes_of(case, symbol, free), opset)
            found = in_onnxruntime(model, **arrays_of(case))
            assert len(found) == len(expected)
            worst = max(worst, *(difference(one, other) for one, other in zip(found, expected, strict=True)))
            assert worst <= LARGEST, f"opset {opset}, free {free}"
    record_property("difference", worst)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_shapes_and_dtypes_are_inferred(mxnet, case):
    """Ours of every output, known and with a free size, against those of what MXNet computes."""
    symbol, expected = in_mxnet(mxnet, case)
    arrays = arrays_of(case)
    shapes, types = (
        node_shapes(symbol.outputs, {name: array.shape for name, array in arrays.items()}),
        node_types(symbol.outputs, dict.fromkeys(arrays, 0)),
    )
    for entry, output in zip(symbol.outputs, expected, strict=True):
        assert shapes[entry] == output.shape
        assert DTYPES[types[entry]] == output.dtype
    named = shapes_of(case, symbol, case.free)
    free = {name: tuple(-1 if isinstance(n, str) else n for n in shape) for name, shape in named.items()}
    unknown = node_shapes(symbol.outputs, free)
    for entry, output in zip(symbol.outputs, expected, strict=True):
        assert len(unknown[entry]) == output.ndim
        assert all(size in (-1, known) for size, known in zip(unknown[entry], output.shape, strict=True))


def test_every_operator_has_a_case(mxnet):
    """Those that are neither here nor in the tests of arithmetic have no translation."""
    seen = set()
    for case in CASES:
        symbol, _ = in_mxnet(mxnet, case)
        seen |= {node["op"] for node in json.loads(symbol.tojson())["nodes"]}
    untested = {row.name for row in ROWS if row.name in TRANSLATORS} - seen
    assert untested == set()


def test_parameters_are_those_of_the_registry(mxnet):
    """Names, which are required, and the defaults of every row; and each alias leads to its row."""
    rows = {name: row for row in ROWS for name in (row.name, *row.aliases)}
    registry, _ = mxnet.run(f"names = {sorted(rows)}\n{REGISTRY}")
    for name, row in rows.items():
        canonical, count, arguments = registry[name]
        assert canonical == row.name
        described = {key: kind for key, kind in arguments if "NDArray" not in kind and "Symbol" not in kind}
        if count:
            described.setdefault(count, "int, required")
        assert {parameter.name for parameter in row.parameters} == set(described), name
        for parameter in row.parameters:
            kind = described[parameter.name]
            if "default=" not in kind:
                assert parameter.required or name == "smooth_l1", (name, parameter.name)
                continue
            text = kind.partition("default=")[2].strip("'")
            default = parameter.default
            if isinstance(default, float):
                assert default == pytest.approx(float(text), rel=1e-7), (name, parameter.name)
            else:
                assert default == (parameter.read(text) if text else ""), (name, parameter.name)


SPECIAL = np.array([-np.inf, -1e30, -2.5, -1, -0.0, 0, 0.5, 1, 2.5, 1e30, np.inf, np.nan], "f")
FUNCTIONS = (
    *("floor", "ceil", "rint", "round", "trunc", "fix", "sin", "cos", "tan", "sinh", "cosh", "arcsin", "arctan"),
    *("arcsinh", "arccosh", "arctanh", "erf", "cbrt", "log2", "log10", "log1p", "expm1", "rsqrt", "degrees"),
    *("logical_not", "hard_sigmoid", "smooth_l1", "sum", "norm"),
)


@pytest.mark.parametrize("opset", [9, 17])
def test_special_values(mxnet, opset):
    """Infinity and NaN, but for the sign of NaN, which is 0 in MXNet, and what each library takes for its maximum."""
    for call in (*(f"sym.{name}(a)" for name in FUNCTIONS), "sym.clip(a, a_min=-1, a_max=1)"):
        code = f"sym = mx.sym\na = mx.sym.Variable('a')\ns = {call}\n"
        text, expected = mxnet.run(code + EVALUATE + "result = s.tojson()\n", a=SPECIAL)
        model = export(mx.sym.load_json(text), None, {"a": SPECIAL.shape}, opset)
        (found,) = in_onnxruntime(model, a=SPECIAL)
        np.testing.assert_allclose(found, expected["0"], rtol=1e-5, err_msg=call)


def random_reshape(rng):
    """A shape of primes, and codes for it; none of MXNet's own mistakes, which loses -1 behind -2 and -4."""
    shape = [int(n) for n in rng.choice([1, 2, 3, 5, 7, 4, 6], rng.integers(1, 5))]
    codes = [int(n) for n in rng.choice([0, 0, -2, -3, -3, 1, 2, 3, 6], rng.integers(1, 5))]
    if rng.random() < 0.4:
        codes[0] = -1
    elif rng.random() < 0.4:
        first = int(rng.choice([1, 2, 3]))
        second = int(rng.choice([-1, 1, 2, 3]))
        at = int(rng.integers(len(codes)))
        codes[at:at] = [-4, first, second] if rng.random() < 0.5 else [-4, second, first]
    return shape, codes


def test_random_reshape_codes(mxnet):
    """What MXNet makes of codes, from both sides; what it refuses is refused."""
    rng = np.random.default_rng(12)
    tried = [random_reshape(rng) for _ in range(3000)]
    # From the right, a -1 stands at the right end, and the sizes of a split before their -4.
    tried += [(shape[::-1], codes[::-1], True) for shape, codes in tried]
    tried = [each if len(each) == 3 else (*each, False) for each in tried]
    program = f"""
result = []
for shape, codes, reverse in {tried}:
    s = mx.sym.Reshape(mx.sym.Variable('a'), shape=tuple(codes), reverse=reverse)
    try:
        result.append(list(s.infer_shape(a=tuple(shape))[1][0]))
    except Exception:
        result.append(None)
"""
    expected, _ = mxnet.run(program)
    accepted = 0
    for (shape, codes, reverse), theirs in zip(tried, expected, strict=True):
        node = mx.graph.Node("Reshape", "r", {"shape": str(tuple(codes)), "reverse": str(reverse)})
        node.inputs = [mx.graph.Entry(mx.graph.Node(None, "a"))]
        head = mx.graph.Entry(node)
        try:
            ours = list(node_shapes([head], {"a": tuple(shape)})[head])
        except ValueError:
            ours = None
        if theirs is not None and np.prod(theirs) != np.prod(shape):
            theirs = None  # MXNet says so only when it computes
        assert ours == theirs, (shape, codes, reverse)
        accepted += ours is not None
    assert accepted > 500


REFUSED = [
    ("sym.Reshape(a, shape=(5, -1))", ((2, 3),)),
    ("sym.Reshape(a, shape=(-4, 5, 7, -2))", ((2, 3),)),
    ("sym.Reshape(a, shape=(0, 0, 0))", ((2, 3),)),
    ("sym.expand_dims(a, axis=4)", ((2, 3),)),
    ("sym.squeeze(a, axis=0)", ((2, 3),)),
    ("sym.slice_axis(a, axis=0, begin=0, end=3)", ((2, 3),)),
    ("sym.slice_like(a, b)", ((2, 3), (3, 3))),
    ("sym.SliceChannel(a, num_outputs=2)[0]", ((2, 3),)),
    ("sym.dot(a, b)", ((2, 3), (2, 3))),
    ("sym.batch_dot(a, b)", ((2, 3, 4), (3, 4, 5))),
    ("sym.topk(a, k=4)", ((2, 3),)),
    ("sym.broadcast_to(a, shape=(2, 4))", ((2, 3),)),
    ("sym.broadcast_axis(a, axis=1, size=4)", ((2, 3),)),
    ("sym.space_to_depth(a, block_size=2)", ((1, 3, 3, 4),)),
    ("sym.stack(a, b)", ((2, 3), (2, 4))),
    ("sym.Concat(a, b)", ((2, 3), (3, 4))),
]


@pytest.mark.parametrize(("code", "shapes"), REFUSED)
def test_both_refuse(mxnet, code, shapes):
    program = f"sym = mx.sym\na, b = (mx.sym.Variable(name) for name in 'ab')\ns = {code}\nresult = s.tojson()\n"
    text, _ = mxnet.run(program)
    arrays = {name: np.ones(shape, "f") for name, shape in zip("ab", shapes, strict=False)}
    with pytest.raises(MXNetError):
        mxnet.run(program + EVALUATE, **arrays)
    with pytest.raises(ValueError, match="in node"):
        export(mx.sym.load_json(text), None, {name: array.shape for name, array in arrays.items()})
