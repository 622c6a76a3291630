"""Modules that `to_torch` makes against MXNet 1.6.0: values in inference, gradients and statistics in training."""

import sys
from collections import defaultdict
from pathlib import Path

import array_cases
import layer_cases
import numpy as np
import pytest
from comparison import EVALUATE, difference, in_torch
from mxnet_process import MXNetError
from programs import run_ours
from test_network_layers import comparable

torch = pytest.importorskip("torch")

sys.path.insert(0, str(Path(__file__).parents[1]))
from mx_networks import conv_net, graph, layer, params_of  # noqa: E402
from rectifier import mx  # noqa: E402
from rectifier.mx.graph import walk  # noqa: E402

# Of the output's range, in float32.
BOUND = 1e-5

# One step of training: outputs, gradients for the head gradients `head0` and so on, and the moving statistics.
TRAIN = """
given = {name: mx.nd.array(array, dtype=array.dtype) for name, array in arrays.items()}
heads = [given.pop(name) for name in sorted(given) if name.startswith("head")]
states = {name: given[name] for name in s.list_auxiliary_states()}
arguments = {name: given[name] for name in s.list_arguments()}
gradients = {name: mx.nd.zeros_like(array) for name, array in arguments.items()}
executor = s.bind(mx.cpu(), arguments, args_grad=gradients, aux_states=states)
outputs = executor.forward(is_train=True)
executor.backward(heads)
mx.nd.waitall()  # without this, the moving statistics are at times read before they are written
found = {"output%d" % i: output.asnumpy() for i, output in enumerate(outputs)}
found.update((name, array.asnumpy()) for name, array in [*states.items(), *gradients.items()])
"""

worst = defaultdict(float)


@pytest.fixture(scope="module", autouse=True)
def report():
    yield
    for what, size in sorted(worst.items()):
        print(f"{what}: {size:.2g}")


def agree(what, found, expected, bound=BOUND):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        size = difference(one, other)
        worst[what] = max(worst[what], size)
        assert size <= bound, what


def of_mxnet(mxnet, code, arrays):
    _, found = mxnet.run(code + EVALUATE, **arrays)
    return [found[str(i)] for i in range(len(found))]


@pytest.mark.parametrize("case", layer_cases.CASES, ids=str)
def test_layers(mxnet, case):
    symbol, arrays = layer_cases.symbol(case), layer_cases.arrays(case)
    expected = of_mxnet(mxnet, f"s = mx.sym.load_json({symbol.tojson()!r})", arrays)
    params = {name: array for name, array in arrays.items() if name not in case.shapes and not name.endswith("label")}
    for module in (mx.to_torch(symbol, params), mx.to_torch(symbol)):  # and with weights that are inputs
        found = in_torch(module, **arrays)
        agree(case.op, *([comparable(case, one) for one in outputs] for outputs in (found, expected)))


def test_arrays(mxnet):
    """In one test: the cases are many and small."""
    wrong = []
    for case in array_cases.CASES:
        code, arrays = array_cases.code_of(case), array_cases.arrays_of(case)
        text, found = mxnet.run(code + EVALUATE + "result = s.tojson()", **arrays)
        expected = [found[str(i)] for i in range(len(found))]
        symbol = mx.sym.load_json(text)
        if "infer_range" in str(case):
            with pytest.raises(ValueError, match="`infer_range` must be False"):
                mx.to_torch(symbol)
            continue
        try:
            agree("operators on arrays", in_torch(mx.to_torch(symbol), **arrays), expected)
        except (AssertionError, RuntimeError, ValueError, IndexError) as error:
            wrong.append(f"{case}: {error}")
    assert not wrong, "\n".join(wrong)
    assert len(array_cases.CASES) > 200


@pytest.mark.parametrize("act_type", ["leaky", "elu", "selu", "gelu", "prelu", "rrelu"])
@pytest.mark.parametrize("gamma", [(3,), (1,), (2, 3), (1, 3), (2, 1)])
def test_activations(mxnet, act_type, gamma):
    code = f"s = mx.sym.LeakyReLU(mx.sym.Variable('x'), act_type={act_type!r}, slope=0.3, name='a')[0]\n"
    rng = np.random.default_rng(5)
    arrays = {"x": rng.normal(0, 3, (2, 3, 4, 3)).astype("f"), "a_gamma": rng.uniform(-1, 1, gamma).astype("f")}
    module = mx.to_torch(run_ours(code + "result = s\n"), {"a_gamma": arrays["a_gamma"]})
    agree(act_type, in_torch(module, **arrays), of_mxnet(mxnet, code, arrays))


# --- training


def trained_by_mxnet(mxnet, symbol, arrays, heads):
    code = f"s = mx.sym.load_json({symbol.tojson()!r})"
    return mxnet.run(code + TRAIN, **arrays, **{f"head{i}": head for i, head in enumerate(heads)})[1]


def compare_training(mxnet, symbol, shape, bound):
    """Outputs, moving statistics and every gradient, that of the data too."""
    rng = np.random.default_rng(7)
    params = {name[4:]: array for name, array in params_of(symbol, data=shape).items()}
    x = rng.normal(0, 1, shape).astype("f")
    module = mx.to_torch(symbol, params).train()
    data = torch.from_numpy(x).requires_grad_()
    output = module(data)
    head = rng.normal(0, 1, tuple(output.shape)).astype("f")
    output.backward(torch.from_numpy(head))
    expected = trained_by_mxnet(mxnet, symbol, {"data": x, **params}, [head])
    found = {"output0": output.detach().numpy(), "data": data.grad.numpy()}
    names = {key: name.partition(":")[2] for key, name in module.mxnet_names.items()}
    found.update((names[key], tensor.numpy()) for key, tensor in module.named_buffers())
    found.update((names[key], tensor.grad.numpy()) for key, tensor in module.named_parameters())
    fixed = {names[key] for key, _ in module.named_buffers() if key.endswith(".weight")}
    # In graphs MXNet multiplies this gradient by gamma once too often, where it writes over the output's.
    slopes = {node.inputs[1].node.name for node in walk(symbol.outputs) if node.op == "LeakyReLU" and node.inputs[1:]}
    # Gradients before a BatchNorm cancel, down to rounding: they count against a hundredth of the largest one, too.
    floor = np.abs(np.concatenate([expected[key].ravel() for key in [*params, "data"]])).max() / 100
    for name in expected:
        if name in fixed:  # MXNet gives a gamma that it holds at 1 a gradient of 0
            assert not expected[name].any()
            continue
        size = difference(found[name], expected[name])
        if name in slopes:
            size = min(size, difference(found[name] * params[name], expected[name]))
        size *= min(1, np.abs(expected[name]).max() / floor)
        worst[f"training, {name}"] = max(worst[f"training, {name}"], size)
        assert size <= bound, name


@pytest.mark.parametrize("act_type", ["prelu", "leaky", "elu", "gelu"])  # MXNet's gradient of selu is wrong
@pytest.mark.parametrize("options", [{}, {"momentum": 0.5}, {"use_global_stats": True}], ids=str)
def test_training(mxnet, act_type, options):
    symbol = conv_net(act_type, **options).get_internals()["fc_output"]
    compare_training(mxnet, symbol, (4, 3, 8, 8), 1e-4)


def test_training_of_a_residual_block(mxnet):
    states = ("gamma", "beta", "moving_mean", "moving_var")
    symbol = graph(
        layer("BatchNorm", "bn0", "data", *states, fix_gamma=False),
        layer("LeakyReLU", "act0", "bn0", "gamma", act_type="prelu"),
        layer("Convolution", "conv0", "act0", "weight", kernel=(3, 3), num_filter=4, pad=(1, 1), no_bias=True),
        ("elemwise_add", "sum", {}, ("conv0", "data")),
        layer("Deconvolution", "up", "sum", "weight", kernel=(4, 4), num_filter=3, stride=(2, 2), pad=(1, 1)),
        layer("InstanceNorm", "norm", "up", "gamma", "beta"),
        ("Activation", "act1", {"act_type": "tanh"}, ("norm",)),
        layer("Pooling", "pool", "act1", kernel=(3, 3), stride=(2, 2), pool_type="avg", pooling_convention="full"),
        ("L2Normalization", "l2", {"mode": "channel"}, ("pool",)),
    )
    compare_training(mxnet, symbol, (2, 4, 6, 6), 1e-4)


def test_weights_of_several_readers(mxnet):
    attrs = {"kernel": (3, 3), "num_filter": 3, "pad": (1, 1)}
    symbol = graph(
        ("Convolution", "a", attrs, ("data", "shared_weight", "shared_bias")),
        ("LeakyReLU", "b", {"act_type": "elu"}, ("a",)),
        ("Convolution", "c", attrs, ("b", "shared_weight", "shared_bias")),
        ("LeakyReLU", "d", {"act_type": "leaky"}, ("c",)),
    )
    compare_training(mxnet, symbol, (2, 3, 5, 5), 1e-5)


def test_deconvolution_with_stride_and_dilation(mxnet):
    """MXNet's CPU operator is not the transpose of its convolution then, on which frameworks agree; ours is."""
    rng = np.random.default_rng(9)
    x, weight = rng.normal(0, 1, (1, 2, 4, 4)).astype("f"), rng.normal(0, 1, (2, 3, 3, 3)).astype("f")
    attrs = {"kernel": (3, 3), "stride": (2, 2), "dilate": (2, 2)}
    ours = mx.to_torch(graph(("Deconvolution", "d", {**attrs, "num_filter": 3}, ("x", "w"))))
    (found,) = in_torch(ours, x=x, w=weight)
    convolution = graph(("Convolution", "c", {**attrs, "num_filter": 2, "no_bias": True}, ("data", "w")))
    transpose = trained_by_mxnet(mxnet, convolution, {"data": np.zeros_like(found), "w": weight}, [x])["data"]
    assert difference(found, transpose) < BOUND
    (theirs,) = of_mxnet(
        mxnet, "s = mx.sym.Deconvolution(mx.sym.Variable('x'), mx.sym.Variable('w'), kernel=(3, 3), stride=(2, 2),"
        " dilate=(2, 2), num_filter=3)\n", {"x": x, "w": weight},
    )  # fmt: skip
    assert difference(theirs, transpose) > 0.1


def test_what_mxnet_reads_back(mxnet, tmp_path):
    """A trained module's arrays in MXNet give the module's outputs."""
    symbol = conv_net("gelu")
    module = mx.to_torch(symbol, params_of(symbol, data=(4, 3, 8, 8))).train()
    x = np.random.default_rng(8).normal(0, 1, (4, 3, 8, 8)).astype("f")
    module(torch.from_numpy(x))[:, 0].sum().backward()
    torch.optim.SGD(module.parameters(), 0.5).step()
    symbol.save(tmp_path / "net-symbol.json")
    mx.params_file.save(tmp_path / "net-0000.params", mx.from_torch(module))
    code = f"""
s, arguments, states = mx.model.load_checkpoint({str(tmp_path / "net")!r}, 0)
data, label = mx.nd.array(arrays["x"]), mx.nd.zeros(4)
executor = s.bind(mx.cpu(), dict(arguments, data=data, softmax_label=label), aux_states=states)
found = {{"0": executor.forward(is_train=False)[0].asnumpy()}}
"""
    expected = mxnet.run(code, x=x)[1]["0"]
    agree("arrays read back", in_torch(module, data=x), [expected])


def test_the_helper_fails_on_a_wrong_value():
    with pytest.raises(AssertionError, match="nothing"):
        agree("nothing", [np.ones(3, "f")], [np.array([1, 1, 1.1], "f")])


def test_pooling_that_mxnet_refuses(mxnet):
    with pytest.raises(MXNetError, match="Same pooling convention disables the use of pad"):
        of_mxnet(
            mxnet, "s = mx.sym.Pooling(mx.sym.Variable('x'), kernel=(3,), pad=(1,), pooling_convention='same')\n",
            {"x": np.ones((1, 1, 4), "f")},
        )  # fmt: skip
