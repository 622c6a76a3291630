"""Random programs that compute: on arrays, with a record and gradients, and as graphs in executors.

A program is text: in it, `mx` is MXNet 1.6.0 or `rectifier.mx`, `arrays` are its inputs, and the dictionary `found` is
what the two have to agree on.

Inputs lie between -2 and 3, where MXNet's elu and gelu have digits left. Left out are the places where MXNet is wrong:
slopes below 0, the gradients of selu and rrelu, and rrelu's mask (`test_defects.py`); with "add", the gradient of a
variable that is read in five to seven places, so that each is read in one (`test_nd_agreement.py`).
"""

import numpy as np

from rectifier import mx as ours

# The largest difference that rounding explains, as a part of the largest element. MXNet computes 64-bit activations in
# 32 bits, and rounds each step in 16 bits.
TOLERANCE = {"float16": 1e-2, "float32": 2e-6, "float64": 2e-6}


def run_ours(code, **arrays):
    """What the program leaves in `found` when `rectifier.mx` runs it."""
    scope = {"mx": ours, "arrays": arrays, "found": {}}
    with ours.name.NameManager():
        exec(code, scope)
    return scope["found"]


def relative_difference(found, expected):
    """The largest difference of two arrays as a part of the largest finite element; infinite where one is no number."""
    assert found.dtype == expected.dtype, f"{found.dtype}, not {expected.dtype}"
    assert found.shape == expected.shape, f"{found.shape}, not {expected.shape}"
    a, b = found.astype(np.float64), expected.astype(np.float64)
    finite = np.isfinite(a) & np.isfinite(b)
    if not np.array_equal(a[~finite], b[~finite], equal_nan=True):
        return np.inf
    if not finite.any():
        return 0.0
    size = max(abs(b[finite]).max(), np.finfo(np.float32).tiny)
    return float(abs(a - b)[finite].max() / size)


def assert_agree(mxnet, code, arrays, dtype, differences=None):
    """Run a program in both and compare all that it finds."""
    _, expected = mxnet.run(code, **arrays)
    found = run_ours(code, **arrays)
    assert found.keys() == expected.keys()
    for name in expected:
        difference = relative_difference(found[name], expected[name])
        if differences is not None:
            differences.setdefault(dtype, []).append(difference)
        assert difference <= TOLERANCE[dtype], f"{name}: {found[name]}, not {expected[name]} ({difference}), in\n{code}"


def numbers(rng, shape, dtype):
    """Numbers between -2 and 3 with zeros among them."""
    x = rng.uniform(-2, 3, shape)
    x[rng.random(shape) < 0.05] = 0.0
    return x.astype(dtype)


def random_shape(rng):
    return tuple(int(size) for size in rng.integers(1, 6, rng.integers(1, 5)))


def gamma_shape(rng, shape):
    """A shape of gamma that MXNet takes for data of this shape."""
    n, c = (*shape, 1)[:2]
    choices = [(1,), (n,)] if len(shape) == 1 else [(1,), (c,), (n, c), (n, 1), (1, c), (n,)]
    return choices[rng.integers(len(choices))]


def leaky_options(rng, differentiable=True):
    """The words of a call of an activation other than prelu."""
    kinds = ["leaky", "elu", "gelu"] + ([] if differentiable else ["selu", "rrelu"])
    kind = str(rng.choice(kinds))
    slope = f", slope={float(rng.choice([0.0, 0.1, 0.25, 1.0]))}" if kind in ("leaky", "elu") else ""
    bounds = ", lower_bound=0.1, upper_bound=0.4" if kind == "rrelu" and rng.random() < 0.5 else ""
    return f"act_type={kind!r}{slope}{bounds}"


def call_program(rng, dtype, shape):
    """One call of the operator, with its gradients where MXNet has them right; and its inputs."""
    grad_req = str(rng.choice(["write", "add", "null"]))
    arrays = {"x": numbers(rng, shape, dtype), "head": rng.normal(size=shape).astype(dtype)}
    lines = ["nd = mx.nd", *(f"{key} = nd.array(arrays[{key!r}], dtype=arrays[{key!r}].dtype)" for key in arrays)]
    if rng.random() < 0.4:
        arrays["gamma"] = rng.uniform(-0.5, 1.0, gamma_shape(rng, shape)).astype(dtype)
        lines += ["gamma = nd.array(arrays['gamma'], dtype=arrays['gamma'].dtype)", "gamma.attach_grad()"]
        call = str(
            rng.choice(
                ["x, gamma, 'prelu'", "x, gamma=gamma, act_type='prelu'", "data=x, gamma=gamma, act_type='prelu'"]
            )
        )
    else:
        gradients = rng.random() < 0.7
        call = f"x, {leaky_options(rng, gradients)}"
        if not gradients:
            take = "y = y[0] if isinstance(y, list) else y"
            lines += [f"y = nd.LeakyReLU({call})", take, "found['y'] = y.asnumpy()"]
            return "\n".join(lines), arrays
    wanted = [*(["x"] if grad_req != "null" else []), *(["gamma"] if "gamma" in arrays else [])]
    if not wanted:  # MXNet refuses a backward pass without a variable
        grad_req, wanted = "write", ["x"]
    lines += [f"x.attach_grad({grad_req!r})", "for repeat in range(2):"]
    lines += ["    with mx.autograd.record():", f"        y = nd.LeakyReLU({call})", "    y.backward(head)"]
    lines += ["found['y'] = y.asnumpy()", *(f"found['d_{key}'] = {key}.grad.asnumpy()" for key in wanted)]
    return "\n".join(lines), arrays


def array_program(rng, dtype):
    """A chain of recorded steps on arrays of one shape, and the gradients of its inputs; and its inputs."""
    shape = tuple(int(size) for size in rng.integers(2, 5, 2))
    arrays = {key: numbers(rng, shape, dtype) for key in ("x", "y", "head")}
    arrays["gamma"] = rng.uniform(0.1, 0.9, shape[1]).astype(dtype)
    lines = ["nd = mx.nd", *(f"{key} = nd.array(arrays[{key!r}], dtype={dtype!r})" for key in arrays)]
    lines += [f"{key}.attach_grad({str(rng.choice(['write', 'add']))!r})" for key in ("x", "y")]
    lines += ["gamma.attach_grad()", "with mx.autograd.record():", "    s0, s1 = x * 1, y * 1"]
    count = 2
    for _ in range(rng.integers(3, 9)):
        first, second = (f"s{rng.integers(max(count - 3, 0), count)}" for _ in range(2))
        lines.append(f"    s{count} = {array_step(rng, first, second, shape)}")
        count += 1
    # Every input has a part in the result, so that MXNet writes each gradient.
    lines += [f"    out = s{count - 1} + s0 * 0.5 - s1 / 4 + nd.LeakyReLU(s0, gamma, 'prelu')", "out.backward(head)"]
    lines += ["found['out'] = out.asnumpy()"]
    lines += [f"found['d_{key}'] = {key}.grad.asnumpy()" for key in ("x", "y", "gamma")]
    return "\n".join(lines), arrays


def array_step(rng, first, second, shape):
    number = float(rng.choice([0.5, 2.0, -1.0, 0.3]))
    return str(
        rng.choice(
            [
                f"nd.LeakyReLU({first}, {leaky_options(rng)})",
                f"nd.LeakyReLU({first}, {leaky_options(rng)})",
                f"nd.LeakyReLU(data={first}, gamma=gamma, act_type='prelu')",
                f"{first} + {second}",
                f"{first} - {second}",
                f"{first} * {second} * 0.25",
                f"{first} / ({second} * {second} + 1)",
                f"{number} * {first}",
                f"{first} + {number}",
                f"{number} - {first}",
                f"{number} / ({first} * {first} + 2)",
                f"{first} ** 2 / 4",
                f"2 ** ({first} / 4)",
                f"abs({first})",
                f"-{first}",
                f"({first} > {second}) * {first}",
                f"nd.maximum({first}, {second})",
                f"nd.minimum({first}, {number})",
                f"{first}[::-1]",
                f"{first}[:, :1] + {second}",
                f"{first}[0] - {second}",
                f"nd.concat({first}[:1], {second}[1:], dim=0)",
                f"{first}.reshape((-1,)).reshape({shape})",
                f"{first}.T.reshape({shape})",
                f"{first} - {first}.mean(axis=1, keepdims=True)",
                f"{first}.sum(axis=0, keepdims=True) / 4 + {second}",
                f"{first} + {second}.sum() / 16",
                f"{first}.sigmoid() + {second}.tanh()",
                f"nd.Activation({first}, act_type='softrelu')",
                f"nd.BlockGrad({first}) * {second} / 4",
                f"{first}.detach() + {second}",
                f"nd.broadcast_mul({first}, {second}[0:1]) / 4",
                f"{first}.copy() + {second}.astype('float32').astype({second}.dtype)",
                f"{first}.clip(-1, 1) + {second}.square() / 8",
            ]
        )
    )


def graph_program(rng, dtype):
    """A graph of activations and arithmetic, run by an executor, as a block and step by step; and its inputs."""
    shape = tuple(int(size) for size in rng.integers(2, 5, rng.integers(2, 4)))
    lines = ["def build(F, V):", "    s0, s1 = V('x') * 1, V('y') * 1"]
    count, gammas = 2, 0
    for _ in range(rng.integers(2, 8)):
        first, second = (f"s{rng.integers(max(count - 3, 0), count)}" for _ in range(2))
        step = graph_step(rng, first, second, f"p{gammas}")
        gammas += step.count("'prelu'")
        lines.append(f"    s{count} = {step}")
        count += 1
    heads = [f"s{count - 1} + s0 * 0.5 - s1 / 4", *(["s2 + 1"] if rng.random() < 0.4 else [])]
    lines.append(f"    return [{', '.join(heads)}]")
    arrays = {"x": numbers(rng, shape, dtype), "y": numbers(rng, shape, dtype)}
    arrays |= {f"p{i}_gamma": rng.uniform(0.1, 0.9, shape[1]).astype(dtype) for i in range(gammas)}
    arrays |= {f"head{i}": rng.normal(size=shape).astype(dtype) for i in range(len(heads))}
    reqs = {key: str(rng.choice(["write", "add", "null"])) for key in arrays if key[:4] != "head"}
    lines += [EXECUTION.format(reqs=reqs, simple=rng.random() < 0.5, train=rng.random() < 0.7, heads=len(heads))]
    return "\n".join(lines), arrays


# MXNet's graphs may multiply the gradient of gamma by gamma (test_executor_agreement.py): that of steps is compared.
EXECUTION = """
s = mx.sym.Group(build(mx.sym, mx.sym.Variable))
heads = [mx.nd.array(arrays['head%d' % i], dtype=arrays['head%d' % i].dtype) for i in range({heads})]
everything = {{key: mx.nd.array(arrays[key], dtype=arrays[key].dtype) for key in arrays if key[:4] != 'head'}}
values = {{key: everything[key] for key in s.list_arguments()}}
reqs = {{key: req for key, req in {reqs}.items() if key in values}}
if {simple}:
    shapes = {{key: value.shape for key, value in values.items() if 'gamma' not in key}}
    e = s.simple_bind(mx.cpu(), grad_req=reqs, type_dict={{'x': values['x'].dtype}}, **shapes)
    e.copy_params_from({{key: value for key, value in values.items() if 'gamma' in key}})
    inputs = {{key: value for key, value in values.items() if 'gamma' not in key}}
else:
    gradients = {{key: mx.nd.zeros(value.shape, dtype=value.dtype) for key, value in values.items()}}
    e, inputs = s.bind(mx.cpu(), values, args_grad=gradients, grad_req=reqs), {{}}
for repeat in range(2):
    e.forward(is_train={train}, **inputs)
    e.backward(heads)
found.update({{key: value.asnumpy() for key, value in e.output_dict.items()}})
wanted = [key for key, req in reqs.items() if req != 'null' and 'gamma' not in key]
found.update({{'executor d_' + key: e.grad_dict[key].asnumpy() for key in wanted}})

block = mx.gluon.SymbolBlock(s, [mx.sym.var(key) for key in values])
for way, run in (('block', lambda: block(*values.values())), ('steps', lambda: build(mx.nd, everything.get))):
    for value in everything.values():
        value.attach_grad()
    with mx.autograd.record():
        outputs = run()
    mx.autograd.backward(outputs, heads)
    for key, value in values.items():
        if way == 'steps' or 'gamma' not in key:
            found[way + ' d_' + key] = value.grad.asnumpy()
"""


def graph_step(rng, first, second, name):
    number = float(rng.choice([0.5, 2.0, -1.0, 0.3]))
    return str(
        rng.choice(
            [
                f"F.LeakyReLU({first}, {leaky_options(rng)})",
                f"F.LeakyReLU({first}, {leaky_options(rng)})",
                f"F.LeakyReLU({first}, gamma=V('{name}_gamma'), act_type='prelu', name={name!r})",
                f"F.LeakyReLU({first}, gamma=V('{name}_gamma'), act_type='prelu', name={name!r})",
                f"{first} + {second}",
                f"{first} * {second} / 4",
                f"{first} / ({second} ** 2 + 1)",
                f"{number} - {first}",
                f"{number} * {first} + 1",
                f"({first} > {second}) * {first}",
                f"F.maximum({first}, {second})",
                f"F.broadcast_add({first}, F.sum({second}, axis=1, keepdims=True) / 8)",
                f"F.broadcast_sub({first}, F.mean({second}, axis=0, keepdims=True))",
                f"F.Activation({first}, act_type='softrelu')",
                f"F.BlockGrad({first}) * {second} / 4",
                f"F.tanh({first}) + F.sigmoid({second})",
                f"F.add_n({first}, {second}, {first})",
            ]
        )
    )
