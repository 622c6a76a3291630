"""Programs that MXNet 1.6.0 and `rectifier.mx` both run, and random ones that build graphs.

A program is text: in it, `mx` is one of the two, and `result` is what the two have to agree on.
"""

import warnings

from rectifier import mx as ours

ACT_TYPES = ("leaky", "elu", "selu", "gelu", "prelu", "rrelu")
UNARY = (
    "abs",
    "negative",
    "exp",
    "log",
    "sqrt",
    "square",
    "relu",
    "sigmoid",
    "tanh",
    "identity",
    "BlockGrad",
    "Flatten",
)
BINARY = ("elemwise_add", "elemwise_mul", "broadcast_add", "broadcast_sub", "broadcast_div", "broadcast_maximum")
OPERATORS = ("+", "-", "*", "/", "**", "%", ">", "<=", "==", "!=")

# What is asked of a symbol `s`, given shapes and dtypes by name.
QUESTIONS = """
import warnings
def name_of(dtype):
    return None if dtype is None else __import__('numpy').dtype(dtype).name
def lists(inferred):
    return [None if one is None else [list(each) for each in one] for one in inferred]
def names(inferred):
    return [None if one is None else [name_of(each) for each in one] for one in inferred]
def attempt(call, *args, **kwargs):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            return call(*args, **kwargs)
    except mx.base.MXNetError:
        return 'MXNetError'
def put(s):
    if 'x' not in s.list_arguments():
        return s
    return s(x=mx.sym.LeakyReLU(mx.sym.Variable('new'), name='put'))
def ask(s, shapes, types):
    children = s.get_children()
    return {
        'json': s.tojson(), 'repr': repr(s), 'name': s.name, 'text': s.debug_str(),
        'arguments': s.list_arguments(), 'outputs': s.list_outputs(), 'states': s.list_auxiliary_states(),
        'inputs': s.list_inputs(), 'attributes': s.attr_dict(), 'own': s.list_attr(),
        'internals': s.get_internals().list_outputs(),
        'children': None if children is None else children.list_outputs(),
        'shapes': attempt(lambda: lists(s.infer_shape(**shapes))),
        'partial': attempt(lambda: lists(s.infer_shape_partial(**shapes))),
        'types': attempt(lambda: names(s.infer_type(**types))),
    }
"""


def run_ours(code):
    """What the program leaves in `result` when `rectifier.mx` runs it."""
    scope = {"mx": ours, "result": None}
    with ours.name.NameManager(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(code, scope)
    return scope["result"]


def random_program(rng):
    """A program that builds a graph of three to fifteen steps and asks about it."""
    lines = [f"s{i} = mx.sym.Variable({name!r}{_options(rng)})" for i, name in enumerate(("x", "y"))]
    while len(lines) < rng.integers(5, 18):
        lines.append(f"s{len(lines)} = {_step(rng, lines)}")
    last = len(lines) - 1
    heads = [f"s{last}"]
    if rng.random() < 0.4:
        heads += [f"s{rng.integers(last)}" for _ in range(rng.integers(1, 3))]
    symbol = heads[0] if len(heads) == 1 else f"mx.sym.Group([{', '.join(heads)}])"
    if rng.random() < 0.3:
        symbol = f"mx.sym.load_json({symbol}.tojson())"
    if rng.random() < 0.2:
        symbol = f"put({symbol})"
    return QUESTIONS + "\n".join(lines) + f"\nresult = ask({symbol}, {_shapes(rng)}, {_types(rng)})\n"


def _options(rng):
    choices = (", shape=(0, 3)", ", dtype='float16'", ", init='zeros'", ", lr_mult=0.5", ", attr={'__mood__': 'angry'}")
    return "" if rng.random() < 0.6 else choices[rng.integers(len(choices))]


def _step(rng, lines):
    first, second = (f"s{rng.integers(len(lines))}" for _ in range(2))
    # A symbol of several outputs is no operand: rrelu has two.
    first, second = (f"{s}[0]" if "rrelu" in lines[int(s[1:])] else s for s in (first, second))
    name = "" if rng.random() < 0.6 else f", name='n{len(lines)}'"
    kind = rng.choice(["leaky", "leaky", "leaky", "unary", "binary", "scalar", "operator", "other"])
    if kind == "leaky":
        return _leaky(rng, first, second, name)
    if kind == "unary":
        return f"mx.sym.{rng.choice(UNARY)}({first}{name})"
    if kind == "binary":
        return f"mx.sym.{rng.choice(BINARY)}({first}, {second}{name})"
    operator, number = rng.choice(OPERATORS), rng.choice(["2", "0.5", "-1", "1e-3", "3.0"])
    if kind == "scalar":
        return f"{number} {operator} {first}" if rng.random() < 0.5 else f"{first} {operator} {number}"
    if kind == "operator":
        return f"{first} {operator} {second}"
    return str(
        rng.choice(
            [
                f"mx.sym.add_n({first}, {second}, {first}{name})",
                f"mx.sym.Cast({first}, dtype='float16'{name})",
                f"mx.sym.Activation({first}, act_type='softrelu'{name})",
                f"mx.sym.sum({first}, axis=1, keepdims=True{name})",
                f"mx.sym.mean({first}, axis=(0, 1){name})",
                f"mx.sym.maximum({first}, 2)",
                f"-{first}",
                f"{first}.tanh()",
            ]
        )
    )


def _leaky(rng, data, gamma, name):
    kind = rng.choice(ACT_TYPES)
    given = "" if kind == "leaky" and rng.random() < 0.5 else f", act_type={str(kind)!r}"
    if kind in ("leaky", "elu") and rng.random() < 0.5:
        given += f", slope={rng.choice(['0.1', '1', '2.5e-2', '-0.5'])}"
    if kind == "rrelu" and rng.random() < 0.5:
        given += ", lower_bound=0.1, upper_bound=0.5"
    if kind == "prelu" and rng.random() < 0.4:
        given += f", gamma={gamma}"
    return f"mx.sym.LeakyReLU({data}{given}{name})"


def _shapes(rng):
    choices = (
        {},
        {"x": (2, 3)},
        {"x": (2, 3), "y": (2, 3)},
        {"x": (2, 3, 4), "y": (2, 1, 4)},
        {"y": (0, 3)},
        {"x": (5,)},
    )
    return choices[rng.integers(len(choices))]


def _types(rng):
    choices = ({}, {"x": "float64"}, {"x": "float32", "y": "float32"}, {"x": "float32", "y": "float16"})
    return choices[rng.integers(len(choices))]


# Steps whose results stay between about -10 and 10 and vary slowly, of `a` and `b` in that range.
_FORMULAS = (
    "({a} + {b}) / 2",
    "{a} * {b} / (1 + abs({b}))",
    "{a} - {b} * 0.25",
    "mx.sym.tanh({a})",
    "mx.sym.sigmoid({a}) * {b}",
    "1.5 - {a}",
    "2 / (1 + mx.sym.square({a}))",
    "mx.sym.broadcast_maximum({a}, {b})",
    "mx.sym.minimum({a}, 3)",
    "mx.sym.add_n({a}, {b}, {a}) / 3",
    "mx.sym.exp(-abs({a}))",
    "mx.sym.log(1 + abs({a}))",
    "mx.sym.sqrt(1 + mx.sym.square({a}))",
    "mx.sym.Activation({a}, act_type='softrelu')",
    "mx.sym.broadcast_sub({a}, mx.sym.mean({b}, axis=1, keepdims=True))",
    "(1 + abs({a})) ** 0.5",
)


def random_formula(rng):
    """A program that leaves a symbol of `x` and `y`, both of shape (N, 3, 4), and slopes `g0`, `g1` ... in `s`."""
    lines = ["s0 = mx.sym.Variable('x')", "s1 = mx.sym.Variable('y')"]
    for i in range(2, int(rng.integers(5, 15))):
        a, b = (f"s{rng.integers(max(0, i - 4), i)}" for _ in range(2))
        if rng.random() < 0.5:
            act_type = str(rng.choice(ACT_TYPES))
            gamma = f", gamma=mx.sym.Variable('g{i}')" if act_type == "prelu" else ""
            slope = f", slope={rng.choice(['0.1', '0.7', '-0.3'])}" if act_type in ("leaky", "elu") else ""
            lines.append(f"s{i} = mx.sym.LeakyReLU({a}, act_type={act_type!r}{gamma}{slope})[0]")
        else:
            lines.append(f"s{i} = {str(rng.choice(_FORMULAS)).format(a=a, b=b)}")
    last = len(lines) - 1
    return "\n".join(lines) + f"\ns = mx.sym.Group([s{last}, s{last - 1}, s{last}])\n"


def random_network(rng):
    """A program that builds a stack of layers and asks for all shapes in it."""
    lines = ["s = mx.sym.Variable('data')"]
    for i in range(int(rng.integers(2, 7))):
        kernel, stride, pad, dilate = (int(rng.integers(1, 4)) for _ in range(4))
        window = f"kernel=({kernel}, {kernel}), stride=({stride}, {stride}), pad=({pad // 2}, {pad // 2})"
        filters, groups = int(rng.choice([2, 4])), int(rng.choice([1, 2]))
        layer = rng.choice(
            [
                f"Convolution(s, num_filter={filters}, {window}, dilate=({dilate}, {dilate}), num_group={groups}",
                f"Convolution(s, num_filter={filters}, kernel=(1, 1), no_bias=True",
                f"Deconvolution(s, num_filter={filters}, kernel=({kernel}, {kernel}), stride=({stride}, {stride})",
                f"Pooling(s, {window.replace(f'pad=({pad // 2}, {pad // 2})', 'pad=(0, 0)')}, pool_type='max'",
                f"Pooling(s, kernel=({kernel}, {kernel}), stride=({stride}, {stride}), pooling_convention='full'",
                "Pooling(s, global_pool=True, kernel=(1, 1), pool_type='avg'",
                "BatchNorm(s",
                "LeakyReLU(s, act_type='prelu'",
                "Dropout(s",
                "Concat(s, s, s, dim=1",
                "SliceChannel(s, num_outputs=2, axis=1",
                "LRN(s, nsize=3",
                "L2Normalization(s",
                "InstanceNorm(s",
            ]
        )
        lines.append(f"s = mx.sym.{layer}, name='n{i}'){'[1]' if layer.startswith('Slice') else ''}")
    if rng.random() < 0.5:
        lines.append(f"s = mx.sym.FullyConnected(s, num_hidden=5, flatten={rng.random() < 0.7}, name='fc')")
        lines.append("s = mx.sym.SoftmaxOutput(s, name='softmax')" if "True" in lines[-1] else "s = mx.sym.softmax(s)")
    return "\n".join(lines) + "\n"
