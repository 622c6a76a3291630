"""`rectifier.mx.sym` against the symbols of MXNet 1.6.0: random graphs, files, and what scripts print."""

import json
import operator
from pathlib import Path

import numpy as np
import pytest
from mxnet_process import MXNetError
from programs import QUESTIONS, random_network, random_program, run_ours

from rectifier import mx as ours

CORPUS = Path(__file__).parents[1] / "corpus"


def assert_agree(code, expected):
    found = json.loads(json.dumps(run_ours(code)))
    for question, answer in expected.items():
        same = knows_as_much if question in ("shapes", "partial") else operator.eq
        assert same(found[question], answer), (
            f"{question}: {found[question]}, not {answer}, in\n{code[len(QUESTIONS) :]}"
        )


def knows_as_much(found, expected):
    """Whether inferred shapes agree. Where sizes are partly known MXNet stops early; ours go on, to errors as well."""
    if "MXNetError" in (found, expected):
        return found == expected or (expected != "MXNetError" and is_incomplete(expected))
    return all(map(shapes_fit, found, expected))


def is_incomplete(inferred):
    """Whether an answer of MXNet's leaves a shape or a size open."""
    arguments, outputs, _ = inferred
    return arguments is None or any(not shape or 0 in shape for shape in arguments + outputs)


def shapes_fit(found, expected):
    """Whether each shape that MXNet knows is ours; None, an empty shape and a size of 0 are what it does not know."""
    if expected is None:
        return True
    return found is not None and all(map(one_fits, found, expected)) and len(found) == len(expected)


def one_fits(found, expected):
    return not expected or (
        len(found) == len(expected) and all(e in (0, f) for f, e in zip(found, expected, strict=True))
    )


@pytest.mark.parametrize(
    ("found", "expected", "agree"),
    [
        ([[[2, 3], [3]], [[2]], []], [[[0, 3], []], [[2]], []], True),
        ([[[2, 3]], [], []], [[[2, 4]], [], []], False),
        ([[[2, 3]], [], []], [[[2]], [], []], False),
        ([[[2, 3]], [[2]], []], [None, None, None], True),
        ([None, None, None], [[[2, 3]], [], []], False),
        ("MXNetError", [None, None, None], True),
        ("MXNetError", [[[2, 3]], [[2, 3]], []], False),
        ([[[2, 3]], [[2, 3]], []], "MXNetError", False),
        ([None, None, None], "MXNetError", False),
    ],
)
def test_knows_as_much(found, expected, agree):
    assert knows_as_much(found, expected) == agree


@pytest.mark.parametrize("part", range(8))
def test_random_graphs(mxnet, part):
    rng = np.random.default_rng([16, part])
    for _ in range(50):
        code = random_program(rng)
        try:
            expected, _ = mxnet.run(code)
        except MXNetError as error:
            raise AssertionError(f"{error} in\n{code}") from None
        assert_agree(code, expected)


# What follows from the bodies of control flow is not inferred here. MXNet counts an unknown part of Concat as 0.
NOT_COMPARED = {"control-flow": ("shapes", "partial", "types"), "outputs": ("partial",)}


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*-symbol.json")), ids=lambda path: path.name)
def test_corpus_loads_as_in_mxnet(mxnet, path):
    code = f"{QUESTIONS}\nresult = ask(mx.sym.load({str(path)!r}), {{'data': (2, 6, 8, 8)}}, {{'data': 'float16'}})\n"
    expected, _ = mxnet.run(code)
    for question in NOT_COMPARED.get(path.name.removesuffix("-symbol.json"), ()):
        del expected[question]
    assert_agree(code, expected)


def test_corpus_is_what_mxnet_writes(mxnet):
    for path in CORPUS.glob("*-symbol.json"):
        if "-v0" not in path.name:
            assert ours.sym.load(path).tojson() == path.read_text("utf-8"), path.name


TEXTS = ["", "a b", '\\"', "\n\r\t", "\x01\x1f\b\f/", "é中\U0001f600", "a$b"]


@pytest.mark.parametrize("text", TEXTS)
def test_strings_of_any_kind(mxnet, text):
    code = f"""
{QUESTIONS}
x = mx.sym.Variable('x' + {text!r}, attr={{'key': {text!r}}})
x = mx.sym.LeakyReLU(x, name={text!r})
result = x.tojson(), mx.sym.load_json(x.tojson()).tojson()
"""
    expected, _ = mxnet.run(code)
    assert list(run_ours(code)) == expected


@pytest.mark.parametrize("count", [1, 9, 10, 11, 12, 25])
def test_lists_of_any_length(mxnet, count):
    code = f"""
x = [mx.sym.Variable('x%d' % i) for i in range({count})]
result = mx.sym.Group([mx.sym.add_n(*x), mx.sym.add_n(*x[::-1])] * {count}).tojson()
"""
    expected, _ = mxnet.run(code)
    assert run_ours(code) == expected


PROGRAMS = {
    "scopes": """
with mx.AttrScope(ctx_group='dev1', __layout__='NCHW', lr_mult='2'):
    with mx.AttrScope(wd_mult='3'):
        s = mx.sym.LeakyReLU(mx.sym.Variable('x'), act_type='prelu', name='b', attr={'__k__': 'v'})
with mx.name.Prefix('pre_'):
    t = mx.sym.LeakyReLU(s) + mx.sym.LeakyReLU(s, name='k')
result = ask(t, {}, {})
""",
    "attributes": """
s = mx.sym.LeakyReLU(mx.sym.Variable('x', shape=(2, 3), lr_mult=2, wd_mult=0.5, dtype='float64', init='zeros',
                                     stype='row_sparse', attr={'mood': 'angry'}, __own__='1'), act_type='elu')
s._set_attr(__mood__='x', lr_mult='3', slope='2')
result = ask(s, {}, {}), [s.attr(key) for key in ('name', 'op_name', 'lr_mult', '__lr_mult__', 'slope', 'absent')]
""",
    "groups": """
x, r = mx.sym.Variable('x'), mx.sym.LeakyReLU(mx.sym.Variable('y'), act_type='rrelu', name='r')
g = mx.sym.Group([x, r, x, mx.sym.Group([r[1], x + 1])])
result = [ask(g, {}, {}), g.name, len(g), [repr(each) for each in g], repr(g[1]), repr(g['r_output']), repr(g[1:3]),
          g[::2].list_outputs(), g.attr('act_type'), g.list_attr(), repr(r['r_mask']), r.list_outputs()]
""",
    "composition": """
f = mx.sym.LeakyReLU(act_type='prelu', name='f')
x, y = mx.sym.Variable('x'), mx.sym.Variable('y')
g = f(f_data=x + y, name='h')
result = [ask(each, {}, {}) for each in (f, g, f(f_data=y, f_gamma=x), mx.sym.Group([f, f + x])(x=f, name='n'))]
""",
    "two variables of a name": """
w, v = mx.sym.Variable('w'), mx.sym.Variable('w')
result = ask(w + v, {'w': (2,)}, {'w': 'float16'})
""",
    "copies": """
import copy, pickle
s = mx.sym.LeakyReLU(mx.sym.Variable('x'), act_type='prelu', name='a')
t = copy.deepcopy(s)
t._set_attr(__only__='here')
result = [ask(each, {}, {}) for each in (s, t, copy.copy(s), pickle.loads(pickle.dumps(s)))]
""",
    "functions": """
x, y = mx.sym.Variable('x'), mx.sym.Variable('y')
result = [ask(mx.sym.Group([mx.sym.maximum(x, 2), mx.sym.maximum(3, y), mx.sym.minimum(x, y), mx.sym.pow(x, 2),
    mx.sym.power(2, x), mx.sym.hypot(x, y), mx.sym.hypot(3, y), abs(x), -x, 1 - x, 2 / x, 2 % x, x % 2, x ** y, 3 ** x,
    x.exp(), x.flatten(), x.astype('float16'), mx.sym.sum(x), x.mean(axis=(0, 1)), x.sum(axis=1, keepdims=True),
    mx.sym.ElementWiseSum(x, y), mx.sym.stop_gradient(x), mx.sym.identity(x), mx.sym.broadcast_plus(x, y),
    mx.sym.broadcast_minus(x, y), mx.sym.cast(x, dtype='int32'), mx.sym.flatten(x)]), {'x': (2, 3), 'y': (2, 3)}, {}),
    mx.sym.maximum(2, 3), mx.sym.minimum(2, 3.5), mx.sym.pow(2, 3), mx.sym.hypot(3, 4)]
""",
    "values": """
import numpy
x = mx.sym.Variable('x')
result = [mx.sym.LeakyReLU(x, slope=value).attr('slope')
          for value in (1, 0.1, numpy.float32(0.1), numpy.float64(0.1), numpy.int64(3), 1e-30, '0.5', 10**20, -0.0)]
""",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(mxnet, name):
    code = QUESTIONS + PROGRAMS[name]
    expected, _ = mxnet.run(code)
    assert json.loads(json.dumps(run_ours(code))) == expected


REFUSED = [
    "mx.sym.LeakyReLU(x, act_type='relu')",
    "mx.sym.LeakyReLU(x, slope='big')",
    "mx.sym.LeakyReLU(x, slope=True)",
    "mx.sym.LeakyReLU(x, slope='None')",
    "mx.sym.LeakyReLU(x, unknown=3)",
    "mx.sym.LeakyReLU(x, gamma=x)",
    "mx.sym.LeakyReLU(x, unknown=x)",
    "mx.sym.LeakyReLU(x, attr={'plain': 'v'})",
    "mx.sym.LeakyReLU(x, act_type='prelu', gamma_lr_mult=3)",
    "mx.sym.LeakyReLU(mx.sym.Group([x, x]))",
    "mx.sym.LeakyReLU(3)",
    "x + 'a'",
    "x + None",
    "x == None",
    "bool(x)",
    "x + True",
    "x['absent']",
    "mx.sym.Group([x, x])['x']",
    "x[1]",
    "x[-1]",
    "x[1.0]",
    "mx.sym.Group([])",
    "mx.sym.Group([1])",
    "mx.sym.Variable(3)",
    "mx.sym.Variable('x', unknown='1')",
    "mx.sym.Variable('x', attr={'a': 1})",
    "mx.sym.Variable('x', dtype='complex64')",
    "(x + 1)(absent=x)",
    "(x + 1)(x)",
    "(x + 1)(x=3)",
    "x._set_attr(mood=1)",
    "mx.sym.LeakyReLU(x)._set_attr(mood='x')",
    "mx.sym.absent",
    "mx.AttrScope(a=1)",
    "x.infer_shape(data=(1, 2))",
    "x.infer_shape(x=[1, 2])",
    "x.infer_type(absent='float32')",
    "mx.sym.load_json('')",
    "mx.sym.load_json('[]')",
    "mx.sym.load_json('{}')",
    "mx.sym.load_json(x.tojson().replace('null', 'LeakyReLU'))",
    "mx.sym.load_json(x.tojson().replace('heads', 'tails'))",
    "mx.sym.load_json(x.tojson().replace('[[0, 0, 0]]', '[[1, 0, 0]]'))",
    "mx.sym.load('/absent-symbol.json')",
]


@pytest.mark.parametrize("line", REFUSED)
def test_both_refuse(mxnet, line):
    code = f"x = mx.sym.Variable('x')\n{line}\n"
    with pytest.raises(MXNetError):
        mxnet.run(code)
    with pytest.raises((TypeError, ValueError, AttributeError, LookupError, OSError)):
        run_ours(code)


def test_shapes_of_random_networks(mxnet):
    """Networks that MXNet builds: their file, read here, gives the same shapes of all parameters."""
    refused = 0
    for number in range(150):
        rng = np.random.default_rng([18, number])
        size = (2, 4, int(rng.integers(4, 12)), int(rng.integers(4, 12)))
        code = random_network(rng)
        asked = f"{QUESTIONS}{code}result = s.tojson(), ask(s, {{'data': {size}}}, {{}})['shapes']\n"
        (text, expected), _ = mxnet.run(asked)
        found = run_ours(f"{QUESTIONS}result = ask(mx.sym.load_json({text!r}), {{'data': {size}}}, {{}})['shapes']\n")
        refused += expected == "MXNetError"
        assert knows_as_much(json.loads(json.dumps(found)), expected), f"{found}, not {expected}, in\n{code}"
    assert refused < 50
